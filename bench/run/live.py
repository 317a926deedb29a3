"""One question to one server of this host, piece by piece, while the joules count up; then a row like those of a run.

The meter has one window, of all GPUs of this host, around the answer: nothing else should use them meanwhile; `Turns` keeps our own
questions apart. While the answer runs the counter is only read (its steps are in what it shows); the energy of the row is that of the
window.
"""

import asyncio
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prompt_joules.bench import errors, screen
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.answer_stream import Answer, RequestFailed
from prompt_joules.bench.engines.openai import ask, request_body
from prompt_joules.bench.files import uuid7
from prompt_joules.bench.meter.reading import Meter, Reading
from prompt_joules.bench.prompts.sets import Prompt, PromptSet, prompts_sha256
from prompt_joules.bench.run.folder import Run, fingerprint
from prompt_joules.bench.run.job import Job, Pass
from prompt_joules.bench.run.served import ServedWork, client_of, described, first_contact, identity, meter_of, server_url
from prompt_joules.bench.run.session import common_setup
from prompt_joules.bench.run.sink import to_parquet
from prompt_joules.bench.run.traffic import answered
from prompt_joules.bench.run.window import Row, condition_columns, energy_columns
from prompt_joules.bench.tasks import TASKS

PROMPT_SET = "live"
FORM = "NAME = MODEL@http://localhost:8000/v1, several with a semicolon between them"
_LOOK_S = 0.1
_ONE = re.compile(r"\s*(?:(?P<label>[^=;@]+?)\s*=\s*)?(?P<model>.+)@(?P<url>https?://\S+)\s*")


class BadServers(errors.BenchError):
    """The list of servers cannot be read."""


class Busy(errors.BenchError):
    """A question cannot be asked now; the text says when it can."""


@dataclass(frozen=True)
class Server:
    """A server that runs already: what people call it, its name for the model, and its address."""

    label: str
    model: str
    url: str


@dataclass(frozen=True)
class Moment:
    """An answer on its way."""

    text: str = ""  # so far
    seconds: float = 0.0  # since the request went out
    energy_j: float | None = None  # what the counter has shown since (J); None where there is none


def servers(text: str) -> tuple[Server, ...]:
    """The servers of a list, e.g. "eager = llama-8b@http://localhost:8000/v1; compiled = llama-8b@http://localhost:8001/v1".

    Raises:
        BadServers: an entry is none, or two have one name.
    """
    found = []
    for entry in filter(str.strip, text.split(";")):
        match = _ONE.fullmatch(entry)
        if match is None:
            raise BadServers(f"{entry.strip()!r} is no server. Write {FORM}.")
        found.append(Server(match["label"] or match["model"].strip(), match["model"].strip(), match["url"]))
    if len({server.label for server in found}) < len(found):
        raise BadServers(f"Two servers have one name. Give each its own: {FORM}.")
    return tuple(found)


