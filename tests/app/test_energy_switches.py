"""The statistic, the denominator and gross or above idle, on every page."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.ingest import loading
from prompt_joules.pages.ui import site
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import EVERY, Measure, with_reason
from tests import factories
from tests.app import warehouse
from tests.app.conftest import Open, opened, table, text

SWITCHED = {"statistic": "p90", "per": "word", "idle": "above idle"}
PAGES = [entry[0] for entries in site.SECTIONS.values() for entry in entries]


def measured(measure: Measure) -> float:
    """The energy of the run of big-1B by a measure, computed anew from its rows with numpy."""
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    parts = {
        "response": np.ones(rows.height),
        "output token": rows["output_tokens"].to_numpy(),
        "total token": (rows["input_tokens"] + rows["output_tokens"]).to_numpy(),
        "word": rows["output_words"].to_numpy(),
        "character": rows["output_chars"].to_numpy(),
    }
    idle_w = factories.IDLE_W[measure.idle]
    joules = rows["energy_j"].to_numpy() - idle_w * rows["latency_s"].to_numpy()
    if measure.statistic == "mean":
        return float(joules.sum() / parts[measure.per].sum())
    level = {"median": 50, "p90": 90, "p95": 95, "p99": 99}[measure.statistic]
    return float(np.percentile(joules / parts[measure.per], level))


@pytest.fixture(scope="module")
def without_active_idle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made warehouse with a run of protocol 1.1, which did not measure active idle power, and one whose answers shared the GPU."""
    folder, shared, old = tmp_path_factory.mktemp("without"), pl.col("run_id") == "run-small-concise", pl.col("run_id") == "run-small"
    rows = warehouse.measured_rows().with_columns(
        energy_attribution=pl.when(shared).then(pl.lit("shared")).otherwise("energy_attribution"),
        batch_size=pl.when(shared).then(pl.lit(8, pl.Int16)).otherwise("batch_size"),
        active_idle_power_w=pl.when(~old).then(pl.col("active_idle_power_w")),
    )
    factories.write(rows, folder / "results" / "part-00000.parquet")
    loading.ingest([str(folder / "results")], str(folder / "w.duckdb"))
    return folder / "w.duckdb"


def test_what_was_not_measured_awake_is_null_with_a_reason(without_active_idle: Path) -> None:
    for statistic, per in (("mean", "response"), ("mean", "word"), ("p95", "output token")):
        measure = Measure(statistic, per, "above active idle")
        rows = query.load("energies", None, str(without_active_idle), **measure.parameters())
        found = {row["result_id"]: (row["value"], row["reason"]) for row in rows.iter_rows(named=True)}
        assert found["run:run-small"] == (None, "no active idle power was recorded")
        assert found["run:run-big"] == (pytest.approx(measured(measure)), None)
        assert found["run:run-cpu"] == (None, "no energy counter on this machine")


@pytest.mark.parametrize("idle", ["above idle", "above active idle"])
def test_the_mean_of_an_answer_has_the_reasons_of_the_other_statistics(without_active_idle: Path, idle: str) -> None:
    path = str(without_active_idle)
    measure = Measure(idle=idle)
    rows = with_reason(query.load("leaderboard", None, path), measure)
    every = query.load("energies", None, path, **measure.parameters())
    found = dict(rows.select("result_id", "measure_reason").iter_rows())
    assert found == dict(every.select("result_id", "reason").iter_rows()) and len(set(found.values())) >= 3
    assert (rows[measure.key].is_null() == rows["measure_reason"].is_not_null()).all()
    assert "measure_reason" not in with_reason(rows.drop("measure_reason"), Measure()).columns


def test_the_leaderboard_by_another_statistic(open_page: Open) -> None:
    app = open_page(statistic="p95", source="Prompt Joules")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    big = table(app).filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big["energy_p95_j"] == pytest.approx(rows["energy_j"].quantile(0.95, "linear"))
    app.selectbox(key="statistic").set_value("mean")
    app.segmented_control(key="idle").set_value("above idle").run()
    big = table(app).filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big["energy_above_idle_j"] == pytest.approx((rows["energy_j"] - 78 * rows["latency_s"]).mean())
    assert not open_page(statistic="mode").exception
    v1 = open_page(statistic="p95", source="ML.ENERGY v1")
    assert "known only where single prompts were kept" in text(v1)
    assert table(v1).height > 0


def test_every_statistic_denominator_and_idle_is_that_of_the_rows(app_warehouse: Path) -> None:
    for measure in EVERY:
        rows = query.load("energies", None, str(app_warehouse), **measure.parameters())
        ours = rows.filter(pl.col("result_id") == "run:run-big").row(0, named=True)
        assert ours["value"] == pytest.approx(measured(measure)), measure
        assert (rows["value"].is_null() == rows["reason"].is_not_null()).all(), "what is not known has a reason, what is known has none"
        published = rows.filter(pl.col("result_id").str.starts_with("published"), pl.col("value").is_not_null())
        known = measure.statistic == "mean" and measure.idle == "gross" and measure.per in ("response", "output token")
        assert (published.height > 0) == known, measure


@pytest.mark.parametrize("idle", ["above idle", "above active idle"])
@pytest.mark.parametrize("page", ["leaderboard", "energy_vs_parameters", "tradeoffs"])
def test_the_switches_hold_on_every_page(open_page: Open, page: str, idle: str) -> None:
    app = opened(
        open_page(page, source="Prompt Joules", band="All sizes", **SWITCHED | {"idle": idle}), "energy-and-parameters", "trade-offs"
    )
    assert not app.exception
    measure = Measure("p90", "word", idle)
    big = table(app).filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big[measure.key] == pytest.approx(measured(measure))
    assert f"p90 of the energy {idle} per word (J/word)" in text(app)


