"""Every page through `streamlit_app.py`: numbers against polars, filters, no match, no warehouse, odd links."""

import io
import json
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from bench.tasks import TASKS
from pages.ui import downloads, pick, sections, shape, site, tables, words
from tests.app import warehouse
from tests.app.conftest import Open, open_app
from warehouse import query
from warehouse.measure import DEFAULT, EVERY, Measure, per_prompt
from warehouse.metrics import METRICS
from warehouse.selection import Selection

PAGES = [entry[0] for entries in site.SECTIONS.values() for entry in entries]
FIGURES = warehouse.SHIPPED / "published" / "mlenergy_v1" / "figures.csv"
GPU = "NVIDIA H100 80GB HBM3"
OF_MODELS = {"metric": "energy_j", "by": "model", "prompt_set": ""}


def text(app: AppTest) -> str:
    """All words on the page."""
    kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error, app.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def table(app: AppTest, position: int = 0) -> pl.DataFrame:
    """What one table on the page holds."""
    return pl.from_pandas(app.dataframe[position].value)


@pytest.mark.parametrize("page", PAGES)
def test_opens_without_an_exception(open_page: Open, page: str) -> None:
    app = open_page(page)
    assert not app.exception
    question = next(entry[2] for entries in site.SECTIONS.values() for entry in entries if entry[0] == page)
    assert [title.value for title in app.title] == [question]


@pytest.mark.parametrize("page", PAGES)
def test_without_a_warehouse_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "none.duckdb"))
    app = open_app(page)
    assert not app.exception
    assert app.title[0].value == "No results yet"
    assert "python -m ingest warehouse/data --warehouse" in app.code[0].value
    assert not app.dataframe


def test_old_and_broken_warehouses_have_their_own_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database" * 1000)
    old = warehouse.make(tmp_path / "old")
    with duckdb.connect(str(old)) as connection:
        connection.execute("update meta set schema_version = 0")
    for path, title in ((broken, "The results cannot be read"), (old, "The results are from another version")):
        monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(path))
        app = open_app()
        assert not app.exception
        assert app.title[0].value == title
        assert app.code[0].value.endswith("--rebuild")


@pytest.mark.parametrize("page", PAGES)
def test_unknown_values_in_a_link_are_ignored_with_a_note(open_page: Open, page: str) -> None:
    app = open_page(page, gpu=["A40", "<b>Nonesuch</b>"], valid="perhaps", batch="many")
    assert not app.exception
    if page == "leaderboard":
        assert len(app.info) == 3
        assert all("was ignored" in note.value for note in app.info)
        assert "\\<b\\>Nonesuch" in app.info[0].value
    assert app.multiselect(key="gpu").value == ["A40"]


def test_leaderboard_on_a40_chat_is_what_the_published_table_says(open_page: Open) -> None:
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    shown = table(open_page(gpu="A40", task="chat"))
    assert shown["energy_j"].round(6).to_list() == figures["energy_j"].round(6).to_list()
    assert shown["energy_per_token_j"].round(6).to_list() == ((figures["energy_j"] / figures["output_tokens"]).round(6).to_list())
    first = shown.head(3).select("model_name", pl.col("energy_j").round(2)).rows()
    assert first == [("llama-7B", 525.71), ("alpaca-7B", 916.05), ("BiLLa-7B-SFT", 1218.64)]


def test_leaderboard_shows_measured_rows_beside_published_ones(open_page: Open) -> None:
    shown = table(open_page())
    rows = warehouse.measured_rows().filter(pl.col("status") == "ok", pl.col("run_id") == "run-big")
    big = shown.filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big["energy_j"] == pytest.approx(rows["energy_j"].mean())
    assert big["energy_per_token_j"] == pytest.approx(rows["energy_j"].sum() / rows["output_tokens"].sum())
    assert set(shown["origin"]) == {"published", "measured"}
    cpu = shown.filter(pl.col("gpu_model") == "CPU").row(0, named=True)
    assert cpu["energy_j"] is None
    assert cpu["energy_reason"] == "no energy counter on this machine"
    assert shown["gpu_model"].to_list()[-1] == "CPU", "rows without an energy come last and are not dropped"


