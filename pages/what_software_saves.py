"""What does software save?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, pick, scope
from prompt_joules.pages.ui.of import what_software_saves as room

selection = frame.begin("What does software save?")
selection = frame.narrowed(selection.with_random_weights())
steps = room.complete(data.load("software_steps", selection))
names = room.gpus(steps)
if not names:
    scope.nothing_matches(
        selection, "It takes runs of one size in two of the steps: eager, compiled, in batches of 8 or 32, or on a server."
    )
card = controls.view("card", names, label="GPU")
selection = frame.narrowed(replace(selection, gpus=(card,)))
steps = steps.filter(pl.col("gpu_model") == card)
drawn = room.comparable(steps)
st.markdown(room.headline(drawn))
draw.show(draw.of(room.staircase, drawn), alt=room.alternative(drawn))
st.caption(f"{room.ABOUT} {room.unlike(drawn)} {room.left_out(steps, drawn)}")
alt = "J/token by size and step of software, with intervals, the number of measurements, and what each step saves"
pick.framed(steps, room.COLUMNS, alt, "what-software-saves", "The numbers, with what each was measured on")
st.caption(scope.provenance(steps, selection))
