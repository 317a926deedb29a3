"""One session of requests to a server: sends them, watches the counter, hands on each row as soon as its joules are known.

The client runs on one thread of asyncio. A task beside the requests has the counter read about every 10 ms, so a step is seen to within
5 ms and the time of a reading; a row waits until the counter has moved after its end. Driver and disk are waited for on other threads.
"""

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.answer_stream import Answer, RequestFailed
from prompt_joules.bench.engines.openai import ask, request_body
from prompt_joules.bench.machine import host_load
from prompt_joules.bench.meter.reading import Meter, Reading
from prompt_joules.bench.run.attribution import Flight, SharedEnergy, steady_state
from prompt_joules.bench.run.deaths import ASKED_ALONE, ItemKey
from prompt_joules.bench.run.window import Item, Row, loop_share, prompt_seed, text_columns
from prompt_joules.bench.tasks import Task

ATTEMPTS = 4
"""How often a prompt is sent before it counts as failed; only what a server may answer differently is sent again."""
_BACKOFF_S = 0.5
_POLL_S = 0.01
_STUCK_S = 2.0


@dataclass(frozen=True)
class _Waiting:
    """A row whose request has ended and whose energy is not known yet."""

    key: int
    row: Row


@dataclass
class Traffic:
    """Requests in flight and what becomes of them."""

    config: RunConfig  # concurrency or rate, timeout, seed
    task: Task  # gives the system message
    client: httpx.AsyncClient  # of the server
    meter: Meter  # open; this makes one window of the session
    take: Callable[[Row], None]  # gets every row once it is whole; called on another thread, one at a time
    stop: Callable[[], bool]  # no more requests are sent once it says so
    dialect: str | None  # whose extensions the server understands, see `request_body`

    def __post_init__(self) -> None:
        self._energy = SharedEnergy()
        self._keys = itertools.count()
        self._flights: list[Flight] = []
        self._waiting: list[_Waiting] = []
        self._failed: set[int] = set()
        self._broken: set[ItemKey] = set()
        self._no_energy = self.meter.reason
        self._counting = asyncio.Event()
        self._over = False
        self._lost: str | None = None
        self._window: Reading | None = None
        self._again = self._late = self._in_flight = 0
        self._free_places = list(range(self.config.in_flight)) if self.config.named_places else None
        self._cached: int | None = None

    def full(self) -> bool:
        """Whether as many requests are in flight as the run may have."""
        return self._in_flight >= self.config.in_flight

    @property
    def in_hand(self) -> tuple[ItemKey, ...]:
        """The prompts that the server was answering when it went away; empty as long as it answers."""
        return tuple(sorted(self._broken)) if self._lost is not None else ()

    async def run(self, items: Sequence[Item], alone: Sequence[Item] = ()) -> str:
        """Send them all. Returns how it ended: finished or interrupted.

        Args:
            items: sent together, as many at once as the run has in flight.
            alone: sent after these, one at a time.

        Raises:
            ServerLost: it went away. DiskFull, NotWritable: from `take`.
        """
        self.meter.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                await self._counting.wait()
                finished = await self._send_all(items) and await self._send_alone(alone)
                while self._waiting:
                    await asyncio.sleep(_POLL_S)
                self._window = await asyncio.to_thread(self.meter.end)
                self._over = True
        except ExceptionGroup as failures:
            raise _first(failures) from None
        if self._lost is not None:
            raise errors.ServerLost(str(self.client.base_url), self._lost)
        return "finished" if finished else "interrupted"

    async def _send_all(self, items: Sequence[Item]) -> bool:
        """Keep the server busy. Returns whether nothing was left out."""
        free = asyncio.Semaphore(self.config.in_flight)
        chance = random.Random(self.config.seed)
        due_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for sent, item in enumerate(items):
                if self.config.request_rate and sent:
                    due_s += chance.expovariate(self.config.request_rate)
                    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                    self._late += free.locked()
                await free.acquire()
                if self.stop() or self._lost is not None:
                    return False
                group.create_task(self._answer(item, free))
        return True

    async def _send_alone(self, items: Sequence[Item]) -> bool:
        """Send one after the other, with nothing else in flight. Returns whether nothing was left out."""
        free, because = asyncio.Semaphore(1), ASKED_ALONE if self.config.in_flight > 1 else None
        for item in items:
            await free.acquire()
            if self.stop() or self._lost is not None:
                return False
            await self._answer(item, free, because)
        return self._lost is None

    async def _answer(self, item: Item, free: asyncio.Semaphore, because: str | None = None) -> None:
        """Send one prompt, again if that may help, and queue its row. `because` is the row's reason if it has no other."""
        try:
            for attempt in range(ATTEMPTS):
                failure = await self._attempt(item, because, last=attempt == ATTEMPTS - 1)
                if failure is None:
                    return
                self._again += 1
                await asyncio.sleep(failure.wait_s if failure.wait_s is not None else _BACKOFF_S * 2**attempt)
        finally:
            free.release()

    async def _attempt(self, item: Item, because: str | None, *, last: bool) -> RequestFailed | None:
        """Send one request. Returns the failure after which it should be sent again, or None once its row waits (or the server is lost)."""
        (prompt, repetition), config = item, self.config
        seed = prompt_seed(config.seed, prompt.id, repetition) if config.request_seed else None
        place = None if self._free_places is None else heapq.heappop(self._free_places)
        options: dict[str, Any] = {"fixed_length": config.dummy_weights, "dialect": self.dialect, "place": place}
        body = request_body(config.model, self.task, prompt.text, seed, config.sampling, **options)
        row = {"prompt_id": prompt.id, "repetition": repetition, "prompt_text": prompt.text, "started_at": datetime.now(UTC)}
        key, start_s = next(self._keys), time.perf_counter()
        self._energy.start(key, start_s)
        self._in_flight += 1
        answer = failure = None
        try:
            answer = await ask(self.client, body, config.timeout)
        except RequestFailed as error:
            failure = error
            self._failed.add(key)
        finally:
            end_s = time.perf_counter()
            self._energy.stop(key, end_s)
            self._in_flight -= 1
            if self._free_places is not None and place is not None:
                heapq.heappush(self._free_places, place)
        if failure is None and answer is not None:
            self._broken.discard((prompt.id, repetition))
            self._flights.append(Flight(start_s, end_s, answer.stamps_s, answer.output_tokens))
            if answer.output_tokens is None:
                self._failed.add(key)
            if answer.cached_tokens is not None:
                self._cached = (self._cached or 0) + answer.cached_tokens
            self._waiting.append(_Waiting(key, row | answered(answer, start_s, config.max_new_tokens, because)))
            return None
        assert failure is not None
        if failure.broke:
            self._broken.add((prompt.id, repetition))
        self._flights.append(Flight(start_s, end_s, failure.stamps_s, 0 if failure.again else None))
        if failure.again and not last:
            return None if self.stop() else failure  # dropped: the next command sends it again
        if failure.unreachable:
            self._lost = self._lost or str(failure)
        else:
            self._broken.discard((prompt.id, repetition))
            tries = f" (sent {ATTEMPTS} times)" if failure.again and last else ""
            self._waiting.append(_Waiting(key, row | {"status": "failed", "reason": f"{failure}{tries}", "finish_reason": "error"}))
        return None

    async def _watch(self) -> None:
        """Follow the counter and hand on the rows that are whole, until the session is over."""
        shown_j: float | None = None
        read_s = moved_s = time.perf_counter()
        while not self._over:
            if self._no_energy is None:
                asked_s = time.perf_counter()
                value_j, now_s = await asyncio.to_thread(self._read)
                if value_j is None:
                    self._no_energy = "the energy counter stopped answering"
                elif shown_j is not None and value_j < shown_j:
                    self._no_energy = "the energy counter went back: it was reset"
                elif value_j != shown_j:
                    if shown_j is not None:
                        self._energy.advance((read_s + now_s) / 2, value_j)
                        self._counting.set()
                    shown_j, moved_s = value_j, now_s
                elif asked_s - moved_s > _STUCK_S:
                    self._no_energy = f"the energy counter has not moved for {_STUCK_S:g} s"
                read_s = now_s
            if self._no_energy is not None:
                self._counting.set()
            await self._hand_on()
            await asyncio.sleep(_POLL_S)

    def _read(self) -> tuple[float | None, float]:
        """The counter and when it was read. A driver takes milliseconds to answer: the thread of the requests must not wait for it."""
        return self.meter.read_j(), time.perf_counter()

    async def _hand_on(self) -> None:
        ready = [entry for entry in self._waiting if self._no_energy is not None or self._energy.settled(entry.key)]
        for entry in ready:
            self._waiting.remove(entry)
            await asyncio.to_thread(self.take, entry.row | self._joules(entry))

    def abort(self) -> None:
        """After an interruption in the middle: hand on what has been answered, without energy where that is not known yet."""
        if self._no_energy is None and not self._over:
            self._no_energy = "interrupted before the counter moved"
        for entry in self._waiting:
            self.take(entry.row | self._joules(entry))
        self._waiting = []

    def _joules(self, entry: _Waiting) -> Row:
        if entry.row["finish_reason"] == "error":
            return {"energy_reason": "the prompt failed"}
        if not self._energy.settled(entry.key):
            return {"energy_reason": self._no_energy}
        part = self._energy.parts[entry.key]
        if part.energy_j <= 0:
            return {"energy_reason": "the counter gave this request no energy: too short to resolve"}
        whole = Reading(energy_j=part.energy_j, edge_j=part.error_j, calibration=self.meter.calibration)
        return {"energy_j": part.energy_j, "energy_error_j": whole.error_j, "energy_error_edge_j": part.error_j}

    def balance(self) -> dict[str, Any]:
        """What this session did with the window's energy (J), its steady state, and how often requests were sent again or came late."""
        energy, config = self._energy, self.config
        measured = len(energy.knots) > 1
        parts = {key: part.energy_j for key, part in energy.parts.items()}
        window = self._window or Reading(reason=self._no_energy or "interrupted")
        failed_j = sum(joules for key, joules in parts.items() if key in self._failed)
        full = None if config.request_rate else config.in_flight
        return {
            "rule": "every moment's energy in equal parts to the requests in flight",
            "shown_j": energy.knots[-1][1] - energy.knots[0][1] if measured else None,
            "answered_j": sum(parts.values()) - failed_j if measured else None,
            "failed_j": failed_j if measured else None,
            "no_request_j": energy.idle_j if measured else None,
            "window_j": window.energy_j,
            "window_reason": window.reason,
            "cpu_energy_j": window.cpu_energy_j,
            "dram_energy_j": window.dram_energy_j,
            "steady_state": steady_state(self._flights, full, energy, self._no_energy),
            "sent_again": self._again,
            "sent_late": self._late,
            "cached_tokens": self._cached,
            "in_hand": [list(key) for key in self.in_hand],
        }