def test_a_formula_is_a_column(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", formula="energy_j / params_total_b")
    shown = table(app)
    assert shown["formula"].to_list() == pytest.approx((shown["energy_j"] / shown["params_total_b"]).to_list())
    app.text_input(key="formula").set_value("energy_j / paramz").run()
    assert "There is no column paramz, at character 12" in app.error[0].value.replace("\\", "")
    assert "formula" not in table(app).columns
    assert table(app).height == 22


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


def test_a_filter_changes_the_leaderboard(open_page: Open) -> None:
    app = open_page()
    before = table(app).height
    app.multiselect(key="gpu").set_value(["V100"]).run()
    assert set(table(app)["gpu_model"]) == {"V100"}
    assert table(app).height < before


def test_search_combines_with_the_filters(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", search="VICUNA 7b")
    assert table(app)["model_name"].to_list() == ["vicuna-7B"]
    app.text_input(key="search").set_value("no such model").run()
    assert not app.dataframe
    assert "Nothing matches" in app.warning[0].value


@pytest.mark.parametrize(
    "page",
    [
        "leaderboard",
        "energy_vs_parameters",
        "distributions",
        "verbosity",
        "tradeoffs",
        "three_years",
        "compare",
        "planner",
        "prompts",
        "cost_of_a_token",
    ],
)
def test_no_match_names_the_filters_and_offers_a_way_back(open_page: Open, page: str) -> None:
    app = open_page(page, gpu="CPU", task="instruct")
    assert not app.exception
    assert "GPU CPU, task instruct" in app.warning[0].value
    assert not app.dataframe


def test_the_first_view_is_one_chat_prompt_at_a_time_and_all_is_one_click_away(open_page: Open) -> None:
    app = open_page()
    assert table(app).select("task", "batch_size").unique().rows() == [("chat", 1)]
    shown = table(app).height
    more = int(re.findall(r"([\d,]+) more results", text(app))[0].replace(",", ""))
    app.segmented_control(key="show").set_value("Everything").run()
    assert table(app).height == shown + more
    assert set(table(app)["source"]) > {"ML.ENERGY v1", "ML.ENERGY v3"}
    assert set(table(open_page(batch="64"))["batch_size"]) == {64}, "who filters by batch size sees what the filter says"
    assert table(open_page(task="code")).height > 0, "nothing at batch size 1: everything is shown"


def test_lines_keep_editions_and_batch_sizes_apart(open_page: Open) -> None:
    app = open_page("energy_vs_parameters", gpu="A40")
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    shown = table(app).select(pl.col("params_total_b", "energy_j").log())
    slope = shown.select(pl.cov("params_total_b", "energy_j") / pl.col("params_total_b").var()).item()
    assert shown.height == figures.height
    assert f"A40 · v1 · batch 1: energy grows as parameters to the power **{slope:.2f}**" in text(app).replace("\\", "")


def test_energy_against_parameters_draws_the_rows_that_have_both(open_page: Open) -> None:
    app = open_page("energy_vs_parameters", gpu="A40", task="chat")
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    shown = table(app)
    assert sorted(shown["energy_j"].round(6)) == sorted(figures["energy_j"].round(6))
    assert shown["params_total_b"].null_count() == 0
    app.selectbox(key="y").set_value("Latency (s)").run()
    assert sorted(table(app)["latency_s"].round(6)) == sorted(figures["latency_s"].round(6))


def test_rows_without_energy_are_counted_not_drawn(open_page: Open) -> None:
    app = open_page("energy_vs_parameters", source="Prompt Joules", show="Everything")
    assert table(app).height == 3
    assert "1 configuration without both numbers left out" in text(app)


def test_the_cheapest_within_a_deadline(open_page: Open) -> None:
    app = open_page("tradeoffs", gpu="A40", task="chat", limit_latency_s="5", band="All sizes")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("latency_s") <= 5).sort("energy_j")
    assert table(app)["energy_j"].to_list() == pytest.approx(v1["energy_j"].to_list())
    assert f"**{v1.height}** of 22 configurations are within the limits" in text(app)
    app.select_slider(key="limit_energy_j").set_value("500").run()
    assert "**None** of 22 configurations" in text(app)
    assert not open_page("tradeoffs", limit_latency_s="soon", x="beauty").exception


def test_compare_says_how_many_times(open_page: Open) -> None:
    label = "{} · {} · chat · transformers-eager · batch 1 · Prompt Joules"
    labels = [label.format("SmolLM2-135M-Instruct", "H100"), label.format("big-1B", "H100")]
    app = open_page("compare", results=labels)
    rows = warehouse.measured_rows().filter(pl.col("status") == "ok")
    small, big = (rows.filter(pl.col("run_id") == run) for run in ("run-small", "run-big"))
    assert table(app, -1)["ratio"][1] == pytest.approx(big["energy_j"].mean() / small["energy_j"].mean())
    assert "Comparable" in app.success[0].value
    app.selectbox(key="per").set_value("word").run()
    per_word = [run["energy_j"].sum() / run["output_words"].sum() for run in (small, big)]
    assert table(app, -1)["value"].to_list() == pytest.approx(per_word)
    v1 = open_page("compare", results=[labels[0], "vicuna-7B · A40 · chat · transformers-eager · batch 1 · ML.ENERGY v1"])
    assert "source, gpu model" in v1.warning[0].value
    assert not open_page("compare", results="nobody", per="mile").exception


def test_the_planner_multiplies(open_page: Open) -> None:
    label = "vicuna-7B · A40 · chat · transformers-eager · batch 1 · ML.ENERGY v1"
    app = open_page("planner", result=label, requests="1000", pue="1.5")
    day = table(app).row(0, named=True)
    energy = pl.read_csv(FIGURES).filter(
        pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("published_model_id").str.ends_with("vicuna-7B")
    )
    assert day["kwh"] == pytest.approx(energy["energy_j"].item() * 1000 * 1.5 / 3.6e6)
    app.number_input(key="requests").set_value(2000.0).run()
    assert table(app)["kwh"][0] == pytest.approx(2 * day["kwh"])
    assert not open_page("planner", requests="lots", pue="-3").exception


def test_a_prompt_and_its_answers(open_page: Open) -> None:
    app = open_page("prompts", prompt="prompt-00007")
    rows = warehouse.measured_rows().filter(pl.col("prompt_id") == "prompt-00007")
    assert table(app, 1)["energy_j"].drop_nulls().to_list() == pytest.approx(rows["energy_j"].drop_nulls().sort().to_list())
    assert "Answer 7." in text(app)
    assert app.text_input(key="prompt").value == "prompt-00007"
    app.text_input(key="prompt").set_value("no such prompt").run()
    assert "Nothing matches" in app.warning[0].value
    app = open_page("prompts", search="question 9?")
    assert table(app)["prompt_id"].to_list() == ["prompt-00009"]
    assert "only our own runs" in open_page("prompts", source="ML.ENERGY v1").warning[0].value.lower()


def test_sql_answers_and_says_what_is_wrong(open_page: Open) -> None:
    app = open_page(
        "export_sql", sql="select gpu_model, count(*) as n from published where source = 'ML.ENERGY v1' group by all order by 1"
    )
    figures = pl.read_csv(FIGURES).group_by("gpu_model").len().sort("gpu_model")
    assert table(app, -1).rows() == figures.rows()
    app.text_area(key="sql").set_value("drop table published").run()
    assert "Only SELECT" in app.error[0].value
    app.text_area(key="sql").set_value("select * from '/etc/passwd'").run()
    assert app.error and not app.exception


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "arrow"])
def test_an_export_holds_the_rows_and_a_header(app_warehouse: Path, kind: str) -> None:
    made = sections._file(Selection(gpus=("A40",), tasks=("chat",)), "Results", kind, str(app_warehouse))
    readers = {
        "parquet": lambda: pl.read_parquet(io.BytesIO(made)),
        "csv": lambda: pl.read_csv(io.BytesIO(made), comment_prefix="#"),
        "json": lambda: pl.DataFrame(json.loads(made)["rows"], infer_schema_length=None),
        "arrow": lambda: pl.read_ipc(io.BytesIO(made)),
    }
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    assert readers[kind]()["energy_j"].to_list() == pytest.approx(v1["energy_j"].to_list())
    assert made.replace(b";", b",").count(b"GPU A40, task chat") >= 1


