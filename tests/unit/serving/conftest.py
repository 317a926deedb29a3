"""A run of six prompts, a recorded counter, and short pauses, for every test of `--engine openai`."""

import json
from pathlib import Path

import pytest

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run import traffic

WATTS = 100.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is sent again after 10 ms."""
    monkeypatch.setattr(traffic.Traffic.__init__, "__defaults__", (lambda: False, 0.01, None))


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Six prompts for one model, a request at a time."""
    path = tmp_path / "six.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(6)))
    out = tmp_path / "out"
    return RunConfig("fake-1b", engine="openai", prompts=str(path), out=out, max_new_tokens=20, warmup=0, timeout=60.0)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A counter of 100 W that steps every 5 ms."""
    path = tmp_path / "trace.json"
    points = [[n * 0.005, n * 0.005 * WATTS * 1000] for n in range(20000)]
    path.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [points]}))
    return path
