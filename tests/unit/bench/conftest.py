"""Idle power in 0.3 s: a recorded counter needs no longer, and a real one is not read here."""

import sys

import pytest

SHORT_S = 0.3


@pytest.fixture(autouse=True)
def short_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a model in this process, and of a function, measure idle power for 0.3 instead of 3 s. Nothing is imported for it."""
    for name in ("local", "own"):
        if module := sys.modules.get(f"prompt_joules.bench.run.{name}"):
            monkeypatch.setattr(module, "IDLE_SECONDS", SHORT_S)
