"""The order in which several processes take files."""

from types import SimpleNamespace
from typing import Any

from tests.longest_first import LONGEST, in_order
from tests.servers import ROOT


def test_long_files_come_first_then_those_of_most_tests_and_a_file_stays_together() -> None:
    names = ["tests/a.py::1", "tests/b.py::1", "tests/a.py::2", f"{LONGEST[1]}::x", "tests/b.py::2", "tests/b.py::0", f"{LONGEST[0]}::y"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    found = [item.nodeid for item in in_order(items)]
    assert found == [names[6], names[3], "tests/b.py::1", "tests/b.py::2", "tests/b.py::0", "tests/a.py::1", "tests/a.py::2"]


def test_the_long_files_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
