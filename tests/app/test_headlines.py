"""What pages say first, and what they compare, against polars."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.of import compare, cost_of_a_token, energy_vs_parameters, leaderboard, prompts, verbosity
from prompt_joules.pages.ui.of import verbosity_charts as drawings
from prompt_joules.pages.ui.pure import words
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import pairs
from tests.app import warehouse
from tests.app.conftest import Open, table


def test_the_first_sides_are_those_that_most_results_have_with_all_else_alike() -> None:
    same = dict.fromkeys(verbosity.ALIKE) | {"origin": "measured", "energy_j": 1.0}
    rows = [("m", "eager", 5.0), ("m", "compiled", 2.0), ("n", "eager", 5.0), ("n", "vllm", 1.0), ("k", "eager", 4.0), ("k", "vllm", 1.0)]
    made = pl.DataFrame([same | {"model_id": model, "engine": engine, "energy_per_token_j": joules} for model, engine, joules in rows])
    assert verbosity.first_sides(made, "engine", ours=True)[0] == ("eager", "vllm")
    assert verbosity.first_sides(made.head(2), "engine", ours=True) == [("eager", "compiled")], "the one that takes more first"
    assert verbosity.first_sides(made, "engine", ours=False) == verbosity.first_sides(made.head(1), "engine", ours=True) == []


def test_the_headline_of_pairs_keeps_batches_apart(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = query.load("contrast_prompts", None, str(shipped_warehouse), contrast="task", a="", b="", idle="gross")
    changes = pairs.paired(found)
    said = verbosity.headline_of_pairs(changes)
    first = verbosity.in_groups(verbosity.pair_labels(changes))
    late = first.filter(~pl.col("is_early"))
    assert not late["harness_version"].str.starts_with("1.").any() and first["is_early"].any(), "protocol 1.x is folded"
    assert late["group"].n_unique() == 2 and late["shared"].is_sorted(), "totals of servers together, after single answers"
    heads = drawings.paired(late).layer[-2].data.filter("is_head")["shown_as"].to_list()
    assert heads[0].startswith("One answer at a time: ") and heads[1].startswith("A server or batches, the machine's total: ")
    matters = verbosity.said_of_pairs(late)
    across = late.filter(pl.col("a") == "instruct", ~pl.col("shared"), pl.min_horizontal("runs_a", "runs_b") > 1)["median_change"]
    assert matters.startswith(
        f"From instruct to concise: **{-100 * across.max():.0f} to {-100 * across.min():.0f} % less energy** across runs"
    )
    assert "From chat to concise: no difference is shown across runs (3 setups)" in matters and len(matters) < 320
    assert "In static batches: no difference is shown (1 setup)." in matters, "a static batch is no server"
    batch = late.filter(shared=True, engine="transformers-compiled")
    once = batch.with_columns(pl.lit(1).alias(name) for name in ("runs_a", "runs_b"))
    assert (
        verbosity.said_of_pairs(pl.concat([batch] * 2)) == "In static batches, from instruct to concise: no difference is shown (2 setups)."
    )
    apart = verbosity.said_of_pairs(pl.concat([once] * 2))
    assert apart == "In static batches, from instruct to concise: 0 % (2 setups, one run each)."
    assert max(len(sentence) for sentence in matters.split(". ")) < 160, "a short sentence for each two sides"
    assert "on a server (6 setups, one run each, no interval)" in matters, "one window a side says nothing of luck"
    mixed = late.filter(~pl.col("shared"), pl.col("a") == "instruct")
    mixed = mixed.with_columns(median_change_high=pl.when(pl.int_range(pl.len()) == 0).then(0.1).otherwise("median_change_high"))
    assert f"across runs ({mixed.height} setups, shown in {mixed.height - 1})" in verbosity.said_of_pairs(mixed)
    chat = changes.filter(pl.col("a") == "chat", ~pl.col("shared"))["median_change"]
    batches = changes.filter("shared")["total_change"]
    assert f"{words.percent(chat.min())} to {words.percent(chat.max())}" in said
    assert f"Where answers were given together, all of a run: **{words.percent(batches.min())} to {words.percent(batches.max())}**" in said
    assert verbosity.headline_of_pairs(verbosity.pair_labels(changes.filter("shared").head(1))).count("all batches together") == 1


def test_the_headline_of_a_prompt_ranges_over_what_had_the_gpu_for_itself() -> None:
    rows = pl.DataFrame(
        {
            "energy_is": ["measured", "measured", "divided by a rule"],
            "energy_j": [50.0, 100.0, 2.0],
            "prompt_text": ["Why is the sky\nblue?"] * 3,
            "output_text": ["a", "a", "b"],
            "shown_as": ["x", "y", "z"],
            "output_tokens": [9, 9, 9],
        }
    )
    said = prompts.headline("p-1", rows, Measure())
    assert said == "**p\\-1** “Why is the sky blue?”: 3 answers, of which 2 measured alone on the GPU: **50 to 100 J**, **2×** apart."
    assert "**÷ 2 J**" in prompts.headline("p-1", rows.tail(1), Measure())
    assert [heading for heading, _ in prompts.different(rows)] == [
        "**x**: 50 J, 9 tokens. The same words from 1 other answer.",
        "**z**: ÷ 2 J, 9 tokens.",
    ]


def test_an_energy_is_off_by_no_more_than_down_to_nothing() -> None:
    row = {"label": "a", "shown_as": "a", "energy_is": "measured", "energy_j": 2.0, "energy_error_j": 3.0, "energy_above_idle_j": 1.0}
    found = prompts.with_error(
        pl.DataFrame([row | {"output_tokens": 9, "input_tokens": 1, "output_words": 1, "output_chars": 1}]), Measure()
    )
    assert found.select("value", "value_low", "value_high").row(0) == (2.0, 0.0, 5.0)


def test_a_length_for_which_the_fit_is_below_zero_has_no_joules() -> None:
    """Neither the sentence nor the line goes below zero, where no answer can be."""
    fit = {
        "grows": True,
        "longest": 2048,
        "answers": 542,
        "fixed_j": -13.0,
        "input_token_j": 0.05,
        "output_token_j": 0.25,
        "mean_in": 100.0,
    }
    assert "**not known**" in cost_of_a_token.what_if(fit, (-12.7, -20.0, -5.0), 1, 1)
    said = cost_of_a_token.what_if(fit, (47.2, -1.0, 52.5), 200, 200)
    assert "**47.2 J** (fitted; 95 % interval of the mean 0 to 52.5 J; 542 answers)" in said
    asked = pl.DataFrame({"output_tokens": [1, 2048], "energy_j": [2.0, 500.0], "fitted_j": [0.0, 500.0], "input_tokens": [9, 9]})
    drawn = cost_of_a_token.measured_against_fit(asked.with_columns(prompt_id=pl.lit("p")), fit).to_dict()
    ends = [row for rows in drawn["datasets"].values() for row in rows if "fit for" in row["kind"]]
    assert min(row["energy_j"] for row in ends) == pytest.approx(0) and max(row["output_tokens"] for row in ends) == 2048


@pytest.mark.parametrize(
    ("keys", "models", "said"),
    [
        (["task"], 1, ("Alike in all but task: the ratio is about that.", True)),
        (["task", "engine"], 1, ("Not alike in task, engine. The ratio is what these change together.", False)),
        (["engine"], 2, ("Not alike in engine. The ratio holds for these setups; it is not only about the model.", False)),
    ],
)
def test_what_a_ratio_of_unlike_setups_is_about(keys: list[str], models: int, said: tuple[str, bool]) -> None:
    assert compare.differing(pl.DataFrame({"key": keys}), models) == said


def test_the_length_of_an_answer_is_a_number_of_tokens() -> None:
    assert prompts.energy({"energy_is": "measured", "energy_j": 265.7, "output_tokens": 1035}) == "265.7 J, 1,035 tokens"
    assert prompts.energy({"energy_is": "measured", "energy_j": None, "output_tokens": 1}) == "energy not measured, 1 token"


def test_numbers_that_are_compared_have_all_of_their_digits() -> None:
    asked = ((0.098, 2), (0.1001, 2), (2.0, 2), (9.96, 2), (0.71, 3), (42.01, 3), (1234.5, 3), (0.0, 3), (0.0999, 2))
    assert [words.exact(*each) for each in asked] == ["0.098", "0.10", "2.0", "10", "0.710", "42.0", "1,230", "0", "0.10"]


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    assert [words.percent(share) for share in (-0.0004, 0.0004, -0.0, -0.04, 13.06, 0.1)] == [
        "0.0 %",
        "0.0 %",
        "0.0 %",
        "−4.0 %",
        "+1,306 %",
        "+10.0 %",
    ]
    assert [words.signed(number) for number in (-0.4, 0.4, -27.6, 100.0)] == ["0", "0", "−28", "+100"]


def test_a_percentage_stays_on_one_line() -> None:
    assert words.unbroken("**16 % to 93 %** of 8 models") == "**16\u00a0% to 93\u00a0%** of 8 models"


def test_lines_that_may_be_flat_are_counted() -> None:
    grows = {"line": "A40", "slope": 0.8, "slope_low": 0.4, "slope_high": 1.3, "explained": 0.8, "points": 23, "models": 23, "grows": True}
    lines = pl.DataFrame([grows, grows, grows | {"grows": False}])
    said = energy_vs_parameters.headline(lines, "params_total_b", "energy_per_token_j", log=True)
    assert said.endswith("Of 2 other lines 1 grows too; 1 may be flat and is not drawn.")
    for kinds, ending in (
        ((True, True), "The other line grows too."),
        ((True, False), "The other line may be flat and is not drawn."),
        ((True, True, True), "The 2 other lines grow too."),
        ((True, False, False), "The 2 other lines may be flat and are not drawn."),
    ):
        several = pl.DataFrame([grows | {"grows": kind} for kind in kinds])
        assert energy_vs_parameters.headline(several, "params_total_b", "energy_per_token_j", log=True).endswith(f" {ending}")


def test_rows_whose_answers_may_be_of_other_lengths_are_told(open_page: Open) -> None:
    """A row of at most 512 tokens takes less than one of at most 2,048, whatever else is alike."""
    setups = pl.DataFrame({"result_id": ["a", "b", "c"], "max_new_tokens": ["512", "2048", ""]})
    rows = leaderboard.with_limits(pl.DataFrame({"result_id": ["c", "b", "a"]}), setups)
    assert rows["max_new_tokens"].to_list() == [None, 2048, 512]
    assert "stop at 512 or 2,048 tokens" in leaderboard.limits(rows)
    assert leaderboard.limits(rows.head(2)) == ""
    shown = table(open_page("leaderboard"))
    measured = {row["model_id"]: row["max_new_tokens"] for row in warehouse.measured_rows().iter_rows(named=True)}
    ours = shown.filter(pl.col("source") == "Prompt Joules")
    assert ours.height and set(ours["max_new_tokens"]) <= set(measured.values())
    assert shown.filter(pl.col("source") != "Prompt Joules")["max_new_tokens"].null_count() == shown.height - ours.height


def test_a_compared_setup_has_its_n_beside_its_name() -> None:
    ends = dict.fromkeys(("value", "value_low", "value_high", "value_within_low", "value_within_high"), 2.0)
    rows = [("a", 200, 3), ("b", 9, 1), ("published", 0, None)]
    found = pl.DataFrame(
        [{"label": name, "shown_as": name, "energy_is": "measured", "units": units, "runs": runs, **ends} for name, units, runs in rows]
    )
    drawn = [row for data in compare.intervals(found, "Energy (J)").to_dict()["datasets"].values() for row in data]
    assert {row["shown_as"] for row in drawn if "shown_as" in row} == {"a · n = 200, 3 runs", "b · n = 9", "published"}
