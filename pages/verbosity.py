"""Does asking for a short answer save energy?"""

import streamlit as st

from pages.ui import controls, data, downloads, frame, scope, sections, tables, titles, words
from warehouse import stats

selection = frame.begin("Does asking for a short answer save energy?")
kind, a, b = controls.sides(data.options())
frame.only_per_response()
published, pairs = sections.contrast(selection, kind, a, b, controls.cut_short())
if published.is_empty() and pairs.is_empty():
    scope.nothing_matches(selection, "No result has both sides with all else alike.")

sections.change_of_means(published, kind)

st.subheader("The same prompts, one by one", anchor=False)
if pairs.is_empty():
    st.info(scope.NO_PAIRS, icon=":material/info:")
else:
    changes = stats.paired(pairs)
    st.markdown(words.pairs(changes))
    tables.show(changes, titles.PAIRS, alt="Change in energy of the same prompts from A to B, per model")
    downloads.offer(changes, "pairs")

sections.why_models_of_one_size_differ(selection)
st.caption(f"{scope.hidden_words(selection)} {scope.SCOPE}")
