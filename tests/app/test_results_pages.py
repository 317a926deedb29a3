"""Leaderboard, Energy and parameters, Trade-offs, Three years: numbers against polars, filters, formulas."""

from urllib.parse import unquote

import polars as pl
import pytest

from prompt_joules.pages.ui.of import energy_vs_parameters, leaderboard, tradeoffs, verbosity_charts
from prompt_joules.pages.ui.pure import detail, words
from tests.app import warehouse
from tests.app.conftest import FIGURES, Open, opened, table, text


def test_leaderboard_on_a40_chat_is_what_the_published_table_says(open_page: Open) -> None:
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    app = open_page(gpu="A40", task="chat")
    shown = table(app)
    assert shown["energy_j"].round(6).to_list() == figures["energy_j"].round(6).to_list()
    assert shown["energy_per_token_j"].round(6).to_list() == ((figures["energy_j"] / figures["output_tokens"]).round(6).to_list())
    first = shown.head(3).select("model_name", pl.col("energy_j").round(2)).rows()
    assert first == [("llama-7B", 525.71), ("alpaca-7B", 916.05), ("BiLLa-7B-SFT", 1218.64)]
    said = text(app).replace("\\", "")
    assert "13 models of 3 to 10 billion parameters on A40 · FP16, chat, one at a time: least **llama-7B** with 526 J, most " in said


def test_leaderboard_shows_measured_rows_beside_published_ones(open_page: Open) -> None:
    shown = table(open_page())
    rows = warehouse.measured_rows().filter(pl.col("status") == "ok", pl.col("run_id") == "run-big")
    big = shown.filter(pl.col("model_name") == "big-1B").row(0, named=True)
    assert big["energy_j"] == pytest.approx(rows["energy_j"].mean())
    assert big["energy_per_token_j"] == pytest.approx(rows["energy_j"].sum() / rows["output_tokens"].sum())
    assert set(shown["source"]) == {"ML.ENERGY v1", "Prompt Joules"}
    cpu = shown.filter(pl.col("gpu_model") == "CPU · FP16").row(0, named=True)
    assert cpu["energy_j"] is None
    assert cpu["energy_reason"] == "no energy counter on this machine"
    assert shown["gpu_model"].to_list()[-1] == "CPU · FP16", "rows without an energy come last and are not dropped"


