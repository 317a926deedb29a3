"""What all tests share: the results that ship, loaded once; and one thread for each process, where tests run side by side."""

import contextlib
import os
from pathlib import Path

import pytest

from prompt_joules import first_warehouse
from tests.made_once import MakeOnce, make_once

__all__ = ["make_once"]

# Threads of a tiny model wait for one another more than they work: 98 s of CPU where one takes 56.
os.environ.setdefault("OMP_NUM_THREADS", "1")

with contextlib.suppress(ImportError):  # the environment of the lake has none
    import hypothesis

    # A busy machine must not fail a test that is right.
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def visited_cache(make_once: MakeOnce) -> Path:
    """A cache folder (XDG_CACHE_HOME) in which the shipped results were loaded before."""

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
