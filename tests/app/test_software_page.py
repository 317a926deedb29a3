"""What software saves: what the page says and lists, against the shipped runs recomputed with a few lines of polars."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.of import what_software_saves as room
from prompt_joules.pages.ui.pure import software
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses
from tests.app.conftest import open_app, opened, table, text

LARGEST = "llama-3.1-70b-shape"


@pytest.fixture
def runs(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """The shipped setups with random weights, the runs of each together (their answers have one length), and the app on them."""
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    sql = """
        select runs.gpu, runs.engine, runs.batch_size, runs.harness_version, models.name,
            sum(energy_j) / sum(output_tokens) as token_j
        from requests join runs using (run_number) join models on models.model_id = runs.model_id
        where status = 'ok' and requests.valid and runs.valid and runs.weights = 'dummy' group by all
    """
    return warehouses.rows(shipped_warehouse, sql)


def of(runs: pl.DataFrame, gpu: str, model: str, engine: str, batch: int) -> float:
    """J/token of a setup by the newest protocol."""
    same = runs.filter(pl.col("gpu") == gpu, pl.col("name") == model, pl.col("engine") == engine, pl.col("batch_size") == batch)
    return float(same.sort("harness_version")["token_j"][-1])


def test_the_sentence_and_the_table_are_what_the_runs_say(runs: pl.DataFrame) -> None:
    app = opened(open_app("what_software_saves"), "what-software-saves")
    assert not app.exception
    loops = ("eager", "compiled:stacked-ahead-split")
    eager, compiled = (of(runs, "H200", LARGEST, f"transformers-{loop}", 1) for loop in loops)
    assert f"less energy: by **{100 * (1 - compiled / eager):.0f} %** (69B) to **" in text(app), "from the size that gains least"
    row = table(app).filter(pl.col("size_name") == "69B", pl.col("step_name") == "Compiled").row(0, named=True)
    assert row["energy_per_token_j"] == pytest.approx(compiled)
    assert row["saved"] == pytest.approx(100 * (1 - compiled / eager))
    few = table(app).filter(pl.col("units") < 5)
    assert few.height > 0
    assert few["token_low_j"].null_count() == few.height, "no interval of fewer than five"


def test_every_gpu_is_a_pill_and_the_filters_narrow_them(runs: pl.DataFrame) -> None:
    app = open_app("what_software_saves")
    assert app.segmented_control(key="card").options == ["H200", "H100"]
    app.segmented_control(key="card").set_value("H100").run()
    assert "on one H100" in text(app)
    app = open_app("what_software_saves", gpu="H100")
    assert app.segmented_control(key="card").options == ["H100"]
    app = open_app("what_software_saves", batch="1")
    assert "batches of" not in app.markdown[0].value, "what the filters leave out is not spoken of"


def test_the_headline_names_an_interval_only_where_there_is_one() -> None:
    def step(number: int, saved: float, low: float | None, high: float | None) -> dict[str, object]:
        return {"step": number, "step_name": "Compiled", "size": 8.0, "size_name": "8B", "saved": saved} | {
            "saved_low": low,
            "saved_high": high,
            "cards": software.SAME_CARDS,
        }

    known = pl.DataFrame([step(2, 0.5, 0.45, 0.55)])
    assert room.span(known) == "**50 %** (8B)"
    assert room.sure(known) == " With a 95 % interval: 50 % (45 to 55 %), compiled at 8B."
    other = pl.DataFrame(
        [step(2, 0.5, 0.45, 0.55), step(2, 0.9, 0.89, 0.91) | {"size": 9.0, "size_name": "9B", "cards": software.OTHER_CARDS}]
    )
    assert room.sure(other) == room.sure(known), "on the same cards first, then the closest"
    assert "No size" in room.sure(known.with_columns(pl.lit(None, pl.Float64).alias("saved_low")))


def test_curves_of_a_size_are_those_of_its_engines(runs: pl.DataFrame) -> None:
    app = opened(open_app("what_software_saves", at="8B"), "answers-at-once")
    assert not app.exception
    shown = table(app, -1)
    assert set(shown["engine"]) >= {"Eager", "Compiled"}
    row = shown.filter(pl.col("engine") == "Compiled", pl.col("batch_size") == 32).row(0, named=True)
    assert row["energy_per_token_j"] == pytest.approx(of(runs, "H200", "Llama-3.1-8B-shape", "transformers-compiled", 32))


def test_every_mark_has_its_n(shipped_warehouse: Path) -> None:
    """A layer of words has n for its marks, whether they are few or many; below ten they are hollow."""
    rows = query.load("software_steps", Selection(gpus=("H200",), weights=()), str(shipped_warehouse))
    drawn = software.comparable(software.complete(rows))
    layers = [layer for layer in room.staircase(drawn).to_dict()["layer"] if layer["encoding"].get("text", {}).get("field") == "n"]
    places = [layer["transform"] for layer in layers]
    assert len(places) == 6
    assert all(len(filters) == 1 and "place" in filters[0]["filter"] for filters in places)
    texts = room._with_texts(drawn)
    alone = pl.col("runs") == 1
    assert texts.filter(alone).select(pl.col("n").str.ends_with(pl.format("n = {}", "units")).all()).item(), "a server has its n, too"
    assert texts.filter(~alone).select((pl.col("n") == pl.format("{} runs, n ≥ {}", "runs", "units")).all()).item()
    assert 0 < texts.filter(alone).height < texts.height
    assert (texts["hollow"] == (texts["units"] < 10)).all() and texts["hollow"].any(), "as docs/statistics.md says"


def test_words_of_marks_that_are_near_stand_on_either_side() -> None:
    one = {
        "size": 69.0,
        "size_name": "69B",
        "token_low_j": 20.0,
        "engine": "transformers-eager",
        "batch_size": 1,
        "units": 5,
        "runs": 1,
        "saved": 0.1,
        "eager_j": 27.0,
    }
    near = pl.DataFrame([one | {"step": step, "energy_per_token_j": joules} for step, joules in ((1, 27.0), (2, 23.0))])
    assert dict(room._with_texts(near).select("step", "place").rows()) == {1: "first", 2: "last"}
    three = pl.DataFrame([one | {"step": step, "energy_per_token_j": joules} for step, joules in ((1, 27.0), (2, 11.0), (5, 10.0))])
    assert dict(room._with_texts(three).select("step", "place").rows())[2] == "aside", "its n keeps clear of the words of the server"
    steps = ((1, 2.0), (3, 0.063), (5, 0.0275), (4, 0.0232))
    four = pl.DataFrame([one | {"step": step, "energy_per_token_j": joules} for step, joules in steps])
    texts = dict(room._with_texts(four).select("step", "place").rows())
    assert (texts[5], texts[3]) == ("aside", "aside"), "0.028 stands at the right of its mark and would reach 0.063"
    assert dict(room._with_texts(four).select("step", "number").rows())[1] == "2.0", "as many digits as the others"
    between = pl.DataFrame([one | {"step": step, "energy_per_token_j": joules} for step, joules in ((1, 27.0), (4, 9.0), (5, 11.0))])
    said = {name: dict(room._with_texts(rows).select("step", "n").rows())[5] for name, rows in (("last", three), ("between", between))}
    assert "1 at once, n = 5" in said["last"] and said["between"] == "n = 5", "between two marks long words would lie on others"
    apart = near.with_columns(pl.when(pl.col("step") == 2).then(3.0).otherwise("energy_per_token_j").alias("energy_per_token_j"))
    assert set(room._with_texts(apart)["place"]) == {"above"}, "an interval goes to both sides of its mark"
    twice = apart.with_columns(
        pl.when(pl.col("step") == 2).then(2).otherwise("runs").alias("runs"), energy_per_token_j=pl.col("step") * 12.0
    )
    assert dict(room._with_texts(twice).select("step", "place").rows())[2] == "first", "2 runs, n ≥ 5 needs more room than n = 5"
    beside = pl.DataFrame([one | {"step": step, "energy_per_token_j": joules} for step, joules in ((1, 27.0), (2, 19.7), (3, 3.3))])
    runs_of_two = beside.with_columns(runs=pl.when(pl.col("step") == 2).then(2).otherwise(1))
    places = [dict(room._with_texts(rows).select("step", "place").rows())[2] for rows in (beside, runs_of_two)]
    assert places == ["between", "beside"], "2 runs, n ≥ 5 keeps clear of the n of the largest mark, at its right"
