"""What many responses use: an estimate from the energy of one."""

import polars as pl

JOULES_PER_KWH = 3.6e6
PERIODS = {"day": 1.0, "month": 365.25 / 12, "year": 365.25}


def workload(energy: tuple[float, float, float], requests: float, overhead: float, price: float, intensity: float) -> pl.DataFrame:
    """What many responses use: an estimate from the mean of one, times the assumptions.

    Args:
        energy: J of one response: mean, low and high end of its interval.
        requests: responses a day.
        overhead: PUE, energy of the building over energy of the computers.
        price: money per kWh.
        intensity: g CO2e per kWh.

    Returns:
        One row per day, month, year: `period`, and `kwh`, `money`, `co2_kg`, each with `_low` and `_high`.
    """
    found = []
    for period, days in PERIODS.items():
        row: dict[str, str | float] = {"period": period}
        for end, joules in zip(("", "_low", "_high"), energy, strict=True):
            kwh = joules * requests * days * overhead / JOULES_PER_KWH
            row |= {f"kwh{end}": kwh, f"money{end}": kwh * price, f"co2_kg{end}": kwh * intensity / 1000}
        found.append(row)
    return pl.DataFrame(found)
