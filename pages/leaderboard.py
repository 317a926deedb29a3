"""Which model answers for the least energy?"""

from urllib.parse import urlencode

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, pick, scope, site, tables
from prompt_joules.pages.ui.of import leaderboard as room
from prompt_joules.pages.ui.pure import detail, naming
from prompt_joules.pages.ui.pure.view import Contains, View, Within
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import summaries


def show_welcome() -> None:
    """What this is and where to start, in one line, and links to views worth a first look."""
    st.markdown(
        "**Prompt Joules** shows what one answer of a language model costs in energy: published averages and "
        "our own prompt-by-prompt measurements. Start with one of these, or use the filters in the sidebar."
    )
    st.html(site.links([(site.address(page, query), label) for page, label, query in room.PRESETS]))


def pick_columns(rows: pl.DataFrame) -> list[str]:
    """The columns of the leaderboard besides model and energy."""
    usual = {naming.title_of(key): key for key in room.COLUMNS[2:] if key in (*rows.columns, "pareto", "spread")}
    more = {naming.title_of(key): key for key in (*NUMBERS, "model_id", "family", "dtype", "num_gpus", "weights") if key in rows.columns}
    known = usual | {title: key for title, key in more.items() if title not in usual}
    picked = st.multiselect("Columns", list(known), default=list(usual), key="columns", bind="query-params", wrap=True)
    return [known[title] for title in picked]


def ranges(view: View) -> View:
    """The view narrowed by sliders that have the ends of all results, whatever the filters; those at both ends narrow nothing."""
    energy, rows = view.measure.key, data.results(View(measure=view.measure))
    with (
        st.expander("Ranges", expanded=any(f"range_{key}" in st.query_params for key in (energy, *room.RANGES))),
        st.container(horizontal=True),
    ):
        found = [_range(rows, key) for key in (energy, *room.RANGES)]
    return view.narrowed(*(narrowing for narrowing in found if narrowing))


def _range(rows: pl.DataFrame, key: str) -> Within | None:
    metric = NUMBERS[key]
    values = (rows[key].drop_nulls() * metric.display_factor).to_numpy()
    values = values[values > 0]
    if not len(values):
        return None
    ends = [f"{step:g}" for step in summaries.steps(float(values.min()), float(values.max()))]
    if len(ends) < 2:
        return None
    low, high = st.select_slider(metric.title, ends, value=(ends[0], ends[-1]), key=f"range_{key}", bind="query-params", width=300)
    if (low, high) == (ends[0], ends[-1]):
        return None
    return Within(key, float(low), float(high), without=((f"range_{key}", (ends[0], ends[-1])),))


def marked(rows: pl.DataFrame, energy: str) -> pl.DataFrame:
    """Rows of the leaderboard with `pareto` (no other is as fast and as cheap) and `spread` (their distribution over prompts)."""
    points = rows.filter(pl.col(energy).is_not_null(), pl.col("latency_s").is_not_null())
    best = summaries.frontier(points, "latency_s", energy, False).filter("frontier")["result_id"].to_list()
    spreads = data.load("spreads", Selection())
    marked = rows.with_columns(pl.col("result_id").is_in(best).alias("pareto"))
    joined = marked.join(spreads, on="result_id", how="left", maintain_order="left")
    return joined.with_columns(pl.when(pl.col("weights") != "dummy").then(pl.col("spread")).alias("spread"))


def show_detail(chosen: pl.DataFrame) -> None:
    """Everything that is known about the row that was clicked, and where its figures come from."""
    for row in chosen.iter_rows(named=True):
        st.subheader(f"{plain(row['model_name'])} on {plain(naming.gpu_of(row))}, {plain(row['task'] or '')}", anchor=False)
        if row["origin"] == "measured":
            view = {"model": row["model_id"], "gpu": row["gpu_model"], "task": row["task"], "engine": row["engine"], "weights": "both"}
            pages = {"distributions": "Its prompts", "cost_of_a_token": "Cost of a token", "runs": "Its verdict"}
            st.html(site.links([(f"{page}?{urlencode(view)}", label) for page, label in pages.items()]))
        elif row["url"]:
            st.html(site.links([(row["url"], "Where it was published")] if row["url"].startswith("https://") else []))
        tables.show(detail.upright(chosen), detail.UPRIGHT, alt="All numbers of the row that was clicked")


view = frame.begin("Which model answers for the least energy?")
show_welcome()
top = st.container(horizontal=True, vertical_alignment="bottom")
view = frame.ask_first_view(view, top)
rows = data.results(view)
if rows.is_empty():
    scope.end_without_rows(view)

with top:
    wanted = controls.search("Search", "Model, GPU, task or engine, e.g. vicuna 7B", "Rows that contain every word.")
with st.expander("Columns and formula", expanded="formula" in st.query_params):
    view = controls.formula(view, rows.columns)
    columns = pick_columns(rows)
view = ranges(view.narrowed(Contains(wanted)) if wanted else view)
found = data.results(view)
if found.is_empty():
    scope.end_without_rows(view)

energy = view.measure.key
found = marked(found, energy)
frame.say_measure(found, view)
st.markdown(room.least(found, energy))
chosen = pick.show_table(found, room.columns(found, energy, columns), "Configurations by energy, least first", key="rows")
scope.say_footer(found, view, more="Click at the left of a row for its detail.")
downloads.offer(found, "leaderboard", view)
show_detail(chosen)
