"""Finished charts: made once for the same frames, anew for others, with every frame as Arrow beside the specification."""

import io
import json

import altair as alt
import polars as pl
import pytest

from prompt_joules.pages.ui import draw
from prompt_joules.pages.ui.of import verbosity_charts
from prompt_joules.pages.ui.pure import theme

ROWS = pl.DataFrame({"name": [f"model {n:03d}" for n in range(400)], "x": range(400)})


def bars(rows: pl.DataFrame, title: str) -> alt.Chart:
    """A chart that can be clicked."""
    return theme.pickable(alt.Chart(rows).mark_bar().encode(x=alt.X("x:Q", title=title), y=alt.Y("name:N")), "name")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[alt.Chart]:
    """The charts that are really made."""
    charts: list[alt.Chart] = []
    finished = draw.finished
    monkeypatch.setattr(draw, "finished", lambda chart: charts.append(chart) or finished(chart))
    draw.forget()
    return charts


def test_a_chart_is_made_once_for_the_same_frame(made: list[alt.Chart]) -> None:
    again = ROWS.clone()
    assert draw.of(bars, ROWS, "Energy (J)") == draw.of(bars, again, "Energy (J)") and len(made) == 1
    assert draw.of(bars, ROWS, "Energy (J)") != draw.of(bars, ROWS, "Power (W)") and len(made) == 2


def test_one_other_value_in_the_middle_of_a_frame_makes_another_chart(made: list[alt.Chart]) -> None:
    other = ROWS.with_columns(x=pl.when(pl.col("x") == 200).then(-1).otherwise("x"))
    assert draw.fingerprint(other) != draw.fingerprint(ROWS)
    assert draw.of(bars, other, "Energy (J)") != draw.of(bars, ROWS, "Energy (J)") and len(made) == 2


def test_a_finished_chart_has_its_frames_beside_it() -> None:
    drawn = draw.finished(alt.layer(bars(ROWS, "Energy (J)"), alt.Chart(ROWS.head(1)).mark_rule().encode(x=alt.X("x:Q"))))
    kept = [pl.read_ipc_stream(io.BytesIO(stream)) for stream in drawn.data.values()]
    assert sorted(frame.height for frame in kept) == [1, 400]
    named = {layer["data"]["name"] for layer in json.loads(drawn.spec)["layer"]}
    assert named == set(drawn.data)
    assert drawn.selections == (theme.PICKED,)
    assert "model 001" not in drawn.spec


def test_a_finished_chart_is_what_altair_makes_of_it() -> None:
    rows = pl.DataFrame(
        {"model_name": ["a", "b"], "length_effect_log": [0.1, -0.2], "token_effect_log": [0.0, 0.1], "energy_effect_log": [0.1, -0.1]}
    )
    asked = verbosity_charts.split(rows, "model_name").to_dict()
    drawn = json.loads(draw.finished(verbosity_charts.split(rows, "model_name")).spec)
    assert drawn["layer"] == asked["layer"]
    assert drawn["config"] == asked["config"]
