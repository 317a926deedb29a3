"""What `python -m bench run` can be told: one frozen dataclass, whose docstrings are the `--help`.

Imports nothing heavy: the help must appear at once, on a machine without torch too.
"""

import importlib.util
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from prompt_joules.bench import BATCHES_HARNESS_VERSION, HARNESS_VERSION, LLAMA_CPP_HARNESS_VERSION, SERVED_HARNESS_VERSION, errors, slo
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.tasks import TASKS

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
InProcess = Literal["transformers-eager", "transformers-compiled"]
Started = Literal["vllm", "llama.cpp", "sglang"]
EngineName = Literal[InProcess, "openai", Started]
STARTED: tuple[Started, ...] = get_args(Started)
"""Servers that `bench` starts and stops itself."""
SERVED = ("openai", *STARTED)
LogName = Literal["mlflow", "wandb", "otel"]
LoopName = Literal[
    "usual",
    "stacked",
    "searched",
    "stacked-searched",
    "compiled",
    "graph",
    "stacked-graph",
    "stacked-matmul",
    "stacked-split",
    "stacked-prefill",
    "stacked-ahead",
    "stacked-ahead-split",
]
# What each tracker needs: a module, and the package and extra that bring it.
TRACKERS = {
    "mlflow": ("mlflow", "mlflow-skinny", "mlflow"),
    "wandb": ("wandb", "wandb", "wandb"),
    "otel": ("opentelemetry.sdk", "opentelemetry-sdk", "otel"),
}
_RAMP = re.compile(r"(\d{1,9})(?::(\d{1,9}))?", re.ASCII)
MOST_IN_FLIGHT = 256
"""With a request rate, unless --concurrency says otherwise."""
MOST_CONCURRENT = 32767
OF_SERVERS = ("--server-args", "--server-command")
"""Options whose values are words of another program's command line."""


