"""What does my own question cost, here and now? Only where a server is configured (`PROMPT_JOULES_SERVERS`)."""

from collections.abc import Sequence
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prompt_joules.bench.run import live
from prompt_joules.pages.ui import frame, glance
from prompt_joules.pages.ui.of import live as room
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import switches

# How often an answer on its way is drawn anew (s).
EVERY = 0.2
KEPT = "live_pair"


@st.cache_resource(show_spinner=False)
def turns() -> live.Turns:
    """The turns of all visitors of this server, whose GPUs have one counter."""
    return live.Turns()


def ask_form(known: Sequence[live.Server]) -> tuple[str, list[live.Server], int] | None:
    """The question, the two servers and the longest answer (token), once they are sent; None before."""
    names = [server.label for server in known]
    with st.form("live", border=False):
        question = st.text_area("Question", room.FIRST_QUESTION, max_chars=room.LONGEST_QUESTION, height=80)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            first = st.selectbox("First", names, 0, width=260)
            second = st.selectbox("Second", names, min(1, len(names) - 1), width=260)
            longest = st.selectbox("Longest answer (token)", room.LENGTHS, 2, width=180)
            st.form_submit_button("Ask both", type="primary", on_click=st.session_state.update, kwargs={"live_sent": True})
    if not st.session_state.pop("live_sent", False) or not question.strip():
        return None
    chosen = [known[names.index(name)] for name in (first, second)]
    return question.strip(), chosen, longest


def ask_both(question: str, chosen: Sequence[live.Server], longest: int, places: Sequence[DeltaGenerator]) -> list[live.Asked]:
    """Ask one server after the other and draw each answer while it comes. Leaving the page breaks it off. Raises live.Busy."""
    asked: list[live.Asked] = []
    with turns().taken():
        for server, place in zip(chosen, places, strict=True):
            with place.container():
                st.markdown(room.title(server.label, server.model))
                say(room.NOTHING_YET, room.WAITS)
        for server, place in zip(chosen, places, strict=True):
            pair = asked[0].experiment_id if asked else ""
            one = live.Asked(server, question, pair, most_tokens=longest).start()
            asked.append(one)
            try:
                while not one.wait(EVERY):
                    show(place, one)
            finally:
                one.cancel()
                one.wait(5)
            show(place, one)
    return asked


def say(number: str, line: str) -> None:
    """The joules of a server, large, and what is known besides in the line below."""
    st.html(f'<p class="joules">{escape(number)}</p>')
    st.markdown(line)


def show(place: DeltaGenerator, one: live.Asked) -> None:
    """An answer, on its way or whole, or why there is none."""
    moment = one.moment()
    with place.container():
        st.markdown(room.title(one.server.label, one.server.model))
        if one.fault is not None:
            st.error(plain(room.sentence(one.fault, one.server.label)), icon=":material/error:")
        else:
            said = room.measured(one.row) if one.row is not None else room.so_far(moment.text, moment.seconds, moment.energy_j)
            say(*said)
        if one.fault is not None and not moment.text:
            # A part that is drawn anew keeps what stood below it: an empty place removes the box of the answer.
            st.empty()
            return
        with st.container(border=True):
            st.text(moment.text or "…")


def show_end(asked: Sequence[live.Asked], above: DeltaGenerator) -> None:
    """What the pair shows, above the answers, and its rows as a file."""
    rows = live.told(asked)
    if len(rows) == len(asked):
        with above.container():
            glance.headline(room.verdict(rows, [one.server.label for one in asked]))
    if rows:
        about = "A results file: `python -m ingest FILE` loads it into a warehouse, with question and answers."
        st.download_button("Keep as rows (Parquet)", live.parquet(rows), "prompt-joules-live.parquet", on_click="ignore", help=about)


frame.begin("What does my own question cost?")
st.html(room.STYLE)
try:
    known = live.servers(switches.servers())
except live.BadServers as error:
    st.error(f"{switches.SERVERS}: {plain(str(error))}", icon=":material/error:")
    st.stop()
sent = ask_form(known)
above = st.empty()
places = [column.empty() for column in st.columns(2)]
below = st.container()
st.caption(room.ABOUT)  # before the answers come: what is not drawn yet is pale
if sent is not None:
    st.session_state.pop(KEPT, None)
    try:
        st.session_state[KEPT] = ask_both(*sent, places)
    except live.Busy as busy:
        st.warning(plain(str(busy)), icon=":material/hourglass_top:")
else:
    for place, one in zip(places, st.session_state.get(KEPT, []), strict=False):
        show(place, one)
if KEPT in st.session_state:
    with below:
        show_end(st.session_state[KEPT], above)
