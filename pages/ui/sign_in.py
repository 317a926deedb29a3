"""Who may see the pages: everybody, or with PROMPT_JOULES_SIGN_IN=on those whom an OpenID Connect provider knows.

Streamlit does the signing in; who the provider is stands in `.streamlit/secrets.toml` (docs/security.md). It needs Authlib.
"""

import streamlit as st

from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import switches

TITLE = "Sign in to see the results"


def is_needed() -> bool:
    """Whether this visitor has to sign in first."""
    return switches.is_switched_on(switches.SIGN_IN) and not st.user.is_logged_in


def show() -> None:
    """In place of the page: a way to sign in. Nothing of the warehouse is read."""
    st.title(TITLE, anchor=False)
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)


def show_who() -> None:
    """Who is signed in, and a way out."""
    if switches.is_switched_on(switches.SIGN_IN):
        with st.sidebar:
            st.caption(f"Signed in as {plain(str(st.user.get('email') or st.user.get('name') or 'somebody'))}")
            st.button("Sign out", icon=":material/logout:", on_click=st.logout)
