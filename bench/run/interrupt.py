"""Ctrl-C as a wish, so that what was measured is written before the process ends."""

import signal
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console


class Interrupt:
    """Ctrl-C as a wish: the first is noted, the second ends the process's work at once."""

    def __init__(self, console: Console) -> None:
        self.requested = False
        self._console = console
        self._before: Any = None

    def __enter__(self) -> "Interrupt":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._console.print("Finishing the prompt in hand (Ctrl-C again drops it) ...")