def test_a_formula_is_a_column(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", formula="energy_j / params_total_b")
    shown = table(app)
    assert shown["formula"].to_list() == pytest.approx((shown["energy_j"] / shown["params_total_b"]).to_list())
    app.text_input(key="formula").set_value("energy_j / paramz").run()
    assert "There is no column paramz, at character 12" in app.error[0].value.replace("\\", "")
    assert "formula" not in table(app).columns
    assert table(app).height == 23


def test_a_filter_changes_the_leaderboard(open_page: Open) -> None:
    app = open_page()
    before = table(app).height
    app.multiselect(key="gpu").set_value(["V100"]).run()
    assert set(table(app)["gpu_model"]) == {"V100 · FP16"}
    assert table(app).height < before


def test_search_combines_with_the_filters(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", search="VICUNA 7b")
    assert table(app)["model_name"].to_list() == ["vicuna-7B"]
    app.text_input(key="search").set_value("no such model").run()
    assert not app.dataframe
    assert "Nothing matches" in app.warning[0].value


def test_lines_keep_editions_and_batch_sizes_apart(open_page: Open) -> None:
    app = opened(open_page("energy_vs_parameters", gpu="A40", y="Energy (J)"), "energy-and-parameters")
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    shown = table(app).select(pl.col("params_total_b", "energy_j").log())
    slope = shown.select(pl.cov("params_total_b", "energy_j") / pl.col("params_total_b").var()).item()
    assert shown.height == figures.height
    assert "A40 · v1 · batch 1 · chat · Eager: no clear growth" in text(app).replace("\\", ""), f"{slope:.2f}, and the interval includes 0"
    app.selectbox(key="y").set_value("Energy per token (J/token)").run()
    shown = table(app).select(pl.col("params_total_b", "energy_per_token_j").log())
    slope = shown.select(pl.cov("params_total_b", "energy_per_token_j") / pl.col("params_total_b").var()).item()
    said = f"A40 · v1 · batch 1 · chat · Eager: energy per token grows as parameters to the power **{slope:.2f}**"
    assert said in text(app).replace("\\", "")


def test_the_answer_of_bigger_models_is_the_line_of_most_points(open_page: Open) -> None:
    app = opened(open_page("energy_vs_parameters", gpu="A40", y="Energy per token (J/token)"), "energy-and-parameters")
    said, logs = text(app), table(app).select(pl.col("params_total_b").log(), pl.col("energy_per_token_j").log().alias("token"))
    slope, correlation = logs.select(
        pl.cov("params_total_b", "token") / pl.col("params_total_b").var(), r=pl.corr("params_total_b", "token")
    ).row(0)
    assert f"Twice the parameters: **{words.figure(2**slope, 2)}×** the energy per token" in said
    assert f"R² {correlation**2:.2f}; 23 points" in said
    opening = open_page("energy_vs_parameters", gpu="A40")
    assert opening.selectbox(key="y").value == "Energy per token (J/token)" and not opening.exception
    assert f"Twice the parameters: **{words.figure(2**slope, 2)}×** the energy per token" in text(opening), "the page opens with a growth"
    said = text(open_page("energy_vs_parameters", gpu="A40", y="Energy (J)"))
    assert "**No clear growth** of energy with parameters" in said
    assert f"A token does cost more: **{words.figure(2**slope, 2)}×** for twice the parameters" in said
    linear = text(open_page("energy_vs_parameters", gpu="A40", y="Energy (J)", log="false"))
    assert "A token does" not in linear, "the twofold is that of a power law"


def test_divided_energy_is_in_no_line() -> None:
    rows = pl.DataFrame({"batch_size": [1, 32, 1], "energy_j": [5.0, 1.0, None], "latency_s": [1.0, 2.0, 3.0]})
    assert energy_vs_parameters.of_themselves(rows, ("latency_s", "energy_j"))["batch_size"].to_list() == [1, 1]
    assert energy_vs_parameters.of_themselves(rows, ("latency_s", "formula")).height == 2, "a formula may hold the energy of an answer"
    assert energy_vs_parameters.of_themselves(rows, ("params_total_b", "energy_per_token_j")).height == 3, "that of a run is no share"
    assert "2 pale points not in any line" in energy_vs_parameters.divided(2)


def test_energy_against_parameters_draws_the_rows_that_have_both(open_page: Open) -> None:
    app = opened(open_page("energy_vs_parameters", gpu="A40", task="chat"), "energy-and-parameters")
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    shown = table(app)
    assert sorted(shown["energy_j"].round(6)) == sorted(figures["energy_j"].round(6))
    assert shown["params_total_b"].null_count() == 0
    app.selectbox(key="y").set_value("Latency (s)").run()
    assert sorted(table(app)["latency_s"].round(6)) == sorted(figures["latency_s"].round(6))


def test_rows_without_energy_are_counted_not_drawn(open_page: Open) -> None:
    app = opened(open_page("energy_vs_parameters", source="Prompt Joules", show="Everything"), "energy-and-parameters")
    assert table(app).height == 3
    assert "1 configuration without both numbers left out" in text(app)


def test_the_cheapest_within_a_deadline(open_page: Open) -> None:
    app = open_page("tradeoffs", gpu="A40", task="chat", limit_latency_s="5", band="All sizes", x="Latency (s)", y="Energy (J)")
    assert not app.dataframe, "the chart answers; what is behind it is folded"
    opened(app, "trade-offs")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("latency_s") <= 5).sort("energy_j")
    assert table(app)["energy_j"].to_list() == pytest.approx(v1["energy_j"].to_list())
    assert f"**{v1.height}** of 23 configurations are within the limits" in text(app)
    app.select_slider(key="limit_energy_j").set_value("500").run()
    assert "**None** of 23 configurations" in text(app)
    assert not open_page("tradeoffs", limit_latency_s="soon", x="beauty").exception


def test_three_years_begins_with_the_same_model_in_two_editions(open_page: Open) -> None:
    app = opened(open_page("three_years"), "three-years-pairs")
    pairs = table(app)
    small = pairs.filter(pl.col("model_name") == "Llama 3.1 8B Instruct")
    assert small["batch_size"].to_list() == [64, 128, 192, 256, 512, 768]
    assert small["change"].to_list() == pytest.approx((100 * (small["value_b"] / small["value_a"] - 1)).to_list())
    said = text(app).replace("\\", "")
    assert "**Llama 3.1 8B Instruct** on H100 · BF16: −27 to −42 % at 6 batch sizes from 64 to 768." in said
    assert "about the same" not in said, "the medians of whole editions hide what happened"
    assert said.index("Like for like") < said.index("the median of all results goes from")
    nothing = text(open_page("three_years", gpu="A40"))
    assert "nothing can be compared like for like" in nothing


def test_only_the_optimal_ones_are_drawn_and_the_limits_move_them(open_page: Open) -> None:
    app = opened(
        open_page("tradeoffs", gpu="A40", task="chat", band="All sizes", x="Latency (s)", y="Energy (J)", optimal="true"), "trade-offs-rows"
    )
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("latency_s", "energy_j")
    best = v1.filter(pl.col("energy_j") < pl.col("energy_j").cum_min().shift(1).fill_null(float("inf")))
    assert sorted(table(app, -1)["energy_j"]) == pytest.approx(sorted(best["energy_j"]))
    app.select_slider(key="limit_latency_s").set_value("5").run()
    assert sorted(table(app, -1)["energy_j"]) == pytest.approx(sorted(best.filter(pl.col("latency_s") <= 5)["energy_j"]))


def test_a_curve_joins_what_is_alike_in_all_but_how_many_are_answered_at_once() -> None:
    one = {
        "source": "Prompt Joules",
        "generation": "own",
        "model_name": "m",
        "model_id": "m",
        "gpu_model": "H200",
        "num_gpus": 1,
        "dtype": "bfloat16",
    }
    one |= {"task": "chat", "prompt_set": "default", "weights": "dummy", "harness_version": "2.1"}
    rows = [one | {"engine": engine, "batch_size": size} for engine in ("vllm", "sglang") for size in (1, 8, 32)]
    rows += [one | {"engine": "llama.cpp", "batch_size": size} for size in (1, 8)]
    found = tradeoffs.with_curves(pl.DataFrame(rows).with_row_index("result_id"))
    assert found["curve"].to_list() == ["vLLM"] * 3 + ["SGLang"] * 3 + [None] * 2, "two sizes are no curve"
    again = pl.DataFrame([row | {"prompt_set": name} for row in rows[:3] for name in ("default", "sharegpt")]).with_row_index("result_id")
    assert set(tradeoffs.with_curves(again)["curve"]) == {"built-in prompts", "ShareGPT"}, "one name, two curves: more of the name"
    ends = pl.DataFrame([row | {"energy": 8.0 / row["batch_size"], "speed": 1.0} for row in rows]).with_row_index("result_id")
    ends = ends.rename({"energy": "energy_per_token_j", "speed": "itl_p50_s"})
    slower = pl.when(engine="sglang", batch_size=32).then(2.0).otherwise("itl_p50_s").alias("itl_p50_s")
    said = tradeoffs.along(ends.with_columns(slower), "itl_p50_s", "energy_per_token_j")
    assert said.endswith("energy per token falls along 2 of 2 curves, and ITL p50 rises along 1.")
    assert tradeoffs.along(ends.head(2), "itl_p50_s", "energy_per_token_j") == ""
    precise = pl.DataFrame([row | {"dtype": name} for row in rows[:3] for name in ("bfloat16", "fp8")]).with_row_index("result_id")
    assert set(tradeoffs.with_curves(precise)["curve"]) == {"BF16", "FP8"}, "as people write them"


def test_of_many_curves_the_cheapest_of_each_model_and_those_on_the_frontier_have_names() -> None:
    rows = [
        {"model_id": model, "weights": "pretrained", "curve": f"{model} {engine}", "batch_size": size, "joules": joules / size}
        for model, engine, joules in (("a", "good", 1.0), ("a", "bad", 3.0), ("b", "good", 8.0), ("b", "bad", 9.0), ("b", "fast", 20.0))
        for size in (1, 8)
    ]
    points = pl.DataFrame(rows).with_columns((pl.col("curve").is_in(["a good", "b fast"])).alias("frontier"))
    ends = tradeoffs._ends(points, "joules")
    assert ends["name"].to_list() == ["a good", "b fast", "b good"], "those on the frontier first"
    assert ends["batch_size"].unique().to_list() == [8]


def test_each_optimal_point_has_a_name_of_its_own() -> None:
    one = {"model_name": "m", "gpu_model": "H200", "num_gpus": 1, "weights": "dummy", "engine": "vllm", "energy_j": 1.0}
    rows = pl.DataFrame([one | {"batch_size": size, "harness_version": said} for size, said in ((8, "2.1"), (8, "2.2"), (32, "2.2"))])
    named = tradeoffs.with_names(rows, "energy_j")["name"].to_list()
    assert named == ["batch 8 · protocol 2.1", "batch 8 · protocol 2.2", "batch 32"]


def test_the_facts_of_a_row_mark_what_was_not_measured_for_one_answer_alone() -> None:
    row = {"energy_j": None, "estimated_energy_j": 18.54, "energy_per_token_j": 0.0467, "energy_is": None}
    label, value, note = leaderboard.facts(row, "energy_j")[0]
    assert (label, value, note) == ("Energy", "≈ 18.5 J", "estimated by the source from J/token")
    divided = {"energy_j": 6.81, "energy_per_token_j": 0.0142, "energy_is": "divided by a rule", "prompts": 13}
    found = leaderboard.facts(divided, "energy_j")
    assert found[0] == ("Energy", "÷ 6.81 J", "divided by a rule, n = 13, no interval")
    assert [value for _, value, _ in found[1:]] == ["0.0142 J/token", "not measured", "not measured"]
    assert leaderboard.facts(row | {"estimated_energy_j": None}, "energy_j")[0][1] == "not measured"


def test_names_in_a_chart_touch_no_other_name() -> None:
    every = pl.DataFrame(
        {"x": [1.0, 1.01, 100.0, 1000.0], "y": [1.0, 1.0, 10.0, 100.0], "name": ["first", "beside it", "far", "at the edge"]}
    )
    kept = verbosity_charts.with_room(every, every, ("x", "y"), "name", margin=1.1)
    assert dict(kept.select("name", "left").rows()) == {"first": False, "beside it": False, "far": False, "at the edge": True}
    assert len(set(kept.head(2)["shift"])) == 2, "one above the other"
    crowd = pl.DataFrame({"x": [10.0] * 9, "y": [10.0] * 9, "name": [f"name {place}" for place in range(9)]})
    kept = verbosity_charts.with_room(crowd, pl.concat([every, crowd]), ("x", "y"), "name", margin=1.1)
    assert kept["name"].to_list() == [f"name {place}" for place in range(3)], "three heights, the first names first"


def test_three_years_has_every_edition(open_page: Open) -> None:
    app = opened(open_page("three_years", band="All sizes"), "three-years")
    assert set(table(app)["edition"]) == {"2023 · v1", "2024 · v2", "2026 · v3", "own runs"}
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    row = table(app).filter(pl.col("edition") == "2023 · v1", pl.col("gpu_model") == "A40").row(0, named=True)
    assert row["p50"] == pytest.approx((v1["energy_j"] / v1["output_tokens"]).median())
    app.multiselect(key="gpu").set_value(["V100"]).run()
    assert table(app)["gpu_model"].to_list() == ["V100"]


def test_names_are_shown_as_text(open_page: Open) -> None:
    app = open_page(model="org/hostile")
    assert table(app)["model_name"].to_list() == [warehouse.HOSTILE]
    assert warehouse.HOSTILE not in text(app)
    assert words.plain("<b> *x* [a](b) $1$ :red[x]") == "\\<b\\> \\*x\\* \\[a\\]\\(b\\) \\$1\\$ \\:red\\[x\\]"


def test_search_ranges_columns_and_formula_combine(open_page: Open) -> None:
    app = open_page(gpu="A40", task="chat", search="7b", range_latency_s=["2", "10"], formula="energy_j / params_total_b")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat", pl.col("latency_s").is_between(2, 10))
    expected = v1.filter(pl.col("published_model_id").str.to_lowercase().str.contains("7b"))["energy_j"].sort()
    shown = table(app)
    assert shown["energy_j"].to_list() == pytest.approx(expected.to_list())
    assert shown["formula"].to_list() == pytest.approx((shown["energy_j"] / shown["params_total_b"]).to_list())
    assert "pareto" in shown.columns
    app.multiselect(key="columns").set_value(["Latency (s)", "ARC (%)"]).run()
    assert table(app).columns == ["model_name", "gpu_model", "energy_j", "formula", "latency_s", "arc"]


def test_reset_leads_to_the_first_view_of_the_same_filters(open_page: Open) -> None:
    app = open_page(gpu="A40", search="7b", show="Everything", range_latency_s=["2", "10"], formula="energy_j / 2", per="output token")
    chips = " ".join(element.proto.body for element in app.get("html"))
    assert '<a href="leaderboard?gpu=A40&amp;per=output+token">Reset</a>' in chips


def test_pareto_marks_what_nothing_beats_and_spreads_are_the_percentiles(open_page: Open) -> None:
    shown = table(open_page())
    rows = (
        shown.filter(pl.col("energy_j").is_not_null(), pl.col("latency_s").is_not_null()).select("energy_j", "latency_s", "pareto").rows()
    )
    for energy, latency, best in rows:
        beaten = any(e <= energy and t <= latency and (e, t) != (energy, latency) for e, t, _ in rows)
        assert best == ("" if beaten else "★")
    row = shown.filter(pl.col("model_name") == "big-1B").row(0, named=True)
    run = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")["energy_j"]
    low, high = (float(end.replace(",", "")) for end in row["interval"].split(" to "))
    assert low < run.mean() < high
    assert row["range_bar"].startswith("data:image/svg+xml;utf8,") and "rect" in unquote(row["range_bar"])
    assert (row["prompts"], row["runs_of"]) == (60, "1")
    published = shown.filter(pl.col("source") == "ML.ENERGY v1").row(0, named=True)
    assert (published["interval"], published["runs_of"]) == ("–", "–")
    assert "rect" not in unquote(published["range_bar"]), "a published average is a point"


def test_a_formula_is_an_axis(open_page: Open) -> None:
    app = open_page("energy_vs_parameters", gpu="A40", task="chat", formula="energy_j / output_tokens", y="Formula")
    shown = table(opened(app, "energy-and-parameters"))
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    assert sorted(shown["formula"]) == pytest.approx(sorted(v1["energy_j"] / v1["output_tokens"]))


def test_the_detail_of_a_row_leaves_out_what_is_not_known() -> None:
    row = pl.DataFrame({"model_name": ["m"], "energy_j": [12.345678], "ttft_s": [0.0123], "arc": [None], "spread": [[1.0]]})
    assert detail.upright(row).select("number", "is").rows() == [("Model", "m"), ("Energy (J)", "12.35"), ("TTFT (ms)", "12.3")]
