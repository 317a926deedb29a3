"""The sentences of the README say what the rows that ship say."""

from collections.abc import Callable
from pathlib import Path

import pytest

import prompt_joules as pj
from tests import figures, warehouses


@pytest.mark.parametrize("figure", figures.FIGURES, ids=lambda figure: figure.__name__)
def test_a_figure_of_the_readme_follows_from_the_rows(figure: Callable[[pj.Results], list[str]], shipped_warehouse: Path) -> None:
    readme = " ".join((warehouses.ROOT / "README.md").read_text(encoding="utf-8").split())
    missing = [words for words in figure(pj.open(str(shipped_warehouse))) if words not in readme]
    assert not missing, f"{missing} must stand in the README, or its rows have changed: python -m tests.figures"


@pytest.mark.parametrize(("share", "words"), [(0.123, "+12"), (-0.2, "−20"), (-0.002, "0"), (0.0, "0")])
def test_a_share_with_its_sign(share: float, words: str) -> None:
    assert figures.signed(share) == words
