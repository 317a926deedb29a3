"""The source formats, one module each. A format is recognised by looking at the content of a file, not at its name."""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

from prompt_joules.ingest.formats import mapped
from prompt_joules.ingest.formats.base import Content, Format


def _registered() -> Iterator[Format]:
    """The formats of all modules of this folder, in the order of their modules."""
    for found in sorted(pkgutil.walk_packages(__path__, f"{__name__}."), key=lambda module: module.name):
        yield from (value for value in vars(importlib.import_module(found.name)).values() if isinstance(value, Format))


# In this order: the first that recognises a file reads it, and files load in the order of their formats.
FORMATS: tuple[Format, ...] = tuple(sorted(_registered(), key=lambda one: one.rank))


def formats(mapping: mapped.ColumnMap | None) -> tuple[Format, ...]:
    """All formats; files that none of them knows are read with the mapping, when there is one."""
    given = {one.name: one for one in mapped.formats_of(mapping)}
    return tuple(given.get(one.name, one) for one in FORMATS)


def recognise(content: Content, candidates: Sequence[Format] = FORMATS) -> Format | None:
    """The format of a file, or None for a foreign one. Raises Unreadable, OSError."""
    return next((candidate for candidate in candidates if candidate.recognises(content)), None)
