"""What a page shows at a glance: its choices in one row, the answer in a sentence, the chart; the rest is folded.

A chart starts within 350 px of the top of a desktop window (`tests/e2e/test_glance.py`). A page calls, in this order: `choices`, `more`
for what few need, `headline`, then draws, and folds what explains the chart.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prompt_joules.pages.ui.pure import words

ABOUT = "How to read it"
# The title and what is above it take less room than Streamlit gives them; the answer is larger than the words around it.
# Boxes that take the room their row leaves have a row of their own on a phone.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 3.75rem; padding-bottom: 4rem; }
[data-testid="stHeading"] h1 { padding: 0 0 0.45rem; line-height: 1.15; }
[data-testid="stHeading"] h2 { padding: 0.5rem 0 0.6rem; }
.st-key-headline p { font-size: 1.1rem; line-height: 1.45; }
:is(.st-key-setup, .st-key-result, .st-key-plan_result) { min-width: min(270px, 100%); }
</style>"""


def choices() -> DeltaGenerator:
    """One row for all choices of a page, or, in that row, a place for some of them."""
    return st.container(horizontal=True, vertical_alignment="bottom", width="content")


def more() -> DeltaGenerator:
    """A button at the end of the row that opens the choices which few need."""
    return st.popover("More choices", icon=":material/tune:")


def headline(sentence: str) -> None:
    """The answer of the page, with its number, above the chart. Once a page."""
    with st.container(key="headline"):
        st.markdown(words.unbroken(sentence))


def explained(*sentences: str, label: str = ABOUT) -> None:
    """What explains the chart, in a closed frame below it; nothing where no sentence says anything.

    Args:
        sentences: Markdown, a paragraph each; empty ones are left out.
        label: of the frame, which no other of the page has.
    """
    said = [sentence for sentence in sentences if sentence]
    if said:
        st.expander(label).markdown("\n\n".join(said))