def option(metavar: str, otherwise: str) -> Any:
    """How the help shows an option that may be left out: what it takes, and what is done without it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {otherwise})")


@dataclass(frozen=True)
class RunConfig:
    """Measure a model: one row of Parquet per prompt, in OUT/RUN_ID/part-NNNNN.parquet.

    The same command again goes on where the last one stopped. Ctrl-C finishes the prompt in hand and writes it.
    """

    model: str
    """Folder of a model, or its id on the Hugging Face hub. With --dummy-weights also a config.json."""

    task: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, option("NAME", "chat")] = ()
    """chat, chat-concise, instruct or instruct-concise; repeat the option for several, one run each."""

    prompts: str = "default"
    """Prompt set: "default" (shipped with the project) or a JSONL file of {id, prompt}."""

    limit: Annotated[int | None, option("N", "all")] = None
    """Use only the first N prompts of the set."""

    skip: int = 0
    """Leave out so many prompts at the beginning of the set; --limit counts from there. A run that stopped goes on by its own command
    instead, on another card too: it asks in an order of its own."""

    out: Path = Path("results")
    """Folder that gets one folder per run."""

    nickname: Annotated[str | None, option("NAME", "the model's id")] = None
    """Short name of the model for people, shown in charts."""

    gguf_file: Annotated[str | None, option("NAME", "the folder holds no GGUF")] = None
    """Weights are in this GGUF file of the model's folder; "auto" finds the only one. They are de-quantized to --dtype."""

    engine: EngineName = "transformers-eager"
    """transformers-eager: the protocol of 2023. transformers-compiled: far fewer joules. vllm, llama.cpp, sglang: that server, started
    and stopped by this command. openai: a server that runs already, see --base-url."""

    loop: LoopName = "usual"
    """Loop of transformers-compiled: how its kernels are made; see docs/engines.md. usual: stacked-ahead-split, in batches stacked. --tune
    tries them all."""

    tune: Literal["off", "speed", "energy"] = "off"
    """Try every loop of transformers-compiled, timed and metered, and run the fastest, or the one with the least J/token."""

    tune_loss: float = 0.05
    """With --tune energy: the share of the best speed that may be given up."""

    base_url: Annotated[str | None, option("URL", "none")] = None
    """Server on this host, e.g. http://localhost:8000/v1. --model is then its name for the model; OPENAI_API_KEY its key, if any."""

    concurrency: Annotated[int | None, option("N", "1; with --request-rate at most 256")] = None
    """Requests in flight at once, with a server."""

    ramp: Annotated[str, option("N[:PROMPTS],...", "one concurrency")] = ""
    """Measure at several concurrencies one after the other on one started server, e.g. 1,8,32,128; one run each. 1:20,128:1280
    asks 20 prompts at the first and 1,280 at the second (of a set of 640 each twice, with another draw): a steady state needs ten
    times as many prompts as are in flight."""

    slo: Annotated[str, option("WHAT", "none")] = ""
    """Of the concurrencies measured, name the cheapest at which 99 % of the answers keep this, e.g. ttft=1s,tpot=50ms."""

    server_command: Annotated[str, option("COMMAND", "found by itself")] = ""
    """Beginning of the command that starts the server, where it is not the one found, e.g. "env CUDA_VISIBLE_DEVICES=1 vllm serve"."""

    server_args: Annotated[str, option("OPTIONS", "none")] = ""
    """More options for the server, e.g. "--max-model-len 4096 --quantization fp8"; they are recorded with the rows."""

    start_timeout: float = 1200.0
    """Longest wait for the server to load the model, in seconds."""

    context_tokens: int = 4096
    """Room for a prompt and its answer in llama.cpp's cache, in tokens, for every request in flight."""

    request_rate: Annotated[float | None, option("R", "as soon as one has been answered")] = None
    """Send so many requests a second, at random moments (Poisson), with a server."""

    timeout: float = 600.0
    """Longest wait for one answer of a server, in seconds."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    """auto: the first CUDA GPU, else the CPU."""

    dtype: Dtype = "auto"
    """Number format of the weights. auto: float16 on a GPU, float32 on a CPU."""

    batch_size: int = 1
    """Prompts per static batch."""

    max_new_tokens: int = 512
    """Longest answer, in tokens."""

    temperature: float = 0.7
    """Sampling temperature; 0 always takes the likeliest token."""

    top_p: float = 1.0
    """Nucleus sampling: keep the likeliest tokens whose probabilities reach P. 1 is off."""

    top_k: int = 0
    """Keep only the K likeliest tokens. 0 is off."""

    repetition_penalty: float = 1.0
    """Above 1, tokens already seen become less likely. 1 is off."""

    seed: int = 0
    """Seed of the sampling (with the prompt's id and repetition, so each answer has its own) and of the order of prompts and tasks.
    A server that this command starts gets it once, at its start."""

    request_seed: bool = False
    """Send a server a seed with each request, so that one which honours it can repeat an answer. It has a price: vLLM then draws the tokens
    of a batch request by request."""

    repetitions: int = 1
    """Answer every prompt this many times in a run, each time with another draw."""

    runs: int = 1
    """Measure everything this many times: whole runs, each with its own warm-up, order and seed (--seed, --seed + 1, ...)."""

    experiment: Annotated[str | None, option("ID", "one of its own for each command")] = None
    """Runs that repeat each other carry this id. Give the same on another card or day to join in; give other seeds there with --seed."""

    edges: Literal["plain", "aligned"] = "aligned"
    """aligned: each answer waits for steps of the energy counter (up to 0.35 s, not in its latency); plain: read before and after."""

    idle: bool = True
    """Measure the GPU's idle power for a few seconds before the model is loaded."""

    warmup: int = 12
    """Answer a warm-up text, never one of the prompts, without recording: at least 3 times, until two answers in a row agree in J/token
    (in token/s without a counter), at most N times. 0 is off: the rows then say that they are cold."""

    text: bool = True
    """Keep the texts of prompts and answers in the rows."""

    dummy_weights: bool = False
    """Random weights: joules per token are real, the text is not. Every answer has exactly --max-new-tokens tokens."""

    dummy_prompt_tokens: int = 128
    """Length of a prompt, in tokens, with --dummy-weights where there is no tokenizer."""

    log: Annotated[tuple[LogName, ...], tyro.conf.UseAppendAction, option("NAME", "none")] = ()
    """Send figures of the run while it goes on to mlflow, wandb or otel (OpenTelemetry); repeat the option for several. Each is told by its
    own variables where: MLFLOW_TRACKING_URI, WANDB_MODE, OTEL_EXPORTER_OTLP_ENDPOINT, ... (docs/trackers.md)."""

    metrics_port: Annotated[int | None, option("PORT", "none")] = None
    """Show figures of the run to Prometheus, on http://HOST:PORT/metrics while the command runs."""

    metrics_host: str = "127.0.0.1"
    """Who may ask --metrics-port; 0.0.0.0 is everybody."""

    again: bool = False
    """Measure a finished run once more, as a new run."""

    replay: Annotated[Path | None, option("FILE", "none")] = None
    """Take readings from this recording and not from a GPU. For tests: rows say energy_source=replay."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, each once, in the order given; `chat` when none was."""
        return tuple(dict.fromkeys(self.task)) or ("chat",)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs, in order."""
        return tuple(range(self.seed, self.seed + self.runs))

    @property
    def harness_version(self) -> str:
        """Version of the protocol by which this run is measured."""
        if self.engine in SERVED:
            return LLAMA_CPP_HARNESS_VERSION if self.engine == "llama.cpp" else SERVED_HARNESS_VERSION
        return BATCHES_HARNESS_VERSION if self.engine == "transformers-compiled" and self.batch_size > 1 else HARNESS_VERSION

    @property
    def loop_name(self) -> LoopName:
        """The loop asked for; where it is the usual, which. Engines without loops keep `stacked`, which their runs have always had in their
        identity.
        """
        if self.loop != "usual":
            return self.loop
        return "stacked-ahead-split" if self.engine == "transformers-compiled" and self.batch_size == 1 else "stacked"

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        return Sampling(self.temperature, self.top_p, self.top_k, self.repetition_penalty, self.max_new_tokens)

    @property
    def in_flight(self) -> int:
        """Most requests in flight at once."""
        return self.concurrency or (MOST_IN_FLIGHT if self.request_rate else 1)

    @property
    def named_places(self) -> bool:
        """Whether each request names the place of the server that is to answer it, the lowest free one.

        Of llama.cpp where we start it and keep a number in flight. A level of a ramp leaves places empty, and each gap between places
        in use costs the server a pass of its own in every step.
        """
        return self.engine == "llama.cpp" and not self.request_rate

    @property
    def points(self) -> tuple[tuple[int, int | None], ...]:
        """The concurrencies to measure, each once, in the order given, and how many prompts each is asked (None: those of `limit`).

        Raises BadOption: not whole numbers above 0.
        """
        if not self.ramp:
            return ((self.in_flight, None),)
        found = [_RAMP.fullmatch(word.strip()) for word in self.ramp.split(",")]
        if not all(found):
            raise errors.BadOption(f"--ramp {self.ramp}", "must be whole numbers with commas between, e.g. 1,8,32 or 1:20,32:320.")
        points = {int(match[1]): int(match[2]) if match[2] else None for match in found if match}
        if min(points) < 1 or max(points) > MOST_CONCURRENT:
            raise errors.BadOption(f"--ramp {self.ramp}", f"must be from 1 to {MOST_CONCURRENT}.")
        if 0 in points.values():
            raise errors.BadOption(f"--ramp {self.ramp}", "must ask at least 1 prompt at each concurrency.")
        return tuple(points.items())

    @property
    def most_in_flight(self) -> int:
        """Most requests in flight at once, at any level."""
        return max(level for level, _ in self.points)


def with_their_values(words: Sequence[str]) -> list[str]:
    """A command line in which options for a server stand in one word with what takes them: `--server-args=--max-model-len 4096`.

    As a word of its own such a value cannot be told from an option of ours. A word that is one of ours is left alone: the value is missing.
    """
    ours = {"-h", *(f"--{no}{field.name.replace('_', '-')}" for field in fields(RunConfig) for no in ("", "no-")), "--help"}
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].replace("_", "-") in OF_SERVERS and word.startswith("-") and word.split("=")[0] not in ours:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def check(config: RunConfig) -> None:
    """Refuse what cannot be run, before anything is loaded.

    Raises:
        UnknownTask: names the tasks there are.
        BadOption: a number out of range, or an option of another engine.
        MissingPackage: a tracker that was asked for is not installed.
    """
    for name in config.tasks:
        if name not in TASKS:
            raise errors.UnknownTask(name, TASKS)
    _check_server(config)
    at_least: dict[str, float] = {"batch-size": 1, "max-new-tokens": 1, "repetitions": 1, "runs": 1, "limit": 1, "dummy-prompt-tokens": 1}
    at_least |= {"skip": 0, "temperature": 0, "top-k": 0, "warmup": 0, "concurrency": 1}
    for option, least in at_least.items():
        value = getattr(config, option.replace("-", "_"))
        if value is not None and not (value >= least and math.isfinite(value)):
            raise errors.BadOption(f"--{option} {value}", f"must be at least {least}.")
    if config.warmup in (1, 2):
        raise errors.BadOption(f"--warmup {config.warmup}", "a warm-up has at least 3 answers; 0 is off.")
    if config.experiment is not None and not config.experiment.strip():
        raise errors.BadOption("--experiment", "must not be empty.")
    for option, number in (("request-rate", config.request_rate), ("timeout", config.timeout)):
        if number is not None and not (number > 0 and math.isfinite(number)):
            raise errors.BadOption(f"--{option} {number}", "must be above 0.")
    if config.engine != "transformers-compiled" and (config.tune != "off" or config.loop != "usual"):
        raise errors.BadOption("--tune and --loop", "are for --engine transformers-compiled.")
    if not 0 <= config.tune_loss < 1:
        raise errors.BadOption(f"--tune-loss {config.tune_loss}", "must be at least 0 and below 1.")
    if not 0 < config.top_p <= 1:
        raise errors.BadOption(f"--top-p {config.top_p}", "must be above 0 and at most 1.")
    if not (config.repetition_penalty > 0 and math.isfinite(config.repetition_penalty)):
        raise errors.BadOption(f"--repetition-penalty {config.repetition_penalty}", "must be above 0; 1 is off.")
    _check_trackers(config)


def require_folder(model: str) -> None:
    """Raise NoSuchFolder for a path at which nothing is. What is no path may be the id of a model on the hub."""
    if (Path(model).is_absolute() or model.startswith(".") or model.count("/") > 1) and not Path(model).exists():
        raise errors.NoSuchFolder(model)


def _check_trackers(config: RunConfig) -> None:
    """Raise MissingPackage, BadOption."""
    for name in config.log:
        if name not in TRACKERS:
            raise errors.BadOption(f"--log {name}", f"there is no such tracker. Choose from: {', '.join(TRACKERS)}.")
        module, package, extra = TRACKERS[name]
        try:
            missing = importlib.util.find_spec(module) is None
        except ModuleNotFoundError:  # a package above it
            missing = True
        if missing:
            raise errors.MissingPackage(package, extra)
    if config.metrics_port is not None and not 0 < config.metrics_port < 65536:
        raise errors.BadOption(f"--metrics-port {config.metrics_port}", "must be from 1 to 65535.")


def _check_server(config: RunConfig) -> None:
    """Options of a server without one, and the other way round. Raises BadOption."""
    if config.engine not in SERVED:
        of_servers = ("base_url", "concurrency", "request_rate", "request_seed", "ramp", "slo", "server_command", "server_args")
        _refuse_given(config, of_servers, "is for a server.")
        return
    if config.batch_size != 1:
        raise errors.BadOption(f"--batch-size {config.batch_size}", "a server makes its own batches; use --concurrency.")
    if config.concurrency is not None and config.concurrency > MOST_CONCURRENT:
        raise errors.BadOption(f"--concurrency {config.concurrency}", f"must be at most {MOST_CONCURRENT}.")
    if config.ramp and (config.concurrency or config.request_rate):
        raise errors.BadOption("--ramp", "names the concurrencies itself; leave out --concurrency and --request-rate.")
    if config.ramp:
        _ = config.points
    if config.slo:
        slo.parse(config.slo)
    for name in ("server_command", "server_args"):
        try:
            shlex.split(getattr(config, name) or "")
        except ValueError as error:
            raise errors.BadOption(f"--{name.replace('_', '-')}", f"cannot be split into words: {error}.") from error
    if config.engine == "openai":
        _check_running(config)
    elif config.base_url:
        raise errors.BadOption("--base-url", f"is for --engine openai; --engine {config.engine} starts a server of its own.")
    elif config.gguf_file and config.engine != "llama.cpp":
        raise errors.BadOption("--gguf-file", f"is not for --engine {config.engine}.")


def _check_running(config: RunConfig) -> None:
    if not config.base_url or not config.base_url.startswith(("http://", "https://")):
        raise errors.BadOption("--engine openai", "needs --base-url, e.g. --base-url http://localhost:8000/v1.")
    _refuse_given(config, ("server_command", "server_args"), "is for a server that this command starts, e.g. --engine vllm.")
    if config.gguf_file:
        raise errors.BadOption("--gguf-file", "the server has loaded its model already.")


def _refuse_given(config: RunConfig, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(config, name) not in (None, "", False):
            raise errors.BadOption(f"--{name.replace('_', '-')}", why)
