"""A tiny model, a run of four prompts, and idle power in 0.3 s: a recorded counter needs no longer, and a real one is not read here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from prompt_joules.bench.config import RunConfig

SHORT_S = 0.3


@pytest.fixture(autouse=True)
def short_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a model in this process, and of a function, measure idle power for 0.3 instead of 3 s. Nothing is imported for it."""
    for name in ("local", "own"):
        if module := sys.modules.get(f"prompt_joules.bench.run.{name}"):
            monkeypatch.setattr(module, "IDLE_SECONDS", SHORT_S)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama with random weights. Torch is imported where a test asks for it."""
    from tests.tiny_models import llama

    return llama(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture
def config(model: Path, tmp_path: Path) -> "RunConfig":
    """Four prompts for it, six tokens each, without a warm-up."""
    from tests.unit.bench.tiny_runs import config_of

    return config_of(model, tmp_path)
