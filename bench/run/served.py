"""Served models: from a RunConfig to rows, for a server on this host that runs already (`--engine openai`) or is started here.

One measured window a session, over all GPUs of the host; how its energy is divided is in `attribution.py`, how requests are sent in
`traffic.py`. Nothing here needs torch.
"""

import asyncio
import contextlib
import dataclasses
import functools
import json
import math
import os
import socket
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from rich.console import Console

from prompt_joules.bench import errors, screen
from prompt_joules.bench.config import STARTED, RunConfig
from prompt_joules.bench.config import check as check_config
from prompt_joules.bench.engines.answer_stream import RequestFailed
from prompt_joules.bench.engines.openai import ask, request_body
from prompt_joules.bench.engines.server_facts import Metrics, ServerFacts, describe, dialect_of, from_log, weights_of
from prompt_joules.bench.engines.servers import started
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import AbsentMeter, open_meter
from prompt_joules.bench.meter.reading import Meter, SharedGpu
from prompt_joules.bench.prompts.sets import PromptSet, load_prompts
from prompt_joules.bench.run.deaths import deaths_of, divided, failed_row
from prompt_joules.bench.run.folder import require_writable
from prompt_joules.bench.run.job import Job, choose_prompts, common_identity, planned
from prompt_joules.bench.run.points import cheapest
from prompt_joules.bench.run.served_warmup import warm_up
from prompt_joules.bench.run.session import OpenRun, work_on_all
from prompt_joules.bench.run.traffic import ATTEMPTS, Traffic
from prompt_joules.bench.run.warmup import announce
from prompt_joules.bench.run.window import Item, Row
from prompt_joules.bench.tasks import TASKS

FED = 0.9
"""Share of the requests in flight that a server which is kept busy works on."""


@dataclass
class ServedWork:
    """A server that answers; see `prompt_joules.bench.run.session.Work`."""

    config: RunConfig
    console: Console
    base_url: str  # of the server, with a slash at its end
    model_id: str  # the model as the server names it; of a path only the last part, because paths do not travel with the rows
    facts: ServerFacts  # what the server says of itself
    setup: dict[str, Any]  # how it was started and what it printed of itself; {} for one that ran already
    environment: str  # JSON, the column
    at_once: bool = True

    @property
    def dialect(self) -> str | None:
        """Whose extensions the server understands."""
        return self.config.engine if self.config.engine in STARTED else dialect_of(self.facts.owner)

    def open_meter(self) -> Meter:
        """The meter of all GPUs of this host."""
        return meter_of(self.config, self.base_url)

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """What the server says. Sampling that it was not told is null: its own or the model's default held."""
        config, told = self.config, self.dialect is not None
        return {
            "top_k": config.top_k if told else config.top_k or None,
            "repetition_penalty": config.repetition_penalty if told or config.repetition_penalty != 1 else None,
            "model_id": self.model_id,
            "weights": _weights(config),
            "dtype": self.setup.get("dtype") or ("unknown" if config.dtype == "auto" else config.dtype),
            **{name: self.setup.get(name) for name in ("weights_format", "params_total_b", "params_active_b")},
            "engine_version": self.facts.version,
            "device": "server",
            "concurrency": config.in_flight,
            "prompt_template": "server",
            "energy_attribution": None if meter.reason else "shared",
            "cpu_energy_source": "none",
            "dram_energy_source": "none",
            "host_energy_reason": meter.host_reason or "CPU and memory energy of a server is not divided; the window's is in run.json",
            "environment": self.environment,
        }

    def begin(self, jobs: Sequence[Job], meter: Meter, stop: Callable[[], bool]) -> Row:
        """See `warm_up`."""
        task, client = TASKS[jobs[0].task], functools.partial(client_of, self.base_url, self.config.in_flight)
        announce(self.console, self.config.warmup)
        return warm_up(self.config, task, self.config.sampling, client, self.dialect, meter, stop).columns

    def answer(self, runs: Sequence[OpenRun], meter: Meter, stop: Callable[[], bool]) -> str:
        """Send everything in one window. Raises ServerLost."""
        (run,) = runs
        window = run.sequence
        return asyncio.run(_answer(self, run, meter, lambda row: run.take(row | {"window_id": window}), stop))