def test_the_cost_of_a_token(open_page: Open) -> None:
    app = open_page("cost_of_a_token", task="chat", **{"in": "100", "out": "300"})
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    slope = rows.select(pl.cov("output_tokens", "energy_j") / pl.col("output_tokens").var()).item()
    shown = table(app).filter(pl.col("label").str.contains("big-1B")).row(0, named=True)
    assert shown["output_token_j"] == pytest.approx(slope, rel=0.05)
    assert shown["output_token_j_low"] < shown["output_token_j"] < shown["output_token_j_high"]
    assert "A prompt of 100 and an answer of 300 tokens" in text(app)
    app.number_input(key="out").set_value(9000.0).run()
    assert "a guess" in text(app)
    assert not open_page("cost_of_a_token", out="-5", result="nobody").exception


def test_three_years_has_every_edition(open_page: Open) -> None:
    app = open_page("three_years")
    assert set(table(app)["edition"]) == {"2023 · v1", "2024 · v2", "2026 · v3", "2026 · own"}
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    row = table(app).filter(pl.col("edition") == "2023 · v1", pl.col("gpu_model") == "A40").row(0, named=True)
    assert row["p50"] == pytest.approx((v1["energy_j"] / v1["output_tokens"]).median())
    app.multiselect(key="gpu").set_value(["V100"]).run()
    assert table(app)["gpu_model"].to_list() == ["V100"]


