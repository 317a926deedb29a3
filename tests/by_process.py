"""Which process of pytest-xdist takes which file, where the whole suite runs side by side.

Collecting what imports torch and transformers takes a process 7 s of CPU: the first process alone does, and begins with those files. The
tests of `tests/e2e` are one piece of work, so that one browser and one server of the app serve them all. Everything else goes to whoever is
free.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

try:
    from xdist.scheduler import LoadFileScheduling
except ImportError:  # `pytest` without it runs in one process
    LoadFileScheduling = object

BROWSER = "tests/e2e/"
NAMES_TORCH = re.compile(
    r'importorskip\("(?:torch|transformers)"|^ *(?:import|from) (?:torch|transformers)\b|tests\.tiny_models',
    re.MULTILINE,
)
"""What stands in a file of tests that imports torch, or what imports it."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave what needs torch to the first process."""
    return True if leaves_torch(config) and names_torch(collection_path) else None


def names_torch(path: Path) -> bool:
    """Whether it is a file of tests that imports torch: to collect one is 7 s, so that no list may lack any."""
    return path.match("test_*.py") and bool(NAMES_TORCH.search(path.read_text(encoding="utf-8")))


def leaves_torch(config: pytest.Config) -> bool:
    """Whether this is another process than the first, of several that share the whole suite. One that replaces a crashed one takes all."""
    told = getattr(config, "workerinput", None)
    if told is None or config.rootpath / "tests" not in {(config.invocation_params.dir / path).resolve() for path in config.args}:
        return False
    return 0 < int(told["workerid"].removeprefix("gw")) < told["workercount"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share files by what each process has collected."""
    return ByProcess(config, log) if config.getvalue("dist") == "loadfile" else None


class ByProcess(LoadFileScheduling):  # type: ignore[misc,valid-type]
    """A process is given files that it has collected, first those that few others have."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self.has: dict[Any, set[str]] = {}

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Note what a process has collected."""
        super().add_node_collection(node, collection)
        self.has[node] = {self._split_scope(test) for test in collection}

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))

    def schedule(self) -> None:
        """Begin, or go on. The process with most tests comes first: its list is that of all, and it is not sent home as one too many."""
        if self.collection is None:
            most_first = sorted(self.registered_collections, key=lambda node: -len(self.registered_collections[node]))
            self.registered_collections = {node: self.registered_collections[node] for node in most_first}
            self.assigned_work = {node: self.assigned_work[node] for node in most_first}
            if session := self.config.pluginmanager.get_plugin("session"):
                session.testscollected = len(self.registered_collections[most_first[0]])  # of this pytest says how many per cent are done
        super().schedule()

    def _check_nodes_have_same_collection(self) -> bool:
        """Whether each process has the tests of the first, or some of them in the same order."""
        every, *others = self.registered_collections.values()
        return all(is_part(tests, every) for tests in others) or bool(super()._check_nodes_have_same_collection())

    def _next_for(self, node: Any) -> str | None:
        """The piece of work for a process that comes next; None where all that is left is for others."""
        fitting = [scope for scope in self.workqueue if scope in self.has[node]]
        return min(fitting, key=lambda scope: sum(scope in scopes for scopes in self.has.values()), default=None)

    def _assign_work_unit(self, node: Any) -> None:
        scope = self._next_for(node)
        if scope is None:
            node.shutdown()
        else:
            self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: Any) -> None:
        if self.workqueue and not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 2 and not self._next_for(node):
            node.shutdown()
        else:
            super()._reschedule(node)


def is_part(some: Iterable[str], every: Iterable[str]) -> bool:
    """Whether the tests of one list are in the other too, in the same order."""
    left = iter(every)
    return all(test in left for test in some)
