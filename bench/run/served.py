"""`--engine openai`: from a RunConfig to rows, for a model that a server on this host runs.

One measured window a session, over all GPUs of the host; how its energy is divided is in `attribution.py`, how requests are sent in
`traffic.py`. Nothing here needs torch.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from rich.console import Console

from prompt_joules.bench import HARNESS_VERSION, errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.config import check as check_config
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.openai import RequestFailed, ServerFacts, ask, describe, request_body
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import AbsentMeter, open_meter
from prompt_joules.bench.meter.reading import Meter, SharedGpu
from prompt_joules.bench.prompts.sets import PromptSet, load_prompts
from prompt_joules.bench.run.folder import locked, require_writable
from prompt_joules.bench.run.progress import RunProgress
from prompt_joules.bench.run.session import Interrupt, Job, already_finished, choose_prompts, close_session, common_identity, pick_job, say
from prompt_joules.bench.run.sink import PartSink
from prompt_joules.bench.run.traffic import ATTEMPTS, Row, Traffic
from prompt_joules.bench.run.window import prompt_seed
from prompt_joules.bench.tasks import TASKS

_ASKED = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed", "repetitions", "in_flight", "request_rate")
_IDENTITY = (*_ASKED, "nickname", "text", "edges", "engine", "dtype")
_WARMUP_TOKENS = 32


@dataclass(frozen=True)
class Served:
    """What all runs of one command share.

    Attributes:
        base_url: of the server, with a slash at its end.
        model_id: the model as the server names it; of a path only the last part, because paths do not travel with the rows.
        facts: what the server says of itself.
        environment: JSON, the column.
    """

    config: RunConfig
    base_url: str
    model_id: str
    facts: ServerFacts
    environment: str
    console: Console


def run_served(config: RunConfig, console: Console | None = None) -> int:
    """Measure a served model on its tasks; one run each. Returns and raises as `local.run_benchmark`, and:

    Raises:
        ServerDown, ServerRefused: before anything is measured. ServerLost: in the middle, with all rows so far written.
    """
    console = console or Console(stderr=True)
    check_config(config)
    require_writable(config.out)
    prompts = choose_prompts(load_prompts(config.prompts), config.limit)
    base_url = server_url(str(config.base_url))
    facts = asyncio.run(first_contact(config, base_url))
    meter = meter_of(config, base_url)
    try:
        served = _served(config, base_url, facts, meter, console)
        jobs = [pick_job(config, identity(served, prompts, task, meter), prompts, task) for task in config.tasks]
    finally:
        meter.close()
    return _work_on_all([job for job in jobs if not already_finished(job, console)], served)


def _served(config: RunConfig, base_url: str, facts: ServerFacts, meter: Meter, console: Console) -> Served:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SharedGpu)  # the other process is the server
        environment: dict[str, Any] = {**machine_facts(), **meter.environment()}
    other = facts.other_model(config.model)
    if other is not None:
        console.print(f"The server answers as {other}, not as {config.model}: check --model.", soft_wrap=True)
    options = {"server": facts.version, "answered_as": other, "request_rate": config.request_rate}
    environment |= {name: value for name, value in options.items() if value is not None}
    is_path = Path(config.model).is_absolute() or Path(config.model).exists()
    model_id = Path(config.model).name if is_path else config.model
    return Served(config, base_url, model_id, facts, json.dumps(environment, sort_keys=True, default=str), console)


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
    """See that the server is there and answers one token for the model and options of this run.

    Raises:
        ServerDown, ServerRefused.
    """
    sampling = dataclasses.replace(_sampling(config), max_new_tokens=1)
    body = request_body(config.model, TASKS[config.tasks[0]], "Hello", 0, sampling, fixed_length=config.dummy_weights)
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
    return dataclasses.replace(facts, answered_as=answer.model)


def _sampling(config: RunConfig) -> Sampling:
    return Sampling(config.temperature, config.top_p, config.top_k, config.repetition_penalty, config.max_new_tokens)


def identity(served: Served, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """Everything that makes this run another run when it changes. The server's address is no part of it. JSON values only."""
    config = served.config
    own = {"model_id": served.model_id, "server": served.facts.version, "weights": _weights(config)}
    return {**{name: getattr(config, name) for name in _IDENTITY}, **own, **common_identity(prompts, task, meter)}


def _weights(config: RunConfig) -> str:
    return "dummy" if config.dummy_weights else "pretrained"


