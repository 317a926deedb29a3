"""What will my workload use?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, scope, tables
from prompt_joules.pages.ui.controls import number
from prompt_joules.pages.ui.of import planner as room
from prompt_joules.pages.ui.pure import naming
from prompt_joules.warehouse import comparison, stats


def assumptions() -> tuple[float, float, float, float]:
    """Responses a day, PUE, price per kWh and grid intensity in g CO₂e per kWh."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        requests = number("Responses a day", "requests", 10_000.0, 0.0, 1e12, "How many answers the model gives a day.")
        overhead = number("PUE", "pue", 1.2, 1.0, 5.0, "Energy of the building over energy of the computers; 1.2 is usual for a cloud.")
        price = number("Price per kWh", "price", 0.20, 0.0, 1000.0, "In any currency.")
        intensity = number("Grid (g CO₂e/kWh)", "grid", 400.0, 0.0, 2000.0, "Emissions of the electricity; look up your country's.")
    return requests, overhead, price, intensity


def year_in_numbers(rows: pl.DataFrame) -> None:
    """The year in three numbers."""
    year = rows.filter(pl.col("period") == "year").row(0, named=True)
    with st.container(horizontal=True):
        st.metric("Energy a year (kWh)", room.amount(year["kwh"]), border=True)
        st.metric("Money a year", room.amount(year["money"]), border=True)
        st.metric("CO₂e a year (kg)", room.amount(year["co2_kg"]), border=True)


selection = frame.begin("What will my workload use?")
measure = frame.measure()
results = frame.results(frame.first_view(selection))
frame.stated(results)
rows = naming.labelled(results, measure.key)
if rows.is_empty():
    scope.nothing_matches(selection, "A plan needs a result with the energy of a response.")

chosen = controls.one_result(rows)
requests, overhead, price, intensity = assumptions()
blocks = data.load("blocks", selection, results=chosen["result_id"].item(), above_idle=measure.above_idle)
energy = comparison.compared(chosen, blocks, measure).row(0, named=True)
plan = stats.workload(comparison.band(energy), requests, overhead, price, intensity)

year_in_numbers(plan)
st.markdown(room.planned(chosen.row(0, named=True), energy, requests, measure))
tables.show(plan, room.PLAN, alt="Estimated energy, money and emissions a day, a month and a year, with a band")
downloads.offer(plan, "plan")
st.markdown(room.ASSUMPTIONS)
st.caption(scope.provenance(chosen, selection))
