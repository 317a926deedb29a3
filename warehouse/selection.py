"""Selection: the state of the filters. One object gives the SQL parameters, the words for people, and the URL.

The URL vocabulary (model, gpu, task, engine, source, batch, weights, valid) is public: people have saved links.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from prompt_joules.warehouse.called import AS_THEY_ARE, OF_ENGINES, Names

# URL key → field, in the order in which a link and a sentence name them.
TEXT_FILTERS: dict[str, str] = {"model": "models", "gpu": "gpus", "task": "tasks", "engine": "engines", "source": "sources"}
LABELS: dict[str, str] = {"model": "model", "gpu": "GPU", "task": "task", "engine": "engine", "source": "source"}
# What values of filters are called in sentences; the others are called what they are.
CALLED = {"engines": OF_ENGINES}
KNOWN_WEIGHTS = ("pretrained", "dummy")
DEFAULT_WEIGHTS = ("pretrained",)
LONGEST_VALUE = 300
LARGEST_BATCH = 32_767
# What stands between two parts of a sentence about filters; a CSV has semicolons in its header.
PARTS = re.compile(r"[,;] (?=(?:[^“”]|“[^“”]*”)*$)")
# What would be read as the end of a value, and signs that a header of a CSV cannot hold.
UNCLEAR = re.compile(r"[,;“”\"%\r\n\t]| or | and |^\s|\s$|^$")
WEIGHTS_WORDS: dict[tuple[str, ...], str] = {
    DEFAULT_WEIGHTS: "pretrained weights",
    ("dummy",): "random weights",
    (): "pretrained and random weights",
}
VALID_WORDS = {True: "only valid rows", False: "valid and invalid rows"}


def said(value: str, names: Names = AS_THEY_ARE) -> str:
    """A value as it stands in a sentence about filters: by its name, in “quotes” where that would not be read back as it is.

    Args:
        names: what values of its kind are called. A value that equals the name of another one is written with every sign escaped.
    """
    for shown in (names.name(value), value):
        if names.id(shown) == value and not UNCLEAR.search(shown):
            return shown
    escaped = "".join(quote(sign) if sign in ',;“”"%\r\n\t' else sign for sign in value)
    is_taken_for_another = escaped == value and names.id(value) != value
    return f"“{''.join(f'%{byte:02X}' for byte in value.encode()) if is_taken_for_another else escaped}”"


def one_of(values: Sequence[str], names: Names = AS_THEY_ARE) -> str:
    """Values as a list in words: "A40 or “a, b”"."""
    return " or ".join(said(value, names) for value in values)


def parts_of(words: str) -> list[str]:
    """The parts of a sentence about filters."""
    return PARTS.split(words)


@dataclass(frozen=True)
class Selection:
    """Which configurations to look at. An empty tuple means all of them."""

    models: tuple[str, ...] = ()  # canonical model ids
    gpus: tuple[str, ...] = ()  # GPU names; "CPU" stands for rows without a GPU
    tasks: tuple[str, ...] = ()  # task names
    engines: tuple[str, ...] = ()  # how the model was run
    sources: tuple[str, ...] = ()  # who measured, e.g. "ML.ENERGY v1" or "Prompt Joules"
    batch_sizes: tuple[int, ...] = ()  # prompts per batch
    weights: tuple[str, ...] = DEFAULT_WEIGHTS  # "pretrained", "dummy" (random weights), or () for both
    only_valid: bool = True  # leave out rows and runs whose verdict is not valid

    def one_prompt_at_a_time(self) -> "Selection":
        """Batch size 1 and task chat, unless the filters choose batch sizes; filters that choose tasks keep them."""
        if self.batch_sizes:
            return self
        return replace(self, tasks=self.tasks or ("chat",), batch_sizes=(1,))

    def with_random_weights(self) -> "Selection":
        """Random weights too, unless the filters choose weights."""
        return replace(self, weights=()) if self.weights == DEFAULT_WEIGHTS else self

    def parameters(self) -> dict[str, object]:
        """The value of `$selection` in a query: a struct of the fields."""
        return {"selection": {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}}

    def without_each(self) -> dict[str, "Selection"]:
        """The selection without each filter that acts, by its URL key."""
        blank = {**{key: {field: ()} for key, field in TEXT_FILTERS.items()}, "batch": {"batch_sizes": ()}}
        others: dict[str, Any] = blank | {"weights": {"weights": DEFAULT_WEIGHTS}, "valid": {"only_valid": True}}
        found = {key: replace(self, **change) for key, change in others.items()}
        return {key: other for key, other in found.items() if other != self}

    def words_of(self, key: str) -> str:
        """One filter, by its URL key, as a person would say it."""
        if key in TEXT_FILTERS:
            field = TEXT_FILTERS[key]
            return f"{LABELS[key]} {one_of(getattr(self, field), CALLED.get(field, AS_THEY_ARE))}"
        if key == "batch":
            return f"batch size {' or '.join(map(str, self.batch_sizes))}"
        return WEIGHTS_WORDS.get(self.weights, WEIGHTS_WORDS[()]) if key == "weights" else VALID_WORDS[self.only_valid]

    def words(self) -> str:
        """The filters as a person would say them, e.g. "GPU A40, task chat, pretrained weights, only valid rows"."""
        keys = [key for key, field in TEXT_FILTERS.items() if getattr(self, field)]
        keys += ["batch"] if self.batch_sizes else []
        return ", ".join(map(self.words_of, (*keys, "weights", "valid")))

    def to_query(self) -> dict[str, str | list[str]]:
        """The URL parameters; only those that differ from the default, so that links stay short."""
        query: dict[str, str | list[str]] = {key: list(getattr(self, field)) for key, field in TEXT_FILTERS.items() if getattr(self, field)}
        if self.batch_sizes:
            query["batch"] = [str(size) for size in self.batch_sizes]
        if self.weights != DEFAULT_WEIGHTS:
            query["weights"] = self.weights[0] if len(self.weights) == 1 else "both"
        if not self.only_valid:
            query["valid"] = "all"
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> tuple["Selection", tuple[str, ...]]:
        """Read a link. Never raises: what makes no sense is ignored and said in the notes.

        Args:
            query: URL key → its values; a lone string counts as one value. Keys of no filter are left to the caller.

        Returns:
            The selection, and one sentence for each value that was ignored.
        """
        notes: list[str] = []
        valid = _values(query, "valid")
        texts = {field: _texts(key, _values(query, key), notes) for key, field in TEXT_FILTERS.items()}
        selection = cls(
            **texts,
            batch_sizes=_batches(_values(query, "batch"), notes),
            weights=_weights(_values(query, "weights"), notes),
            only_valid=valid != ["all"],
        )
        if valid not in ([], ["all"], ["only"]):
            notes.append("valid in the link must be only or all and was ignored.")
        return selection, tuple(notes)


def _values(query: Mapping[str, Sequence[str]], key: str) -> list[str]:
    values = query.get(key, ())
    return [values] if isinstance(values, str) else list(values)


def _texts(key: str, values: list[str], notes: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for value in values:
        if not value or len(value) > LONGEST_VALUE or "\x00" in value:
            notes.append(f"{key} in the link is not a name that can be looked up and was ignored.")
        elif value not in kept:
            kept.append(value)
    return tuple(kept)


def _batches(values: list[str], notes: list[str]) -> tuple[int, ...]:
    kept: list[int] = []
    for value in values:
        if not (value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= LARGEST_BATCH):
            notes.append(f"batch={value[:40]} in the link is not a batch size and was ignored.")
        elif int(value) not in kept:
            kept.append(int(value))
    return tuple(kept)


def _weights(values: list[str], notes: list[str]) -> tuple[str, ...]:
    if not values:
        return DEFAULT_WEIGHTS
    if values == ["both"]:
        return ()
    known = tuple(name for name in KNOWN_WEIGHTS if name in values)
    if len(known) != len(values):
        notes.append("weights in the link must be pretrained, dummy or both; the rest was ignored.")
    if not known:
        return DEFAULT_WEIGHTS
    return () if len(known) == len(KNOWN_WEIGHTS) else known
