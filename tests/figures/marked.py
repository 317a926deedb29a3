"""A figure of a document: where it stands, what it says now, and how an old number becomes the new one."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import prompt_joules as pj
from tests import warehouses

MARK = re.compile(r"<!-- rows: ([a-z0-9_, ]+) -->")
NUMBER = r"[+−-]?\d[\d,.]*\d|[+−-]?\d"


@dataclass(frozen=True)
class Figure:
    """Numbers that follow from the rows that ship.

    Attributes:
        say: the words in which they stand in the document, each a part of a sentence.
        document: its path in the project.
        table: how the heading of a table begins; then `say` gives all its rows, and the document has these and no others.
    """

    say: Callable[[pj.Results], list[str]]
    document: str = "README.md"
    table: str = ""

    @property
    def name(self) -> str:
        """What its mark in the document says."""
        return self.say.__name__

    def path(self) -> Path:
        """The document."""
        return warehouses.ROOT / self.document


def marks(text: str) -> list[str]:
    """The names of the figures that a document has marks of, in order."""
    return [name.strip() for found in MARK.findall(text) for name in found.split(",")]


def spaced(words: str) -> str:
    """Words as a document may break them into lines, as a regular expression."""
    return r"\s+".join(map(re.escape, words.split()))


def stands(words: str, text: str) -> bool:
    """Whether a document says these words, wherever its lines break."""
    return re.search(rf"(?<![\d,.+−-]){spaced(words)}(?![\d]|[.,]\d)", text) is not None


def old(words: str, text: str) -> re.Match[str] | None:
    """Where a document says the same with other numbers; None where no place, or more than one, does."""
    parts = re.split(rf"({NUMBER})", words)
    pattern = "".join(rf"(?P<n{place}>{NUMBER})" if place % 2 else _between(part) for place, part in enumerate(parts))
    found = list(re.finditer(pattern, text))
    return found[0] if len(found) == 1 else None


def _between(part: str) -> str:
    """The words between two numbers, with any space where they have some."""
    return re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(part))


def renewed(words: str, text: str) -> str | None:
    """The document with the new numbers in the place of the old ones, its line breaks as they were; None where the place is not clear."""
    found = old(words, text)
    if found is None:
        return None
    numbers = [number for place, number in enumerate(re.split(rf"({NUMBER})", words)) if place % 2]
    for place, number in reversed(list(enumerate(numbers))):
        start, end = found.span(f"n{2 * place + 1}")
        text = text[:start] + number + text[end:]
    return text


def rows_of_table(text: str, heading: str) -> tuple[int, int] | None:
    """Where the rows of a table stand in a document, from and up to; None where no heading, or more than one, begins so."""
    found = list(re.finditer(rf"^{re.escape(heading)}.*\n\|[-| ]+\n((?:\|.*\n)*)", text, re.MULTILINE))
    return found[0].span(1) if len(found) == 1 else None


def stands_as_table(lines: list[str], text: str, heading: str) -> bool:
    """Whether the table of a document has these rows, in this order, and no others."""
    place = rows_of_table(text, heading)
    return place is not None and text[slice(*place)].splitlines() == lines


def renewed_table(lines: list[str], text: str, heading: str) -> str | None:
    """The document with these rows in the place of those of the table; None where the table is not there, or not only once."""
    place = rows_of_table(text, heading)
    return None if place is None else text[: place[0]] + "".join(f"{line}\n" for line in lines) + text[place[1] :]


def told(figures: Iterable[Figure], results: pj.Results) -> list[tuple[Figure, str, bool]]:
    """Each figure with each of its words (of a table all its rows, a line each), and whether its document says them.

    Raises:
        LookupError: a figure says nothing, because its rows are gone.
    """
    found = []
    for figure in figures:
        text, said = figure.path().read_text(encoding="utf-8"), figure.say(results)
        if not said:
            raise LookupError("no row is left")
        if figure.table:
            found.append((figure, "\n".join(said), stands_as_table(said, text, figure.table)))
        else:
            found += [(figure, words, stands(words, text)) for words in said]
    return found