def test_concise_or_verbose_gives_the_known_numbers(open_page: Open) -> None:
    words = text(open_page("verbosity", gpu="A40")).replace("\\", "")
    assert "chat to chat-concise, the energy of a response changes by **−4.0 %** (median over 22 models" in words
    assert "instruct to instruct-concise, the energy of a response changes by **−13.9 %** (median over 22 models" in words
    assert "**6 of 22** models use more" in words
    assert "525.7 to 2,621.4 J per response, **5.0×** apart" in words
    assert "a token costs 6.0 to 9.1 J, **1.5×** apart" in words


def test_pairs_of_our_own_prompts(open_page: Open) -> None:
    app = open_page("verbosity", source="Prompt Joules")
    rows = warehouse.measured_rows()
    a, b = (rows.filter(pl.col("run_id") == run) for run in ("run-small", "run-small-concise"))
    change = a.join(b, on="prompt_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series()
    assert table(app)["median_change"].item() == pytest.approx(100 * change.median())
    assert table(app)["more_share"].item() == pytest.approx(100 * (change > 0).mean())
    assert table(app)["pairs"].item() == 60


def test_two_models_side_by_side(open_page: Open) -> None:
    app = open_page("verbosity", compare="Two models", a_model="vicuna-7B", b_model="vicuna-13B", gpu="A40", task="chat")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    figures = {name.split("/")[-1]: energy for name, energy in v1.select("published_model_id", "energy_j").iter_rows()}
    change = figures["vicuna-13B"] / figures["vicuna-7B"] - 1
    assert f"changes by **{100 * change:+.1f} %**" in text(app)
    assert not open_page("verbosity", compare="nonsense", a_model="nobody").exception


def test_distribution_percentiles_are_those_of_the_prompts(open_page: Open) -> None:
    app = open_page("distributions", task="chat")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    shown = table(app).filter(pl.col("series") == "big-1B").row(0, named=True)
    assert shown["prompts"] == rows.height
    assert shown["p90"] == pytest.approx(rows["energy_j"].quantile(0.9, "linear"))
    dearest = rows["energy_j"].sort(descending=True).head(3).sum() / rows["energy_j"].sum()
    costliest = table(app, 1).filter(pl.col("series") == "big-1B")
    assert costliest["top5_share"].item() == pytest.approx(100 * dearest)
    assert "Hidden: 1 prompt (1 failed)" in text(app)


def test_distribution_in_milliseconds_and_by_task(open_page: Open) -> None:
    app = open_page("distributions", gpu=GPU)
    app.selectbox(key="metric").set_value("TTFT (ms)").run()
    app.selectbox(key="by").set_value("task").run()
    rows = warehouse.measured_rows().filter(pl.col("task") == "chat-concise")
    shown = table(app).filter(pl.col("series") == "chat-concise").row(0, named=True)
    assert shown["p50"] == pytest.approx(1000 * rows["ttft_s"].quantile(0.5, "linear"))


def test_a_cpu_run_says_not_measured_and_why(open_page: Open) -> None:
    app = open_page("distributions", gpu="CPU")
    assert not app.exception
    assert "not measured in 25 prompts" in app.info[0].value.replace("\\", "")
    assert "no energy counter on this machine" in app.info[0].value
    app.selectbox(key="metric").set_value("Response length (token)").run()
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-cpu")
    assert table(app)["p50"].item() == pytest.approx(rows["output_tokens"].quantile(0.5, "linear"))


def test_runs_shows_every_run_and_what_was_loaded(open_page: Open) -> None:
    app = open_page("runs")
    rows = warehouse.measured_rows()
    prompts = dict(rows.group_by("run_id").len().iter_rows())
    assert dict(table(app).select("run_id", "prompts").iter_rows()) == prompts
    app.multiselect(key="gpu").set_value(["CPU"]).run()
    assert table(app)["run_id"].to_list() == ["run-cpu"]
    assert table(app, 2)["accepted"].sum() >= rows.height


def test_methods_shows_the_system_prompts_and_every_definition(open_page: Open) -> None:
    app = open_page("methods")
    assert "Below is an instruction that describes a task." in text(app)
    assert all(f"**{metric.title}**" in text(app) for metric in METRICS.values())


def test_names_are_shown_as_text(open_page: Open) -> None:
    app = open_page(model="org/hostile")
    assert table(app)["model_name"].to_list() == [warehouse.HOSTILE]
    assert warehouse.HOSTILE not in text(app)
    assert words.plain("<b> *x* [a](b) $1$ :red[x]") == "\\<b\\> \\*x\\* \\[a\\]\\(b\\) \\$1\\$ \\:red\\[x\\]"


def test_downloads_hold_the_rows_and_run_no_formula() -> None:
    rows = pl.DataFrame({"model_name": ["=1+1", "ok"], "energy_j": [-1.5, None], "reasons": [["a", "b"], []]})
    made = {kind: downloads.file_of(rows, "rows", kind, Selection(), "http://x/?a=b", DEFAULT) for kind in ("csv", "parquet")}
    csv = pl.read_csv(made["csv"], comment_prefix="#")
    assert b"# link: http://x/?a=b\n" in made["csv"] and b"content_sha256" in made["csv"]
    assert csv["model_name"].to_list() == ["'=1+1", "ok"]
    assert csv["energy_j"].to_list() == [-1.5, None]
    assert csv["reasons"].fill_null("").to_list() == ["a|b", ""]
    assert pl.read_parquet(io.BytesIO(made["parquet"])).equals(rows)


def test_links_lead_to_the_web_only() -> None:
    rows = pl.DataFrame({"model_url": ["https://huggingface.co/x", "javascript:alert(1)", None]})
    assert tables.safe_links(rows)["model_url"].to_list() == ["https://huggingface.co/x", None, None]


def test_presets_lead_to_views_with_rows(open_page: Open) -> None:
    for page, _, link in site.PRESETS:
        app = open_page(page, **link)
        assert not app.exception
        assert not any("ignored" in note.value for note in app.info), f"{link} has a value that no filter knows"
        assert page == "methods" or table(app).height > 0


def test_the_tasks_are_those_that_are_run(app_warehouse: Path) -> None:
    rows = query.load("tasks", None, str(app_warehouse))
    assert rows.rows() == [(name, task.system, task.verbose_twin) for name, task in sorted(TASKS.items())]


def measured(measure: Measure) -> float:
    """The energy of the run of big-1B by a measure, recomputed from its rows."""
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    rows = rows.with_columns(energy_above_idle_j=pl.col("energy_j") - 78 * pl.col("latency_s"))
    each = rows.select(per_prompt(measure)).to_series()
    if measure.statistic != "mean":
        level = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}[measure.statistic]
        return float(each.quantile(level, "linear") or 0)
    parts = {
        "output token": pl.col("output_tokens"),
        "total token": pl.col("input_tokens") + pl.col("output_tokens"),
        "word": pl.col("output_words"),
        "character": pl.col("output_chars"),
    }
    joules = rows["energy_above_idle_j" if measure.above_idle else "energy_j"].sum()
    return float(joules / (rows.height if measure.per == "response" else rows.select(parts[measure.per].sum()).item()))


