"""Answers to visitors' SQL that are remembered while the warehouse stays the same: so many bytes for all visitors, the oldest go first."""

import threading
from collections import OrderedDict

from prompt_joules.warehouse import connect, switches, visitor_sql
from prompt_joules.warehouse.visitor_sql import Answer

MOST_BYTES = 64_000_000
Key = tuple[str, str, tuple[int, int], bool]
_LOCK = threading.Lock()
_KEPT: OrderedDict[Key, tuple[Answer, int]] = OrderedDict()


def run(sql: str, warehouse: str) -> Answer:
    """As `visitor_sql.run`; an answer that is remembered is given again, without a process."""
    key = (sql, warehouse, connect.version(warehouse), switches.is_on(switches.TEXTS))
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key][0]
    answer = visitor_sql.run(sql, warehouse)
    if connect.version_now(warehouse) != key[2]:
        return answer  # of another version than the page
    with _LOCK:
        _KEPT[key] = answer, len(sql) + int(answer.rows.estimated_size())
        while sum(size for _, size in _KEPT.values()) > MOST_BYTES:
            _KEPT.popitem(last=False)
    return answer


def forget() -> None:
    """Remember nothing."""
    with _LOCK:
        _KEPT.clear()
