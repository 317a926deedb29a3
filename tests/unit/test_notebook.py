"""The notebook of the docs: its cells run on the rows that ship and give its tables. Jupyter runs it in `make test-install`."""

import ast
from pathlib import Path

import altair as alt
import polars as pl
import pytest

from tests.notebook import NOTEBOOK, Cell, cells
from tests.warehouses import ROOT

RENEW = "run `make test-install`, look at build/notebook.ipynb and copy it to docs/notebook.ipynb"
MOST_BYTES = 400_000


def value(cell: Cell, names: dict[str, object]) -> object:
    """Run a cell; the value of its last line, None where that is no expression."""
    tree = ast.parse(cell.source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "notebook", "exec"), names)
    return None if last is None else eval(compile(last, "notebook", "eval"), names)


def test_every_cell_gives_what_the_notebook_shows(visited_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(visited_cache))
    monkeypatch.setattr(alt.renderers, "enable", lambda _: None)
    names: dict[str, object] = {}
    for cell in cells():
        found = value(cell, names)
        if isinstance(found, pl.DataFrame):
            assert cell.is_frame and str(found) == cell.said, RENEW
        else:
            assert isinstance(found, alt.Chart | alt.LayerChart) == ("image/png" in cell.kinds), RENEW


def test_it_is_executed_and_small() -> None:
    shown = [cell for cell in cells() if cell.kinds]
    assert sum(cell.is_frame for cell in shown) >= 4 and sum("image/png" in cell.kinds for cell in shown) >= 3
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert str(ROOT) not in NOTEBOOK.read_text()
