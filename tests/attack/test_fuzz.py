"""Two thousand made-up cases, the same in every run; `make fuzz` tries more than a hundred thousand."""

from pathlib import Path

import pytest

from tests.attack import fuzz


@pytest.mark.parametrize(("kind", "cases"), [("formula", 800), ("sql", 700), ("link", 380), ("file", 240)])
def test_made_up_cases(attacked: Path, kind: str, cases: int) -> None:
    outcomes = fuzz.run(kind, 0, range(cases), attacked)
    assert sum(times for name, times in outcomes.items() if name != "page opened") >= cases
    assert len(outcomes) > 1, "some are refused and some are not"
