"""What `python -m bench run` can be told: one frozen dataclass, whose docstrings are the `--help`.

Imports nothing heavy: the help must appear at once, on a machine without torch too.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from prompt_joules.bench import errors
from prompt_joules.bench.tasks import TASKS

Dtype = Literal["auto", "float16", "bfloat16", "float32"]
EngineName = Literal["transformers-eager", "transformers-compiled", "openai"]
LoopName = Literal["stacked", "searched", "compiled", "graph", "stacked-graph"]
MOST_IN_FLIGHT = 256
"""With a request rate, unless --concurrency says otherwise."""


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

    out: Path = Path("results")
    """Folder that gets one folder per run."""

    nickname: Annotated[str | None, option("NAME", "the model's id")] = None
    """Short name of the model for people, shown in charts."""

    gguf_file: Annotated[str | None, option("NAME", "the folder holds no GGUF")] = None
    """Weights are in this GGUF file of the model's folder; "auto" finds the only one. They are de-quantized to --dtype."""

    engine: EngineName = "transformers-eager"
    """transformers-eager: the protocol of 2023. transformers-compiled: far fewer joules. openai: a running server, see --base-url."""

    loop: LoopName = "stacked"
    """Loop of transformers-compiled: how its kernels are made. searched: inductor's fastest kernels, which take the most joules."""

    tune: Literal["off", "speed", "energy"] = "off"
    """Try every loop of transformers-compiled, timed and metered, and run the fastest, or the one with the least J/token."""

    tune_loss: float = 0.05
    """With --tune energy: the share of the best speed that may be given up."""

    base_url: Annotated[str | None, option("URL", "none")] = None
    """Server on this host, e.g. http://localhost:8000/v1. --model is then its name for the model; OPENAI_API_KEY its key, if any."""

    concurrency: Annotated[int | None, option("N", "1; with --request-rate at most 256")] = None
    """Requests in flight at once, with --engine openai."""

    request_rate: Annotated[float | None, option("R", "as soon as one has been answered")] = None
    """Send so many requests a second, at random moments (Poisson), with --engine openai."""

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
    """Seed of the sampling (with the prompt's id and repetition, so each answer has its own) and of the order of prompts and tasks."""

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
    def in_flight(self) -> int:
        """Most requests in flight at once."""
        return self.concurrency or (MOST_IN_FLIGHT if self.request_rate else 1)


def check(config: RunConfig) -> None:
    """Refuse what cannot be run, before anything is loaded.

    Raises:
        UnknownTask: names the tasks there are.
        BadOption: a number out of range, or an option of another engine.
    """
    for name in config.tasks:
        if name not in TASKS:
            raise errors.UnknownTask(name, TASKS)
    _check_server(config)
    at_least: dict[str, float] = {"batch-size": 1, "max-new-tokens": 1, "repetitions": 1, "runs": 1, "limit": 1, "dummy-prompt-tokens": 1}
    at_least |= {"temperature": 0, "top-k": 0, "warmup": 0, "concurrency": 1}
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
    if config.engine != "transformers-compiled" and (config.tune != "off" or config.loop != "stacked"):
        raise errors.BadOption("--tune and --loop", "are for --engine transformers-compiled.")
    if not 0 <= config.tune_loss < 1:
        raise errors.BadOption(f"--tune-loss {config.tune_loss}", "must be at least 0 and below 1.")
    if not 0 < config.top_p <= 1:
        raise errors.BadOption(f"--top-p {config.top_p}", "must be above 0 and at most 1.")
    if not (config.repetition_penalty > 0 and math.isfinite(config.repetition_penalty)):
        raise errors.BadOption(f"--repetition-penalty {config.repetition_penalty}", "must be above 0; 1 is off.")


def _check_server(config: RunConfig) -> None:
    """Options of a server without one, and the other way round. Raises BadOption."""
    if config.engine != "openai":
        for option in ("base-url", "concurrency", "request-rate"):
            if getattr(config, option.replace("-", "_")) is not None:
                raise errors.BadOption(f"--{option}", "is for --engine openai.")
        return
    if not config.base_url or not config.base_url.startswith(("http://", "https://")):
        raise errors.BadOption("--engine openai", "needs --base-url, e.g. --base-url http://localhost:8000/v1.")
    if config.batch_size != 1:
        raise errors.BadOption(f"--batch-size {config.batch_size}", "a server makes its own batches; use --concurrency.")
    if config.gguf_file:
        raise errors.BadOption("--gguf-file", "the server has loaded its model already.")
    if config.concurrency is not None and config.concurrency > 32767:
        raise errors.BadOption(f"--concurrency {config.concurrency}", "must be at most 32767.")
