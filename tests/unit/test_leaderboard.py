"""What the Leaderboard draws and says of its rows."""

import re
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest

from prompt_joules.pages.ui.of import leaderboard as room
from prompt_joules.pages.ui.of import leaderboard_charts as drawings
from prompt_joules.pages.ui.pure import naming
from prompt_joules.warehouse.energy_shown import DIVIDED, ESTIMATED, MEASURED

SPREAD = [10.0, 20.0, 40.0, 80.0, 90.0, 100.0, 200.0]
SCHEMA = {"energy_j": pl.Float64, "spread": pl.List(pl.Float64), "answers": pl.Int64, "energy_is": pl.String}
ROW: dict[str, Any] = {
    "model_id": "m",
    "model_name": "m",
    "gpu_model": "A40",
    "num_gpus": 1,
    "dtype": "float16",
    "task": "chat",
    "engine": "vllm",
    "batch_size": 1,
    "prompt_set": None,
    "weights": "pretrained",
    "source": "a",
    "params_total_b": 7.0,
    "energy_j": 100.0,
    "estimated_energy_j": None,
}


def bars(*rows: tuple[float | None, list[float] | None, int | None, str]) -> list[str]:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return [unquote(bar or "") for bar in drawings.range_bars(frame, "energy_j")]


def test_range_bars_share_one_axis() -> None:
    wide, narrow, alone = bars((50.0, SPREAD, 100, MEASURED), (40.0, [40.0] * 7, 100, MEASURED), (10.0, None, None, MEASURED))
    (left, right) = map(float, re.findall(r"M([\d.]+) 15H([\d.]+)", wide)[0])
    assert (left, right) == (drawings.EDGE, drawings.WIDTH - drawings.EDGE), "p5 and p95 are the ends of the axis"
    (middle, _) = map(float, re.findall(r"M([\d.]+) 15H([\d.]+)", narrow)[0])
    assert left < middle < right
    assert f"cx='{left}'" in alone and "<rect" not in alone, "a mean alone is a point on the same axis"


def test_few_answers_are_hollow_and_kinds_differ() -> None:
    many, few, divided, estimated = bars(
        (50.0, SPREAD, 10, MEASURED), (50.0, SPREAD, 9, MEASURED), (50.0, None, None, DIVIDED), (60.0, None, None, ESTIMATED)
    )
    assert "fill-opacity='0.55'" in many and "fill-opacity='0'" in few
    fills = [re.findall(r"<circle[^>]*fill-opacity='([\d.]+)'", bar)[0] for bar in (many, divided, estimated)]
    assert fills == ["1", "0.35", "0"]
    assert "fill-opacity='0.2'" in bars((50.0, SPREAD, 10, DIVIDED))[0]
    assert bars((None, None, None, MEASURED)) == [""]


def test_the_sentence_compares_what_is_alike() -> None:
    rows = [
        ROW,
        ROW | {"model_id": "n", "model_name": "n", "energy_j": 300.0},
        ROW | {"model_id": "tiny", "model_name": "tiny", "params_total_b": 0.1, "energy_j": 1.0},
        ROW | {"model_id": "o", "model_name": "o", "batch_size": 64, "energy_j": 2.0},
        ROW | {"model_id": "p", "model_name": "p", "gpu_model": "H100", "energy_j": 3.0},
    ]
    frame = pl.DataFrame(rows, schema_overrides={"estimated_energy_j": pl.Float64, "prompt_set": pl.String}).sort("energy_j")
    said = room.least(frame, "energy_j")
    assert said.startswith("Of 2 models of 3 to 10 billion parameters on A40 · FP16, chat, one at a time: least **m** with 100 J")
    assert "most **n** with 300 J, **3×** as much" in said
    assert room.least(frame.head(3), "energy_j") == "", "no two are alike"


@pytest.mark.parametrize(
    ("weights", "form", "origin", "said"),
    [
        ("pretrained", "gguf:Q4_1 dequantised", "measured", "GGUF Q4_1, dequantised"),
        ("pretrained", "safetensors", "measured", "safetensors"),
        ("pretrained", "gptq 4-bit kernels", "measured", "gptq 4-bit kernels"),
        ("pretrained", None, "measured", "pretrained, format not recorded"),
        ("pretrained", None, "published", "pretrained, as the source loaded them"),
        ("dummy", None, "measured", "random"),
    ],
    ids=["gguf", "safetensors", "kernels", "unknown", "published", "random"],
)
def test_where_weights_are_from(weights: str, form: str | None, origin: str, said: str) -> None:
    row = pl.DataFrame({"weights": [weights], "weights_format": [form], "origin": [origin]}, schema_overrides={"weights_format": pl.String})
    assert row.select(naming.provenance(row.columns)).item() == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "at the power limit in 100 % of the answers."),
        (0.0, "at the power limit in 0 % of the answers."),
        (None, "power limit: not recorded."),
    ],
    ids=["all", "none", "unknown"],
)
def test_a_row_says_whether_the_gpu_kept_to_its_power_limit(share: float | None, said: str) -> None:
    row = ROW | {"origin": "measured", "provenance": "random", "power_capped_share": share}
    assert room.about(row) == f"vLLM; batch 1; weights: random; a; {said}"
    assert "power" not in room.about(row | {"origin": "published"})


def test_ticked_rows_lead_to_compare_or_to_the_planner() -> None:
    rows = pl.DataFrame([ROW | {"harness_version": "2.0"}] * 5, schema_overrides={"prompt_set": pl.String})
    assert [page for page, *_ in room.together(rows.head(1))] == ["planner"]
    ((page, label, link),) = room.together(rows.head(3))
    assert (page, label, len(link["results"])) == ("compare", "Compare the 3 ticked", 3)
    assert room.together(rows) == [], "more than four are not compared"
    forced = room.together(rows.head(2).with_columns(weights=pl.lit("dummy")))
    assert (forced[0][2]["weights"], forced[0][2]["per"]) == ("both", "output token")


def test_the_sentence_speaks_of_estimates_and_marks_them() -> None:
    rows = [
        ROW | {"model_id": name, "model_name": name, "energy_j": None, "estimated_energy_j": joules}
        for name, joules in (("a", 10.0), ("b", 30.0))
    ]
    said = room.least(pl.DataFrame(rows), "energy_j")
    assert "**a** with ≈ 10 J" in said and "**b** with ≈ 30 J" in said and ", estimated" in said and "**3×**" in said
    measured = room.least(pl.DataFrame([ROW, ROW | {"model_id": "n", "energy_j": 50.0}]), "energy_j")
    assert "≈" not in measured
