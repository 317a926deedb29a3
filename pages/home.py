"""What does one answer cost in energy?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, pick, scope, site
from prompt_joules.pages.ui.of import home as room
from prompt_joules.pages.ui.of import home_charts as drawings
from prompt_joules.pages.ui.pure import software
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pairs

# Views that answer what people come with: address and label.
WITHIN = {"x": "Latency (s)", "y": "Energy (J)", "limit_latency_s": "5", "band": "All sizes"}
QUESTIONS = (
    (site.address("tradeoffs", {**WITHIN}), "The cheapest answer within 5 s"),
    (site.address("planner", {"requests": "1000000", "country": "Germany"}), "A million answers a day in Germany"),
    (site.address("compare", {}), "Is A really better than B?"),
)


def what_was_found() -> list[tuple[str, str]]:
    """Address and sentence of each finding that the warehouse has the rows for, whatever the filters."""
    steps = software.complete(data.load("software_steps", Selection(weights=())), data.luck())
    table = Selection(gpus=("A40",), tasks=("chat",), sources=("ML.ENERGY v1",))
    concise = data.load("contrast_published", Selection(sources=table.sources, gpus=table.gpus), contrast="task", a="", b="")
    of_one_size = site.address("verbosity", {**table.to_query(), "view": "Models of one size"})
    sentences = [
        (site.address("what_software_saves", {}), room.found_in_software(steps)),
        (of_one_size, room.found_in_lengths(data.load("leaderboard", table))),
        (site.address("verbosity", {"gpu": "A40", "view": "Published averages"}), room.found_in_concise(pairs.change_of_means(concise))),
    ]
    return [(address, sentence) for address, sentence in sentences if sentence]


view = frame.begin("What does one answer cost in energy?")
answers = data.load("answers", view.selection)
if answers.is_empty():
    hint = "Models with random weights give no real answer; the Leaderboard has their energy per token."
    scope.end_without_rows(view, hint, count=lambda view: data.load("answers", view.selection).height, of_energy=True)
task = controls.view("of", room.tasks(answers), label="Task", is_labelled=False)
gpu = controls.view("on", room.gpus(answers, task), label="GPU", is_labelled=False)
shown = view.over(replace(view.selection, tasks=(task,), gpus=(gpu,)))
drawn = answers.filter(pl.col("task") == task, pl.col("gpu_model") == gpu)
rows = room.complete(data.with_intervals_of_answers(drawn))
st.markdown(room.headline(rows))
st.html(drawings.legend(rows))
draw.show(draw.of(drawings.bars, rows), alt=drawings.alternative(rows))
st.caption(room.about(rows))
st.html(site.sentences(data.kept("findings", what_was_found)))
st.html(
    site.links([(site.address("leaderboard", view.to_query()), "The table of all results"), *QUESTIONS, ("methods", "How it was measured")])
)
pick.show_framed(rows, room.COLUMNS, "J of an answer by model, with what the number is", "answers", shown, "The numbers in the chart")
scope.say_footer(rows, shown)
