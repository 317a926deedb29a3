"""Which model answers for the least energy?"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import cards, controls, data, downloads, draw, frame, glance, opened, scope, site, tables
from prompt_joules.pages.ui.of import leaderboard as room
from prompt_joules.pages.ui.of import leaderboard_charts as drawings
from prompt_joules.pages.ui.pure import detail, naming, shape
from prompt_joules.pages.ui.pure.narrowings import Contains, Pooled, Within
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import summaries

# How the address names the row whose dialog is open.
ROW = "row"
ADVANCED = "Advanced"
RESET = ("search", "formula", "columns", "show", ROW)
OWN = ("pareto", "range_bar", "interval", "token_interval", "max_new_tokens", "runs_of", "between_runs", "provenance")


def pick_columns(rows: pl.DataFrame) -> list[str]:
    """The columns of the leaderboard besides model and energy."""
    usual = {naming.title_of(key): key for key in room.COLUMNS[2:] if key in (*rows.columns, *OWN)}
    more = {naming.title_of(key): key for key in (*NUMBERS, *room.MORE) if key in (*rows.columns, *OWN)}
    known = usual | {title: key for title, key in more.items() if title not in usual}
    controls.tell_unknown("columns", list(known))
    picked = st.multiselect("Columns", list(known), default=list(usual), key="columns", bind="query-params", wrap=True)
    return [known[title] for title in picked]


def ranges(view: View) -> View:
    """The view narrowed by sliders that have the ends of all results, whatever the filters; those at both ends narrow nothing."""
    energy, rows = view.measure.key, data.results(View(measure=view.measure))
    with st.container(horizontal=True):
        found = [_range(rows, key) for key in (energy, *room.RANGES)]
    return view.narrowed(*(narrowing for narrowing in found if narrowing))


def _range(rows: pl.DataFrame, key: str) -> Within | None:
    ends = shape.steps(rows, key)
    if len(ends) < 2:
        return None
    low, high = st.select_slider(NUMBERS[key].title, ends, value=(ends[0], ends[-1]), key=f"range_{key}", bind="query-params", width=300)
    if (low, high) == (ends[0], ends[-1]):
        return None
    return Within(key, float(low), float(high), without=((f"range_{key}", (ends[0], ends[-1])),))


def marked(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """Rows of the leaderboard with `pareto` (no other is as fast and as cheap; `maybe`: none surely is), their spread over answers, the
    interval of their mean.

    Args:
        rows: of `pooled.pooled`.
    """
    energy, rows = view.measure.key, data.with_intervals(rows, view)
    points = rows.filter(pl.col(energy).is_not_null(), pl.col("latency_s").is_not_null())
    best = summaries.not_surely_beaten(summaries.frontier(points, "latency_s", energy, False), "latency_s", energy, False)
    return rows.with_columns(
        pl.col("result_id").is_in(best.filter("frontier")["result_id"].implode()).alias("pareto"),
        pl.col("result_id").is_in(best.filter("maybe")["result_id"].implode()).alias("maybe"),
        energy_shown.kind(energy, rows.columns).alias("energy_is"),
        naming.provenance(rows.columns).alias("provenance"),
    )


def open_row(row: dict[str, Any], view: View) -> None:
    """A dialog about a row of the table."""
    title = f"{plain(row['model_name'])} on {plain(naming.gpu_of(row))}, {plain(row['task'] or '')}"
    st.dialog(title, width="large", on_dismiss=partial(opened.close, ROW))(show_row)(row, view)


def show_row(row: dict[str, Any], view: View) -> None:
    """Four facts of a row, the curve of its model over batch sizes, its distribution, ways on, and all that is known."""
    energy = view.measure.key
    st.caption(plain(room.about(row)))
    for column, (label, value, note) in zip(st.columns(4), room.facts(row, energy), strict=False):
        column.metric(label, value, help=note)
        column.caption(plain(note))
    of_model = data.results(View(Selection(models=(row["model_id"],), weights=()), (Pooled(),)))
    curve = room.curve_of(of_model, row)
    metric = NUMBERS["energy_per_token_j"]
    if curve.height:
        draw.show(draw.of(drawings.curve, curve, metric), alt=f"{metric.title} of {row['model_name']} over batch sizes")
    if row["spread"]:
        draw.show(draw.of(drawings.quantiles, row["spread"], NUMBERS[energy]), alt=f"Share of the answers by {NUMBERS[energy].title}")
    ways = [(f"{page}?{urlencode(link)}", label) for page, label, link in room.links(row)]
    ways += [(site.address(page, link), label) for page, label, link in room.together(pl.DataFrame([row], infer_schema_length=None))]
    ways += [(row["url"], "Where it was published")] if (row["url"] or "").startswith("https://") else []
    st.html(site.links(ways, "Ways on"))
    with st.expander("All that is known about this result"):
        known = pl.DataFrame([row], infer_schema_length=None).drop("energy_is", "spread", strict=False)
        tables.show(detail.upright(known), detail.UPRIGHT, alt="All numbers of the result")


def show_table(found: pl.DataFrame, columns: list[str], view: View) -> None:
    """The table; ticked rows lead to Compare or the Planner, a click on a cell opens its row."""
    energy = view.measure.key
    bars = pl.Series("range_bar", drawings.range_bars(found, energy), dtype=pl.String)
    listed = room.in_words(found.with_columns(bars), energy)
    where = st.container()
    # The energy that ranks the table, and the visitor's own column, come first.
    own = ("formula",) if "formula" in listed.columns else ()
    wanted = tuple(dict.fromkeys((*room.COLUMNS[:2], energy, *own, *columns)))
    alt = "Configurations by energy, least first"
    opened.match(ROW, "configurations", "cells")
    event = tables.show(listed, wanted, alt, key="configurations", modes=("multi-row", "single-cell"), opens=(ROW, "result_id"))
    selection = event["selection"] if isinstance(event, Mapping) else {"rows": [], "cells": []}
    ticked = found[[place for place in selection["rows"] if place < found.height]]
    with where:
        _offer(ticked)
    cells = [(place, column) for place, column in selection["cells"] if place < found.height]
    clicked = (found["result_id"][cells[0][0]], cells[0][1]) if cells else None
    opened.follow(ROW, found, "result_id", clicked, lambda one: open_row(one.row(0, named=True), view))


def _offer(ticked: pl.DataFrame) -> None:
    """Links for ticked rows; nothing where none is ticked."""
    if ticked.is_empty():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(site.links([(site.address(page, link), label) for page, label, link in room.together(ticked)], "With the ticked rows"))
        if ticked.height == 1:
            st.button("Its facts", key="facts", on_click=st.query_params.update, args=({ROW: ticked["result_id"].item()},))
        if ticked.height > room.MOST_COMPARED:
            st.caption(f"{ticked.height} ticked: at most {room.MOST_COMPARED} can be compared.")


view = frame.begin("Which model answers for the least energy?").narrowed(Pooled())
top = st.container(horizontal=True, vertical_alignment="bottom")
with top:
    view, left_out = frame.ask_what_to_show(view)
rows = data.results(view)
if rows.is_empty():
    scope.end_without_rows(view)

with top:
    wanted = controls.search("Search", "Model, GPU, task or engine, e.g. vicuna 7B", "Rows that contain every word.")
    advanced = st.popover(ADVANCED, icon=":material/tune:", help="Columns, ranges and a column of your own.")
    # The filters stay; a search, ranges, a formula and a choice of columns go.
    kept = {key: st.query_params.get_all(key) for key in st.query_params if key not in RESET and not key.startswith("range_")}
    st.html(site.links([(site.address("leaderboard", dict(kept)), "Reset")]), width="content")
told = st.container()
with advanced:
    view = controls.formula(view, rows.columns, told)
    columns = pick_columns(rows)
    view = ranges(view.narrowed(Contains(wanted)) if wanted else view)
found = data.results(view)
if found.is_empty():
    scope.end_without_rows(view)

energy = view.measure.key
found = marked(found.sort(energy, "estimated_energy_j", nulls_last=True, maintain_order=True), view)
found = room.with_limits(found, data.load("setups", view.selection))
frame.say_measure(found, view)
if said := room.least(found, energy):
    glance.headline(said)
show_table(found, columns, view)
st.caption(f"{room.TAP if cards.on_phone() else room.CLICK} {room.limits(found)}")
glance.explained(left_out, drawings.scale_in_words(found, energy), room.POOLED)
downloads.offer(found.drop("energy_is", "max_new_tokens"), "leaderboard", view)
scope.say_footer(found, view)
st.html(site.links([(site.address(page, query), label) for page, label, query in room.PRESETS]))
