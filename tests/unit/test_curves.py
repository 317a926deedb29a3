"""Curves of many series stay small: the browser draws every point that it gets. Values far apart are drawn on a logarithmic axis."""

import numpy as np
import polars as pl
import pytest

from prompt_joules.pages.ui.of import distributions_charts
from prompt_joules.pages.ui.pure import axes, charts
from prompt_joules.warehouse.metrics import METRICS


def steps(series: int) -> pl.DataFrame:
    """The steps of so many equal distributions."""
    shares = pl.DataFrame({"share_of_prompts": [step / 200 for step in range(201)]})
    names = pl.DataFrame({"shown_as": [f"series {number:02d}" for number in range(series)]})
    return names.join(shares, how="cross").with_columns(
        value=pl.col("share_of_prompts") * 10 + 1, share_of_total=pl.col("share_of_prompts")
    )


@pytest.mark.parametrize(("series", "points"), [(1, 201), (4, 201), (8, 101), (80, 24)])
def test_curves_of_many_series_have_fewer_steps(series: int, points: int) -> None:
    made = steps(series)
    names = made["shown_as"].unique(maintain_order=True).to_list()
    drawn = distributions_charts.ecdf(made, METRICS["energy_j"], False, names).data
    ends = drawn.group_by("shown_as").agg(
        pl.len().alias("points"), pl.col("share_of_prompts").min().alias("low"), pl.max("share_of_prompts")
    )
    assert ends.drop("shown_as").unique().rows() == [(points, 0.0, 1.0)]
    assert ends.height == series


def test_the_line_of_too_few_prompts_is_dashed() -> None:
    made = steps(2)
    names = made["shown_as"].unique(maintain_order=True).to_list()
    drawn = distributions_charts.ecdf(made, METRICS["energy_j"], False, names, names[:1])
    assert set(drawn.data.filter("few")["shown_as"]) == set(names[:1])
    assert drawn.to_dict()["encoding"]["strokeDash"]["scale"]["range"] == [[1, 0], [5, 4]]
    assert "strokeDash" not in distributions_charts.ecdf(made, METRICS["energy_j"], False, names).to_dict()["encoding"]


@pytest.mark.parametrize("power", [1, 2, 5, 40])
def test_a_lorenz_curve_keeps_the_points_that_make_its_shape(power: int) -> None:
    made = steps(2).with_columns(share_of_total=pl.col("share_of_prompts") ** power)
    drawn = distributions_charts.lorenz(made, ["series 00", "series 01"]).layer[1].data
    assert drawn.join(made, on=["shown_as", "share_of_prompts", "share_of_total"], how="anti").is_empty(), "every point is one of the steps"
    for name, whole in made.group_by("shown_as"):
        kept = drawn.filter(pl.col("shown_as") == name[0])
        assert (kept["share_of_prompts"][0], kept["share_of_prompts"][-1]) == (0.0, 1.0)
        line = np.interp(whole["share_of_prompts"], kept["share_of_prompts"], kept["share_of_total"])
        assert np.abs(line - whole["share_of_total"]).max() <= distributions_charts.BESIDE
        assert kept.height == 2 if power == 1 else kept.height < 60


@pytest.mark.parametrize(("values", "kind"), [([60.0, 90.0], "linear"), ([60.0, 3600.0], "log"), ([0.0, 3600.0], "linear")])
def test_single_values_far_apart_have_a_logarithmic_axis(values: list[float], kind: str) -> None:
    found = pl.DataFrame({"shown_as": ["a", "b"], "said": ["", ""], "value": values, "value_low": values, "value_high": values})
    across = charts.forest(found, "Energy (J)", {"shown_as": ("Result", None)}).to_dict()["layer"][0]["encoding"]["x"]
    assert across["scale"].get("type", "linear") == kind
    assert across["title"] == ("Energy (J), logarithmic" if kind == "log" else "Energy (J)")


