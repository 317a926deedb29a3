"""The frame: page settings, navigation, shared filters, run the page. Start with `streamlit run streamlit_app.py`."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.starlette import App

from prompt_joules.pages.ui import delivery, gate, head, site, watched

PICTURES = Path(__file__).parent / "pages" / "ui"
ICON, LOGO = PICTURES / "icon.svg", PICTURES / "logo.svg"

if __name__ == "__main__":
    from prompt_joules.pages.ui import frame  # its caches exist only once the server runs

    page = site.navigation()
    st.set_page_config(page_title=f"{page.title} · Prompt Joules", page_icon=ICON, layout="wide")
    st.logo(LOGO, size="large", icon_image=ICON)
    frame.run(page)
else:
    # `streamlit run` finds the server in the source, imports it by this name, and runs this file as the script of every visit.
    middleware = [Middleware(gate.Reading), Middleware(head.Named), Middleware(delivery.Compressed)]
    app = App(__file__, lifespan=delivery.ready, routes=(*watched.ROUTES, *head.ROUTES), middleware=middleware)
