"""Compare and Planner: numbers against polars."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.of import compare, planner
from prompt_joules.pages.ui.pure import naming
from prompt_joules.warehouse import electricity, query
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import variance
from tests.app import warehouse
from tests.app.conftest import FIGURES, Open, open_app, opened, table, text


def test_compare_says_how_many_times(open_page: Open) -> None:
    label = "{} · {} · FP16 · chat · transformers-eager · batch 1 · default · protocol 1 · Prompt Joules"
    labels = [label.format("SmolLM2-135M-Instruct", "H100"), label.format("big-1B", "H100")]
    app = open_page("compare", results=labels)
    rows = warehouse.measured_rows().filter(pl.col("status") == "ok")
    small, big = (rows.filter(pl.col("run_id") == run) for run in ("run-small", "run-big"))
    assert table(app, -1)["ratio"][1] == pytest.approx(big["energy_j"].mean() / small["energy_j"].mean())
    assert "Comparable" in app.success[0].value
    opened(app, "energy").selectbox(key="per").set_value("word").run()
    per_word = [run["energy_j"].sum() / run["output_words"].sum() for run in (small, big)]
    assert table(app, -1)["value"].to_list() == pytest.approx(per_word)
    v1 = open_page("compare", results=[labels[0], "vicuna-7B · A40 · FP16 · chat · transformers-eager · batch 1 · ML.ENERGY v1"])
    assert "source, GPU model" in v1.warning[0].value
    assert "(no interval: a published average has none)" in text(v1)
    alone = pl.DataFrame({"shown_as": ["a", "b"], "ratio": [1.0, 1.5], "energy_is": ["measured"] * 2, "runs": [1, 1], "units": [4, 3]})
    nothing = alone.with_columns(pl.lit(None).alias(name) for name in ("basis", "ratio_low", "ratio_high"))
    assert compare.compared(nothing, Measure()) == "**b** uses **1.50×** the energy per response of a (no interval, n = 3 and 4)."
    assert not open_page("compare", results="nobody", per="mile").exception


def test_an_estimate_of_the_source_can_be_compared_and_says_so(open_page: Open) -> None:
    app = open_page("compare", source="ML.ENERGY v3")
    shown = table(app, -1)
    assert set(shown["energy_mark"]) == {"≈"}
    v3 = pl.read_csv(FIGURES.parents[1] / "mlenergy_v3" / "figures.csv")["estimated_energy_j"].round(6)
    assert shown["value"].round(6).is_in(v3.implode()).all()
    assert "Its energy is estimated by the source" in text(app)
    assert table(open_page("compare", source="ML.ENERGY v1"), -1).columns[1] == "value", "no mark where all is measured"


def test_the_planner_multiplies(open_page: Open) -> None:
    label = "vicuna-7B · A40 · FP16 · chat · transformers-eager · batch 1 · ML.ENERGY v1"
    app = open_page("planner", result=label, requests="1000", pue="1.5")
    day = table(app).row(0, named=True)
    energy = pl.read_csv(FIGURES).filter(
        pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("published_model_id").str.ends_with("vicuna-7B")
    )
    assert day["kwh"] == pytest.approx(energy["energy_j"].item() * 1000 * 1.5 / 3.6e6)
    app.number_input(key="requests").set_value(2000.0).run()
    assert table(app)["kwh"][0] == pytest.approx(2 * day["kwh"])
    assert not open_page("planner", requests="lots", pue="-3").exception


def test_the_planner_goes_from_model_to_gpu_to_batch_size_and_never_ends(open_page: Open) -> None:
    app = open_page("planner")
    selects = [app.selectbox(key=key) for key in ("plan_model", "plan_gpu", "plan_batch")]
    assert {"LLaMA · vicuna 7B", "Qwen 3 8B", "big 1B"} <= set(selects[0].options)
    selects[0].set_value("LLaMA · vicuna 7B").run()
    assert set(app.selectbox(key="plan_gpu").options) == {"A40 · FP16", "A100 · FP16", "V100 · FP16"}
    app.selectbox(key="plan_gpu").set_value("V100 · FP16").run()
    assert "V100 · FP16 · chat" in text(app) and not app.exception
    app.session_state["gpu"] = ["H100"]
    app.run()
    assert not app.exception and not app.warning, "a filter under which the model is not known leaves another model, not an empty page"
    assert "H100" in app.selectbox(key="plan_gpu").value


def test_the_planner_estimates_by_length_where_no_answer_was_measured(open_page: Open) -> None:
    app = open_page("planner", plan_model="Qwen 3 8B", source="ML.ENERGY v3", task="lm-arena-chat", requests="1000", pue="1")
    label = re.search(r"a day of \*\*(.*?)\*\*", text(app))
    assert label and "estimated" in text(app) and "≈" in text(app)
    gpu, batch = app.selectbox(key="plan_gpu").value, app.selectbox(key="plan_batch").value
    figures = pl.read_csv(FIGURES.parents[1] / "mlenergy_v3" / "figures.csv", infer_schema_length=None)
    row = figures.filter(
        pl.col("published_model_id").str.ends_with("Qwen3-8B"),
        pl.col("task") == "lm-arena-chat",
        pl.col("gpu_model").str.contains(gpu.split(" ")[0].split("×")[-1]),
        pl.col("batch_size") == int(batch),
    )
    per_day = [each["energy_per_token_j"] * each["output_tokens"] * 1000 / 3.6e6 for each in row.iter_rows(named=True)]
    assert any(table(app)["kwh"][0] == pytest.approx(each) for each in per_day)
    assert "kwh_low" not in table(app).columns, "a published mean has no band"
    app.number_input(key="tokens").set_value(100.0).run()
    assert "× 100 tokens" in text(app)
    measured = open_page("planner", source="Prompt Joules", tokens="100", country="Germany")
    assert "a token costs what it cost in the measured answers, whatever the length" in text(measured)
    assert "grid and price are of Germany unless changed" in text(measured)
    usual = text(open_page("planner", source="Prompt Joules"))
    assert "like those that were measured in length and content" in usual and "PUE, price and grid intensity are yours" in usual
    assert "estimated" in text(measured) and "95 % interval" in text(measured), "J/token of our own runs has a band"


def test_a_country_sets_grid_price_and_money_with_source_and_year(open_page: Open) -> None:
    app = open_page("planner", country="Germany")
    row = electricity.countries().filter(pl.col("country") == "Germany").row(0, named=True)
    assert (app.number_input(key="grid").value, app.number_input(key="price").value) == (row["grid_g_per_kwh"], row["price_per_kwh"])
    assert "in 2023 (Ember" in text(app) and "EUR/kWh in 2024-S2 (Eurostat" in text(app)
    app.selectbox(key="country").set_value("United States").run()
    assert (app.number_input(key="price").value, app.selectbox(key="currency").value) == (0.0806, "USD")
    assert json.loads(app.dataframe[0].proto.columns)["money"]["label"] == "Money (USD)", "the table names the currency too"
    year = table(app).row(2, named=True)
    assert year["co2_kg"] == pytest.approx(year["kwh"] * 369.5 / 1000) and year["money"] == pytest.approx(year["kwh"] * 0.0806)
    app.selectbox(key="country").set_value("Japan").run()
    assert "No price of this country" in text(app) and app.number_input(key="price").value == 0.0806, "the price stays the visitor's"
    assert [metric.label for metric in app.metric] == ["Energy a year (kWh)", "USD a year", "CO₂e a year (kg)"]


def test_every_figure_of_a_country_has_a_year_and_a_source() -> None:
    rows = electricity.countries()
    assert rows["country"].is_unique().all() and rows["country"].is_sorted()
    assert rows["grid_g_per_kwh"].is_between(10, 1000).all() and rows["grid_year"].is_between(2022, 2023).all()
    priced = rows.filter(pl.col("price_per_kwh").is_not_null())
    assert priced["price_per_kwh"].is_between(0.05, 0.5).all()
    assert priced.select("currency", "price_period", "price_source").null_count().row(0) == (0, 0, 0)
    assert set(priced["price_source"]) == set(electricity.PRICE_SOURCES) and set(priced["currency"]) <= set(planner.CURRENCIES)


def test_the_first_pair_is_alike_in_all_but_model_and_task() -> None:
    same = {"gpu_model": "H100", "engine": "compiled", "prompt_set": None, "weights": "pretrained", "source": "us", "model_id": "m"}
    rows = pl.DataFrame(
        [
            {"label": "a", "task": "instruct", "batch_size": 1, "harness_version": "2", **same},
            {"label": "b", "task": "chat", "batch_size": 1, "harness_version": "1", **same},
            {"label": "c", "task": "instruct-concise", "batch_size": 1, "harness_version": "2", **same},
        ]
    )
    assert compare.first_pair(rows) == ["a", "c"]
    assert compare.first_pair(rows.head(2)) == ["a", "b"], "where nothing else is left, the other one"
    eager = rows.head(2).vstack(rows.tail(1).with_columns(engine=pl.lit("eager")))
    assert compare.first_pair(eager) == ["a", "c"], "another engine is something to compare; another protocol is in the way"
    tasks = [row | {"task": task, "label": task} for row in rows.head(1).to_dicts() for task in ("chat-concise", "chat")]
    assert compare.first_pair(rows.vstack(pl.DataFrame(tasks, schema=rows.schema))) == ["chat", "chat-concise"], (
        "a task and its concise twin"
    )
    again = rows.with_columns(label=pl.lit("again"))
    assert compare.first_pair(pl.concat([rows, again])) == ["a", "c"], "the same measured again is no other result"


def test_results_that_differ_in_nothing_are_numbered() -> None:
    labels = naming.numbered(pl.DataFrame({"label": ["a", "b", "a"]}))["label"].to_list()
    assert labels == ["a · no. 1", "b", "a · no. 2"]
    assert naming.short([labels[0], labels[2]]) == {"a · no. 1": "no. 1", "a · no. 2": "no. 2"}


def test_lists_begin_with_runs_whose_first_answers_are_warm(shipped_warehouse: Path) -> None:
    own = naming.newest_first(query.load("leaderboard", Selection(weights=()), str(shipped_warehouse))).filter(source="Prompt Joules")
    early = own["harness_version"].str.starts_with("1.").to_list()
    assert early == sorted(early) and set(early) == {False, True}


def test_how_sure_a_difference_can_be(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    closed = open_app("compare")
    assert "A/A check" not in text(closed), "nothing is computed before the frame opens"
    app = opened(closed, "certainty")
    assert not app.exception
    parts, smallest, checks = (table(app, place) for place in (1, 2, 3))
    known = variance.table(*(query.load(name, None, str(shipped_warehouse)) for name in ("variances", "repetitions")))
    energy = known.filter(pl.col("number") == "energy_j")
    assert parts["sd_of_energy"].to_list() == pytest.approx((100 * energy["sd"]).to_list())
    assert parts["share_of_energy"].sum() == pytest.approx(100)
    assert smallest["with_9_runs"].to_list() == sorted(smallest["with_9_runs"].to_list(), reverse=True)
    assert checks["share_shown"].to_list() == pytest.approx((100 * checks["shown"] / checks["checks"]).to_list())
    assert f"Of {checks['checks'].sum():,} intervals {checks['shown'].sum():,}" in text(app)
