"""What several pages share and what needs no Streamlit: words, names, rows, axes, colours."""
