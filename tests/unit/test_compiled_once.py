"""One process collects first, the others after it."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.compiled_once import pytest_collection


def process(folder: Path, **more: object) -> Any:
    """The hook in a process that keeps its cache in a folder; `next` begins to collect, `close` ends it."""
    session: Any = SimpleNamespace(config=SimpleNamespace(cache=SimpleNamespace(mkdir=lambda _: folder), **more))
    return pytest_collection(session)


def test_the_others_collect_when_the_first_has_and_at_the_same_time(tmp_path: Path) -> None:
    first, *others = (process(tmp_path, workerinput={}) for _ in range(3))
    next(first)
    with ThreadPoolExecutor(2) as threads:
        begun = [threads.submit(next, other) for other in others]
        with pytest.raises(NotYet):
            begun[0].result(timeout=0.3)
        assert not any(one.done() for one in begun)
        first.close()
        assert [one.result(timeout=60) for one in begun] == [None, None]


def test_one_process_waits_for_nobody(tmp_path: Path) -> None:
    first = process(tmp_path, workerinput={})
    next(first)
    assert next(process(tmp_path)) is None
    assert next(pytest_collection(SimpleNamespace(config=SimpleNamespace()))) is None  # type: ignore[arg-type]
