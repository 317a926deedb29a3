"""Home: which number stands for a model, what the sentences say, where links lead; against the published figures, by polars."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.of import home as room
from prompt_joules.pages.ui.of import home_charts as drawings
from prompt_joules.pages.ui.pure import words
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses
from tests.app.conftest import FIGURES, Open, open_app, opened, table, text


@pytest.fixture(scope="module")
def answers(shipped_warehouse: Path) -> pl.DataFrame:
    """The numbers of all models that ship."""
    return room.complete(query.load("answers", None, str(shipped_warehouse)))


def test_home_starts_with_the_most_models_whose_numbers_are_of_one_kind(open_page: Open) -> None:
    app = opened(open_page("home"), "answers")
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    assert sorted(table(app)["answer_j"].round(6)) == sorted(figures["energy_j"].round(6))
    assert set(table(app)["kind"]) == {"measured"}
    assert set(table(app)["prompt_set"]) == {"ShareGPT (2,978)"}
    assert (app.segmented_control(key="of").value, app.segmented_control(key="on").value) == ("chat", "A40")
    app.segmented_control(key="of").set_value("lm-arena-chat").run()
    assert set(table(app)["kind"]) == {"estimated"}
    assert "**≈ " in text(app)


def test_every_model_stands_once_with_the_best_known_of_its_numbers(answers: pl.DataFrame, shipped_warehouse: Path) -> None:
    sql = "select results.*, energy_attribution from results left join runs on 'run:' || run_id = result_id"
    rows = warehouses.rows(shipped_warehouse, sql).filter(
        pl.col("weights") == "pretrained", pl.coalesce("energy_j", "estimated_energy_j") > 0, pl.col("valid")
    )
    assert answers.height == rows.select("gpu_model", "task", "model_id").n_unique()
    assert not answers.select("gpu_model", "task", "model_id").is_duplicated().any()
    shared = (pl.col("batch_size") > 1) | (pl.col("energy_attribution") == "shared").fill_null(False)
    alone = rows.filter(pl.col("energy_j").is_not_null(), ~shared)
    joined = answers.join(alone.select("gpu_model", "task", "model_id").unique(), on=["gpu_model", "task", "model_id"], how="semi")
    assert set(joined["kind"]) == {"measured"}
    assert answers.filter(pl.col("kind") == "measured").height == joined.height
    divided = answers.filter(pl.col("kind") == "divided")
    least = rows.filter(pl.col("energy_j").is_not_null()).group_by("gpu_model", "task", "model_id").agg(pl.col("energy_j").min())
    both = divided.join(least, on=["gpu_model", "task", "model_id"])
    assert divided.height == both.height > 0
    assert both["answer_j"].to_list() == both["energy_j"].to_list()
    assert answers.filter(pl.col("source") == "ML.ENERGY v3")["kind"].unique().to_list() == ["estimated"]


def test_only_models_of_one_size_and_numbers_of_one_kind_are_compared(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "H100", pl.col("task") == "chat")
    assert "SmolLM2" in " ".join(rows["model_name"]), "the smallest is drawn, in its own group"
    assert "SmolLM2" not in room.headline(rows), "and wins over nobody"
    low = rows.filter(pl.col("band") == "3 to 10", pl.col("kind") == "divided").sort("answer_j")
    assert drawings.joules(low.row(0, named=True)) in room.headline(rows)
    listed = drawings.with_heads(rows)
    assert listed["row"].n_unique() == listed.height
    groups = listed.filter(pl.col("answer_j").is_null())["head"].to_list()
    assert groups == ["up to 3 billion", "3 to 10 billion", "10 to 40 billion", "over 40 billion"]


def test_the_headline_says_how_much_is_length_and_how_much_the_cost_of_a_token(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat")
    low, high = (rows.filter(pl.col("model_name") == name).row(0, named=True) for name in ("llama-7B", "baize-v2-7B"))
    tokens, token = (words.figure(high[name] / low[name], 2) for name in ("output_tokens", "energy_per_token_j"))
    said = room.headline(rows)
    assert said.endswith(
        f"**{words.figure(high['answer_j'] / low['answer_j'], 2)}×** the first: {tokens}× the tokens, each at {token}× the energy."
    )
    assert said.replace("\\", "").startswith(
        "One answer takes **526 J** (llama-7B) to **2,620 J** (baize-v2-7B) among 13 models of 3 to 10 billion parameters, "
        "as a 10 W lamp does in 53 seconds to 4.4 minutes."
    )
    unknown = rows.with_columns(output_tokens=pl.lit(None, pl.Float64))
    assert room.headline(unknown).endswith("×** the first.")


@pytest.mark.parametrize(
    ("joules", "said"),
    [([0.5], "0.05 seconds"), ([526, 2620], "53 seconds to 4.4 minutes"), ([43, 61], "4.3 to 6.1 seconds"), ([720_000], "20 hours")],
    ids=["short", "two units", "one unit", "long"],
)
def test_joules_are_said_as_the_time_of_a_lamp(joules: list[float], said: str) -> None:
    assert room._lit(*joules) == said


def test_the_footer_is_one_line_of_what_is_drawn(open_page: Open) -> None:
    (footer,) = (each.value for each in open_page("home").caption if "shown:" in each.value)
    assert (
        footer.replace("\\", "") == "23 models in 23 configurations, published by ML.ENERGY v1; shown: GPU A40, task chat. GPU energy only."
    )
    one = next(each for each in open_page("leaderboard").caption if "shown:" in each.value)
    assert len(one.value) < 150 and "one row per setup" not in one.value, "what a page always does stands behind the sign"
    assert "GPU: A100, A40, CPU, H100, V100. Batch size: 1. Rows: one row per setup." in one.proto.help.replace("\\", "")
    both = open_page("home", weights="both", valid="all")
    assert "pretrained and random weights, valid and invalid rows" in text(both), "what is not usual is said"


def test_several_gpus_and_precision_stand_beside_the_number(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "B200", pl.col("task") == "lm-arena-chat")
    deepseek = drawings.with_heads(rows).filter(pl.col("dtype") == "fp8", pl.col("num_gpus") == 8).row(0, named=True)
    assert deepseek["words"] == f"{drawings.joules(deepseek)} · 8× · FP8"
    assert set(rows.filter(pl.col("dtype") == "bfloat16", pl.col("num_gpus") == 1)["setup"]) == {""}


def test_words_stand_beyond_the_interval_of_their_bar(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "H100", pl.col("task") == "chat")
    rows = rows.with_columns(pl.when(pl.col("kind") == "measured").then(1.3 * pl.col("answer_j")).alias("value_high"))
    listed = drawings.with_heads(rows).filter(pl.col("value_high").is_not_null())
    assert listed.height and (listed["words_at"] == listed["value_high"]).all() and (listed["words_at"] > listed["answer_j"]).all()
    others = drawings.with_heads(rows).filter(pl.col("answer_j").is_not_null(), pl.col("value_high").is_null())
    assert others.height and (others["words_at"] == others["answer_j"]).all()


def test_n_stands_at_every_bar_of_ours_and_few_answers_are_a_hollow_bar(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "H100", pl.col("task") == "chat")
    ours, prompts = pl.col("origin") == "measured", rows.filter(pl.col("origin") == "measured")["prompts"].item()
    listed = drawings.with_heads(rows).filter(pl.col("answer_j").is_not_null())
    assert listed.filter(ours).select("words", "n_is", "few").row(0) == (
        f"{drawings.joules(rows.filter(ours).row(0, named=True))} · n = {prompts}",
        str(prompts),
        False,
    )
    assert set(listed.filter(~ours)["n_is"]) == {"–"} and not listed.filter(~ours)["few"].any(), "a table that does not say it"
    assert set(drawings.with_heads(answers.filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat"))["n_is"].drop_nulls()) == {"2978"}
    batches = rows.filter(ours).with_columns(pl.lit(8, pl.Int32).alias("batch_size"), pl.lit("divided").alias("kind"))
    assert drawings.with_heads(batches)["n_is"].drop_nulls().to_list() == [str(prompts // 8)], "a batch is one measurement"
    few = rows.with_columns(pl.when(ours).then(9).otherwise("prompts").alias("prompts"))
    assert drawings.with_heads(few).filter(pl.col("few")).height == 1
    assert "fewer than 10 measurements" in drawings.legend(few) and "fewer than" not in drawings.legend(rows)
    hollow, _ = drawings._look_of_kinds()["fillOpacity"].to_dict()["condition"]
    assert hollow["value"] == 0 and "datum.few" in hollow["test"]


def test_names_that_two_models_share_are_two_rows(answers: pl.DataFrame) -> None:
    rows = answers.filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").with_columns(pl.lit("twin").alias("model_name"))
    assert drawings.with_heads(rows)["row"].n_unique() == rows.height + rows["band"].n_unique()


def test_the_findings_are_what_the_rows_say_and_lead_to_their_pages(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_app("home")
    found = " ".join(element.proto.body for element in app.get("html"))
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40")
    pairs = figures.filter(pl.col("task") == "chat").join(figures.filter(pl.col("task") == "chat-concise"), on="published_model_id")
    change = (pairs["energy_j_right"] / pairs["energy_j"] - 1).to_frame("change")["change"]
    assert (
        f"a median of {-100 * change.median():.1f} % less energy in 2023, and {(change > 0).sum()} of {len(change)} models used more"
        in found
    )
    assert "11 chat models of 7 billion parameters on an A40 take 526 to 2,620 J an answer and 6.0 to 9.1 J a token" in found
    for address in ("what_software_saves", "verbosity?gpu=A40&amp;view=Published+averages", "leaderboard"):
        assert f'href="{address}"' in found


def test_findings_without_rows_are_not_said(open_page: Open) -> None:
    app = open_page("home")
    found = " ".join(element.proto.body for element in app.get("html"))
    assert "a compiled loop saves" not in found
    assert "chat models on an A40" in found


def test_links_to_the_table_at_its_old_address_lead_to_it(open_page: Open) -> None:
    app = open_page("home", gpu="A40", task="chat", search="vicuna 7B")
    assert app.title[0].value == "Which model answers for the least energy?"
    assert table(app)["model_name"].to_list() == ["vicuna-7B"]
    assert open_page("home", range_latency_s=["2", "10"]).title[0].value == "Which model answers for the least energy?"
    assert open_page("home", gpu="A40", task="chat").title[0].value == "What does one answer cost in energy?"


def test_random_weights_have_no_answer(open_page: Open) -> None:
    app = open_page("home", weights="dummy")
    assert "Nothing matches" in app.warning[0].value
    assert Selection(weights=("dummy",)).words() == "random weights, only valid rows"


def test_choices_are_escaped_only_where_they_could_be_markdown() -> None:
    for harmless in ("chat", "lm-arena-chat", "H100 80GB", "The same prompts", "v1.1"):
        assert words.label(harmless) == harmless, "links keep the names"
    for name in (":red[x]", "**x**", "a_b_", "- x", "$x$", "<b>", "`x`"):
        assert words.label(name) == words.plain(name) != name
