"""Cells of anybody's table as values of ours. What may be read in two ways is refused, and the reason says what to do."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from prompt_joules.bench.record import TEXTS
from prompt_joules.ingest.formats.foreign import is_number, whole

GAPS = frozenset(("", "nan", "na", "n/a", "null", "none", "-"))
GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?!\d)")
POINTS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?")
DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?")
ORDERS = {"day/month/year": (0, 1), "month/day/year": (1, 0)}
# Seconds, ms, µs and ns since 1970 of the years 2001 to 2099: no number of one is a number of another.
EPOCHS = ((1e9, 1.0), (1e12, 1e-3), (1e15, 1e-6), (1e18, 1e-9))
YEARS = 4.1


class Unfit(Exception):
    """A cell that cannot be read; the text says why, and what to do."""


def number_of(text: str, decimal: str = ".") -> Any:
    """A number in a text: digits of any script, underscores or spaces between thousands. Any other text as it is. Raises Unfit."""
    plain = text.strip()
    grouped = GROUPED.match(plain)
    if grouped:
        plain = re.sub(r"[ \u00a0\u202f']", "", grouped[0]) + plain[grouped.end() :]
    if decimal == ",":
        if "." in plain and not POINTS.fullmatch(plain):
            raise Unfit("has a point, although the mapping says that the decimal mark is a comma")
        plain = plain.replace(".", "").replace(",", ".")
    elif "," in plain and re.fullmatch(r"[+-]?[\d,.]+(?:[eE][+-]?\d+)?", plain):
        raise Unfit('has a comma: write `decimal: ","` into the mapping if it is the decimal mark, else the number without it')
    try:
        return int(plain) if re.fullmatch(r"[+-]?\d+(?:_\d+)*", plain) else float(plain)
    except ValueError:
        return text


def time_of(cell: Any, order: str | None = None) -> Any:
    """A time: ISO 8601, seconds (or ms, µs, ns) since 1970, or a date of a known order. Without a zone it is a local one. Raises Unfit."""
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    found = number_of(cell) if isinstance(cell, str) else cell
    if is_number(found):
        since = next((found * factor for least, factor in EPOCHS if least <= found < YEARS * least), None)
        if since is None:
            raise Unfit("is a number that is no time since 1970 of the years 2001 to 2099, in s, ms, µs or ns")
        return datetime.fromtimestamp(since, UTC)
    text = str(cell).strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        parts = DATE.fullmatch(text)
    if parts is None:
        return cell
    if order is None:
        raise Unfit("may be day or month first: write `dates: day/month/year` or `dates: month/day/year` into the mapping")
    day, month = (int((parts[1], parts[3])[place]) for place in ORDERS[order])
    try:
        return datetime.fromisoformat(f"{parts[4]}-{month:02}-{day:02}T{(parts[5] or '00:00').zfill(5)}")
    except ValueError:
        raise Unfit(f"is no date by {order}") from None


def value_of(cell: Any, name: str, kind: str, *, times: float | None = None, decimal: str = ".", dates: str | None = None) -> Any:
    """A cell as its column wants it; what does not fit stays as it is, to be refused later.

    Args:
        cell: text of a CSV, or a typed value of a Parquet file.
        name: our column.
        kind: its type, as bench/record.py names it.
        times: what a number is multiplied with.
        decimal: the decimal mark of numbers in text.
        dates: the order of day and month in dates with slashes, points or dashes.

    Raises:
        Unfit: it may be read in two ways, or is no time.
    """
    if kind == "string":
        return cell if cell is None or name in TEXTS else str(cell).strip()  # words are kept as they are, spaces included
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in GAPS):
        return None
    if kind.startswith("timestamp"):
        return time_of(cell, dates)
    if kind == "bool":
        return {"true": True, "false": False}.get(str(cell).strip().lower(), cell)
    if isinstance(cell, str) and kind.startswith(("int", "float")):
        cell = number_of(cell, decimal)
    if isinstance(cell, Decimal):
        cell = float(cell)
    if kind.startswith("int"):
        return whole(cell)
    return cell * times if times is not None and is_number(cell) else cell
