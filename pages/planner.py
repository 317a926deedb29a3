"""What will my workload use?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, scope, tables
from prompt_joules.pages.ui.controls import number
from prompt_joules.pages.ui.of import planner as room
from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.view import View, among
from prompt_joules.warehouse.statistics import comparison, workload


def assumptions() -> tuple[float, float, float, float]:
    """Responses a day, PUE, price per kWh and grid intensity in g CO₂e per kWh."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        requests = number("Responses a day", "requests", 10_000.0, 0.0, 1e12, "How many answers the model gives a day.")
        overhead = number("PUE", "pue", 1.2, 1.0, 5.0, "Energy of the building over energy of the computers; 1.2 is usual for a cloud.")
        price = number("Price per kWh", "price", 0.20, 0.0, 1000.0, "In any currency.")
        intensity = number("Grid (g CO₂e/kWh)", "grid", 400.0, 0.0, 2000.0, "Emissions of the electricity; look up your country's.")
    return requests, overhead, price, intensity


def show_year(rows: pl.DataFrame) -> None:
    """The year in three numbers."""
    year = rows.filter(pl.col("period") == "year").row(0, named=True)
    with st.container(horizontal=True):
        st.metric("Energy a year (kWh)", room.amount(year["kwh"]), border=True)
        st.metric("Money a year", room.amount(year["money"]), border=True)
        st.metric("CO₂e a year (kg)", room.amount(year["co2_kg"]), border=True)


def with_energy(view: View) -> int:
    """How many results of a view have the energy that it asks for."""
    return naming.labelled(data.results(view), view.measure.key).height


view = frame.ask_first_view(frame.begin("What will my workload use?"))
measure = view.measure
results = data.results(view)
frame.say_measure(results, view)
rows = naming.labelled(results, measure.key)
if rows.is_empty():
    scope.end_without_rows(view, "A plan needs a result with the energy of a response.", count=with_energy)

chosen = controls.one_result(rows)
view = view.narrowed(among("result_id", chosen["result_id"]))
requests, overhead, price, intensity = assumptions()
units = data.load("units", view.selection, results=chosen["result_id"].item(), above_idle=measure.above_idle, pooled=True)
energy = comparison.compared(chosen, units, measure, data.luck(chosen["harness_version"])).row(0, named=True)
plan = workload.workload(comparison.band(energy), requests, overhead, price, intensity)

show_year(plan)
st.markdown(room.planned(chosen.row(0, named=True), energy, requests, measure))
tables.show(plan, room.PLAN, alt="Estimated energy, money and emissions a day, a month and a year, with a band")
downloads.offer(plan, "plan", view)
st.markdown(room.ASSUMPTIONS)
scope.say_footer(chosen, view)
