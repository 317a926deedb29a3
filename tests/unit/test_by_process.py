"""Which process takes which file, where several share the suite."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests import by_process
from tests.servers import ROOT

TORCH = ["tests/unit/bench/test_a.py::1", "tests/unit/bench/test_a.py::2"]
BROWSER = ["tests/e2e/test_a.py::1", "tests/e2e/test_b.py::2"]
OTHERS = [f"tests/unit/test_{name}.py::{number}" for name in "cdef" for number in range(4)]


class Process:
    """A process with its list of tests, which notes what it is told."""

    def __init__(self, tests: list[str]) -> None:
        self.tests = tests
        self.told: list[str] = []
        self.done: list[str] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, places: list[int]) -> None:
        """Take work."""
        self.told += [self.tests[place] for place in places]

    def shutdown(self) -> None:
        """End after what it was told."""
        self.shutting_down = True


def shared(*processes: Process) -> Any:
    """The scheduler of processes that have collected, with their first work."""
    plugins = SimpleNamespace(get_plugin={"session": SimpleNamespace(testscollected=0)}.get)
    options = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(getvalue=lambda _: ["popen"] * len(processes), option=options, pluginmanager=plugins)
    scheduler = by_process.ByProcess(config)
    for process in processes:
        scheduler.add_node(process)
    for process in processes:
        scheduler.add_node_collection(process, process.tests)
    assert scheduler.collection_is_completed
    scheduler.schedule()
    return scheduler


def work(scheduler: Any, *processes: Process) -> None:
    """Let all run what they are told, a test each in turn, until there is nothing left."""
    while scheduler.has_pending:
        busy = [process for process in processes if len(process.done) < len(process.told)]
        assert busy
        for process in busy:
            process.done.append(process.told[len(process.done)])
            scheduler.mark_test_complete(process, process.tests.index(process.done[-1]))


def test_each_is_given_what_it_has_and_first_what_nobody_else_has() -> None:
    every, some = Process(BROWSER + OTHERS + TORCH), Process(BROWSER + OTHERS)
    scheduler = shared(every, some)
    assert scheduler.config.pluginmanager.get_plugin("session").testscollected == len(every.tests)
    work(scheduler, some, every)
    assert every.told[:2] == TORCH and some.told[:2] == BROWSER
    assert sorted(some.done + every.done) == sorted(BROWSER + OTHERS + TORCH)
    assert some.shutting_down and every.shutting_down
    assert set(some.done) & set(OTHERS) and set(every.done) & set(OTHERS)


def test_a_process_for_which_nothing_is_left_ends_and_the_others_go_on() -> None:
    some, every, none = Process(OTHERS[:1]), Process(OTHERS[:1] + TORCH), Process([])
    scheduler = shared(none, some, every)
    assert none.shutting_down and none.told == []
    work(scheduler, some, every)
    assert some.done == OTHERS[:1] and every.done == TORCH and every.shutting_down


def test_the_process_that_has_all_is_not_one_too_many() -> None:
    some, every = Process([]), Process(TORCH)
    work(shared(some, every), every)
    assert every.done == TORCH


def test_what_a_crashed_process_left_is_done_by_the_one_that_replaces_it() -> None:
    some, every, new = Process(OTHERS), Process(OTHERS + TORCH), Process(OTHERS + TORCH)
    scheduler = shared(some, every)
    assert scheduler.remove_node(every) == TORCH[0]
    scheduler.add_node(new)
    scheduler.add_node_collection(new, new.tests)
    scheduler.schedule()
    work(scheduler, some, new)
    assert new.done[:2] == TORCH and sorted(some.done + new.done) == sorted(OTHERS + TORCH)


@pytest.mark.parametrize(
    ("told", "asked", "leaves"),
    [
        ({"workerid": "gw0", "workercount": 3}, "tests", False),
        ({"workerid": "gw2", "workercount": 3}, "tests", True),
        ({"workerid": "gw3", "workercount": 3}, "tests", False),  # in the place of one that crashed
        ({"workerid": "gw2", "workercount": 3}, "tests/unit/bench", False),
        (None, "tests", False),
    ],
)
def test_processes_after_the_first_leave_torch_to_it(told: dict[str, object] | None, asked: str, *, leaves: bool) -> None:
    config: Any = SimpleNamespace(rootpath=ROOT, args=[asked], invocation_params=SimpleNamespace(dir=ROOT))
    if told is not None:
        config.workerinput = told
    assert by_process.leaves_torch(config) is leaves
    for name in ("bench/test_model.py", "bench/test_templates.py", "serving/test_real.py", "test_screen.py", "test_guides.py"):
        assert by_process.pytest_ignore_collect(ROOT / "tests" / "unit" / name, config) is (True if leaves else None)
    for name in ("bench", "bench/conftest.py", "bench/test_meter.py", "serving/test_started.py", "test_connect.py"):
        assert by_process.pytest_ignore_collect(ROOT / "tests" / "unit" / name, config) is None


def test_the_tests_of_the_browser_are_there() -> None:
    assert (ROOT / by_process.BROWSER).is_dir()
