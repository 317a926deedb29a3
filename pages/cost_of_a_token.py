"""What does an answer of any length cost?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, pick, scope, tables
from prompt_joules.pages.ui.of import cost_of_a_token as room
from prompt_joules.pages.ui.pure import naming, words
from prompt_joules.pages.ui.pure.view import View, among
from prompt_joules.warehouse import stats


def lengths() -> tuple[float, float]:
    """Tokens of a prompt and of its answer, for a what-if."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tokens_in = controls.number("Prompt (token)", "in", 200.0, 0.0, 1e6, "Tokens in the prompt.")
        tokens_out = controls.number("Answer (token)", "out", 200.0, 1.0, 1e6, "Tokens in the answer.")
    return tokens_in, tokens_out


def fitted(view: View) -> pl.DataFrame:
    """The fit of each run of ours, named."""
    sums = data.load("cost_sums", view.selection, above_idle=view.measure.above_idle)
    return naming.in_short(naming.with_label(stats.cost_of_tokens(sums)))


view = frame.begin("What does an answer of any length cost?")
idle = {"above_idle": view.measure.above_idle}
fits = fitted(view)
if fits.is_empty():
    hint = f"A fit needs eight prompts of different lengths. {words.NEEDS_PROMPTS}"
    scope.end_without_rows(view, hint, count=lambda view: fitted(view).height)

st.markdown(room.cost(**idle))
drawn = controls.one_result(fits)
fit = drawn.row(0, named=True)
tokens_in, tokens_out = lengths()
st.markdown(room.what_if(fit, stats.what_if(fit, tokens_in, tokens_out), tokens_in, tokens_out))

one = view.narrowed(among("result_id", (fit["result_id"],)))
coefficients = {"a": fit["fixed_j"], "b": fit["input_token_j"], "c": fit["output_token_j"]}
prompts = data.load("cost_prompts", view.selection, result=fit["result_id"], **coefficients, **idle)
alt = "Measured energy of each prompt against its response length, and what the fit gives for the mean prompt length"
line = {key: fit[key] for key in ("fixed_j", "input_token_j", "output_token_j", "mean_in")}
chosen = pick.show_chart(draw.of(room.measured_against_fit, prompts, line), prompts, alt, "fit", field="prompt_id", noun="prompts")
alt, label = "Prompts whose energy is farthest from the fit", "The prompts, farthest from the fit first"
pick.show_behind(chosen, prompts, room.RESIDUALS, alt, "fit", one, label, field="prompt_id")
alt = "Energy of a response before its first token, per input token and per output token, with intervals"
note = f"{words.alike(naming.alike(fits['label']))} {words.first_of(fits.height, tables.MOST_LISTED, 'runs')}"
pick.show_framed(fits, room.FITS, alt, "cost-of-a-token", view, f"The fits of all {fits.height:,} runs", note=note)
scope.say_footer(drawn, one, "run", more=room.drawn(prompts.height, fit["prompts"]))
