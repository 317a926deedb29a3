"""`python -m tests.figures`: which sentences of the documents no longer say what the rows that ship say."""

import argparse
import sys
import tempfile
from pathlib import Path

import prompt_joules as pj
from tests import warehouses
from tests.figures import FIGURES
from tests.figures.marked import Figure, marks, old, renewed, renewed_table, rows_of_table, told


def report(figure: Figure, words: str, write: bool) -> tuple[str, bool]:
    """What is wrong with a sentence or a table, and what it says now, and whether it can be written; with `write` the document has it
    afterwards."""
    text = figure.path().read_text(encoding="utf-8")
    if figure.table:
        place, new = rows_of_table(text, figure.table), renewed_table(words.splitlines(), text, figure.table)
        before = text[slice(*place)].rstrip("\n") if place else ""
    else:
        found, new = old(words, text), renewed(words, text)
        before = " ".join(found[0].split()) if found else ""
    if new is None:
        return f"{figure.document}: {figure.name}\n  is not there, or not only once; write it: {words}", False
    if write:
        figure.path().write_text(new, encoding="utf-8")
    return f"{figure.document}: {figure.name}\n  says: {before}\n  now:  {words}", True


def main() -> int:
    """Print every sentence that changed; 1 where one still stands as it was: with --write where it has no rows or no place any more."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the new numbers into the documents")
    parser.add_argument("--all", action="store_true", help="print what has not changed as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        warehouses.ingest(warehouses.SHIPPED, into=path)
        said, changed, left = [], [], 0
        for figure in FIGURES:
            try:
                said += told([figure], pj.open(path))
            except Exception as error:  # one figure without its rows must not hide the others
                left += 1
                changed.append(f"{figure.document}: {figure.name}\n  its rows are not there any more: {type(error).__name__}: {error}")
    for figure, words, holds in said:
        if not holds:
            line, can_be_written = report(figure, words, asked.write)
            changed.append(line)
            left += not (can_be_written and asked.write)
    if asked.all:
        print("\n".join(f"{figure.document}: {figure.name}\n  holds: {words}" for figure, words, holds in said if holds))
    print("\n".join([*changed, f"{sum(holds for *_, holds in said)} of {len(said)} hold."]))
    unmarked = [figure.name for figure in FIGURES if figure.name not in marks(figure.path().read_text(encoding="utf-8"))]
    if unmarked:
        print(f"Without a mark <!-- rows: NAME --> in their document: {', '.join(unmarked)}")
    if left and asked.write:
        print(f"{left} cannot be written: take the sentence out with its mark and its function in tests/figures/, or write it anew.")
    return 1 if unmarked or left else 0


if __name__ == "__main__":
    sys.exit(main())
