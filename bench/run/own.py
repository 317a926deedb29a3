"""Answers of your own code, measured prompt by prompt: from any callable to rows that the ingest loads. This is `prompt_joules.record`.

It does not know what the code does with the device: all its work between a question and its answer is counted.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from prompt_joules.bench import errors, screen
from prompt_joules.bench import record as contract
from prompt_joules.bench.config import LogName, RunConfig, check
from prompt_joules.bench.engines.base import PromptFailed
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import IDLE_SECONDS, Meter
from prompt_joules.bench.meter.windows import open_device, synchronize_torch
from prompt_joules.bench.prompts.sets import Prompt, PromptSet, load_prompts, prompts_sha256, text_fault
from prompt_joules.bench.run.folder import Run, find_runs, fingerprint, require_writable
from prompt_joules.bench.run.job import Job, Pass, choose_prompts, common_identity, planned
from prompt_joules.bench.run.own_answers import Answer, Ask, answer_of, asking
from prompt_joules.bench.run.session import OpenRun, work_on_all
from prompt_joules.bench.run.warmup import TEXTS, WarmUp
from prompt_joules.bench.run.window import Row, condition_columns, energy_columns, failed_columns, text_columns
from prompt_joules.bench.tasks import TASKS

ENGINE = "python"
# What a caller may say of the setup; the rest is known here, or comes from the meter.
SAYABLE = (
    *("model_revision", "weights", "weights_format", "params_total_b", "params_active_b", "dtype", "engine", "engine_version"),
    *("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "prompt_template"),
)


class NothingRecorded(errors.BenchError):
    """Not one prompt could be answered."""


class BadSetup(errors.BenchError):
    """`setup` names a column that is not the caller's to say."""


def record(
    answer: Any,
    *,
    model_id: str,
    prompts: str | Path | Iterable[str] = "default",
    task: str = "chat",
    out: str | Path = "results",
    count: Callable[[str], int] | None = None,
    name: str | None = None,
    setup: dict[str, Any] | None = None,
    device: str = "auto",
    edges: Literal["aligned", "plain"] = "aligned",
    limit: int | None = None,
    seed: int = 0,
    warmup: int = 8,
    text: bool = True,
    again: bool = False,
    loggers: Iterable[LogName] = (),
    replay: str | Path | None = None,
    console: Console | None = None,
) -> Run:
    """Ask your own code every prompt of a set, one at a time, and write a row for each answer into OUT/RUN_ID/part-NNNNN.parquet.

    The same call again goes on where the last one stopped. Ctrl-C finishes the prompt in hand and writes it.

    Args:
        answer: a callable that takes the prompt, and the system prompt of the task if it has a parameter `system`; a vLLM `LLM`; or a
            text-generation pipeline of transformers. It returns an `Answer`, a text, or what those libraries return.
        model_id: the model, as people should find it.
        prompts: `default`, a JSONL file of {id, prompt}, or texts.
        task: chat, chat-concise, instruct or instruct-concise.
        out: folder that gets a folder for the run.
        count: text → tokens, by the model's own tokenizer; needed where the answer does not say how many tokens it has.
        name: short name of the model for people.
        setup: columns of the row contract that you know, e.g. {"dtype": "float16", "temperature": 0.7}; what is not known stays null.
        device, edges, replay: as of `Meter`.
        limit: use only the first prompts.
        seed: of the order of prompts.
        warmup: answers without recording, at most, until two in a row cost the same; 0 is off.
        text: keep the texts of prompts and answers.
        again: measure a finished run once more, as a new run.
        loggers: trackers that get figures while it goes on: mlflow, wandb, otel.
        console: where progress goes; standard error unless given.

    Returns:
        The run: its folder, whether it is finished. A prompt on which the code raised an exception is a row with status failed.

    Raises:
        BenchError: with the sentence for the person at the keyboard; NothingRecorded when every prompt failed.
        KeyboardInterrupt: the run is not finished.
    """
    console = console or screen.console(stderr=True)
    said = _checked(setup or {})
    chosen = choose_prompts(_prompt_set(prompts), limit)
    config = RunConfig(
        model=model_id,
        task=(task,),
        out=Path(out),
        nickname=name,
        seed=seed,
        warmup=warmup,
        text=text,
        again=again,
        edges=edges,
        limit=limit,
        log=tuple(loggers),
    )
    check(config)
    ask = asking(answer, TASKS[task].system)
    device, probe = open_device(device, edges, replay)

    def identity(own: RunConfig, asked: str) -> dict[str, Any]:
        return {**common_identity(own, chosen, asked, probe), "engine": ENGINE, "model_id": model_id, "device": device, "setup": said}

    def work(its: Pass) -> OwnWork:
        machine = {"idle_power_w": probe.power_w(IDLE_SECONDS), "environment": machine_facts() | probe.environment()}
        return OwnWork(its.config, console, ask, count, device, said, machine, replay)

    with contextlib.closing(probe):
        require_writable(config.out)
        with planned(config, chosen, identity, probe, console) as passes:
            status = work_on_all(passes, work, console)
        (run, *_) = reversed(find_runs(config.out, fingerprint(identity(config, *config.tasks))))
    if status == 1:
        raise NothingRecorded(f"Not one of {run.prompts} prompts was answered; the column `reason` in {run.folder} says why.")
    if status == 130:
        raise KeyboardInterrupt
    return run


