"""The sentences of the documents say what the rows that ship say."""

from pathlib import Path

import pytest

import prompt_joules as pj
from tests import warehouses
from tests.figures import FIGURES, marked, readme
from tests.figures.__main__ import report
from tests.figures.marked import Figure


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_of_a_document_follows_from_the_rows(figure: Figure, shipped_warehouse: Path) -> None:
    missing = [words for _, words, holds in marked.told([figure], pj.open(str(shipped_warehouse))) if not holds]
    assert not missing, f"{missing} must stand in {figure.document}, or its rows have changed: python -m tests.figures --write"


def test_every_mark_has_its_figure_and_every_figure_its_mark() -> None:
    documents = [warehouses.ROOT / "README.md", warehouses.SHIPPED / "README.md", *sorted((warehouses.ROOT / "docs").glob("*.md"))]
    found = [(path, name) for path in documents for name in marked.marks(path.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted((figure.path(), figure.name) for figure in FIGURES)
    first = [path for path in documents for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("<!-- rows:")]
    assert not first, "a line that starts with a comment is shown as it is, without its Markdown"


def told(_: pj.Results) -> list[str]:
    return ["took 33 % less, −5 to +1,234.5 J"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("It took 33 % less, −5 to\n  +1,234.5 J.", True),
        ("It took 33 % less, −5 to +1,234.56 J", False),
        ("It took 133 % less, −5 to +1,234.5 J", False),
        ("It took 32 % less, −5 to +1,234.5 J", False),
    ],
    ids=["lines", "digits", "longer", "other"],
)
def test_words_stand_wherever_lines_break_but_not_with_other_numbers(text: str, holds: bool) -> None:
    assert marked.stands("took 33 % less, −5 to +1,234.5 J", text) == holds
    assert marked.stands("33 % less", text) == ("took 33 % less" in text)


def test_a_changed_number_is_said_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("It took 41 % less,\n  −50 to −7 J, of 41.\n", encoding="utf-8")
    figure, words = Figure(told), told(None)[0]  # type: ignore[arg-type]
    said, can_be_written = report(figure, words, write=False)
    assert can_be_written and "says: took 41 % less, −50 to −7 J\n  now:  took 33 % less, −5 to +1,234.5 J" in said
    assert "41" in page.read_text(encoding="utf-8")
    report(figure, words, write=True)
    assert page.read_text(encoding="utf-8") == "It took 33 % less,\n  −5 to +1,234.5 J, of 41.\n"
    page.write_text("Nothing of the kind. took 1 % less, 2 to 3 J; took 4 % less, 5 to 6 J", encoding="utf-8")
    said, can_be_written = report(figure, words, write=True)
    assert "is not there, or not only once; write it: took 33 %" in said and not can_be_written


def test_a_table_has_the_rows_that_there_are_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("Words.\n\n| a | b |\n|---|---|\n| x | 1 |\n| gone | 2 |\n\nAfter.\n", encoding="utf-8")
    figure = Figure(lambda _: ["| x | 1 |", "| y | 3 |"], table="| a |")
    ((_, words, holds),) = marked.told([figure], pj.Results("nowhere"))
    assert not holds, "a row of the document that no run has any more is an error"
    said, can_be_written = report(figure, words, write=True)
    assert can_be_written and "| gone | 2 |" in said
    assert page.read_text(encoding="utf-8") == "Words.\n\n| a | b |\n|---|---|\n| x | 1 |\n| y | 3 |\n\nAfter.\n"
    assert marked.told([figure], pj.Results("nowhere"))[0][2]


def test_a_figure_that_says_nothing_is_no_figure() -> None:
    with pytest.raises(LookupError, match="no row is left"):
        marked.told([Figure(lambda _: [])], pj.Results("nowhere"))


@pytest.mark.parametrize(("share", "words"), [(0.123, "+12"), (-0.2, "−20"), (-0.002, "0"), (0.0, "0")])
def test_a_share_with_its_sign(share: float, words: str) -> None:
    assert readme.signed(share) == words
