"""What does an answer of any length cost?"""

from functools import partial

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope, tables
from prompt_joules.pages.ui.of import cost_of_a_token as room
from prompt_joules.pages.ui.pure import certainty, naming, words
from prompt_joules.pages.ui.pure.narrowings import among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.statistics import cost


def fitted(view: View, results: pl.Series) -> pl.DataFrame:
    """The fits of results by their ids."""
    sums = data.load("cost_units", view.selection, results="\n".join(results), pooled=True, idle=view.measure.idle)
    return cost.fits(sums, data.luck())


def fitted_by_name(view: View, known: pl.DataFrame) -> pl.DataFrame:
    """The fits of all results, by name. Runs that repeat them are not asked for as results of their own."""
    fits = fitted(view, known["result_id"])
    return naming.in_short(known.select("result_id", "label").join(fits, on="result_id", how="inner", maintain_order="left"))


view = frame.begin("What does an answer of any length cost?")
idle = {"idle": view.measure.idle}
known = naming.with_label(data.load("cost_results", view.selection))
if known.is_empty():
    hint = f"A fit needs eight prompts that were alone on the GPU. {words.NEEDS_PROMPTS}"
    scope.end_without_rows(view, hint, count=lambda view: data.load("cost_results", view.selection).height, of_energy=True)

with st.container(horizontal=True, vertical_alignment="bottom"):
    choices, cut = controls.listed(known["label"], "result")
    drawn = known.filter(pl.col("label") == controls.one_of("Result", "result", choices, "stretch", cut))
    tokens_in = controls.number("Prompt (token)", "in", 200.0, 0.0, 1e6, "Tokens in the prompt.")
    tokens_out = controls.number("Answer (token)", "out", 200.0, 1.0, 1e6, "Tokens in the answer.")
one = view.narrowed(among("result_id", drawn["result_id"]))
fits = fitted(view, drawn["result_id"])
if fits.is_empty():
    st.info(room.NO_FIT, icon=":material/info:")
    scope.say_footer(drawn, one, "setup")
    st.stop()
fit = fits.row(0, named=True)
glance.headline(room.what_if(fit, cost.what_if(fit, tokens_in, tokens_out), tokens_in, tokens_out))

coefficients = {"a": fit["fixed_j"], "b": fit["input_token_j"], "c": fit["output_token_j"]}
prompts = data.load("cost_prompts", view.selection, result=fit["result_id"], **coefficients, **idle)
alt = "Measured energy of each prompt against its response length, and what the fit gives for the mean prompt length"
line = {key: fit[key] for key in ("fixed_j", "input_token_j", "output_token_j", "mean_in", "grows")}
chosen = pick.show_chart(draw.of(room.measured_against_fit, prompts, line), prompts, alt, "fit", field="prompt_id", noun="prompts")
glance.explained(room.cost(view.measure), room.said(fit, prompts.height), certainty.of_runs(data.luck(drawn["harness_version"])))
alt, label = "Prompts whose energy is farthest from the fit", "The prompts, farthest from the fit first"
pick.show_behind(chosen, prompts, room.RESIDUALS, alt, "fit", one, label, field="prompt_id")
alt = "Energy of a response before its first token, per input token and per output token, with intervals"
note = f"{words.alike(naming.alike(known['label']))} {words.first_of(known.height, tables.MOST_LISTED, 'results')}"
every = partial(fitted_by_name, view, known)
pick.show_framed(every, room.FITS, alt, "cost-of-a-token", view, f"The fits of all {words.count(known.height, 'result')}", note=note)
scope.say_footer(drawn, one, "setup")