def _checked(setup: dict[str, Any]) -> dict[str, Any]:
    """The columns that a caller says of the setup. Raises BadSetup."""
    for key in setup:
        if key not in SAYABLE:
            known = "it is found out here" if key in contract.BY_NAME else "there is no such column"
            raise BadSetup(f"setup: {key!r} cannot be said ({known}). What can: {', '.join(SAYABLE)}.")
    return dict(setup)


def _prompt_set(prompts: str | Path | Iterable[str]) -> PromptSet:
    """A named set, a file, or texts: these are numbered in order. Raises PromptError, BadOption."""
    if isinstance(prompts, str | Path):
        return load_prompts(str(prompts))
    texts = list(prompts)
    for place, one in enumerate(texts):
        if fault := text_fault(one):
            raise errors.BadOption("prompts", f"number {place} {fault}.")
    own = [Prompt(f"prompt-{place:05d}", one) for place, one in enumerate(texts)]
    return PromptSet("own", prompts_sha256(own), tuple(own))


@dataclass
class OwnWork:
    """A callable that answers; see `prompt_joules.bench.run.session.Work`."""

    config: RunConfig
    console: Console
    ask: Ask
    count: Callable[[str], int] | None
    device: str
    said: dict[str, Any]
    machine: Row
    replay: str | Path | None
    at_once: bool = field(default=False, init=False)

    def open_meter(self) -> Meter:
        """The meter of the device."""
        return open_meter(self.device, self.config.edges, None if self.replay is None else Path(self.replay))

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """What the caller says. What nobody knows stays null, such as how tokens were drawn."""
        unknown = dict.fromkeys(("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens"))
        return {
            **unknown,
            "engine": ENGINE,
            "weights": "pretrained",
            "dtype": "unknown",
            "model_id": self.config.model,
            "device": self.device.partition(":")[0],
            "batch_size": 1,
            "concurrency": 1,
            "energy_attribution": None if meter.reason is not None else "exclusive",
            "idle_power_w": self.machine["idle_power_w"],
            "environment": json.dumps(self.machine["environment"], sort_keys=True, default=str),
            **self.said,
        }

    def begin(self, jobs: Sequence[Job], meter: Meter, stop: Callable[[], bool]) -> Row:
        """Warm up: answer a text that is no prompt until two answers in a row cost the same. Raises what the code raises on it."""
        done = WarmUp()
        while done.answers < self.config.warmup and not done.warm and not stop():
            row = self._measure(meter, TEXTS[0])
            if row["status"] == "failed":
                break
            cost = row["latency_s"] if row["energy_j"] is None else row["energy_j"]
            done = done.after(cost / max(1, row["output_tokens"]))
        return done.columns

    def answer(self, runs: Sequence[OpenRun], meter: Meter, stop: Callable[[], bool]) -> str:
        """Ask prompt by prompt."""
        (run,) = runs
        for prompt, repetition in run.rest:
            if stop():
                return "interrupted"
            columns = {"prompt_id": prompt.id, "repetition": repetition, "prompt_text": prompt.text, "window_id": run.sequence}
            run.take(columns | self._measure(meter, prompt.text))
        return "finished"

    def _measure(self, meter: Meter, text: str) -> Row:
        """One answer in one window."""
        synchronize_torch(self.device)
        meter.begin()
        started_at, start_s = datetime.now(UTC), time.perf_counter()
        failure: Exception | None = None
        found: Any = None
        try:
            found = self.ask(text)
            synchronize_torch(self.device)
        except Exception as error:  # code of others may raise anything; the row records it
            failure = error
        finally:
            end_s = time.perf_counter()
            reading = meter.end()
        row = {"started_at": started_at} | condition_columns(reading)
        if failure is not None:
            return row | failed_columns(PromptFailed(f"{type(failure).__name__}: {failure}"))
        answer = answer_of(found, self.count)
        return row | energy_columns(reading) | _answered(answer, end_s - start_s)


def _answered(answer: Answer, latency_s: float) -> Row:
    return {
        "status": "ok",
        "finish_reason": answer.finish_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "ttft_s": answer.first_token_s,
        "latency_s": latency_s,
        **text_columns(answer.text),
    }
