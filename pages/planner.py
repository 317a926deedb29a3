"""What will my workload use?"""

import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, naming, scope, sections, tables, titles, words
from prompt_joules.warehouse import comparison, stats

selection = frame.begin("What will my workload use?")
measure = frame.measure()
results = frame.results(frame.first_view(selection))
frame.stated(results)
rows = naming.labelled(results, measure.key)
if rows.is_empty():
    scope.nothing_matches(selection, "A plan needs a result with the energy of a response.")

chosen = controls.one_result(rows)
requests, overhead, price, intensity = controls.assumptions()
blocks = data.load("blocks", selection, results=chosen["result_id"].item(), above_idle=measure.above_idle)
energy = comparison.compared(chosen, blocks, measure).row(0, named=True)
plan = stats.workload(comparison.band(energy), requests, overhead, price, intensity)

sections.plan(plan)
st.markdown(words.planned(chosen.row(0, named=True), energy, requests, measure))
tables.show(plan, titles.PLAN, alt="Estimated energy, money and emissions a day, a month and a year, with a band")
downloads.offer(plan, "plan")
st.markdown(words.ASSUMPTIONS)
st.caption(scope.provenance(chosen, selection))
