"""Is A really better than B?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, glance, pick, scope, tables
from prompt_joules.pages.ui.of import compare as room
from prompt_joules.pages.ui.pure import certainty, naming, words
from prompt_joules.pages.ui.pure.narrowings import among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import comparison, variance


def with_energy(view: View) -> int:
    """How many results of a view can be compared: none where there is one only."""
    found = of_setups(view).height
    return found if found > 1 else 0


def of_setups(view: View) -> pl.DataFrame:
    """The results of a view by name, one per setup: the runs that repeat one count with it."""
    rows = naming.newest_first(data.results(view)).unique(pl.coalesce("setup", "result_id"), keep="first", maintain_order=True)
    rows = room.with_kinds(data.of_whole_setups(rows, view), view.measure)
    return naming.with_label(rows.filter(pl.col(view.measure.key) > 0))


def say_what_differs(view: View, chosen: pl.DataFrame) -> None:
    """Say whether the chosen results may be compared: the keys on which they differ."""
    setups = chosen.select("result_id").join(data.load("setups", view.selection), on="result_id", maintain_order="left")
    keys = comparison.differing(setups)
    if keys.is_empty():
        st.success(
            "Comparable: task, GPU, engine, batch size, harness, sampling, prompts and power limit are alike.", icon=":material/check:"
        )
        return
    said, is_fair = room.differing(keys, chosen["model_name"].n_unique())
    (st.success if is_fair else st.warning)(said, icon=":material/check:" if is_fair else ":material/rule:")
    pick.show_framed(keys, keys.columns, "Keys on which the results differ", "differences", view, "Where they differ")


def show_certainty() -> None:
    """How sure a difference can be, over all runs whatever the filters, in a frame; nothing is computed before it opens."""
    part = st.expander(room.CERTAINTY, key="certainty-frame", on_change="rerun")
    if not part.open:
        return
    with part:
        table = variance.table(data.load("variances", Selection()), data.load("repetitions", Selection()))
        st.markdown(room.REASONS if table.height else room.NO_PARTS)
        if table.height:
            tables.show(room.parts(table), room.PARTS, "Standard deviations of the energy of an answer, its length and J/token, by reason")
        smallest = room.smallest(table)
        st.markdown(room.NO_LUCK if smallest.is_empty() else room.said_of_smallest(smallest))
        if smallest.height:
            tables.show(smallest, room.SMALLEST, "The smallest difference that can be shown, by prompts and runs")
        shares = data.against_themselves()
        st.markdown(room.said_of_checks(shares))
        if shares.height:
            tables.show(shares, room.CHECKS, "How many checks of a setup with itself showed a difference")


view = frame.begin("Is A really better than B?")
measure = view.measure
results = data.results(view)
rows = of_setups(view)
if rows.height < 2:
    frame.say_measure(results, view)
    scope.end_without_rows(view, "A comparison needs two results with energy.", count=with_energy, of_energy=True)

# In the order chosen; at the start the first two that are alike in all but model and task.
first = room.first_pair(rows)
choices, cut = controls.listed(rows["label"], "results", first)
controls.tell_unknown("results", choices)
names = st.multiselect("Results", choices, default=first, key="results", bind="query-params", max_selections=4, wrap=True, help=cut)
chosen = pl.DataFrame({"label": names}, schema={"label": pl.String}).join(rows, on="label", maintain_order="left")
metric = measure.metric()
if chosen.height < 2:
    st.info("Choose at least two results.", icon=":material/info:")
    st.stop()

asked = view
view = view.narrowed(among("result_id", chosen["result_id"]))
units = data.load("units", view.selection, results="\n".join(chosen["result_id"]), idle=measure.idle, pooled=True)
luck = data.luck(chosen["harness_version"])
compared = comparison.compared(chosen, units, measure, luck)
found = naming.in_short(chosen.select("result_id", "label", "energy_is").join(compared, on="result_id", maintain_order="left"))
glance.headline(room.compared(found, measure))
draw.show(draw.of(room.intervals, found, metric.title), alt=f"{metric.title} of each result with its 95 % interval")
st.caption(words.alike(naming.alike(found["label"])))
frame.say_measure(results, asked)
say_what_differs(view, chosen)
tables.show(room.with_marks(found), room.COMPARED, f"{metric.title}, ratio to the first result and rank, with intervals", metric)
downloads.offer(found, "compare", view)
glance.explained(room.kinds_of(found), room.BOOTSTRAP, certainty.of_runs(luck))
show_certainty()
scope.say_footer(chosen, view)
