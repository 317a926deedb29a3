"""How a field of a tool's file becomes a column of ours: where it stands, in which unit, over what it is divided.

A reader lists its fields in a table, and `taken` takes them out of a run or a request:

    FIELDS = {"latency_s": at("latency.mean", unit="ms"), "output_tokens": mean("total_output_tokens", "completed")}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prompt_joules.ingest.formats.foreign import dug, is_number

Path = tuple[str | int, ...]
LATEST = 4e9
"""s since 1970: the year 2096. What is later is no time of a run."""

# Unit, as tools spell it → how many of our base units it is.
FACTORS = {
    **dict.fromkeys(("s", "sec", "seconds", "J", "joules", "joules/request", "J/token", "W"), 1.0),
    **dict.fromkeys(("tokens", "tokens/s", "tokens/sec", "requests", "requests/sec", "count"), 1.0),
    **dict.fromkeys(("ms", "mJ/token", "mW"), 1e-3),
    **dict.fromkeys(("us", "µs"), 1e-6),
    "ns": 1e-9,
    "MJ": 1e6,
    "kWh": 3.6e6,
    "Wh": 3600.0,
}


@dataclass(frozen=True)
class At:
    """Where a value stands."""

    paths: tuple[Path, ...]  # keys on the way to it, in the order in which they are tried
    factor: float | None = None  # what its unit is in ours; None for what has no unit: text, a count, a value that is already ours
    over: Path | None = None  # keys on the way to what it is divided by, for a mean out of a sum

    def value(self, said: Any) -> Any:
        """The value in base units, None where it is not there. A tool that averages over nothing writes 0: with a unit that is null."""
        found = next((value for path in self.paths if (value := dug(said, *path)) is not None), None)
        if self.over is not None:
            return share(found, dug(said, *self.over))
        return found if self.factor is None else measured(found, self.factor)


# Our column → where it stands, or the places that are tried.
Fields = Mapping[str, At | Sequence[At]]


def at(*paths: str, unit: str | None = None) -> At:
    """The first value that is there; a path has dots between keys, and numbers for places of a list."""
    return At(tuple(map(_path, paths)), None if unit is None else FACTORS[unit])


def mean(total: str, count: str) -> At:
    """A sum over a count, both of one file."""
    return At((_path(total),), None, _path(count))


def _path(text: str) -> Path:
    return tuple(int(key) if key.isdecimal() else key for key in text.split("."))


def taken(fields: Fields, said: Any) -> dict[str, Any]:
    """The columns that a table of fields takes out of a run; of several places for one column the first that gives a value."""
    ways = {name: (way,) if isinstance(way, At) else way for name, way in fields.items()}
    return {name: next((value for way in several if (value := way.value(said)) is not None), None) for name, several in ways.items()}


def number(value: Any) -> Any:
    """The number in a cell of text; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def measured(value: Any, factor: float = 1.0) -> Any:
    """A figure in base units. Tools that average over nothing write 0: that is null."""
    found = number(value)
    if not is_number(found):
        return found
    return found * factor if found else None


def share(total: Any, count: Any) -> Any:
    """A mean out of a sum and a count of one file; null without either, or of nothing."""
    total, count = number(total), number(count)
    return total / count if is_number(total) and is_number(count) and total and count > 0 else None


def first_of(values: Mapping[str, Any], *names: str) -> Any:
    """The first value that is there."""
    return next((values[name] for name in names if values.get(name) is not None), None)


def first_text(said: Any, *paths: str) -> str | None:
    """The first text that is there and not empty, such as the name of a model that versions of a tool keep in several places."""
    found = (dug(said, *_path(path)) for path in paths)
    return next((value for value in found if isinstance(value, str) and value), None)


def positive(value: Any, below: float = 2**63) -> int | None:
    """A whole number of something that there is, from 1; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < below else None


def moment(seconds: Any) -> datetime | None:
    """A time given in s since 1970, UTC; None for what is none."""
    return datetime.fromtimestamp(seconds, UTC) if is_number(seconds) and 0 < seconds < LATEST else None


def between(gaps: Any, tokens: Any) -> list[Any] | None:
    """Gaps between tokens, where there is one for each two neighbours; else None, because chunks are no tokens then."""
    return gaps if isinstance(gaps, list) and isinstance(tokens, int) and len(gaps) + 1 == tokens else None


def failed(why: Any) -> dict[str, Any]:
    """The columns of a request that was not answered."""
    return {"status": "failed", "finish_reason": "error", "reason": str(why)}


def spread(tensor: Any) -> str | None:
    """A model that was spread over GPUs by tensor parallelism."""
    count = number(tensor)
    return f"tp{count:g}" if is_number(count) else None


def at_rate(requests_per_s: Any) -> str:
    """What to add to a version when requests were sent at a rate: another load than so many at once. Nothing without one."""
    rate = number(requests_per_s)
    return f", {rate:g} requests/s" if is_number(rate) and rate < 1e9 else ""


def in_base(metric: Any, statistic: str = "avg") -> Any:
    """A statistic of a metric that says its unit, in base units; None when it is not there.

    Args:
        metric: an object with `unit` and statistics, as JSON of several tools has it.
        statistic: the key of the number.

    Returns:
        A number; of an unknown unit the number with it as text, to be refused as no number.
    """
    if not isinstance(metric, Mapping) or metric.get(statistic) is None:
        return None
    value, unit = metric[statistic], metric.get("unit")
    if unit is None or not is_number(value):
        return value
    return value * FACTORS[unit] if isinstance(unit, str) and unit in FACTORS else f"{value} {unit}"
