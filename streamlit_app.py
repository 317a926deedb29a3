"""The frame: page settings, navigation, shared filters, run the page. Start with `streamlit run streamlit_app.py`."""

from pathlib import Path

import streamlit as st

from pages.ui import frame, site

ICON = Path(__file__).parent / "pages" / "ui" / "icon.svg"

page = site.navigation()
st.set_page_config(page_title=f"{page.title} · Prompt Joules", page_icon=ICON, layout="wide")
frame.run(page)
