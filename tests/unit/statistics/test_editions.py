"""Pairs of editions: alike in all that moves the energy of a token but the software."""

import polars as pl
import pytest

from prompt_joules.warehouse.statistics import editions

KEY = "energy_per_token_j"
ROW = {
    "model_id": "me/m",
    "model_name": "m",
    "weights": "pretrained",
    "gpu_model": "H100",
    "num_gpus": 1,
    "batch_size": 64,
    "task": "chat",
    "dtype": "bfloat16",
    "edition": "2024 · v2",
    KEY: 2.0,
}
LATER = ROW | {"edition": "2026 · v3", "task": "lm-arena-chat", KEY: 1.5}
SCHEMA = {"dtype": pl.String, "num_gpus": pl.Int32, "batch_size": pl.Int32, KEY: pl.Float64}


def matched(*rows: dict[str, object]) -> pl.DataFrame:
    return editions.matched(pl.DataFrame(rows, schema_overrides=SCHEMA), KEY)


def test_a_pair_and_its_change() -> None:
    row = matched(LATER, ROW).row(0, named=True)
    assert (row["edition_a"], row["edition_b"], row["value_a"], row["value_b"]) == ("2024 · v2", "2026 · v3", 2.0, 1.5)
    assert row["change"] == pytest.approx(-0.25)
    assert (row["dtype"], row["stated"], row["asks"]) == ("bfloat16", True, "chat")


@pytest.mark.parametrize(
    "other",
    [
        {"model_id": "me/other"},
        {"gpu_model": "A100"},
        {"num_gpus": 2},
        {"batch_size": 128},
        {"batch_size": None},
        {"dtype": "fp8"},
        {"task": "gpqa"},
        {"weights": "dummy"},
        {"edition": "2024 · v2"},
        {KEY: None},
    ],
    ids="-".join,
)
def test_what_is_not_alike_is_no_pair(other: dict[str, object]) -> None:
    assert matched(ROW, LATER | other).is_empty()


def test_a_precision_that_is_not_stated_pairs_with_the_only_one() -> None:
    silent = ROW | {"dtype": None}
    row = matched(silent, LATER).row(0, named=True)
    assert (row["dtype"], row["stated"]) == ("bfloat16", False)
    assert matched(silent, LATER, LATER | {"dtype": "fp8"}).is_empty(), "which of the two it was nobody knows"
    assert matched(silent, LATER | {"dtype": None})["dtype"].to_list() == [None]


def test_several_results_of_one_edition_count_as_their_median() -> None:
    row = matched(ROW, LATER, LATER | {KEY: 1.0}, LATER | {KEY: 1.2}).row(0, named=True)
    assert (row["results_a"], row["results_b"], row["value_b"]) == (1, 3, 1.2)


def test_medians_that_stand_still_hide_a_gain_at_every_batch() -> None:
    """Simpson's paradox: the later edition has more small batches, which cost more, so that the medians are alike."""
    early = [ROW | {"batch_size": batch, KEY: value} for batch, value in ((64, 2.0), (256, 1.2), (512, 1.2), (1024, 1.2))]
    late = [LATER | {"batch_size": batch, KEY: value} for batch, value in ((8, 4.0), (16, 2.6), (64, 1.3), (256, 0.8), (512, 0.7))]
    medians = [pl.DataFrame(side)[KEY].median() for side in (early, late)]
    assert medians[0] == pytest.approx(1.2) and medians[1] == pytest.approx(1.3)
    assert (matched(*early, *late)["change"] < -0.3).all()