def test_every_statistic_denominator_and_idle_is_that_of_the_rows(app_warehouse: Path) -> None:
    for measure in EVERY:
        rows = query.load("energies", None, str(app_warehouse), **measure.parameters())
        ours = rows.filter(pl.col("result_id") == "run:run-big").row(0, named=True)
        assert ours["value"] == pytest.approx(measured(measure)), measure
        assert (rows["value"].is_null() == rows["reason"].is_not_null()).all(), "what is not known has a reason, what is known has none"
        published = rows.filter(pl.col("result_id").str.starts_with("published"), pl.col("value").is_not_null())
        known = measure.statistic == "mean" and not measure.above_idle and measure.per in ("response", "output token")
        assert (published.height > 0) == known, measure


SWITCHED = {"statistic": "p90", "per": "word", "idle": "above idle"}


@pytest.mark.parametrize("page", ["leaderboard", "energy_vs_parameters", "tradeoffs"])
def test_the_switches_hold_on_every_page(open_page: Open, page: str) -> None:
    app = open_page(page, source="Prompt Joules", band="All sizes", **SWITCHED)
    assert not app.exception
    measure = Measure("p90", "word", True)
    big = table(app).filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big[measure.key] == pytest.approx(measured(measure))
    assert "p90 of the energy above idle per word (J/word)" in text(app)