@dataclass
class Turns:
    """One question at a time for a whole process, with a pause after each, and a limit an hour."""

    pause_s: float = 5.0  # between the end of one and the start of the next
    most_an_hour: int = 60  # the limit
    clock: Callable[[], float] = time.monotonic  # seconds

    def __post_init__(self) -> None:
        self._mine = threading.Lock()
        self._asked: list[float] = []
        self._ended_s = float("-inf")

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the turn. Raises Busy."""
        if not self._mine.acquire(blocking=False):
            raise Busy("Somebody else's question is being answered, and two at once could not be told apart by the meter. Ask again soon.")
        try:
            now_s = self.clock()
            self._asked = [then_s for then_s in self._asked if now_s - then_s < 3600]
            if (wait_s := self._ended_s + self.pause_s - now_s) > 0:
                raise Busy(f"The last question has just been answered. Ask again in {wait_s:.0f} s.")
            if len(self._asked) >= self.most_an_hour:
                raise Busy(
                    f"{self.most_an_hour} questions an hour are answered here. Ask again in {(3600 - now_s + self._asked[0]) / 60:.0f} min."
                )
            self._asked.append(now_s)
            try:
                yield
            finally:
                self._ended_s = self.clock()
        finally:
            self._mine.release()


@dataclass
class Asked:
    """A question on its way to one server, in a thread of its own, so that drawing its moments does not delay the measurement."""

    server: Server
    question: str
    experiment_id: str = ""  # what a pair shares; a new one where none is given
    task: str = "chat"
    most_tokens: int = 256
    seed: int = 0
    timeout_s: float = 120.0
    replay: Path | None = None
    row: Row | None = None  # as in a results file, once the answer is whole
    fault: str | None = None  # why there is none, for the person who asked

    def __post_init__(self) -> None:
        self.experiment_id = self.experiment_id or uuid7()
        self._pieces: list[str] = []
        self._start_s: float | None = None
        self._end_s: float | None = None
        self._first_j: float | None = None
        self._shown_j: float | None = None
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="live")

    def start(self) -> "Asked":
        self._thread.start()
        return self

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the end. Returns whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Break off; the row stays None."""
        self._cancelled.set()

    def moment(self) -> Moment:
        """How far the answer has come."""
        if self._start_s is None:
            return Moment()
        gained = None if self._first_j is None or self._shown_j is None else max(0.0, self._shown_j - self._first_j)
        return Moment("".join(self._pieces), (self._end_s or time.perf_counter()) - self._start_s, gained)

    def _run(self) -> None:
        config = RunConfig(
            model=self.server.model,
            task=(self.task,),
            engine="openai",
            base_url=self.server.url,
            max_new_tokens=self.most_tokens,
            seed=self.seed,
            timeout=self.timeout_s,
            replay=self.replay,
            warmup=0,
        )
        try:
            base_url = server_url(self.server.url)
            facts = asyncio.run(first_contact(config, base_url))
            with closing(meter_of(config, base_url)) as meter:
                work = described(config, base_url, facts, {}, meter, screen.console(quiet=True))
                self.row = asyncio.run(self._measured(work, meter))
        except errors.ServerDown:  # its text has the address, which a visitor must not see
            self.fault = f"{self.server.label} does not answer: is its server running?"
        except (errors.BenchError, RequestFailed) as error:
            self.fault = str(error)

    async def _measured(self, work: ServedWork, meter: Meter) -> Row | None:
        """The row of one answer in one window; None when it was broken off. Raises RequestFailed."""
        config = work.config
        prompt = prompt_of(self.question)
        body = request_body(config.model, TASKS[self.task], prompt.text, None, config.sampling, dialect=work.dialect)
        async with client_of(work.base_url, 1) as client:
            await asyncio.to_thread(meter.begin)
            self._first_j = meter.read_j()
            started_at, self._start_s = datetime.now(UTC), time.perf_counter()
            request = asyncio.create_task(ask(client, body, config.timeout, self._pieces.append))
            try:
                while not request.done() and not self._cancelled.is_set():
                    await asyncio.wait({request}, timeout=_LOOK_S)
                    self._shown_j = await asyncio.to_thread(meter.read_j)
            finally:
                self._end_s = time.perf_counter()
                request.cancel()
                ended = asyncio.gather(request, return_exceptions=True)
                reading = await asyncio.to_thread(meter.end)
                await ended  # nothing asks the client when it is closed
            if self._cancelled.is_set():
                return None
            return self._row(work, meter, request.result(), reading, started_at)

    def _row(self, work: ServedWork, meter: Meter, answer: Answer, reading: Reading, started_at: datetime) -> Row:
        """Everything that a row of a run has."""
        assert self._start_s is not None
        prompt = prompt_of(self.question)
        prompts = PromptSet(PROMPT_SET, prompts_sha256([prompt]), (prompt,))
        meant = identity(work, work.config, prompts, self.task, meter)
        job = Job(Run(Path(uuid7()), fingerprint(meant), meant, {}, 1), self.task, ((prompt, 0),))
        its_pass = Pass(work.config, (job,), self.experiment_id, uuid7())
        own = {"prompt_id": prompt.id, "repetition": 0, "sequence": 0, "window_id": 0, "prompt_text": prompt.text, "started_at": started_at}
        own["other_processes"] = None  # the server itself is one
        row = answered(answer, self._start_s, self.most_tokens) | condition_columns(reading) | own
        row |= energy_columns(reading) if row["status"] == "ok" else {"energy_reason": "the prompt failed"}
        return row | common_setup(job, its_pass, meter) | work.setup_columns(job, meter)


def prompt_of(question: str) -> Prompt:
    """A question as a prompt. Its id is made of its text, so that two questions are never one prompt."""
    return Prompt(f"live-{hashlib.sha256(question.encode()).hexdigest()[:12]}", question)


def parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows as a results file that the ingest loads."""
    return to_parquet(list(rows))


def told(asked: Iterable[Asked]) -> list[Row]:
    """The rows of those that were answered whole."""
    return [one.row for one in asked if one.row is not None]
