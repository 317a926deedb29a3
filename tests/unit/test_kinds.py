"""Three kinds of number, and how tables and charts mark them: what is divided or estimated never looks measured."""

import polars as pl
import pytest

from prompt_joules.pages.ui.pure import axes, naming, shape, theme
from prompt_joules.warehouse.energy_shown import DIVIDED, ESTIMATED, EVERY, IDLE, MEASURED, Measure, kind, of_answers

ROWS = pl.DataFrame(
    {
        "result_id": ["alone", "batch", "server", "estimate", "nothing"],
        "batch_size": [1, 32, 1, 64, 1],
        "concurrency": [1, 1, 8, None, None],
        "energy_j": [10.0, 2.0, 3.0, None, None],
        "estimated_energy_j": [None, None, None, 18.6, None],
        "energy_per_token_j": [0.1, 0.02, 0.03, 0.04, None],
        "energy_p95_j": [12.0, 3.0, 4.0, None, None],
    }
)


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        ("energy_j", [MEASURED, DIVIDED, DIVIDED, ESTIMATED, None]),
        ("energy_p95_j", [MEASURED, DIVIDED, DIVIDED, None, None]),
        ("energy_per_token_j", [MEASURED, MEASURED, MEASURED, MEASURED, None]),
        ("estimated_energy_j", [None, None, None, ESTIMATED, None]),
    ],
)
def test_how_a_number_is_known(key: str, kinds: list[str | None]) -> None:
    assert ROWS.select(kind(key, ROWS.columns).alias("kind"))["kind"].to_list() == kinds


def test_only_a_mean_per_token_or_word_is_that_of_a_whole_run() -> None:
    assert {measure for measure in EVERY if not of_answers(measure.key)} == {
        Measure("mean", per, idle) for per in ("output token", "total token", "word", "character") for idle in IDLE
    }
    assert not of_answers("latency_s")


def test_a_table_marks_what_is_not_measured_and_shows_the_estimate() -> None:
    rows, columns = shape.marked(ROWS, ["result_id", "energy_j", "energy_per_token_j"])
    assert columns == ["result_id", "energy_mark", "energy_j", "energy_per_token_j"]
    assert rows["energy_mark"].to_list() == ["", "÷", "÷", "≈", None]
    assert rows["energy_j"].to_list() == [10.0, 2.0, 3.0, 18.6, None]
    for columns in (["result_id", "energy_per_token_j"], ["result_id"]):
        assert shape.marked(ROWS, columns)[1] == columns
    alone = ROWS.filter(pl.col("result_id") == "alone")
    assert shape.marked(alone, ["energy_j"]) == (alone, ["energy_j"])


def test_a_chart_tells_kinds_by_the_fill_of_its_points_and_in_its_legend() -> None:
    rows = ROWS.with_columns(gpu_model=pl.lit("H100"), num_gpus=1, dtype=pl.lit("fp8"), colour=pl.lit("H100"))
    drawn = theme.dots(theme.alt.Chart(rows), axes.with_texts(rows, "energy_j"), "gpu_model", "GPU", 50).to_dict()["encoding"]
    fills = dict(zip(drawn["fillOpacity"]["scale"]["domain"], drawn["fillOpacity"]["scale"]["range"], strict=True))
    assert fills[MEASURED] > fills[DIVIDED] > fills[ESTIMATED] == 0
    assert drawn["strokeDash"]["legend"]["values"] == [MEASURED, DIVIDED, ESTIMATED]
    alone = axes.with_texts(rows.filter(pl.col("result_id") == "alone"), "energy_j")
    assert "fillOpacity" not in theme.dots(theme.alt.Chart(alone), alone, "gpu_model", "GPU", 50).to_dict()["encoding"]
    assert "energy_is" in axes.TEXTS and any(tip.to_dict()["title"] == "Energy is" for tip in axes.tooltip("energy_j"))


def test_a_point_of_few_measurements_is_hollow_and_says_its_n() -> None:
    """Three answers, ten batches, one window of a server, and a published average, which does not say how it was measured."""
    rows = pl.DataFrame(
        {
            "result_id": ["three", "batches", "server", "published"],
            "origin": ["measured"] * 3 + ["published"],
            "engine": ["transformers-eager", "transformers-compiled", "vllm", "vllm"],
            "prompts": [3, 80, 400, 500],
            "batch_size": [1, 8, 32, 32],
            "runs": [1, 1, 1, None],
            **dict.fromkeys(("model_name", "task", "source", "colour"), ["x"] * 4),
            **{"gpu_model": ["H200"] * 4, "num_gpus": [1] * 4, "dtype": ["float16"] * 4, "energy_per_token_j": [1.0] * 4},
        }
    )
    points = axes.with_texts(rows, "energy_per_token_j")
    assert points["n_is"].to_list() == ["3", "10", "1", "–"]
    assert points["few"].to_list() == [True, False, True, False]
    drawn = theme.dots(theme.alt.Chart(points), points, "gpu_model", "GPU", 50).to_dict()["encoding"]
    assert drawn["fillOpacity"] == {"value": 1, "condition": {"test": "datum.few", "value": 0}} and "stroke" in drawn
    mixed = points.with_columns(energy_is=pl.Series([MEASURED, DIVIDED, DIVIDED, ESTIMATED]))
    fills = theme.dots(theme.alt.Chart(mixed), mixed, "gpu_model", "GPU", 50).to_dict()["encoding"]["fillOpacity"]
    assert fills["condition"]["test"] == "datum.few" and fills["field"] == "energy_is"
    assert any(tip.to_dict()["title"] == "n" for tip in axes.tooltip("energy_j"))


def test_a_gpu_is_called_by_how_many_there_are_and_their_precision() -> None:
    rows = pl.DataFrame(
        {"gpu_model": ["B200", "A40", None, "H100"], "num_gpus": [8, 1, 0, None], "dtype": ["fp8", "float16", "float32", None]},
        schema={"gpu_model": pl.String, "num_gpus": pl.Int64, "dtype": pl.String},
    )
    called = ["8×B200 · FP8", "A40 · FP16", "CPU · FP32", "H100"]
    assert rows.select(naming.gpu(rows.columns).alias("gpu"))["gpu"].to_list() == called
    assert [naming.gpu_of(row) for row in rows.iter_rows(named=True)] == called
    assert naming.gpu_of({"gpu_model": "A40"}) == "A40"
