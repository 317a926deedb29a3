"""What does software save?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope
from prompt_joules.pages.ui.of import what_software_saves as room
from prompt_joules.pages.ui.of import what_software_saves_curves as lines
from prompt_joules.pages.ui.pure import software, words
from prompt_joules.pages.ui.pure.narrowings import among
from prompt_joules.pages.ui.pure.view import View


def complete(view: View) -> pl.DataFrame:
    """The steps of a view, named, with what each saves."""
    return software.complete(data.load("software_steps", view.selection), data.luck())


def show_curves(view: View, rows: pl.DataFrame) -> None:
    """J/token over how many are answered at once, a curve an engine, for one size of a GPU.

    Args:
        rows: of the GPU, from `lines.complete`.
    """
    st.header(lines.TITLE, anchor=False)
    size = controls.view("at", lines.sizes(rows), lines.richest(rows), label="Size", is_labelled=False)
    shown = rows.filter(pl.col("size_name") == size)
    st.markdown(words.unbroken(lines.headline(shown)))
    alt = f"Energy per output token (J) over answers at once at {size}, a curve for each engine"
    draw.show(draw.of(lines.curves, shown), alt=alt)
    glance.explained(lines.ABOUT, label="What a curve joins")
    pick.show_framed(shown, lines.COLUMNS, alt, "answers-at-once", view.narrowed(among("size_name", (size,))), "The numbers of the curves")


view = frame.begin("What does software save?")
view = view.over(view.selection.with_random_weights())
steps = complete(view)
names = software.gpus(steps)
if not names:
    hint = "It takes runs of one size in two of the steps: eager, compiled, in batches of 8 or 32, or on a server."
    scope.end_without_rows(view, hint, count=lambda view: len(software.gpus(complete(view))), of_energy=True)
card = controls.view("card", names, label="GPU")
view = view.over(replace(view.selection, gpus=(card,)))
steps = steps.filter(pl.col("gpu_model") == card)
drawn = software.comparable(steps)
glance.headline(room.headline(drawn))
draw.show(draw.of(room.staircase, drawn), alt=room.alternative(drawn))
st.caption(" ".join(part for part in (room.BOUNDARY, room.cold(drawn)) if part))
glance.explained(room.each_step(drawn), room.ABOUT, room.unlike(drawn), room.left_out(steps, drawn))
alt = "J/token by size and step of software, with intervals, the number of measurements, and what each step saves"
pick.show_framed(steps, room.COLUMNS, alt, "what-software-saves", view, "The numbers, with what each was measured on")
curves = lines.complete(data.load("software_curves", view.selection))
if curves.height:
    show_curves(view, curves)
scope.say_footer(drawn, view, "step")