def test_a_forest_has_no_layer_without_rows_and_all_that_is_drawn_lies_in_its_axis() -> None:
    found = pl.DataFrame(
        {"shown_as": ["a", "b"], "said": ["1", "2"], "value": [-0.4, 0.1], "value_low": [None, -0.2], "value_high": [None, 0.3]}
    )
    drawn = charts.forest(found, "Change", {"value": ("Change", "+.1%")}, nothing=0)
    heights = [layer.data.height for layer in drawn.layer]
    assert 0 not in heights and 1 in heights, "one interval, and no layer of intervals within the runs"
    low, high = drawn.to_dict()["layer"][1]["encoding"]["x"]["scale"]["domain"]
    assert low < -0.4 and high > 0.3
    empty = found.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("value", "value_low", "value_high"))
    assert charts.forest(empty, "Energy (J)", {}).to_dict(), "nothing known is drawn as names alone"


def test_an_interval_without_an_end_reaches_the_edge_of_what_is_drawn() -> None:
    found = pl.DataFrame(
        {"shown_as": ["a", "b"], "said": ["", ""], "value": [1.0, 5.0], "value_low": [0.5, 4.0], "value_high": [None, 9.0]}
    )
    rules = charts.forest(found, "Energy (J)", {}).layer[0].data
    assert rules["value_high"].to_list() == [9.0, 9.0]


def test_a_number_says_how_it_is_known() -> None:
    rows = pl.DataFrame({"value": [1234.5, 2.0, 3.0, None], "energy_is": ["measured", "divided by a rule", "estimated", None]})
    assert charts.with_numbers(rows, "Energy (J)")["said"].to_list() == ["1,230 J", "÷ 2 J", "≈ 3 J", "not known"]


def test_a_long_name_has_two_lines_for_phones_parted_where_its_parts_are() -> None:
    assert charts.in_two("A40 · chat") is None, "there is room for it on one"
    name = "chat to concise · H200 · transformers-compiled:searched · batch 1 · default"
    first, second = str(charts.in_two(name)).split("\n")
    assert f"{first} · {second}" == name
    assert max(len(first), len(second)) < 52, "as even as its parts allow"
    assert charts.in_two("x" * 80) is None, "one part is not torn"
    found = pl.DataFrame(
        {"shown_as": ["A40 · chat", name], "said": ["", ""], "value": [1.0, 2.0], "value_low": [1.0, 2.0], "value_high": [1.0, 2.0]}
    )
    layers = charts.forest(found, "Energy (J)", {"shown_as": ("Result", None)}).layer
    (parted,) = {tuple(layer.data["in_two"]) for layer in layers if "in_two" in getattr(layer.data, "columns", ())}
    assert parted[0] == "A40\nchat" and parted[1] == f"{first}\n{second}", "names of one chart are alike in size"


def test_an_axis_ends_where_the_points_end_and_names_begin() -> None:
    narrow = axes.ending(axes.axis_of(True, pl.Series([10.0, 20.0])), 20.0).to_dict()
    assert narrow["labelExpr"].startswith("datum.value > 20.02 ? '' : "), "no label, round or not, lies under a name"
    assert narrow["gridOpacity"]["condition"] == {"test": "datum.value > 20.02", "value": 0}
    wide = axes.ending(axes.axis_of(True, pl.Series([1.5, 90.0])), 90.0).to_dict()
    assert wide["values"] == [1, 2, 5, 10, 20, 50], "a line and a label for each, and none beyond"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.03, 0.4], [0.02, 0.05, 0.1, 0.2, 0.5]),
        ([1.0, 100.0], [1, 2, 5, 10, 20, 50, 100]),
        ([7.0, None, 40.0, 0.0, -1.0, float("inf")], [5, 10, 20, 50]),
        ([9.5, 95.0], [5, 10, 20, 50, 100]),
        ([0.0], []),
    ],
)
def test_a_logarithmic_axis_has_lines_at_its_labels_only(values: list[float | None], ticks: list[float]) -> None:
    assert axes.round_ticks(pl.Series(values)) == ticks
    assert "tickCount" not in axes.axis_of(True, pl.Series([1.0, 1000.0])).to_dict(), "or Vega leaves every second one out"
    assert "values" not in axes.axis_of(False, pl.Series(values)).to_dict()
