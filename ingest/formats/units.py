"""Numbers of other tools with the unit that stands beside them, in base SI units."""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.foreign import is_number

# Unit, as tools spell it → how many of our base units it is.
FACTORS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
    "J": 1.0,
    "joules": 1.0,
    "MJ": 1e6,
    "kWh": 3.6e6,
    "Wh": 3600.0,
    "joules/request": 1.0,
    "mJ/token": 1e-3,
    "J/token": 1.0,
    "W": 1.0,
    "mW": 1e-3,
    "tokens": 1.0,
    "tokens/s": 1.0,
    "tokens/sec": 1.0,
    "requests": 1.0,
    "requests/sec": 1.0,
    "count": 1.0,
}


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