def test_three_years_divides_by_tokens_unless_asked_otherwise(open_page: Open) -> None:
    app = opened(open_page("three_years", source="Prompt Joules", model="org/big-1B", per="character"), "three-years")
    assert table(app)["p50"].item() == pytest.approx(measured(Measure(per="character")))


def test_compare_by_a_percentile_has_an_interval(open_page: Open) -> None:
    label = "{} · H100 · FP16 · chat · transformers-eager · batch 1 · default · protocol 1 · Prompt Joules"
    app = open_page("compare", results=[label.format("big-1B"), label.format("SmolLM2-135M-Instruct")], statistic="p90", per="word")
    row = table(app, -1).row(0, named=True)
    assert row["value"] == pytest.approx(measured(Measure("p90", "word")))
    assert row["value_low"] <= row["value"] <= row["value_high"]
    assert "the p90 of the gross energy per word of" in text(app)


@pytest.mark.parametrize("idle", ["above idle", "above active idle"])
def test_distributions_offer_the_energy_of_the_switches(open_page: Open, idle: str) -> None:
    app = open_page("distributions", model="org/big-1B", per="word", idle=idle, form="Percentiles")
    opened(app, f"percentiles-{Measure(per='word', idle=idle).key}")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    each = (rows["energy_j"] - factories.IDLE_W[idle] * rows["latency_s"]) / rows["output_words"]
    assert table(app)["p50"].item() == pytest.approx(each.quantile(0.5, "linear"))


@pytest.mark.parametrize("name", ["idle", "active idle"])
def test_above_idle_is_refused_with_the_reason_where_none_was_recorded(open_page: Open, name: str) -> None:
    app = open_page(source="ML.ENERGY v1", idle=f"above {name}")
    assert f"known only where {name} power was recorded" in app.warning[0].value
    assert table(app).height == 65


@pytest.mark.parametrize("page", PAGES)
def test_odd_switches_in_a_link_are_ignored_with_a_note(open_page: Open, page: str) -> None:
    # From Home these lead to the leaderboard.
    more = {} if page == "home" else {"range_latency_s": "x", "columns": "y", "formula": "1/"}
    app = open_page(page, statistic="mode", per="<b>", idle="1", **more)
    assert not app.exception
    opened(app, "energy")
    assert (app.selectbox(key="statistic").value, app.selectbox(key="per").value) == ("mean", "response")


@pytest.mark.parametrize("page", PAGES)
def test_switches_that_do_not_act_on_a_page_are_off_and_say_why(open_page: Open, page: str) -> None:
    app = open_page(page, **SWITCHED)
    acting, why = site.SWITCHES.get(page, (("statistic", "per", "idle"), ""))
    assert not app.exception
    off = {key: element.disabled for key, element in switches(app).items()}
    assert off == {key: key not in acting for key in off}
    assert why in text(app)
    measure = app.session_state["asked_for"].measure
    assert measure.idle == (SWITCHED["idle"] if "idle" in acting else "gross")
    assert measure.statistic == ("p90" if "statistic" in acting else "mean")
    assert measure.per == ("word" if "per" in acting else "response")


def switches(app: AppTest) -> dict[str, Any]:
    """The switches of energy by their keys."""
    return {"statistic": app.selectbox(key="statistic"), "per": app.selectbox(key="per"), "idle": app.segmented_control(key="idle")}


@pytest.mark.parametrize(("idle", "which"), [("above idle", "idle GPU"), ("above active idle", "GPU that is loaded and waits")])
def test_the_planner_above_idle(open_page: Open, idle: str, which: str) -> None:
    label = "big-1B · H100 · FP16 · chat · transformers-eager · batch 1 · default · protocol 1 · Prompt Joules"
    app = open_page("planner", result=label, requests="1000", pue="1.0", idle=idle)
    assert table(app)["kwh"][0] == pytest.approx(measured(Measure(idle=idle)) * 1000 / 3.6e6)
    assert f"above the power of the {which}" in text(app)
    assert "Nothing matches" in open_page("planner", source="ML.ENERGY v1", idle=idle).warning[-1].value


@pytest.mark.parametrize("idle", ["above idle", "above active idle"])
def test_pairs_above_idle(open_page: Open, idle: str) -> None:
    app = opened(open_page("verbosity", source="Prompt Joules", idle=idle), "pairs")
    rows = warehouse.measured_rows().with_columns(pl.col("energy_j") - factories.IDLE_W[idle] * pl.col("latency_s"))
    a, b = (rows.filter(pl.col("run_id") == run) for run in ("run-small", "run-small-concise"))
    change = a.join(b, on="prompt_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series()
    assert table(app)["median_change"].item() == pytest.approx(100 * change.median())
    assert "published tables record no idle power" in text(open_page("verbosity", view="Published averages", idle=idle))


@pytest.mark.parametrize("idle", ["above idle", "above active idle"])
def test_the_cost_of_a_token_above_idle(open_page: Open, idle: str) -> None:
    app = opened(open_page("cost_of_a_token", model="org/big-1B", idle=idle), "cost-of-a-token")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    across = rows.select(pl.lit(1.0), pl.col("input_tokens"), pl.col("output_tokens")).to_numpy()
    joules = (rows["energy_j"] - factories.IDLE_W[idle] * rows["latency_s"]).to_numpy()
    assert table(app)["output_token_j"].item() == pytest.approx(np.linalg.lstsq(across, joules, rcond=None)[0][2])
    assert f"the energy {idle} of a response is fitted" in text(app)