def run_served(config: RunConfig, console: Console | None = None) -> int:
    """Measure a served model on its tasks; one run each. Returns and raises as `local.run_benchmark`, and:

    Raises:
        ServerDown, ServerRefused: before anything is measured. ServerLost: in the middle, with all rows so far written.
    """
    console = console or screen.console(stderr=True)
    check_config(config)
    require_writable(config.out)
    prompts = choose_prompts(load_prompts(config.prompts), config.limit, config.skip)
    if config.engine not in STARTED:
        return _measure(config, prompts, str(config.base_url), {}, console)
    with started(config, console.print) as server:
        setup = {"options": list(server.options), **from_log(server.log), **weights_of(config)}
        return _measure(dataclasses.replace(config, model=server.name), prompts, server.base_url, setup, console)


def _measure(config: RunConfig, prompts: PromptSet, address: str, setup: dict[str, Any], console: Console) -> int:
    """Every concurrency asked for, one after the other, on the server at this address. Returns as `run_served`."""
    base_url, statuses, points = server_url(address), [], []
    facts = asyncio.run(first_contact(config, base_url))
    with contextlib.closing(meter_of(config, base_url)) as meter:
        for level, asked in config.points:
            some = choose_prompts(prompts, asked)
            again = max(config.repetitions, math.ceil((asked or 0) / len(some.prompts)))
            alone_at = None if config.request_rate and not config.concurrency else level
            own = dataclasses.replace(config, concurrency=alone_at, repetitions=again)
            console.print(not_filled(own, len(some.prompts) * again) or "", end="", soft_wrap=True, highlight=False)
            served = described(own, base_url, facts, setup, meter, console)
            with planned(own, some, lambda at, task: identity(served, at, some, task, meter), meter, console) as passes:  # noqa: B023
                alone = [dataclasses.replace(its, jobs=(job,)) for its in passes for job in its.jobs]
                statuses.append(work_on_all(alone, lambda its: dataclasses.replace(served, config=its.config), console))  # noqa: B023
            points.append((level, [job.run.folder for its in passes for job in its.jobs]))
            if statuses[-1] == 130:
                return 130
    if config.slo:
        console.print(cheapest(points, config.slo), soft_wrap=True, highlight=False)
    return min(statuses)


def described(config: RunConfig, base_url: str, facts: ServerFacts, setup: dict[str, Any], meter: Meter, console: Console) -> ServedWork:
    """A server that answers, with what it says of itself, how it was started, and the machine around it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SharedGpu)  # the other process is the server
        environment: dict[str, Any] = {**machine_facts(), **meter.environment()}
    other = facts.other_model(config.model)
    if other is not None:
        console.print(f"The server answers as {other}, not as {config.model}: check --model.", soft_wrap=True)
    options = {"server": facts.version, "answered_as": other, "request_rate": config.request_rate, "server_setup": setup or None}
    options |= {"request_seed": config.request_seed, "server_owner": facts.owner, "system_fingerprint": facts.fingerprint}
    environment |= {name: value for name, value in options.items() if value is not None}
    is_path = Path(config.model).is_absolute() or Path(config.model).exists()
    model_id = Path(config.model).name if is_path else config.model
    return ServedWork(config, console, base_url, model_id, facts, setup, json.dumps(environment, sort_keys=True, default=str))


def server_url(base_url: str) -> str:
    """The address with a slash at its end; `/v1` is added where it has no path."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path + "/", "", ""))


def is_on_this_host(base_url: str) -> bool:
    """Whether the server's address is one of this host's own, so that its GPUs are the ones that we can measure."""
    host = urlsplit(base_url).hostname or ""
    with contextlib.suppress(OSError, UnicodeError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe, contextlib.suppress(OSError):
                probe.bind(address)  # only an address of our own can be bound
                return True
    return False


def meter_of(config: RunConfig, base_url: str) -> Meter:
    """The meter of all GPUs of this host; an absent one if the server is on another."""
    if config.replay is None and not is_on_this_host(base_url):
        return AbsentMeter("the server runs on another host: its GPUs cannot be measured from here")
    return open_meter("server", config.edges, config.replay)


def client_of(base_url: str, in_flight: int) -> httpx.AsyncClient:
    """A client with room for all requests in flight. Proxies are not used; a key comes from OPENAI_API_KEY."""
    key = os.environ.get("OPENAI_API_KEY")
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=in_flight)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=base_url, limits=limits, headers=headers, trust_env=False)


