"""Ctrl-C and SIGTERM as a request to stop, so that what was measured is written before the process ends."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console


@dataclass
class Interrupt:
    """Ctrl-C, or SIGTERM (which Slurm, Docker and Kubernetes send), as a request to stop: the first is noted, the second ends the work at
    once."""

    console: Console  # where it is answered
    answer: str = "Finishing the prompt in hand (Ctrl-C again drops it) ..."  # what is said to the first
    requested: bool = False  # whether there was one
    _before: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> "Interrupt":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self.console.print(self.answer)


@contextlib.contextmanager
def terminated() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt as Ctrl-C does, so that nothing half-made is left. Not in a thread, where no signal arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
