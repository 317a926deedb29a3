"""What happened on this prompt?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, scope, tables
from prompt_joules.pages.ui.of import prompts as room
from prompt_joules.pages.ui.pure import charts, shape, words
from prompt_joules.pages.ui.pure.view import Contains, View, among
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import energy_shown

NOT_KEPT = "not kept"


def ask_prompt(found: pl.DataFrame) -> str:
    """The id of a prompt: typed, from a link, or by a click on a row; the first of the list at the start."""
    by_hand = st.text_input("Prompt id", key="prompt", bind="query-params", placeholder=found["prompt_id"][0], width=420).strip()[
        : controls.LONGEST_SEARCH
    ]
    show_prompts(found, "prompt_id", "prompt")
    return by_hand or str(found["prompt_id"][0])


def show_prompts(rows: pl.DataFrame, column: str, key: str) -> None:
    """The list of prompts; a click on a row puts its `column` into the widget `key`."""
    listed = rows.select(shape.shown(rows, room.LISTED))

    def chosen() -> None:
        if places := st.session_state[f"{key}_rows"]["selection"]["rows"]:
            st.session_state[key] = rows[column][places[0]]

    st.dataframe(
        shape.on_screen(listed),
        column_config=tables.config(listed),
        hide_index=True,
        placeholder=NOT_KEPT,
        height=min(tables.ROW_HEIGHT * (listed.height + 1) + 3, 250),
        row_height=tables.ROW_HEIGHT,
        on_select=chosen,
        selection_mode="single-row",
        key=f"{key}_rows",
        alt="Prompts, those that cost the most for their runs first; choose one to see its answers",
    )


def show_texts(answers: pl.DataFrame) -> None:
    """The prompt and its answers, where their texts were kept."""
    asked = answers["prompt_text"].drop_nulls().unique(maintain_order=True)
    kept = room.with_texts(answers)
    if asked.is_empty() and kept.is_empty():
        st.markdown("The texts of prompt and answers were not kept in these runs.")
        return
    st.subheader("The prompt", anchor=False)
    for text in asked.head(3):
        tables.verbatim(text)
    st.subheader("The answers", anchor=False)
    for row in kept.head(room.MOST_TEXTS).iter_rows(named=True):
        st.markdown(f"**{plain(row['shown_as'])}**: {room.energy(row)}")
        tables.verbatim(row["output_text"])
    if more := room.more(kept.height, room.MOST_TEXTS, "whose texts are in the download"):
        st.caption(more)


def prompts_of(view: View, wanted: str) -> int:
    """How many prompts a view has, those with the wanted words where it is narrowed to them."""
    return data.load("prompt_list", view.selection, search=wanted if view.narrowings else "").height


view = frame.begin("What happened on this prompt?")
wanted = controls.search("Find a prompt", "Words of the prompt, or its id")
found = data.load("prompt_list", view.selection, search=wanted)
if found.is_empty():
    searched = view.narrowed(Contains(wanted)) if wanted else view
    hint = f"No prompt contains “{plain(wanted)}”." if wanted else words.NEEDS_PROMPTS
    scope.end_without_rows(searched, hint, count=lambda other: prompts_of(other, wanted))

st.caption(room.prompt_list(found.height))
prompt = ask_prompt(found)
measure = view.measure
view = view.narrowed(among("prompt_id", (prompt,)))
answers = data.load("prompt_answers", view.selection, prompt=prompt)
if answers.is_empty():
    hint = f"No answer to a prompt “{plain(prompt)}”."
    scope.end_without_rows(view, hint, count=lambda view: data.load("prompt_answers", view.selection, prompt=prompt).height)

answers = room.named(answers, measure)
st.subheader(f"Prompt {plain(prompt)}", anchor=False)
frame.say_measure_of_prompts(view)
if shape.has_random_weights(answers):
    st.info(words.FORCED, icon=":material/casino:")
drawn = room.with_error(answers, measure)
if not drawn.is_empty():
    alt = f"Energy of each answer to prompt {prompt} and how far it can be off"
    draw.show(draw.of(charts.intervals, drawn, measure.metric().title), alt=alt)
    divided = (drawn["energy_is"] == energy_shown.DIVIDED).any()
    st.caption(f"{room.DIVIDED if divided else ''} {room.more(answers.height, drawn.height, 'in the table')}")
tables.show(answers, room.ANSWERS, alt=f"Answers to prompt {prompt}, least energy first")
downloads.offer(answers, "prompt", view)
show_texts(answers)
scope.say_footer(answers, view, "answer", more=room.ONE_PROMPT)