def test_three_years_divides_by_tokens_unless_asked_otherwise(open_page: Open) -> None:
    app = open_page("three_years", source="Prompt Joules", model="org/big-1B", per="character")
    assert table(app)["p50"].item() == pytest.approx(measured(Measure(per="character")))


def test_compare_by_a_percentile_has_an_interval(open_page: Open) -> None:
    label = "{} · H100 · chat · transformers-eager · batch 1 · Prompt Joules"
    app = open_page("compare", results=[label.format("big-1B"), label.format("SmolLM2-135M-Instruct")], statistic="p90", per="word")
    row = table(app, -1).row(0, named=True)
    assert row["value"] == pytest.approx(measured(Measure("p90", "word")))
    assert row["value_low"] <= row["value"] <= row["value_high"]


def test_distributions_offer_the_energy_of_the_switches(open_page: Open) -> None:
    app = open_page("distributions", model="org/big-1B", per="word", idle="above idle")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    each = (rows["energy_j"] - 78 * rows["latency_s"]) / rows["output_words"]
    assert table(app)["p50"].item() == pytest.approx(each.quantile(0.5, "linear"))


def test_above_idle_is_refused_with_the_reason_where_none_was_recorded(open_page: Open) -> None:
    app = open_page(source="ML.ENERGY v1", idle="above idle")
    assert "known only where idle power was recorded" in app.warning[0].value
    assert table(app).height == 62


@pytest.mark.parametrize("page", PAGES)
def test_odd_switches_in_a_link_are_ignored_with_a_note(open_page: Open, page: str) -> None:
    app = open_page(page, statistic="mode", per="<b>", idle="1", range_latency_s="x", columns="y", formula="1/")
    assert not app.exception
    assert (app.selectbox(key="statistic").value, app.selectbox(key="per").value) == ("mean", "response")


