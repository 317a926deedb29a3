"""What all tests share."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests run last: Playwright keeps an event loop open, and code under test starts its own."""
    items.sort(key=lambda item: "/tests/e2e/" in item.path.as_posix())
