"""Trackers of other people, each behind the same four calls: MLflow, Weights & Biases, OpenTelemetry, Prometheus.

They know figures with their units in the names, and nothing of how a run is measured. Where they send is said by their own variables.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import prometheus_client

from prompt_joules.bench import errors
from prompt_joules.bench.config import LogName

PROJECT = "prompt-joules"
# What a tracker is told of a run.
SETUP = (
    *("run_id", "experiment_id", "task", "model_id", "model_name", "weights", "weights_format", "dtype", "engine", "engine_version"),
    *("device", "gpu_model", "num_gpus", "batch_size", "concurrency", "temperature", "top_p", "top_k", "max_new_tokens", "seed"),
    *("prompt_set", "energy_source", "energy_edges", "energy_attribution", "harness_version"),
)
LABELS = ("model_id", "task", "engine", "gpu_model", "run_id")
Figures = Mapping[str, float]
Setup = Mapping[str, Any]


class Log:
    """One tracker. Any method may raise anything; one that it does not have does nothing."""

    def begin(self, setup: Setup) -> None:
        """A run begins, or goes on: its columns in SETUP that are known."""

    def add(self, setup: Setup, row: Figures, total: Figures, step: int) -> None:
        """A row was written.

        Args:
            setup: of its run.
            row: energy, times and tokens, J/token (`energy_per_token_j`) and W (`power_w`) of the answer, as far as they are known.
            total: those of the session so far, see `logs.Totals`.
            step: its place in the run.
        """

    def end(self, setup: Setup, total: Figures, how: str) -> None:
        """The session of work on a run is over: finished, interrupted, aborted or failed."""

    def close(self) -> None:
        """Nothing more comes."""


class Mlflow(Log):
    """A run of MLflow for a run of ours, in the store of MLFLOW_TRACKING_URI; one that goes on there goes on here.

    Figures are sent every few seconds, because a store may be far away.
    """

    EVERY_S, MOST = 5.0, 900

    def __init__(self) -> None:
        import mlflow

        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        self._ids: dict[str, str] = {}
        self._waiting: dict[str, list[Any]] = {}
        self._sent_s = 0.0

    def begin(self, setup: Setup) -> None:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        before = self._client.search_runs([experiment], f"tags.run_id = '{setup['run_id']}'", max_results=1)
        if before:
            run = before[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            called = f"{setup.get('model_name') or setup['model_id']} {setup['task']}"
            run = self._client.create_run(experiment, tags={"run_id": setup["run_id"]}, run_name=called)
            params = [self._mlflow.entities.Param(key, str(value)[:500]) for key, value in setup.items()]
            self._client.log_batch(run.info.run_id, params=params)
        self._ids[setup["run_id"]], self._waiting[setup["run_id"]] = run.info.run_id, []

    def add(self, setup: Setup, row: Figures, total: Figures, step: int) -> None:
        figures = {**row, **{f"total_{name}": value for name, value in total.items()}}
        now_ms = int(time.time() * 1000)
        self._waiting[setup["run_id"]] += [self._mlflow.entities.Metric(key, value, now_ms, step) for key, value in figures.items()]
        if len(self._waiting[setup["run_id"]]) > self.MOST or time.monotonic() - self._sent_s > self.EVERY_S:
            self._send(setup)

    def end(self, setup: Setup, total: Figures, how: str) -> None:
        self._send(setup)
        self._client.set_terminated(self._ids[setup["run_id"]], "FINISHED" if how == "finished" else "KILLED")

    def _send(self, setup: Setup) -> None:
        waiting, self._waiting[setup["run_id"]] = self._waiting[setup["run_id"]], []
        for start in range(0, len(waiting), self.MOST):
            self._client.log_batch(self._ids[setup["run_id"]], metrics=waiting[start : start + self.MOST])
        self._sent_s = time.monotonic()


class Wandb(Log):
    """A run of Weights & Biases for a run of ours, with the same id; WANDB_MODE, WANDB_PROJECT and WANDB_DIR are its own."""

    def __init__(self) -> None:
        import wandb

        self._wandb = wandb
        self._runs: dict[str, Any] = {}

    def begin(self, setup: Setup) -> None:
        self._runs[setup["run_id"]] = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=setup["run_id"],
            name=f"{setup.get('model_name') or setup['model_id']} {setup['task']}",
            config=dict(setup),
            resume="allow",
            reinit="create_new",
        )

    def add(self, setup: Setup, row: Figures, total: Figures, step: int) -> None:
        self._runs[setup["run_id"]].log({"sequence": step} | dict(row) | {f"total_{name}": value for name, value in total.items()})

    def end(self, setup: Setup, total: Figures, how: str) -> None:
        run = self._runs.pop(setup["run_id"])
        run.summary.update({"end": how})
        run.finish(exit_code=0 if how == "finished" else 1)


class Otel(Log):
    """Metrics of OpenTelemetry, through the provider of the program; a command line makes one that speaks OTLP (OTEL_EXPORTER_OTLP_…)."""

    def __init__(self) -> None:
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider

        self._own: Any = None
        if not isinstance(metrics.get_meter_provider(), MeterProvider):
            self._own = _provider()
            metrics.set_meter_provider(self._own)
        meter = metrics.get_meter("prompt_joules")
        self._energy = meter.create_counter("prompt_joules.energy", "J", "GPU energy of answers")
        self._tokens = meter.create_counter("prompt_joules.output_tokens", "{token}", "tokens generated")
        self._answers = meter.create_counter("prompt_joules.answers", "{answer}", "prompts answered or failed")
        self._per_token = meter.create_histogram("prompt_joules.energy_per_token", "J/{token}", "GPU energy of an answer over its tokens")
        self._power = meter.create_gauge("prompt_joules.power", "W", "mean GPU power of the measured answers so far")

    def add(self, setup: Setup, row: Figures, total: Figures, step: int) -> None:
        labels = _labels(setup)
        self._answers.add(1, labels | {"status": "ok" if "output_tokens" in row else "failed"})
        self._tokens.add(int(row.get("output_tokens", 0)), labels)
        if "energy_j" in row:
            self._energy.add(row["energy_j"], labels)
        if "energy_per_token_j" in row:
            self._per_token.record(row["energy_per_token_j"], labels)
        if "power_w" in total:
            self._power.set(total["power_w"], labels)

    def close(self) -> None:
        if self._own is not None:
            self._own.force_flush()


def _provider() -> Any:
    """A provider that sends to OTEL_EXPORTER_OTLP_ENDPOINT; with OTEL_METRICS_EXPORTER=console to standard error.

    Raises:
        MissingPackage: the exporter is not installed.
    """
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader

    if os.environ.get("OTEL_METRICS_EXPORTER") == "console":
        return MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(sys.stderr))])
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ModuleNotFoundError as error:
        raise errors.MissingPackage("opentelemetry-exporter-otlp-proto-http", "otel") from error
    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])


class Prometheus(Log):
    """A page of figures for Prometheus: a run appears with its first answer and stays while the command runs.

    Raises BadOption: the port is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        registry = prometheus_client.CollectorRegistry()
        try:
            self._server, self._thread = prometheus_client.start_http_server(port, host, registry)
        except OSError as error:
            raise errors.BadOption(f"--metrics-port {port}", f"nobody can listen there ({error.strerror or error}).") from error

        def gauge(name: str, meaning: str) -> Any:
            return prometheus_client.Gauge(f"prompt_joules_{name}", meaning, LABELS, registry=registry)

        self._gauges = {
            "answers": gauge("run_answers", "Prompts answered in this session."),
            "failed": gauge("run_failed", "Prompts that failed in this session."),
            "output_tokens": gauge("run_output_tokens", "Tokens generated in this session."),
            "energy_j": gauge("run_energy_joules", "GPU energy of the measured answers of this session."),
            "energy_per_token_j": gauge("run_energy_per_token_joules", "Energy over tokens of the measured answers of this session."),
            "power_w": gauge("run_power_watts", "Mean GPU power of the measured answers of this session."),
        }

    def add(self, setup: Setup, row: Figures, total: Figures, step: int) -> None:
        for name, value in total.items():
            self._gauges[name].labels(**_labels(setup)).set(value)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _labels(setup: Setup) -> dict[str, str]:
    return {name: str(setup.get(name, "")) for name in LABELS}


KINDS: Mapping[LogName, Callable[[], Log]] = {"mlflow": Mlflow, "wandb": Wandb, "otel": Otel}
