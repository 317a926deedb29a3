"""`python -m tests.figures`: which sentences of the documents no longer say what the rows that ship say."""

import argparse
import sys
import tempfile
from pathlib import Path

import prompt_joules as pj
from tests import warehouses
from tests.figures import FIGURES
from tests.figures.marked import Figure, marks, old, renewed, told


def report(figure: Figure, words: str, write: bool) -> str:
    """What is wrong with a sentence, and what it says now; with `write` the document has it afterwards."""
    text = figure.path().read_text(encoding="utf-8")
    found, new = old(words, text), renewed(words, text)
    if found is None or new is None:
        return f"{figure.document}: {figure.name}\n  is not there, or not only once; write it: {words}"
    if write:
        figure.path().write_text(new, encoding="utf-8")
    return f"{figure.document}: {figure.name}\n  says: {' '.join(found[0].split())}\n  now:  {words}"


def main() -> int:
    """Print every sentence that changed; 1 where there is one that still stands."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the new numbers into the documents")
    parser.add_argument("--all", action="store_true", help="print what has not changed as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        warehouses.ingest(warehouses.SHIPPED, into=path)
        said, changed = [], []
        for figure in FIGURES:
            try:
                said += told([figure], pj.open(path))
            except Exception as error:  # one figure without its rows must not hide the others
                changed.append(f"{figure.document}: {figure.name}\n  its rows are not there any more: {type(error).__name__}: {error}")
    changed += [report(figure, words, asked.write) for figure, words, holds in said if not holds]
    if asked.all:
        print("\n".join(f"{figure.document}: {figure.name}\n  holds: {words}" for figure, words, holds in said if holds))
    print("\n".join([*changed, f"{sum(holds for *_, holds in said)} of {len(said)} hold."]))
    unmarked = [figure.name for figure in FIGURES if figure.name not in marks(figure.path().read_text(encoding="utf-8"))]
    if unmarked:
        print(f"Without a mark <!-- rows: NAME --> in their document: {', '.join(unmarked)}")
    return 1 if unmarked or (changed and not asked.write) else 0


if __name__ == "__main__":
    sys.exit(main())
