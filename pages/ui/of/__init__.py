"""A room for each page: its rows, its sentences and its charts, without Streamlit. The page itself is `pages/PAGE.py`."""
