"""What happened on this prompt?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import cards, controls, data, downloads, draw, frame, glance, opened, scope, tables
from prompt_joules.pages.ui.of import prompts as room
from prompt_joules.pages.ui.pure import naming, shape, words
from prompt_joules.pages.ui.pure.narrowings import Contains, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import energy_shown

NOT_KEPT = "not kept"


def prompts_of(view: View, wanted: str) -> pl.DataFrame:
    """The ids of the prompts of a view, or the whole list of those that contain the wanted words."""
    if wanted:
        return data.load("prompt_list", view.selection, search=wanted)
    return data.load("prompt_order", view.selection)


def show_prompts(view: View, wanted: str, count: int) -> None:
    """The list of prompts in a frame, open where words are looked for; a click on a row shows its prompt and closes the frame.

    Args:
        wanted: the words; empty for all prompts.
        count: how many prompts the list has.
    """

    def chosen() -> None:
        if places := st.session_state["prompt_rows"]["selection"]["rows"]:
            st.session_state.update({"prompt": rows["prompt_id"][places[0]], f"{name}-frame": False})

    name = "found-prompts" if wanted else "prompts"
    known = "200 prompts (more are not listed)" if count >= 200 else words.count(count, "prompt")
    part = st.expander(f"{known}, the costliest for their runs first", expanded=bool(wanted), key=f"{name}-frame", on_change="rerun")
    if not part.open:
        return
    rows = data.load("prompt_list", view.selection, search=wanted)
    listed = rows.select(shape.shown(rows, room.LISTED))
    with part:
        st.caption(room.LIST)
        if cards.wanted(listed.columns):
            links = [opened.link("prompt", value) for value in rows["prompt_id"].head(cards.MOST_CARDS)]
            titles = {column: naming.title_of(column) for column in listed.columns}
            cards.show(shape.on_screen(listed), titles, NOT_KEPT, "Prompts, those that cost the most for their runs first", links)
            return
        st.dataframe(
            shape.on_screen(listed),
            column_config=tables.config(listed),
            hide_index=True,
            placeholder=NOT_KEPT,
            height=min(tables.ROW_HEIGHT * (listed.height + 1) + 3, 250),
            row_height=tables.ROW_HEIGHT,
            on_select=chosen,
            selection_mode="single-row",
            key="prompt_rows",
            alt="Prompts, those that cost the most for their runs first; choose one to see its answers",
        )


def show_texts(answers: pl.DataFrame) -> None:
    """The prompt and its answers, where their texts were kept."""
    asked = answers["prompt_text"].drop_nulls().unique(maintain_order=True)
    kept = answers.filter(pl.col("output_text").is_not_null())
    if asked.is_empty() and kept.is_empty():
        st.markdown("The texts of prompt and answers were not kept in these runs.")
        return
    st.header("The prompt", anchor=False)
    for text in asked.head(room.MOST_PROMPTS):
        tables.verbatim(text)
    if len(asked) > room.MOST_PROMPTS:
        st.caption(f"And {words.count(len(asked) - room.MOST_PROMPTS, 'more text')} with this id, in the download.")
    st.header("The answers", anchor=False)
    for place, (heading, text) in enumerate(room.different(kept)[: room.MOST_TEXTS]):
        tables.verbatim(text, label=heading, is_open=place == 0)
    if (more := kept["output_text"].n_unique() - room.MOST_TEXTS) > 0:
        st.caption(f"And {words.count(more, 'more text')}, in the download.")


def show_answers(answers: pl.DataFrame, prompt: str, view: View, is_open: bool) -> None:
    """Every answer and a file of them, in a frame; the browser gets them when it opens."""
    label = f"All {words.count(answers.height, 'answer')}"
    part = st.expander(label, expanded=is_open, key=f"answers-{'open' if is_open else 'closed'}-frame", on_change="rerun")
    if part.open:
        with part:
            tables.show(answers, room.ANSWERS, alt=f"Answers to prompt {prompt}, least energy first")
            downloads.offer(answers, "prompt", view)


view = frame.begin("What happened on this prompt?")
with glance.choices():
    wanted = controls.search("Find a prompt", "Words of the prompt, or its id", width=300)
    found = prompts_of(view, wanted)
    if found.height:
        # Typed, from a link, or by a click on a row of the list; the first of the list at the start.
        first = str(found["prompt_id"][0])
        by_hand = st.text_input("Prompt id", key="prompt", bind="query-params", placeholder=first, width=300).strip()
        prompt = by_hand[: controls.LONGEST_SEARCH] or first
if found.is_empty():
    searched = view.narrowed(Contains(wanted)) if wanted else view
    hint = f"No prompt contains “{plain(wanted)}”." if wanted else words.NEEDS_PROMPTS
    scope.end_without_rows(searched, hint, count=lambda other: prompts_of(other, wanted if other.narrowings else "").height)

show_prompts(view, wanted, found.height)
measure = view.measure
view = view.narrowed(among("prompt_id", (prompt,)))
answers = data.load("prompt_answers", view.selection, prompt=prompt)
if answers.is_empty():
    hint = f"No answer to a prompt “{plain(prompt)}”."
    scope.end_without_rows(view, hint, count=lambda view: data.load("prompt_answers", view.selection, prompt=prompt).height)

answers = room.named(answers, measure)
setups = room.by_setup(room.with_error(answers, measure))
glance.headline(room.headline(prompt, answers, measure))
frame.say_measure_of_prompts(view)
if shape.has_random_weights(answers):
    st.info(words.FORCED, icon=":material/casino:")
repeated = room.are_repeated(setups)
if not setups.is_empty():
    drawn = setups.head(room.MOST_DRAWN)
    alt = f"Energy of the answers of each setup to prompt {prompt} and how far it can be off"
    draw.show(draw.of(room.bars, drawn, measure.metric().title), alt=alt)
    notes = [words.alike(naming.alike(setups["label"])), room.REPEATED if repeated else room.SINGLE]
    notes += [room.DIVIDED] if (drawn["energy_is"] == energy_shown.DIVIDED).any() else []
    more = setups.height - drawn.height
    st.caption(" ".join([*notes, f"And {words.count(more, 'more setup')}, in the table." if more else ""]))
show_texts(answers)
if repeated:
    part = st.expander(f"All {words.count(setups.height, 'setup')}", key="setups-frame", on_change="rerun")
    if part.open:  # the browser gets them then
        with part:
            tables.show(setups, room.SETUPS, f"Setups that answered prompt {prompt}, least energy first", measure.metric())
show_answers(answers, prompt, view, is_open=not repeated)
scope.say_footer(answers, view, "answer", more=room.ONE_PROMPT)