def _first(failures: BaseExceptionGroup[Any]) -> BaseException:
    """The first error of a group, however deep."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def answered(answer: Answer, start_s: float, most_tokens: int, because: str | None = None) -> Row:
    """The columns of a whole answer. Without the server's token count the row is failed: it cannot enter any figure.

    The latency ends with the last text, as AIPerf's does; `stream_end_s` is when the server said that the stream was over. The reason of
    an answer that is longer than allowed says that; any other answer has `because`.
    """
    counted = answer.output_tokens is not None
    longer = answer.output_tokens is not None and answer.output_tokens > most_tokens
    why = f"the server wrote {answer.output_tokens} tokens, {most_tokens} were allowed" if longer else because
    return {
        "status": "ok" if counted else "failed",
        "reason": why if counted else "the server gave no token count (usage) for this answer",
        "finish_reason": answer.finish_reason if counted else "error",
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "ttft_s": answer.stamps_s[0] - start_s if answer.stamps_s else None,
        "latency_s": answer.last_s - start_s,
        "stream_end_s": None if answer.done_s is None else answer.done_s - start_s,
        "cached_tokens": answer.cached_tokens,
        "itl_s": answer.token_gaps_s(),
        "loop_share": loop_share(answer.text.split()),
        "host_load": host_load(),
        **text_columns(answer.text),
    }
