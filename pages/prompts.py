"""What happened on this prompt?"""

import streamlit as st

from prompt_joules.pages.ui import (
    controls,
    data,
    downloads,
    draw,
    frame,
    prompt_charts,
    prompt_words,
    scope,
    sections,
    shape,
    tables,
    titles,
    words,
)

selection = frame.begin("What happened on this prompt?")
wanted = controls.search("Find a prompt", "Words of the prompt, or its id")
found = data.load("prompt_list", selection, search=wanted)
if found.is_empty():
    scope.nothing_matches(selection, f"No prompt contains “{words.plain(wanted)}”." if wanted else scope.NEEDS_PROMPTS)

st.caption(prompt_words.prompt_list(found.height))
prompt = controls.pick_prompt(found)
measure = frame.measure()
answers = shape.with_measure(data.load("prompt_answers", selection, prompt=prompt), measure)
if answers.is_empty():
    scope.nothing_matches(selection, f"No answer to a prompt “{words.plain(prompt)}”.")

st.subheader(f"Prompt {words.plain(prompt)}", anchor=False)
frame.stated_of_prompts()
measured = shape.with_error(answers, measure)
if not measured.is_empty():
    draw.show(
        draw.of(prompt_charts.intervals, measured, measure.metric().title),
        alt=f"Energy of each answer to prompt {prompt} and how far it can be off",
    )
tables.show(answers, titles.ANSWERS, alt=f"Answers to prompt {prompt}, least energy first")
downloads.offer(answers, "prompt")
sections.texts(answers)
st.caption(f"{prompt_words.ONE_PROMPT} {scope.provenance(data.own(selection), selection)}")
