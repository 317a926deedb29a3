"""What will my workload use?"""

from typing import Any, Literal

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, glance, scope, tables
from prompt_joules.pages.ui.controls import number
from prompt_joules.pages.ui.of import planner as room
from prompt_joules.pages.ui.pure import certainty, models
from prompt_joules.pages.ui.pure.narrowings import Planned, Pooled, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse import electricity
from prompt_joules.warehouse.energy_shown import ESTIMATED
from prompt_joules.warehouse.statistics import comparison, workload

# The width of the selects (px); the last has the longest names and all the room that is left.
WIDTHS: dict[str, int | Literal["stretch"]] = {"plan_model": 240, "plan_gpu": 150, "plan_batch": 100, "plan_result": "stretch"}


def plannable(view: View, results: pl.DataFrame) -> pl.DataFrame:
    """The results of a view that a plan can be made with."""
    per_token = view.per("output token")
    # Not by result: a setup has the name of the first of its runs, and these have another order where another energy is asked for.
    same = pl.coalesce("setup", "result_id").alias("same")
    tokens = data.results(per_token).select(same, pl.col(per_token.measure.key).alias("token_j"))
    known = results.with_columns(same).join(tokens, on="same", how="left", maintain_order="left").drop("same")
    return room.plannable(known, view.measure.key, models.names(data.options()))


def ask_result(rows: pl.DataFrame) -> pl.DataFrame:
    """One result: model, then GPU, then batch size, then what else there are several of. Each select has what is left by those before."""
    controls.tell_unknown("result", rows["label"].to_list())  # an older link names a result by its label
    asked = rows.filter(pl.col("label") == st.query_params.get("result", ""))
    if asked.height:
        st.session_state.update({key: asked[column][0] for key, column in room.CHOICES.items()})
    st.query_params.pop("result", None)
    labels = {"plan_model": "Model", "plan_gpu": "GPU", "plan_batch": "Batch size", "plan_result": "Task, engine and source"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for key, column in room.CHOICES.items():
            values = rows[column].unique(maintain_order=True).to_list()
            first = values[0]
            if key == "plan_model":
                values = [name for name in models.names(data.options()).values() if name in values]
            if key == "plan_batch":
                values.sort(key=lambda size: int(size) if size.isdigit() else 0)
            if key == "plan_result" and len(values) == 1:
                continue
            controls.tell_unknown(key, values)
            chosen = st.selectbox(labels[key], values, values.index(first), key=key, bind="query-params", width=WIDTHS[key])
            rows = rows.filter(pl.col(column) == (chosen or first))
    return rows.head(1)


def take_country() -> None:
    """Set grid and price to those of the country that was chosen, before the page runs."""
    row = room.assumed(st.session_state["country"])
    st.session_state["grid"] = row["grid_g_per_kwh"]
    if row["price_per_kwh"] is not None:
        st.session_state.update(price=row["price_per_kwh"], currency=row["currency"])


def energy_of(chosen: pl.DataFrame, view: View, length: float | None) -> tuple[tuple[float, float, float], dict[str, Any], float, str]:
    """Mean, low and high end of the energy of one answer, the row of `compared` they are from, tokens it is multiplied by, its kind."""
    row = chosen.row(0, named=True)
    joules, kind = room.answer(row, view.measure.key, length)
    whole = kind != ESTIMATED
    measure = view.measure if whole else view.per("output token").measure
    factor = 1.0 if whole else joules / row["token_j"]
    rows = chosen if whole else chosen.with_columns(pl.col("token_j").alias(measure.key))
    units = data.load("units", view.selection, results=row["result_id"], idle=measure.idle, pooled=True)
    energy = comparison.compared(rows, units, measure, data.luck(chosen["harness_version"])).row(0, named=True)
    value, low, high = comparison.band(energy)
    return (value * factor, low * factor, high * factor), energy, factor, kind


view = frame.begin("What will my workload use?").narrowed(Pooled())
results = data.results(view)
rows = plannable(view, results)
if rows.is_empty():
    frame.say_measure(results, view)
    needs = "A plan needs a result with the energy of a response or of a token."
    scope.end_without_rows(view, needs, count=lambda view: plannable(view, data.results(view)).height, of_energy=True)

chosen, asked = ask_result(rows), view
view = view.narrowed(among("result_id", chosen["result_id"]))
with st.container(horizontal=True, vertical_alignment="bottom"):
    requests = number("Responses a day", "requests", 10_000.0, 0.0, 1e12, "How many answers the model gives a day.")
    length = number("Tokens an answer", "tokens", None, 1.0, 1e7, room.ABOUT_LENGTH, "as measured")
    names = [room.OWN, *electricity.countries()["country"]]
    about = "Sets grid and price, where they are known, to figures with a source and a year."
    controls.tell_unknown("country", names)
    country = st.selectbox("Country", names, key="country", bind="query-params", on_change=take_country, help=about, width=210)
    assumed = room.assumed(country or room.OWN)
    with glance.more():
        own = room.assumed(room.OWN)
        overhead = number("PUE", "pue", 1.2, 1.0, 5.0, "Energy of the building over energy of the computers; 1.2 is usual for a cloud.")
        intensity = number("Grid (g CO₂e/kWh)", "grid", assumed["grid_g_per_kwh"], 0.0, 2000.0, "Emissions of the electricity.")
        known = assumed["price_per_kwh"] or own["price_per_kwh"]
        price = number("Price per kWh", "price", known, 0.0, 1000.0, "In the currency beside it.")
        first = room.CURRENCIES.index(assumed["currency"] or own["currency"])
        about = "Only the name of the money: nothing is converted."
        money = st.selectbox("Currency", room.CURRENCIES, first, key="currency", bind="query-params", help=about, width=110)
        currency = money or own["currency"]
st.caption(f"PUE {overhead:g}, {intensity:g} g CO₂e/kWh, {price:g} {plain(currency)}/kWh. {room.sources(assumed)}")
joules, energy, factor, kind = energy_of(chosen, view, length)
plan = workload.workload(joules, requests, overhead, price, intensity)

year = plan.filter(pl.col("period") == "year").row(0, named=True)
with st.container(horizontal=True):
    for name, title in (("kwh", "Energy a year (kWh)"), ("money", f"{currency} a year"), ("co2_kg", "CO₂e a year (kg)")):
        ends = room.ends(year, name)
        st.metric(title, room.amount(year[name]), delta=ends, delta_color="off", delta_arrow="off", border=True)
frame.say_measure(results, asked)
band = certainty.interval(energy, "value", lambda end: f"{figure(end * factor, 3)} J")
st.markdown(room.planned(chosen.row(0, named=True), joules[0], kind, band, requests, length, view.measure))
tables.show(
    plan,
    room.columns(joules),
    alt="Estimated energy, money and emissions a day, a month and a year, with a band where there is one",
    titles={"money": f"Money ({currency})"},
)
downloads.offer(plan, "plan", view.narrowed(Planned(requests, overhead, price, currency, intensity, length)))
glance.explained(room.assumptions(length, st.session_state.get("country")), label=room.ASSUMPTIONS)
countries = st.expander("Grid and price of every country, with year and source", key="countries-frame", on_change="rerun")
if countries.open:
    with countries:
        tables.show(electricity.countries(), room.COUNTRIES, alt="Carbon intensity and price of electricity by country, with years")
scope.say_footer(chosen, view)
