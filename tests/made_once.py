"""Warehouses that many tests read or copy, made once for a whole session, whichever process of pytest-xdist needs one first."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

MakeOnce = Callable[[str, Callable[[Path], object]], Path]
"""Name and maker → the folder that the maker, given an empty folder, has filled."""


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> MakeOnce:
    """Make a folder of a name unless another process of this session has made it. Nobody may change what is in it: copy it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, unfinished = shared / f"made-{name}", shared / f"making-{name}"
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return once
