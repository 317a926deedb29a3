"""Distributions, Concise or verbose?, Prompts, Cost of a token: numbers against polars."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui import tables
from prompt_joules.pages.ui.of import distributions, distributions_charts, verbosity
from prompt_joules.pages.ui.pure import naming, shape, words
from prompt_joules.warehouse import query
from prompt_joules.warehouse.metrics import METRICS
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import percentiles
from tests.app import warehouse
from tests.app.conftest import FIGURES, Open, open_app, opened, table, text

GPU = "NVIDIA H100 80GB HBM3"
OF_MODELS = {"metric": "energy_j", "by": "model", "prompt_set": "", "only_series": ""}


def test_a_prompt_and_its_answers(open_page: Open) -> None:
    app = open_page("prompts", prompt="prompt-00007")
    rows = warehouse.measured_rows().filter(pl.col("prompt_id") == "prompt-00007")
    assert table(app)["energy_j"].drop_nulls().to_list() == pytest.approx(rows["energy_j"].drop_nulls().sort().to_list())
    assert "Answer 7." in text(app)
    assert app.text_input(key="prompt").value == "prompt-00007"
    app.text_input(key="prompt").set_value("no such prompt").run()
    assert "Nothing matches" in app.warning[0].value
    app = open_page("prompts", search="question 9?")
    assert len(app.dataframe) == 2, "a search opens the list"
    assert table(app)["prompt_id"].to_list() == ["prompt-00009"]
    assert "only our own runs" in open_page("prompts", source="ML.ENERGY v1").warning[0].value.lower()


def test_the_cost_of_a_token(open_page: Open) -> None:
    app = opened(open_page("cost_of_a_token", task="chat", **{"in": "100", "out": "300"}), "fit", "cost-of-a-token")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    slope = rows.select(pl.cov("output_tokens", "energy_j") / pl.col("output_tokens").var()).item()
    shown = table(app, 1).filter(pl.col("shown_as") == "big-1B").row(0, named=True)
    assert shown["output_token_j"] == pytest.approx(slope, rel=0.05)
    assert shown["output_token_j_low"] < shown["output_token_j"] < shown["output_token_j_high"]
    assert "A prompt of 100 and an answer of 300 tokens" in text(app)
    app.number_input(key="out").set_value(9000.0).run()
    assert "a guess" in text(app)
    assert not open_page("cost_of_a_token", out="-5", result="nobody").exception


def test_concise_or_verbose_gives_the_known_numbers(open_page: Open) -> None:
    views = [open_page("verbosity", gpu="A40"), open_page("verbosity", gpu="A40", view="Models of one size")]
    words = "".join(map(text, views)).replace("\\", "")
    assert "chat to chat-concise, the energy of a response changes by **−3.8 %** (median over 23 models" in words
    assert "instruct to instruct-concise, the energy of a response changes by **−12.9 %** (median over 23 models" in words
    assert "**6 of 23** models use more" in words
    assert "525.7 to 2,621.4 J per response, **5.0×** apart" in words
    assert "a token costs 6.0 to 9.1 J, **1.5×** apart" in words


def test_the_page_starts_with_the_same_prompts_where_twins_were_measured() -> None:
    one = {"model_id": "m", "gpu_model": "H200", "task": "chat", "origin": "measured", "prompts": 100}
    twin, table = one | {"task": "chat-concise"}, one | {"origin": "published"}
    for rows, form in (
        ([one, twin, table], verbosity.OF_PAIRS),
        ([one, twin | {"gpu_model": "A40"}, table], verbosity.OF_MEANS),
        ([one, twin | {"task": "instruct-concise"}, table], verbosity.OF_MEANS),
        ([table, twin | {"origin": "published"}], verbosity.OF_MEANS),
        ([one | {"task": None}, table], verbosity.OF_MEANS),
        ([one | {"task": None}], verbosity.OF_PAIRS),
        ([one, twin | {"prompts": 10**6}, table], verbosity.OF_MEANS),
        ([one, twin | {"prompts": 10**6}], verbosity.OF_PAIRS),
    ):
        schema = dict.fromkeys(one, pl.String) | {"prompts": pl.Int64}
        assert verbosity.first_form(pl.DataFrame(rows, schema=schema)) == form, rows


def test_pairs_of_our_own_prompts(open_page: Open) -> None:
    app = opened(open_page("verbosity", source="Prompt Joules"), "pairs")
    rows = warehouse.measured_rows()
    a, b = (rows.filter(pl.col("run_id") == run) for run in ("run-small", "run-small-concise"))
    change = a.join(b, on="prompt_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series()
    assert table(app)["median_change"].item() == pytest.approx(100 * change.median())
    assert table(app)["more_share"].item() == pytest.approx(100 * (change > 0).mean())
    assert table(app)["pairs"].item() == 60


def test_two_engines_start_with_a_pair_that_was_measured(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_app("verbosity", view="The same prompts", compare="Two engines")
    first, second = app.selectbox(key="a_engine").value, app.selectbox(key="b_engine").value
    assert first != second
    assert not app.info
    assert f"{words.plain(first)} to {words.plain(second)}" in text(app)


def test_pairs_of_batches_say_that_their_energy_is_divided(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    divided = "the energy is divided among them"
    assert divided in text(open_app("verbosity", gpu="H200", batch="128", view="The same prompts"))
    loop = {"gpu": "H200", "batch": "1", "engine": "transformers-compiled:searched"}  # a server divides at any number at once
    one_by_one = text(open_app("verbosity", **loop, view="The same prompts"))
    assert divided not in one_by_one
    assert "median of" in one_by_one


@pytest.mark.parametrize(
    ("view", "said"), [("Published averages", "under “The same prompts”"), ("Models of one size", "leave no two models of one size")]
)
def test_a_view_without_results_says_so(open_page: Open, view: str, said: str) -> None:
    app = open_page("verbosity", source="Prompt Joules", view=view)
    assert said in app.info[0].value
    assert not app.exception


def test_two_models_side_by_side(open_page: Open) -> None:
    app = open_page("verbosity", compare="Two models", a_model="vicuna-7B", b_model="vicuna-13B", gpu="A40", task="chat")
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    figures = {name.split("/")[-1]: energy for name, energy in v1.select("published_model_id", "energy_j").iter_rows()}
    change = figures["vicuna-13B"] / figures["vicuna-7B"] - 1
    assert f"changes by **{100 * change:+.1f} %**" in text(app)
    assert not open_page("verbosity", compare="nonsense", a_model="nobody").exception


def test_distribution_percentiles_are_those_of_the_prompts(open_page: Open) -> None:
    app = opened(open_page("distributions", task="chat", form="Percentiles"), "percentiles-energy_j")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")
    shown = table(app).filter(pl.col("shown_as") == "big-1B · n = 60").row(0, named=True)
    assert shown["prompts"] == rows.height
    assert shown["p90"] == pytest.approx(rows["energy_j"].quantile(0.9, "linear"))
    dearest = rows["energy_j"].sort(descending=True).head(3).sum() / rows["energy_j"].sum()
    app.segmented_control(key="form").set_value("Where the joules go").run()
    costliest = table(app).filter(pl.col("shown_as") == "big-1B · n = 60")
    assert costliest["top5_share"].item() == pytest.approx(100 * dearest)
    footer = next(caption for caption in app.caption if "shown:" in caption.value)
    board = open_page("leaderboard")
    assert "1 prompt failed." in text(board)
    sizes = board.select_slider(key="range_params_total_b")
    assert "failed" not in text(sizes.set_value((sizes.options[0], sizes.options[-2])).run()), "whose sizes are not known"
    assert "1 prompt failed." in footer.value and "Left out: 1 prompt (1 failed)" in footer.proto.help


def test_distribution_in_milliseconds_and_by_task(open_page: Open) -> None:
    app = open_page("distributions", gpu=GPU, form="Percentiles")
    app.selectbox(key="metric").set_value("TTFT (ms)").run()
    app.selectbox(key="by").set_value("task").run()
    opened(app, "percentiles-ttft_s")
    rows = warehouse.measured_rows().filter(pl.col("task") == "chat-concise")
    shown = table(app).filter(pl.col("shown_as") == "chat-concise · n = 60").row(0, named=True)
    assert shown["p50"] == pytest.approx(1000 * rows["ttft_s"].quantile(0.5, "linear"))


def test_a_cpu_run_says_not_measured_and_why(open_page: Open) -> None:
    app = open_page("distributions", gpu="CPU", form="Percentiles")
    assert not app.exception
    assert "not measured in 25 prompts" in app.info[0].value.replace("\\", "")
    assert "no energy counter on this machine" in app.info[0].value
    app.selectbox(key="metric").set_value("Response length (token)").run()
    opened(app, "percentiles-output_tokens")
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-cpu")
    assert table(app)["p50"].item() == pytest.approx(rows["output_tokens"].quantile(0.5, "linear"))


def test_prompts_behind_a_bar_are_those_between_its_ends(app_warehouse: Path) -> None:
    found = query.load("prompts_between", None, str(app_warehouse), **OF_MODELS, series="big-1B", low=100.0, high=200.0)
    rows = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")["energy_j"]
    assert sorted(found["energy_j"]) == pytest.approx(sorted(rows.filter(rows.is_between(100, 200))))
    assert found.height > 0


def test_bars_hold_each_prompt_once(app_warehouse: Path) -> None:
    span = distributions.span(query.load("distribution", None, str(app_warehouse), **OF_MODELS), log=False)
    bins = query.load("distribution_bins", None, str(app_warehouse), **OF_MODELS, log=False, bins=40, **span)
    for count, (series, low, high) in zip(bins["count"], distributions.ends_of(bins), strict=True):
        found = query.load("prompts_between", None, str(app_warehouse), **OF_MODELS, series=series, low=low, high=high)
        assert found.height == count


def test_distributions_start_with_one_setup_and_mix_only_when_asked(open_page: Open) -> None:
    app = open_page("distributions", form="Percentiles")
    setups = app.selectbox(key="setup").options
    assert setups == [
        "H100 · Eager · batch 1 · built-in prompts",
        "CPU · Eager · batch 1 · built-in prompts",
        "All setups together",
    ]
    opened(app, "percentiles-energy_j", "percentiles-latency_s")
    assert table(app)["prompts"].to_list() == [60, 60, 60]
    assert set(table(app)["shown_as"]) == {
        f"{name} · n = 60" for name in ("SmolLM2-135M-Instruct · chat", "SmolLM2-135M-Instruct · chat-concise", "big-1B · chat")
    }
    assert not app.warning
    assert "All of them: H100 · FP16" in text(app).replace("\\", ""), "what the names of the series leave out"
    assert "in 3 runs, measured" in text(app)
    app.selectbox(key="metric").set_value("Latency (s)").run()
    app.selectbox(key="setup").set_value("All setups together").run()
    assert table(app)["prompts"].sum() == 205
    assert "not alike in GPU model" in app.warning[0].value
    assert not open_page("distributions", setup="nonsense", axis="round", by="moon").exception
    assert distributions.mixed(pl.DataFrame({"key": ["card"]})).startswith("The runs shown were on several cards of one kind")
    both = distributions.mixed(pl.DataFrame({"key": ["card", "kernels"]}))
    assert both.startswith("The runs shown were on several cards of one kind and of kernels that were compiled anew:")
    assert "choose one setup" in distributions.mixed(pl.DataFrame({"key": ["card", "engine"]}))


def test_of_many_series_those_with_the_most_prompts_are_drawn(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    asked = {"setup": "All setups together", "weights": "both", "form": "Percentiles"}
    app = opened(open_app("distributions", **asked), "percentiles-energy_per_token_j")
    choice = app.multiselect(key="series")
    parameters = {"metric": "energy_per_token_j", "by": "result", "prompt_set": "", "only_series": ""}
    every = query.load("distribution", Selection(weights=()), str(shipped_warehouse), **parameters)
    most = every.filter(pl.col("prompts") > 0).sort("prompts", descending=True)
    assert len(choice.options) == most.height > 8
    assert sorted(table(app)["prompts"]) == sorted(most["prompts"].head(8))
    assert any(caption.value.startswith(f"8 of {most.height} series are shown, those with the most") for caption in app.caption)
    choice.set_value(choice.options[-2:]).run()
    assert table(app).height == 2
    # What the two share is left out of their names, whatever the others are called.
    parts = [{part for part in name.split(" · ") if not part.startswith("n = ")} for name in table(app)["shown_as"]]
    assert not parts[0] & parts[1]
    assert any(caption.value.startswith(f"2 of {most.height} series are shown. Choose") for caption in app.caption)
    assert not app.exception


def test_the_setups_of_most_prompts_come_first_one_prompt_at_a_time_and_with_energy() -> None:
    rows = pl.DataFrame(
        {
            "gpu_model": ["H100", "H100", "H100", "CPU", "H100"],
            "engine": ["compiled", "compiled", "eager", "eager", "compiled"],
            "batch_size": [32, 1, 1, 1, 1],
            "prompt_set": ["big", "small", "small", "big", "small"],
            "weights": ["pretrained", "pretrained", "pretrained", "pretrained", "dummy"],
            "prompts": [1000, 100, 4, 2000, 50],
            "energy_j": [1.0, 2.0, 3.0, None, 1.0],
        }
    )
    assert shape.names(distributions.in_setups(rows), "setup") == [
        "H100 · compiled · batch 1 · prompts of small",
        "H100 · compiled · batch 1 · prompts of small · random weights",
        "H100 · eager · batch 1 · prompts of small",
        "H100 · compiled · batch 32 · prompts of big",
        "CPU · eager · batch 1 · prompts of big",
    ]


def test_short_names_leave_out_what_all_share() -> None:
    assert naming.short(["m · A40 · chat", "m · A40 · chat-concise"]) == {
        "m · A40 · chat": "chat",
        "m · A40 · chat-concise": "chat-concise",
    }
    assert naming.short(["m · A40"]) == {"m · A40": "m · A40"}
    assert naming.short(["m", "m · random weights"]) == {"m": "m", "m · random weights": "random weights"}


def test_the_axis_is_logarithmic_where_the_typical_prompt_would_be_squeezed() -> None:
    near = pl.DataFrame({"minimum": [1.0, 2.0], "p50": [20.0, 30.0], "maximum": [200.0, 100.0]})
    assert not distributions.is_wide(near)
    assert distributions.is_wide(near.with_columns(maximum=201.0))
    assert not distributions.is_wide(near.with_columns(maximum=201.0, minimum=0.0)), "nothing that is not positive has a place on it"
    assert not distributions.is_wide(near.clear())


def test_the_words_of_a_distribution_are_its_percentiles(open_page: Open) -> None:
    app = open_page("distributions", model="org/big-1B")
    each = warehouse.measured_rows().filter(pl.col("run_id") == "run-big", pl.col("status") == "ok")["energy_j"]
    low, quarter, three, high = (each.quantile(level, "linear") or 0 for level in (0.05, 0.25, 0.75, 0.95))
    assert f"half of the 60 answers lie between {words.figure(quarter, 3)} and {words.figure(three, 3)} J" in text(app)
    assert (
        f"at most {words.figure(low, 3)}, one in twenty at least {words.figure(high, 3)} J, **{words.figure(high / low, 2)}×** as much"
        in text(app)
    )
    _, median_low, median_high = percentiles.interval(each.to_numpy(), 0.5)
    _, high_low, high_high = percentiles.interval(each.to_numpy(), 0.95)
    assert high_high is None, "of 60 answers the largest may be below the p95"
    said = text(app)
    middle = words.figure(each.median(), 3)
    assert f"95 % intervals: median {middle} ({words.figure(median_low, 3)} to {words.figure(median_high, 3)})" in said
    assert f"p95 at least {words.figure(high_low, 3)}, no upper limit with 60 answers." in said
    assert distributions.OFF_BY in said
    shown = table(opened(app, "percentiles-energy_j")).row(0, named=True)
    assert (shown["p50_low"], shown["p50_high"]) == pytest.approx((median_low, median_high), rel=1e-4)
    assert shown["p95_high"] is None


def test_of_few_prompts_marks_are_hollow_and_of_very_few_there_is_no_interval() -> None:
    steps = [{"share_of_prompts": place / 4, "value": float(place), "share_of_total": 0.0} for place in range(5)]
    row = {"series": "a", "prompts": 4, "unmeasured": 0, "mean": 2.5, "top5_share": 0.4, "least_positive": 1.0}
    row |= {"answers_per_prompt": 1, "divided": False, "steps": steps} | dict.fromkeys(("p5", "p25", "p50", "p75", "p95"), 2.0)
    found = percentiles.with_intervals(pl.DataFrame([row]), "energy_j")
    assert found.select(percentiles.ENDS).row(0) == (None, None, None, None)
    table_ = found.with_columns(pl.lit("a").alias("shown_as"), pl.lit(1.0).alias("minimum"), pl.lit(4.0).alias("maximum"))
    assert "Too few answers for an interval." in distributions.spreads(table_, METRICS["energy_j"])
    chart = distributions_charts.boxes(table_, METRICS["energy_j"], False).to_dict()
    assert chart["layer"][1]["encoding"]["fillOpacity"] == {"condition": {"test": "datum.few", "value": 0}, "value": 1}
    assert (
        "fillOpacity"
        not in distributions_charts.boxes(table_.with_columns(prompts=10), METRICS["energy_j"], False).to_dict()["layer"][1]["encoding"]
    )
    many = pl.DataFrame([row | {"prompts": 4000, "divided": True}])
    assert percentiles.with_intervals(many, "energy_j")["p50_low"].item() is None, "single prompts of a batch were not measured"
    assert percentiles.with_intervals(many, "output_tokens")["p50_low"].item() is not None


def test_models_of_one_size_are_alike_in_all_else(open_page: Open) -> None:
    app = open_page("verbosity", view="Models of one size")
    sets = app.selectbox(key="iso").options
    assert sets[0] == "ML.ENERGY v1 · A40 · chat · Eager · batch 1"
    assert any("batch 192" in name for name in sets), "other batch sizes can be chosen"
    assert not any(name.startswith("Prompt Joules") for name in sets), "one model of a size says nothing about models"
    rows = pl.DataFrame(
        {
            "set": ["a", "a", "b", "b"],
            "size": ["7", "7", "7", "13"],
            "model_id": ["x", "y", "x", "y"],
        }
    )
    assert verbosity.of_several_models(rows)["set"].to_list() == ["a", "a"]


def test_sets_of_one_size_keep_prompt_sets_apart() -> None:
    rows = pl.DataFrame({"batch_size": [1, 1, 8], "prompt_set": ["long", "short", "long"], "source": ["us"] * 3})
    found = verbosity.in_sets(rows, ("source", "batch_size", "prompt_set"))["set"].to_list()
    assert found == ["us · batch 1 · prompts of long", "us · batch 1 · prompts of short", "us · batch 8 · prompts of long"]


def test_figures_have_few_digits_and_no_powers_of_ten() -> None:
    shown = [words.figure(value, 3) for value in (4474.2, 0.06184, 134.0, 9.72, 2_621_437.0, 0.0)]
    assert shown == ["4,470", "0.0618", "134", "9.72", "2,620,000", "0"]


def test_changes_have_a_sign_and_few_digits() -> None:
    assert [words.percent(share) for share in (-0.04, 0.1234, 13.063, 0.0)] == ["−4.0 %", "+12.3 %", "+1,306 %", "0.0 %"]


def test_a_list_of_many_runs_is_cut_and_says_so(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    every = table(opened(open_page("cost_of_a_token"), "cost-of-a-token"))
    monkeypatch.setattr(tables, "MOST_LISTED", 2)
    app = opened(open_page("cost_of_a_token"), "cost-of-a-token")
    assert table(app, -1).equals(every.head(2))
    assert every.height > 2
    assert any(f"The first 2 of {every.height} results are listed" in caption.value for caption in app.caption)


def test_of_many_results_the_first_can_be_chosen_and_what_a_link_asks_for(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    every = open_page("cost_of_a_token").selectbox(key="result").options
    monkeypatch.setattr(tables, "MOST_LISTED", 1)
    app = open_page("cost_of_a_token", result=every[-1])
    assert app.selectbox(key="result").options == [every[0], every[-1]]
    assert app.selectbox(key="result").value == every[-1]
    assert app.selectbox(key="result").help.startswith(f"The first 1 of {len(every)} results are listed")
    app = open_page("compare")
    assert "results are listed" in app.multiselect(key="results").help and "are listed" not in text(app), (
        "behind the sign, not above the answer"
    )
    chosen = app.multiselect(key="results").value
    assert len(chosen) == 2, "what the page starts with can be chosen as well"
    assert set(chosen) <= set(app.multiselect(key="results").options)
    assert not app.exception
