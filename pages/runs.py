"""Can I trust these numbers?"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import cards, controls, data, downloads, frame, opened, pick, scope, tables
from prompt_joules.pages.ui.of import runs as room
from prompt_joules.pages.ui.pure import detail, words
from prompt_joules.pages.ui.pure.narrowings import among
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import commands
from prompt_joules.warehouse.selection import Selection


@st.dialog("One run", width="large", on_dismiss=partial(opened.close, "run"))
def show_detail(selection: Selection, chosen: pl.DataFrame) -> None:
    """Everything that is known about a run: setup, totals, temperature, error, and the machine it ran on."""
    columns = data.load("columns", selection).filter(pl.col("table") == "runs")
    meanings = dict(columns.select("column", "meaning").iter_rows())
    row = chosen.row(0, named=True)
    st.subheader(f"{plain(row['model_name'])} on {plain(row['gpu'] or '')}, {plain(row['task'] or '')}", anchor=False)
    lists = (("Remarks", row["remarks"]), ("Properties", row["properties"]))
    said = [f"{name}: {plain('; '.join(each))}." for name, each in lists if len(each)]
    st.markdown(" ".join(("Counts." if row["valid"] else "**Does not count**.", *said)))
    windows = detail.upright(data.load("run_windows", selection, run=row["run_id"]))
    told = detail.upright(chosen.drop("environment", "remarks", "properties", "verdict", "adds_up"), meanings)
    known = pl.concat([windows, detail.environment(row["environment"]), told])
    tables.show(known, detail.UPRIGHT, alt="All that is known about the run that was chosen")


# How the address names the kind of runs that the buttons choose, and where the session keeps what it named last.
KIND, LAST_KIND = "kind", "kind_in_the_link"


def ask_kind(runs: pl.DataFrame) -> pl.DataFrame:
    """The runs of the kind that the buttons choose. Their words have counts, so the address has the kind alone: a bound widget would
    write its words."""
    kinds = room.kinds(runs)
    asked = st.query_params.get(KIND, st.query_params.get("show"))
    asked = room.FORMER.get(asked or "", asked)
    controls.tell_unknown(KIND, [*kinds, *room.FORMER])
    asked = asked if asked in kinds else room.ALL
    if asked != st.session_state.get(LAST_KIND):
        st.session_state["kind_of_run"] = asked  # a link, or the browser's Back
    chosen = st.segmented_control(
        "Which runs", list(kinds), required=True, key="kind_of_run", format_func=kinds.__getitem__, label_visibility="collapsed"
    )
    st.session_state[LAST_KIND] = chosen or room.ALL
    if chosen not in (None, room.ALL):
        st.query_params[KIND] = chosen
    else:
        st.query_params.pop(KIND, None)
    some = room.of_kind(runs, chosen or room.ALL)
    st.caption(room.about(some, chosen or room.ALL))
    return some


def show_first(rows: pl.DataFrame, columns: Iterable[str], alt: str, noun: str, where: str) -> None:
    """A table of the first rows, as many as a browser can take; a line says where the others are.

    Args:
        noun: what a row is, in the plural.
        where: where all of them can be found, as half a sentence.
    """
    tables.show(rows.head(tables.MOST_LISTED), columns, alt=alt)
    if cut := words.first_of(rows.height, tables.MOST_LISTED, noun, where):
        st.caption(cut)


view = frame.begin("Can I trust these numbers?")
view = view.over(replace(view.selection.with_random_weights(), only_valid=False))
selection = view.selection
runs = data.load("runs", selection).sort("started_at", "run_id", descending=[True, False], nulls_last=True)
if runs.is_empty():
    st.info(words.NEEDS_PROMPTS, icon=":material/info:")
else:
    st.markdown(room.verdicts(runs))
    every = room.listed(runs)
    some = ask_kind(every)
    alt = "Runs with their verdict, the worst kind first, then newest first"
    opened.match("run", "runs", "rows")
    chosen = pick.show_table(some.head(tables.MOST_LISTED), room.RUNS, alt, "runs", opens=("run", "run_id"))
    cut = words.first_of(some.height, tables.MOST_LISTED, "runs")
    how = "Tap a name" if cards.on_phone() else "Click at the left of a run"
    st.caption(f"{how} for its machine, temperatures and errors. {cut}")
    shown = runs.filter(pl.col("run_id").is_in(some["run_id"].implode()))
    of_shown = view if shown.height == runs.height else view.narrowed(among("run_id", some["run_id"]))
    downloads.offer(shown, "runs", of_shown)
    scope.say_footer(shown.with_columns(pl.lit("measured").alias("origin"), pl.col("gpu").alias("gpu_model")), of_shown, "run")
    clicked = (chosen["run_id"][0], "row") if chosen.height else None
    opened.follow("run", every, "run_id", clicked, partial(show_detail, selection))

totals = room.totals(data.load("run_totals", selection))
if not totals.is_empty():
    st.header("Totals of other tools", anchor=False)
    st.caption(
        "Other tools counted the energy of these whole runs without prompts or tokens. The totals are in no average, and no "
        "filter acts on them."
    )
    show_first(totals, room.TOTALS, "Totals of runs that other tools counted", "totals", "the table `run_totals` has all")

remarks = st.expander("What the remarks mean", key="remarks-frame", on_change="rerun")
if remarks.open:
    with remarks:
        tables.show(room.explained(data.load("reason_codes", selection), runs), room.REMARKS, alt="Remarks and their meaning", lines=2)
loaded = st.expander("Files loaded", key="files-frame", on_change="rerun")
if loaded.open:
    with loaded:
        files = room.with_short_paths(data.load("ingested_files", selection))
        show_first(files, room.FILES, "Files in the warehouse, newest first", "files", "the table `ingested_files` has all")
rejects = room.with_short_paths(data.load("rejects", selection))
if not rejects.is_empty():
    st.header("Rows refused", anchor=False)
    alt = "Rows that the ingest refused, with the reason"
    show_first(rejects, room.REJECTS, alt, "rows", f"`{commands.INGEST} rejects` lists all")
