"""An app of one small chart and one filter: what Streamlit itself costs."""

import altair as alt
import streamlit as st

wanted = st.selectbox("Task", ("all", "chat"))
points = alt.Data(values=[{"x": x, "y": x * (1 if wanted == "chat" else 2)} for x in range(10)])
st.title("Floor")
st.altair_chart(alt.Chart(points).mark_point().encode(x="x:Q", y="y:Q"), alt="Ten points")