def test_search_ranges_columns_and_formula_combine(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", search="7b", range_latency_s=["2", "10"], formula="energy_j / params_total_b")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("latency_s").is_between(2, 10))
    expected = v1.filter(pl.col("published_model_id").str.to_lowercase().str.contains("7b"))["energy_j"].sort()
    shown = table(app)
    assert shown["energy_j"].to_list() == pytest.approx(expected.to_list())
    assert shown["formula"].to_list() == pytest.approx((shown["energy_j"] / 7).to_list())
    assert "pareto" in shown.columns
    app.multiselect(key="columns").set_value(["Latency (s)", "ARC (%)"]).run()
    assert table(app).columns == ["model_name", "model_url", "energy_j", "formula", "latency_s", "arc"]


def test_pareto_marks_what_nothing_beats_and_spreads_are_the_percentiles(open_page: Open) -> None:
    shown = table(open_page())
    rows = (
        shown.filter(pl.col("energy_j").is_not_null(), pl.col("latency_s").is_not_null()).select("energy_j", "latency_s", "pareto").rows()
    )
    for energy, latency, best in rows:
        beaten = any(e <= energy and t <= latency and (e, t) != (energy, latency) for e, t, _ in rows)
        assert best == (not beaten)
    run = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")["energy_j"]
    levels = [run.quantile(level, "linear") for level in (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)]
    assert list(shown.filter(pl.col("model_name") == "big-1B")["spread"].item()) == pytest.approx(levels)


def test_a_formula_is_an_axis(open_page: Open) -> None:
    app = open_page("energy_vs_parameters", gpu="A40", task="chat", formula="energy_j / output_tokens", y="Formula")
    shown = table(app)
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    assert sorted(shown["formula"]) == pytest.approx(sorted(v1["energy_j"] / v1["output_tokens"]))


def test_a_click_keeps_the_rows_of_the_points() -> None:
    rows = pl.DataFrame({"result_id": ["a", "b", "c"]})
    assert pick.chosen({"selection": {"picked": [{"result_id": "b"}]}}, rows, "result_id")["result_id"].to_list() == ["b"]
    for nothing in ({"selection": {"picked": []}}, {"selection": {}}, {"selection": {"picked": [{"result_id": "z"}]}}):
        assert pick.chosen(nothing, rows, "result_id").height == 3


def test_prompts_behind_a_bar_are_those_between_its_ends(app_warehouse: Path) -> None:
    found = query.load("prompts_between", None, str(app_warehouse), **OF_MODELS, series="big-1B", low=100.0, high=200.0)
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")["energy_j"]
    assert sorted(found["energy_j"]) == pytest.approx(sorted(rows.filter(rows.is_between(100, 200))))
    assert found.height > 0


def test_bars_hold_each_prompt_once(app_warehouse: Path) -> None:
    bins = query.load("distribution_bins", None, str(app_warehouse), **OF_MODELS, log=False, bins=40)
    for count, (series, low, high) in zip(bins["count"], shape.ends_of(bins), strict=True):
        found = query.load("prompts_between", None, str(app_warehouse), **OF_MODELS, series=series, low=low, high=high)
        assert found.height == count


def test_the_detail_of_a_row_leaves_out_what_is_not_known() -> None:
    row = pl.DataFrame({"model_name": ["m"], "energy_j": [12.345678], "ttft_s": [0.0123], "arc": [None], "spread": [[1.0]]})
    assert shape.upright(row).select("number", "is").rows() == [("Model", "m"), ("Energy (J)", "12.35"), ("TTFT (ms)", "12.3")]


def test_the_preset_of_the_engines_names_columns_that_exist(open_page: Open) -> None:
    shown = table(open_page(columns=site.ENGINES_COLUMNS, source="Prompt Joules", show="Everything"))
    assert shown.columns == [
        "model_name",
        "model_url",
        "energy_j",
        "engine",
        "energy_per_token_j",
        "throughput_tps",
        "task",
        "batch_size",
        "weights",
    ]
