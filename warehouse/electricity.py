"""What a kilowatt-hour costs and emits in a country: a table that ships, each figure with its year and source.

Carbon intensity: emissions over the life cycle per kWh generated, of Ember and the Energy Institute by way of Our World in Data
(CC BY 4.0). Prices: Eurostat, customers that are no households, without VAT and other taxes that they get back, by half-years (reuse with
attribution, CC BY 4.0); United States: EIA, industrial customers, preliminary (public domain). `warehouse/data/README.md` has the sources.
"""

import functools
from pathlib import Path

import polars as pl

FILE = Path(__file__).parent / "electricity.csv"
INTENSITY_SOURCE = "Ember and Energy Institute by way of Our World in Data, CC BY 4.0"
PRICE_SOURCES = {
    "Eurostat": "Eurostat nrg_pc_205, no households, without VAT and other recoverable taxes",
    "EIA": "U.S. Energy Information Administration, industrial customers, preliminary",
}


@functools.cache
def countries() -> pl.DataFrame:
    """One row per country, by name.

    Returns:
        `country`, `iso_code`; `grid_g_per_kwh` (g CO₂e/kWh) and its `grid_year`; `price_per_kwh` in `currency` with `price_period` (a
        year, or half of one: 2024-S2) and `price_source`, all four null where no price is known.
    """
    return pl.read_csv(FILE, schema_overrides={"price_per_kwh": pl.Float64, "price_period": pl.String})