async def first_contact(config: RunConfig, base_url: str) -> ServerFacts:
    """See that the server is there and answers one token for the model and options of this run. Raises ServerDown, ServerRefused."""
    sampling = dataclasses.replace(config.sampling, max_new_tokens=1)
    body = request_body(config.model, TASKS[config.tasks[0]], "Hello", None, sampling, fixed_length=config.dummy_weights)
    facts, attempt = ServerFacts((), None), 0
    async with client_of(base_url, 1) as client:
        while True:
            try:
                facts = await describe(client)
                answer = await ask(client, body, config.timeout)
                break
            except RequestFailed as failure:
                if failure.unreachable:
                    raise errors.ServerDown(base_url, str(failure)) from failure
                if not failure.again or attempt == ATTEMPTS - 1:
                    raise errors.ServerRefused(config.model, str(failure), facts.models) from failure
                await asyncio.sleep(failure.wait_s if failure.wait_s is not None else 0.5 * 2**attempt)
                attempt += 1
    if answer.output_tokens is None:
        raise errors.ServerRefused(config.model, "it gives no token counts (usage), so its answers cannot be measured")
    return dataclasses.replace(facts, answered_as=answer.model, fingerprint=answer.fingerprint)


def identity(served: ServedWork, config: RunConfig, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """Everything that makes this run another run when it changes: of a server that ran already its address too. JSON values only.

    Options name files without their folders, so the number format of the weights stands beside them: two files may have one name.
    """
    facts = served.facts
    own: dict[str, Any] = {"model_id": served.model_id, "server": facts.version, "weights": _weights(config)}
    own |= {"owner": facts.owner, "fingerprint": facts.fingerprint, "options": served.setup.get("options")}
    own |= {"address": None if served.setup else served.base_url}
    own |= {"loaded": {name: served.setup.get(name) for name in ("dtype", "weights_format", "params_total_b")}} if served.setup else {}
    own |= {name: getattr(config, name) for name in ("in_flight", "request_rate", "dtype", "request_seed")}
    return own | common_identity(config, prompts, task, meter)


def _weights(config: RunConfig) -> str:
    return "dummy" if config.dummy_weights else "pretrained"


async def _answer(served: ServedWork, run: OpenRun, meter: Meter, take: Callable[[Row], None], stop: Callable[[], bool]) -> str:
    """One window; its balance goes to `run.balance`, also when it is cut off."""
    async with client_of(served.base_url, served.config.in_flight) as client:
        traffic = Traffic(served.config, TASKS[run.job.task], client, meter, take, stop, served.dialect)
        figures = Metrics(client, traffic.full)
        try:
            async with figures.watched():
                return await _sent(traffic, run, take)
        finally:
            run.balance["server_metrics"] = figures.summary()
            if ours := run.balance.get("server"):
                told = not_fed(served.config.in_flight, run.balance["server_metrics"], ours["client_cpu_share"])
                served.console.print(told or "", end="", soft_wrap=True)


async def _sent(traffic: Traffic, run: OpenRun, take: Callable[[Row], None]) -> str:
    """All requests of a window, and what they took of the window and of this process. Raises what `Traffic.run` raises."""
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    try:
        return await traffic.run(*_without_killers(run, take))
    finally:
        busy = (time.process_time() - begun_cpu_s) / (time.perf_counter() - begun_s)
        try:
            traffic.abort()  # writes rows, so that a full disk may end it
        finally:
            run.balance["server"] = traffic.balance() | {"client_cpu_share": busy}


def _without_killers(run: OpenRun, take: Callable[[Row], None]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """What to ask together and what alone, after the deaths of earlier sessions; what ended the server too often becomes a failed row."""
    together, alone, killers = divided(run.rest, deaths_of(run.run.sessions))
    for item in killers:
        take(failed_row(item))
    return together, alone


def not_filled(config: RunConfig, answers: int) -> str | None:
    """What to tell where a run asks for fewer answers than it wants in flight at once."""
    if config.request_rate or answers >= config.in_flight:
        return None
    wanted = config.in_flight
    return (
        f"{wanted} at once are asked for, but only {answers} answers, so no more are ever in flight. "
        f"--repetitions or --ramp {wanted}:{10 * wanted} ask more.\n"
    )


def not_fed(in_flight: int, figures: dict[str, Any], busy: float) -> str | None:
    """What to tell where the server worked on clearly fewer requests than were in flight, so that the host bounds the figures.

    Args:
        in_flight: requests that the run keeps in flight.
        figures: the server's own, `Metrics.close`.
        busy: share of one processor that this process used.
    """
    running = figures.get("running_when_full")
    if running is None or running >= FED * in_flight:
        return None
    return (
        f"The server worked on {running:.3g} of {in_flight} requests in flight on average: the others were on their way through its "
        f"HTTP process or this one, which used {busy:.0%} of a processor. At this concurrency the host bounds speed and energy, "
        "not the GPU alone.\n"
    )
