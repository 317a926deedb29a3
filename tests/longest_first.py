"""The order of files where several processes share them: the long ones first, so that no process is left with one at the end.

pytest-xdist gives a file to one process. Left alone it begins with those of most tests, and a file of three tests that each load a model
comes last.
"""

from collections import Counter

import pytest

LONGEST = (
    "tests/e2e/test_addresses.py",  # visits servers that nobody has visited
    "tests/e2e/test_browser.py",
    "tests/e2e/test_charts.py",
    "tests/property/test_warehouse_properties.py",
    "tests/unit/serving/test_started.py",
    "tests/e2e/test_hostile.py",
    "tests/unit/ingest/test_crash.py",
    "tests/app/test_pages.py",
    "tests/install/test_wheel.py",
    "tests/property/test_bad_files.py",
    "tests/unit/statistics/test_coverage.py",
    "tests/unit/bench/test_own.py",
    "tests/e2e/test_questions.py",
    "tests/unit/bench/test_kill.py",
    "tests/unit/test_guides.py",
    "tests/attack/test_sql_limits.py",
    "tests/unit/bench/test_model.py",
    "tests/unit/bench/test_answers.py",
    "tests/unit/serving/test_real.py",
    "tests/unit/bench/test_loops.py",
    "tests/unit/bench/test_static_decode.py",
    "tests/unit/test_export.py",
    "tests/unit/bench/test_sharegpt.py",
    "tests/unit/bench/test_sweep.py",
    "tests/attack/test_fresh_server.py",
    "tests/unit/formats/test_mlenergy.py",
    "tests/unit/statistics/test_aa.py",
    "tests/unit/test_screen.py",
    "tests/e2e/test_live.py",
    "tests/unit/serving/test_beside.py",
)
"""Files that take 15 s of a process or more, in the order in which they are begun."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files in order in each process of pytest-xdist, all in the same; `--no-loadscope-reorder` keeps it."""
    if hasattr(config, "workerinput"):
        items[:] = in_order(items)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests of `LONGEST`, then the other files by how many tests they have. Tests of a file stay together, as they were."""
    places, sizes = {name: place for place, name in enumerate(LONGEST)}, Counter(file_of(item) for item in items)
    return sorted(items, key=lambda item: (places.get(file_of(item), len(places)), -sizes[file_of(item)], file_of(item)))


def file_of(item: pytest.Item) -> str:
    """Path of the file of a test, from the root of the repository."""
    return item.nodeid.split("::")[0]
