"""How far has the energy of a token come?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope
from prompt_joules.pages.ui.of import three_years as room
from prompt_joules.pages.ui.of import three_years_charts as drawings
from prompt_joules.pages.ui.pure import shape
from prompt_joules.pages.ui.pure.narrowings import Known, Pooled, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics import editions, summaries


def show_like_for_like(view: View, rows: pl.DataFrame) -> None:
    """The same model on the same GPU at the same batch size in two editions: sentence, chart, and the pairs as a table.

    Args:
        rows: those of the view, with `edition`.
    """
    pairs = editions.matched(rows, view.measure.key)
    if pairs.is_empty():
        st.info(room.NO_PAIRS, icon=":material/rule:")
        return
    metric = NUMBERS[view.measure.key]
    glance.headline(room.like_for_like(room.of_models(pairs), view.measure.per))
    draw.show(draw.of(drawings.pairs, pairs, metric), alt=f"{metric.title} over batch size, one curve a model, GPU and edition")
    st.caption(room.ALIKE + ("" if pairs["stated"].all() else room.UNSTATED))
    pick.show_framed(pairs, room.PAIRS, "The same model in two editions", "three-years-pairs", view, "The pairs as a table", metric=metric)


view = frame.begin_per_token("How far has the energy of a token come?").narrowed(Pooled(), among("generation", room.EDITIONS))
frame.say_measure(data.results(view), view, frame.PER_TOKEN)
view = view.narrowed(Known((view.measure.key,), positive=True))
every = data.results(view)
if every.is_empty():
    scope.end_without_rows(view, of_energy=True)
show_like_for_like(view, room.with_edition(every))

st.header("All results, by edition and GPU", anchor=False)
view = controls.band(view, every, default="3 to 10")
rows = room.with_edition(data.results(view))
metric = NUMBERS[view.measure.key]
by = ["gpu_model", "edition"]
alt = f"{metric.title} of every result, one column of points per edition of the benchmark and GPU, with its median"
chosen = pick.show_chart(draw.of(drawings.over_time, rows, metric.key), rows, alt, "editions")
st.caption(room.OVER_TIME + (room.RANDOM if shape.has_random_weights(rows) else ""))
published = rows.filter(pl.col("origin") == "published")
steps = summaries.levels(published, metric.key, by).join(room.batches(published, by), on=by).sort(by)
alone = summaries.levels(rows.filter(pl.col("batch_size") == 1), metric.key, ["edition", "gpu_model", "engine"])
glance.explained(room.hidden(steps, metric) + room.alone(alone, metric), label="The medians in words")

groups = ["edition", "gpu_model", "engine"]
summary = summaries.levels(chosen, metric.key, groups).join(room.batches(chosen, groups), on=groups).sort(groups)
some = chosen.height < rows.height
of_chosen = view.narrowed(among("result_id", chosen["result_id"])) if some else view
alt, label = f"Smallest, median and largest {metric.label} by edition, GPU and engine", f"{metric.title} by edition, GPU and engine"
key = f"three-years-{'some' if some else 'frame'}"
pick.show_framed(summary, room.COLUMNS, alt, "three-years", of_chosen, label, key, is_open=some, metric=metric)
pick.show_behind(chosen, rows, controls.behind("batch_size", metric.key), "The results in the chart", "three-years-rows", view)
scope.say_footer(rows, view)
