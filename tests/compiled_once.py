"""What the first process of pytest-xdist compiles while it collects, the others read.

In a new checkout that is every file of tests, whose assertions pytest rewrites, and the modules of torch and transformers, which are
installed without it: 8 to 15 s of CPU. Processes that collect at the same time each compile everything.
"""

from collections.abc import Iterator

import pytest
from filelock import FileLock, Timeout


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """In a process of pytest-xdist: collect alone where it is the first to begin, and after the first otherwise."""
    cache = getattr(session.config, "cache", None)  # `-p no:cacheprovider` leaves it out
    if cache is None or not hasattr(session.config, "workerinput"):
        return (yield)
    lock = FileLock(cache.mkdir("collected") / "first.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with lock:
            pass
        return (yield)
    try:
        return (yield)
    finally:
        lock.release()
