"""What all tests share: an empty warehouse and the results that ship, made once.

What is tested is imported inside the fixtures: the process of pytest-xdist that only hands out tests loads this file too, and slipcover has
it pay for the lines of every module that it imports.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.by_process import pytest_ignore_collect, pytest_xdist_make_scheduler
from tests.compiled_once import pytest_collection
from tests.longest_first import pytest_collection_modifyitems
from tests.made_once import MakeOnce, make_once

__all__ = ["make_once", "pytest_collection", "pytest_collection_modifyitems", "pytest_ignore_collect", "pytest_xdist_make_scheduler"]

with contextlib.suppress(ImportError):  # the environment of the lake has none
    import hypothesis

    # A busy machine must not fail a test that is right.
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def empty_warehouses_are_copies(make_once: MakeOnce) -> Iterator[None]:
    """Copy the first empty warehouse of a session wherever a test needs one."""
    from tests import empty_warehouse

    with empty_warehouse.copied(make_once("empty", empty_warehouse.template) / "empty.duckdb"):
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_the_older_duckdb() -> Iterator[None]:
    """In the environment of the lake, instances of DuckDB that a test opens in its own process have one thread: a sixth less CPU.

    What rows of several threads could do to a result is tried with the newer DuckDB, and by the programs that the tests of lakes start.
    """
    import duckdb

    with pytest.MonkeyPatch.context() as patch:
        if duckdb.__version__.startswith("1."):
            connect = duckdb.connect

            def with_one_thread(*words: Any, config: dict[str, Any] | None = None, **more: Any) -> Any:
                return connect(*words, config={**(config or {}), "threads": 1}, **more)

            patch.setattr(duckdb, "connect", with_one_thread)
        yield


@pytest.fixture(scope="session")
def visited_cache(make_once: MakeOnce) -> Path:
    """A cache folder (XDG_CACHE_HOME) in which the shipped results were loaded before."""
    from prompt_joules import first_warehouse

    def load(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder))
            first_warehouse.ready(lambda _: None)

    return make_once("cache", load)


@pytest.fixture(scope="session")
def shipped_warehouse(visited_cache: Path) -> Path:
    """All that ships with the project, ingested: what a first visitor sees. Copy it to change it."""
    (path,) = visited_cache.rglob("shipped-*.duckdb")
    return path