def setup_columns(job: Job, served: Served, meter: Meter) -> dict[str, Any]:
    """The columns that are equal in every row of the run. Sampling is as it was asked of the server; without a top-k, its own holds."""
    config = served.config
    same = ("temperature", "top_p", "repetition_penalty", "max_new_tokens", "seed", "batch_size", "engine")
    return {
        **{name: getattr(config, name) for name in same},
        "top_k": config.top_k or None,
        "schema_version": record.SCHEMA_VERSION,
        "run_id": job.run.run_id,
        "prompt_set": job.run.identity["prompt_set"],
        "prompt_set_sha256": job.run.identity["prompt_set_sha256"],
        "task": job.task,
        "model_id": served.model_id,
        "model_name": config.nickname,
        "weights": _weights(config),
        "dtype": "unknown" if config.dtype == "auto" else config.dtype,
        "engine_version": served.facts.version,
        "harness_version": HARNESS_VERSION,
        "device": "server",
        "gpu_model": meter.gpu_model,
        "num_gpus": meter.num_gpus,
        "concurrency": config.in_flight,
        "prompt_template": "server",
        "energy_source": meter.source,
        "energy_edges": meter.edges,
        "energy_attribution": None if meter.reason else "shared",
        "cpu_energy_source": "none",
        "dram_energy_source": "none",
        "host_energy_reason": meter.host_reason or "CPU and memory energy of a server is not divided; the window's is in run.json",
        "environment": served.environment,
    }


def _work_on_all(jobs: list[Job], served: Served) -> int:
    if not jobs:
        return 0
    answered = 0
    with Interrupt(served.console) as interrupt:
        asyncio.run(warm_up(jobs[0], served, lambda: interrupt.requested))
        for job in jobs:
            if not interrupt.requested:
                answered += work_on(job, served, lambda: interrupt.requested)
    if interrupt.requested:
        served.console.print("Interrupted. Run the same command again to go on.")
        return 130
    return 0 if answered else 1


async def warm_up(job: Job, served: Served, stop: Callable[[], bool]) -> None:
    """Answer up to `--warmup` prompts at the run's concurrency, briefly and unrecorded. What fails here, the run will record."""
    config = served.config
    sampling = dataclasses.replace(_sampling(config), max_new_tokens=min(_WARMUP_TOKENS, config.max_new_tokens))
    free = asyncio.Semaphore(config.in_flight)

    async def one(text: str, seed: int) -> None:
        body = request_body(config.model, TASKS[job.task], text, seed, sampling, fixed_length=config.dummy_weights)
        async with free:
            if not stop():
                with contextlib.suppress(RequestFailed):
                    await ask(client, body, config.timeout)

    async with client_of(served.base_url, config.in_flight) as client:
        items = job.items[: config.warmup]
        await asyncio.gather(*(one(prompt.text, prompt_seed(config.seed, prompt.id, place)) for prompt, place in items))


def work_on(job: Job, served: Served, stop: Callable[[], bool]) -> int:
    """Answer what a run still lacks; write parts, and the session's books into run.json, however it ends.

    Returns how many prompts were answered. Raises RunInUse, DiskFull, NotWritable, ServerLost.
    """
    config = served.config
    job.run.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.run.folder):
        sink = PartSink(job.run.folder)
        done = sink.done()
        meter = meter_of(config, served.base_url)
        run = dataclasses.replace(job.run, setup=job.run.setup or setup_columns(job, served, meter))
        run.save()
        progress = RunProgress(served.console, job.task, len(done), len(job.items), meter.reason, at_once=True)
        window = {"window_id": len(done), **run.setup}
        texts = {} if config.text else {"prompt_text": None, "output_text": None}

        one_at_a_time = threading.Lock()

        def take(row: Row) -> None:
            with one_at_a_time:
                row = row | window | texts | {"sequence": len(done) + progress.rows}
                progress.add(row)
                sink.add(row)

        begun, end, books = datetime.now(UTC), ["failed"], dict[str, Any]()
        try:
            with progress:
                asyncio.run(_session(job, served, meter, done, take, stop, end, books))
        finally:
            books |= meter.close()
            try:
                sink.flush()
            finally:
                close_session(run, sink, begun, end[0], len(done), books)
    say(job, run, progress, end[0], served.console)
    return progress.rows - progress.failed


async def _session(
    job: Job,
    served: Served,
    meter: Meter,
    done: set[tuple[str, int]],
    take: Callable[[Row], None],
    stop: Callable[[], bool],
    end: list[str],
    books: dict[str, Any],
) -> None:
    """One window. How it ends goes to `end`, the books of the traffic to `books`, also when it is cut off."""
    rest = [item for item in job.items if (item[0].id, item[1]) not in done]
    async with client_of(served.base_url, served.config.in_flight) as client:
        traffic = Traffic(served.config, TASKS[job.task], client, meter, take, stop)
        try:
            end[0] = await traffic.run(rest)
        except (asyncio.CancelledError, KeyboardInterrupt):
            end[0] = "aborted"
            raise
        finally:
            traffic.abort()
            books["server"] = traffic.books()
