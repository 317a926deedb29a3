"""The frame: page settings, navigation, shared filters, run the page. Start with `streamlit run streamlit_app.py`."""

import streamlit as st

from pages.ui import frame

st.set_page_config(page_title="Prompt Joules", page_icon=":material/bolt:", layout="wide")
frame.run(frame.navigation())
