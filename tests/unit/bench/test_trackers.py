"""Figures of a run for trackers: the real libraries, where they are installed; what they get is what the rows say."""

import json
import os
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

import prompt_joules as pj
from prompt_joules.bench import config as configuration
from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run import logs, trackers
from tests import factories
from tests.servers import free_port

QUIET = Console(quiet=True)
PROMPTS = ["Why are there two tides a day?", "What is rust?", "Who wrote Faust?"]
Record = Callable[..., Any]
SCRIPT = """
import sys, time
from pathlib import Path
import prompt_joules as pj
from rich.console import Console

def answer(prompt):
    time.sleep(0.05)
    return pj.Answer("I do not know", output_tokens=4)

run = pj.record(answer, model_id="org/x", prompts={prompts!r}, out="results", replay="trace.json", warmup=0,
                loggers=[{name!r}], console=Console(quiet=True))
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the readings of a GPU of 100 W."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.json").write_text(
        json.dumps({"gpu_models": ["Recorded GPU"], "traces": [[[n / 100, 1000 * n] for n in range(500)]]})
    )
    return tmp_path


def recorded(name: str, desk: Path, **environment: str) -> pl.DataFrame:
    """The rows of a run that told a tracker, in a process of its own."""
    script = SCRIPT.format(prompts=PROMPTS, name=name)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=desk, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (desk / "stderr").write_text(done.stderr)
    return pl.read_parquet(desk / "results" / "*" / "part-*.parquet")


def per_token(rows: pl.DataFrame) -> float:
    return float(rows["energy_j"].sum() / rows["output_tokens"].sum())


def test_what_was_not_measured_is_in_no_figure() -> None:
    totals = logs.Totals(at_once=False)
    assert totals.figures() == {"answers": 0, "failed": 0, "output_tokens": 0}
    measured = factories.record(index=0, energy_j=30.0, output_tokens=10, latency_s=2.0, window_id=0)
    for row in (
        measured,
        factories.record(index=1, energy_j=None, energy_reason="none", output_tokens=90, latency_s=9.0, window_id=1),
        factories.failed(index=2),
    ):
        totals.add(row)
    assert totals.figures() == {
        "answers": 2,
        "failed": 1,
        "output_tokens": 100,
        "energy_j": 30.0,
        "energy_per_token_j": 3.0,
        "power_w": 15.0,
    }
    assert logs.of_row(measured)["energy_per_token_j"] == 3.0 and logs.of_row(measured)["power_w"] == 15.0
    assert "power_w" not in logs.of_row(measured | {"energy_attribution": "shared"}), "a share of a window has no power"
    assert "energy_j" not in logs.of_row(factories.record(energy_j=None))


class Broken:
    """A tracker whose store goes away after the first answer."""

    def __init__(self) -> None:
        self.told = 0

    def begin(self, setup: trackers.Setup) -> None:
        """It is there."""

    def add(self, setup: trackers.Setup, row: trackers.Figures, total: trackers.Figures, step: int) -> None:
        self.told += 1
        raise ConnectionError("the store is away")

    def end(self, setup: trackers.Setup, total: trackers.Figures, how: str) -> None:
        raise AssertionError("it was left alone")

    def close(self) -> None:
        raise AssertionError("it was left alone")


def test_a_tracker_that_fails_does_not_end_a_run(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    monkeypatch.setattr(trackers, "KINDS", {"mlflow": lambda: broken})
    monkeypatch.setattr(configuration, "TRACKERS", {"mlflow": ("json", "json", "mlflow")})
    console = Console(record=True, width=300, quiet=False, file=(desk / "said").open("w"))
    options: dict[str, Any] = {"replay": "trace.json", "warmup": 0, "loggers": ["mlflow"], "console": console}
    run = pj.record(lambda _: pj.Answer("Yes", 1), model_id="org/x", prompts=PROMPTS, out=desk, **options)
    assert (run.finished, broken.told) == (True, 1)
    assert console.export_text().count("mlflow gets no more figures (ConnectionError: the store is away); the run goes on.") == 1


def test_a_tracker_that_is_not_installed_is_a_sentence_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, (_, package, extra) in configuration.TRACKERS.items():
        with pytest.raises(errors.MissingPackage, match=rf"{package} is not installed. Run: .*'prompt-joules\[{extra}\]'"):
            configuration.check(RunConfig("org/x", log=(name,)))  # type: ignore[arg-type]
    with pytest.raises(errors.BadOption, match="Choose from: mlflow, wandb, otel"):
        configuration.check(RunConfig("org/x", log=("tensorboard",)))  # type: ignore[arg-type]
    with pytest.raises(errors.BadOption, match="from 1 to 65535"):
        configuration.check(RunConfig("org/x", metrics_port=0))


def test_prometheus_reads_a_run_while_it_goes_on() -> None:
    port = free_port()
    with logs.opened(RunConfig("org/x", metrics_port=port), QUIET) as opened:
        log = logs.RunLog(opened, factories.record("run-7"), at_once=False)
        log.add(factories.record("run-7", energy_j=30.0, output_tokens=10, latency_s=2.0))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            lines = page.read().decode().splitlines()
        with pytest.raises(errors.BadOption, match="nobody can listen there"):
            logs.opened(RunConfig("org/x", metrics_port=port), QUIET).__enter__()
    values = {line.partition("{")[0]: line.rpartition(" ")[2] for line in lines if not line.startswith("#")}
    assert values == {
        "prompt_joules_run_answers": "1.0",
        "prompt_joules_run_failed": "0.0",
        "prompt_joules_run_output_tokens": "10.0",
        "prompt_joules_run_energy_joules": "30.0",
        "prompt_joules_run_energy_per_token_joules": "3.0",
        "prompt_joules_run_power_watts": "15.0",
    }
    assert any('run_id="run-7"' in line and 'task="chat"' in line for line in lines)
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60)


def test_opentelemetry_gets_what_the_rows_say(desk: Path) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    rows = recorded("otel", desk, OTEL_METRICS_EXPORTER="console")
    told, _ = json.JSONDecoder().raw_decode((desk / "stderr").read_text())
    metrics = {one["name"]: one for scope in told["resource_metrics"][0]["scope_metrics"] for one in scope["metrics"]}
    units = {name: one["unit"] for name, one in metrics.items()}
    assert units["prompt_joules.energy"] == "J" and units["prompt_joules.energy_per_token"] == "J/{token}"
    values = {name: one["data"]["data_points"][0].get("value") for name, one in metrics.items()}
    assert values["prompt_joules.energy"] == pytest.approx(rows["energy_j"].sum())
    assert values["prompt_joules.output_tokens"] == rows["output_tokens"].sum()
    assert values["prompt_joules.power"] == pytest.approx(rows["energy_j"].sum() / rows["latency_s"].sum())
    point = metrics["prompt_joules.energy_per_token"]["data"]["data_points"][0]
    assert (point["count"], point["attributes"]["model_id"]) == (len(PROMPTS), "org/x")


def test_mlflow_gets_what_the_rows_say_and_goes_on_in_the_same_run(desk: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    store = f"sqlite:///{desk}/mlflow.db"
    rows = recorded("mlflow", desk, MLFLOW_TRACKING_URI=store)
    client = mlflow.MlflowClient(tracking_uri=store)
    (run,) = client.search_runs([client.get_experiment_by_name("prompt-joules").experiment_id])
    assert (run.info.status, run.data.tags["run_id"]) == ("FINISHED", rows["run_id"][0])
    assert run.data.params["model_id"] == "org/x" and run.data.params["energy_source"] == "replay"
    history = sorted(client.get_metric_history(run.info.run_id, "energy_j"), key=lambda metric: metric.step)
    assert [metric.value for metric in history] == pytest.approx(rows.sort("sequence")["energy_j"].to_list())
    assert run.data.metrics["total_energy_per_token_j"] == pytest.approx(per_token(rows))
    log = trackers.Mlflow.__new__(trackers.Mlflow)
    mlflow.set_tracking_uri(store)
    log.__init__()  # type: ignore[misc]
    log.begin({"run_id": rows["run_id"][0], "model_id": "org/x", "task": "chat"})
    log.end({"run_id": rows["run_id"][0]}, {}, "interrupted")
    (run,) = client.search_runs([run.info.experiment_id])
    assert run.info.status == "KILLED"


def test_wandb_gets_what_the_rows_say(desk: Path) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    rows = recorded("wandb", desk, WANDB_MODE="offline", WANDB_DIR=str(desk), WANDB_SILENT="true")
    (path,) = desk.glob("wandb/offline-run-*/run-*.wandb")
    steps, config = read_offline(path)
    assert config["model_id"] == "org/x"
    assert [step["energy_j"] for step in steps] == pytest.approx(rows.sort("sequence")["energy_j"].to_list())
    assert steps[-1]["total_energy_per_token_j"] == pytest.approx(per_token(rows))


def read_offline(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What lies in an offline file of W&B: the steps of the run, and its setup."""
    from wandb.proto import wandb_internal_pb2

    steps, config = [], {}
    for data in logged(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            steps.append({item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item})
        if record.WhichOneof("record_type") == "run":
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
    return steps, config


def logged(data: bytes) -> Iterator[bytes]:
    """The records of a file in the format of LevelDB's log: 7 bytes in front, then blocks of 32 KiB of pieces (CRC, length, kind)."""
    place, record, block = 7, b"", 32768
    while place + 7 <= len(data):
        if block - place % block < 7:
            place += block - place % block
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        record += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""
