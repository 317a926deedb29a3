"""Two sides compared: published means, pairs of prompts, and the units that a bootstrap draws from."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pairs
from tests import factories, warehouses
from tests.unit.queries.made import shown


def test_published_sides(warehouse: str) -> None:
    assert query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="task", a="", b="").is_empty()
    rows = query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="gpu", a="A40", b="A100")
    figures = pl.read_csv(warehouses.SHIPPED / "published" / "mlenergy_v1" / "figures.csv").filter(pl.col("task") == "chat")
    a, b = (figures.filter(pl.col("gpu_model") == gpu) for gpu in ("A40", "A100"))
    expected = a.join(b, on="published_model_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series().sort()
    assert rows["change"].sort().to_list() == pytest.approx(expected.to_list())
    split = rows["length_effect_log"] + rows["token_effect_log"]
    assert split.to_list() == pytest.approx(rows["energy_effect_log"].to_list())


@pytest.mark.parametrize("idle", factories.IDLE_W)
def test_pairs_of_prompts(tmp_path: Path, idle: str) -> None:
    wordy = [factories.record("run-1", index) for index in range(40)]
    brief = [factories.record("run-2", index, task="chat-concise") for index in range(40)]
    older = [factories.record("run-0", index, started_at=factories.START - timedelta(days=1)) for index in range(40)]
    longer = [factories.record("run-3", index, task="chat-concise", max_new_tokens=9) for index in range(40)]
    wordy[0]["finish_reason"] = brief[1]["finish_reason"] = "length"
    wordy[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    wordy[3] = factories.failed("run-1", 3)
    for rows in (wordy, brief, older, longer):
        factories.write(factories.frame(rows), tmp_path / str(rows[0]["run_id"]) / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle=idle)
    idle_j = factories.IDLE_W[idle] * pl.col("latency_s")
    a, b = (
        factories.frame(rows).filter(pl.col("energy_j").is_not_null()).with_columns(pl.col("energy_j") - idle_j) for rows in (wordy, brief)
    )
    expected = a.join(b, on="prompt_id", suffix="_b").sort("prompt_id")
    row = found.row(0, named=True)
    assert found.height == 1
    assert (row["pairs"], row["dropped"], row["cut_a"], row["cut_b"], row["cut_either"]) == (expected.height, 40 - expected.height, 1, 1, 2)
    listed = pl.DataFrame(row["pair_list"])
    assert listed["energy_a_j"].to_list() == pytest.approx(expected["energy_j"].to_list())
    assert listed["energy_b_j"].to_list() == pytest.approx(expected["energy_j_b"].to_list())
    assert listed["cut_a"].to_list() == (expected["finish_reason"] == "length").to_list()
    assert row["energy_b_j"] == pytest.approx(expected["energy_j_b"].mean())
    assert row["energy_per_token_a_j"] == pytest.approx(expected["energy_j"].sum() / expected["output_tokens"].sum())
    assert row["length_effect_log"] + row["token_effect_log"] == pytest.approx(row["energy_effect_log"])
    found = pairs.paired(found).row(0, named=True)
    change = expected["energy_j_b"] / expected["energy_j"] - 1
    assert found["median_change"] == pytest.approx(change.median()) and found["more"] == (change > 0).sum()
    assert found["whole_pairs"] == expected.height - 2


OF_TASKS = {"contrast": "task", "a": "", "b": ""}


def test_runs_of_one_pass_are_matched_and_the_others_newest_with_newest(tmp_path: Path) -> None:
    at = {"started_at": factories.START}
    later = {"started_at": factories.START + timedelta(days=1)}
    runs = [
        factories.records(10, "a-1", pass_id="x", seed=1, **at),
        factories.records(10, "b-1", task="chat-concise", pass_id="y", seed=2, **at),
        factories.records(10, "a-2", pass_id="y", seed=2, **later),
        factories.records(10, "b-2", task="chat-concise", pass_id="x", seed=1, **later),
        factories.records(10, "a-3", **at),
        factories.records(10, "a-4", **later),
        factories.records(10, "b-3", task="chat-concise", **at),
    ]
    for rows in runs:
        factories.write(rows, tmp_path / f"{rows['run_id'][0]}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    row = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 30, "a-3 has no partner"
    by_run = {str(rows["run_id"][0]): rows["energy_j"].to_list() for rows in runs}
    matched = [("a-1", "b-2"), ("a-2", "b-1"), ("a-4", "b-3")]
    expected = sorted(pair for a, b in matched for pair in zip(by_run[a], by_run[b], strict=True))
    found = np.array(sorted((pair["energy_a_j"], pair["energy_b_j"]) for pair in row["pair_list"]))
    assert found == pytest.approx(np.array(expected))
    assert sorted((run["turn"], run["is_b"], run["is_pass"]) for run in row["runs"]) == [
        *(("newest 1", is_b, False) for is_b in (False, True)),
        *(("x", is_b, True) for is_b in (False, True)),
        *(("y", is_b, True) for is_b in (False, True)),
    ]
    assert [run["weight"] for run in row["runs"]] == [pytest.approx(10 / 3)] * 6, "ten prompts, each asked three times"


def test_a_prompt_counts_once_however_often_it_was_asked(tmp_path: Path) -> None:
    """Two runs of all 12 prompts in which nothing changes, six of the first 4 alone, which cost half."""
    for turn, count in enumerate((12, 12, 4, 4, 4, 4, 4, 4)):
        for task, joules in (("chat", 100.0), ("chat-concise", 50.0)):
            rows = [
                factories.record(f"{task}-{turn}", index, task=task, pass_id=f"pass {turn}", energy_j=joules if index < 4 else 100.0)
                for index in range(count)
            ]
            factories.write(factories.frame(rows), tmp_path / f"{task}-{turn}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle="gross")
    row = pairs.paired(found).row(0, named=True)
    assert (row["pairs"], row["energy_a_j"], row["energy_b_j"]) == (48, pytest.approx(100), pytest.approx((4 * 50 + 8 * 100) / 12))
    assert (row["change"], row["total_change"]) == (pytest.approx(-4 / 24), pytest.approx(-4 / 24))
    assert row["median_change"] == 0, "of eight prompts in twelve; 32 of 48 pairs cost half"
    weights = {run["turn"]: run["weight"] for run in found["runs"][0]}
    assert weights["pass 0"] == pytest.approx(4 / 8 + 8 / 2) and weights["pass 7"] == pytest.approx(4 / 8)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("num_gpus", 2),
        ("weights_format", "gguf:Q4_1 dequantised"),
        ("model_revision", "another"),
        ("prompt_template", "another"),
        ("energy_edges", "plain"),
        ("engine_version", "99.0"),
        ("environment", '{"gpus": [{"power_limit_w": 300}]}'),
        ("environment", '{"request_rate": 4}'),
        ("environment", '{"request_seed": true}'),
        ("environment", '{"server_setup": {"options": ["--quantization", "fp8"]}}'),
    ],
)
def test_sides_that_differ_in_more_than_what_is_asked_are_no_pair(tmp_path: Path, column: str, value: object) -> None:
    factories.write(factories.records(8, "a-1"), tmp_path / "a.parquet")
    factories.write(factories.records(8, "b-1", task="chat-concise"), tmp_path / "b.parquet")
    factories.write(
        factories.records(8, "b-2", task="chat-concise", started_at=factories.START + timedelta(days=1), **{column: value}),
        tmp_path / "c.parquet",
    )
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    row = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 8
    expected = factories.records(8, "b-1", task="chat-concise")["energy_j"]
    assert sorted(pair["energy_b_j"] for pair in row["pair_list"]) == pytest.approx(expected.sort().to_list()), (
        "b-2 is newer, and not alike"
    )


@pytest.mark.parametrize(
    ("kind", "column", "sides"), [("engine", "engine", ("eager", "compiled")), ("task", "task", ("chat", "chat-concise"))]
)
def test_a_pass_of_one_side_alone_keeps_nobody_from_a_match(tmp_path: Path, kind: str, column: str, sides: tuple[str, str]) -> None:
    for place, side in enumerate(sides):
        rows = factories.records(8, f"run-{place}", pass_id=f"pass {place}", **{column: side})
        factories.write(rows, tmp_path / f"{place}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    asked = {"contrast": kind, "a": sides[0], "b": sides[1], "idle": "gross"}
    row = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **asked).row(0, named=True)
    assert row["pairs"] == 8
    assert [(run["turn"], run["is_pass"]) for run in row["runs"]] == [("newest 1", False)] * 2


def test_a_run_that_has_no_pair_is_no_run_of_the_contrast(tmp_path: Path) -> None:
    for run, task, pass_id in (("a-1", "chat", "x"), ("b-1", "chat-concise", "x"), ("a-2", "chat", "y")):
        factories.write(factories.records(8, run, task=task, pass_id=pass_id), tmp_path / f"{run}.parquet")
    lost = factories.records(8, "b-2", task="chat-concise", pass_id="y", energy_j=None, energy_reason="the counter was lost")
    factories.write(lost, tmp_path / "b-2.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    row = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 8 and row["dropped"] == 8
    assert [(run["turn"], run["is_b"], run["weight"]) for run in row["runs"]] == [("x", False, 8), ("x", True, 8)]


def test_of_divided_energy_the_windows_are_listed(tmp_path: Path) -> None:
    for run, task in (("run-1", "chat"), ("run-2", "chat-concise")):
        rows = [
            factories.record(run, index, task=task, window_id=index // 4, batch_size=4, energy_attribution="shared") for index in range(20)
        ]
        factories.write(factories.frame(rows), tmp_path / f"{run}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    row = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **OF_TASKS, idle="gross").row(0, named=True)
    windows = pl.DataFrame(row["windows"])
    assert row["shared"] and row["pair_list"] is None
    assert windows.height == 10 and windows["answers"].to_list() == [4] * 10
    assert windows["answered_together"].n_unique() == 5, "the same prompts were answered together on both sides"
    total = windows.filter(~pl.col("is_b"))["joules"].sum()
    assert total == pytest.approx(factories.frame([factories.record("run-1", index) for index in range(20)])["energy_j"].sum())


def test_units_add_up_to_the_run(warehouse: str) -> None:
    units = query.load("units", None, warehouse, results="run:run-a\nrun:none", idle="gross", pooled=False)
    rows = shown().filter(pl.col("run_id") == "run-a", pl.col("energy_j").is_not_null())
    assert units.height == units["prompts"].sum() == rows.height
    assert units["energy_j"].sum() == pytest.approx(rows["energy_j"].sum())
    assert units["total_tokens"].sum() == (rows["input_tokens"] + rows["output_tokens"]).sum()
    assert units["output_words"].sum() == rows["output_words"].sum()


def test_a_prompt_is_the_same_unit_in_every_run(tmp_path: Path) -> None:
    asked = {"one": range(0, 40), "other": range(20, 60)}
    for run, prompts in asked.items():
        rows = [factories.record(run, index, energy_j=float(index + 1), task=run) for index in prompts]
        factories.write(factories.frame(rows), tmp_path / "in" / f"{run}.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    units = query.load("units", None, str(tmp_path / "w.duckdb"), results="run:one\nrun:other", idle="gross", pooled=True)
    by_unit = {key: part["energy_j"].to_list() for (key,), part in units.group_by("unit")}
    assert len(by_unit) == 60 and sorted(len(energies) for energies in by_unit.values()) == [1] * 40 + [2] * 20
    assert all(len(set(energies)) == 1 for energies in by_unit.values()), "the same energy is the same prompt"


def test_many_prompts_are_dealt_into_units_in_the_order_of_their_sets_and_ids(tmp_path: Path) -> None:
    sizes = {"z": 500, "a": 620}
    for name, size in sizes.items():
        rows = factories.records(size, name, prompt_set=name, prompt_set_sha256=name * 64, energy_j=1.0)
        factories.write(rows.with_columns(energy_j=pl.int_range(1.0, size + 1.0)), tmp_path / f"{name}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    asked = {"results": "run:z\nrun:a", "idle": "gross", "pooled": True}
    rows = pl.concat(
        pl.DataFrame(
            {
                "prompt_set": name,
                "prompt_id": factories.records(size, name)["prompt_id"],
                "joules": pl.int_range(1.0, size + 1.0, eager=True),
            }
        )
        for name, size in sizes.items()
    ).sort("prompt_set", "prompt_id")
    dealt = rows.with_columns(result_id=pl.format("run:{}", "prompt_set"), unit=pl.int_range(pl.len()) % 1000)
    expected = dealt.group_by("result_id", "unit").agg(pl.col("joules").sum()).sort("result_id", "unit")
    for name, joules in (("units", "energy_j"), ("cost_units", "joules")):
        found = query.load(name, None, str(tmp_path / "w.duckdb"), **asked).select("result_id", "unit", joules=joules)
        assert found.rows() == expected.rows(), name


def test_runs_that_repeat_each_other_are_units_of_one_result(tmp_path: Path) -> None:
    for run, changes in {"one": {}, "two": {"seed": 7}, "three": {"dtype": "bfloat16"}}.items():
        factories.write(factories.records(30, run, **changes), tmp_path / f"{run}.parquet")
    places = [(times, index) for times in (0, 1) for index in range(30)]
    again = [factories.record("four", index, repetition=times, sequence=30 * times + index) for times, index in places]
    factories.write(factories.frame(again), tmp_path / "four.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    asked = {"results": "run:one", "idle": "gross"}
    together = query.load("units", None, str(tmp_path / "w.duckdb"), pooled=True, **asked)
    assert together["run_number"].n_unique() == 3 and together["answers"].sum() == 120 and together["unit"].n_unique() == 30
    once = together.group_by("unit").agg(pl.col("prompts").sum())["prompts"]
    assert once.to_list() == pytest.approx([1.0] * 30), "every prompt counts once"
    assert together.group_by("unit").len()["len"].to_list() == [4] * 30, "one row for each run and repetition"
    alone = query.load("units", None, str(tmp_path / "w.duckdb"), pooled=False, **asked)
    assert alone["run_number"].n_unique() == 1 and alone["prompts"].sum() == 30


def test_a_window_is_the_unit_of_a_batch(tmp_path: Path) -> None:
    batch = {"batch_size": 4, "energy_attribution": "shared"}
    rows = [factories.record("run-1", index, window_id=index // 4, **batch) for index in range(20)]
    other = [factories.record("run-2", index, task="chat-concise", window_id=5 - index // 4, **batch) for index in range(20)]
    mixed = [factories.record("run-3", index, task="instruct", window_id=index % 5, **batch) for index in range(20)]
    for run in (rows, other, mixed):
        factories.write(factories.frame(run), tmp_path / f"{run[0]['run_id']}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    results = "\n".join(f"run:run-{number}" for number in (1, 2, 3))
    units = query.load("units", None, str(tmp_path / "w.duckdb"), results=results, idle="gross", pooled=True)
    assert units["shared"].all() and units["prompts"].to_list() == units["answers"].to_list() == [4] * 15
    of = {name: set(part["unit"]) for (name,), part in units.group_by("result_id")}
    assert of["run:run-1"] == of["run:run-2"], "windows of the same prompts, whatever their numbers"
    assert not of["run:run-1"] & of["run:run-3"]
    assert units.filter(pl.col("result_id") == "run:run-1")["energy_j"].sum() == pytest.approx(sum(row["energy_j"] for row in rows))


def test_repetitions_share_a_setup_and_nothing_else_does(tmp_path: Path) -> None:
    changes: dict[str, dict[str, object]] = {
        "one": {},
        "seed": {"seed": 5},
        "later": {"started_at": factories.START + timedelta(days=3)},
        "card": {"environment": '{"gpus": [{"card": "abc"}]}'},
        "limited": {"environment": '{"gpus": [{"power_limit_w": 300.0}]}'},
    }
    unlike = {"dtype": "bfloat16", "task": "instruct", "num_gpus": 2, "max_new_tokens": 600, "temperature": 0.0, "batch_size": 2}
    changes |= {name: {name: value} for name, value in (unlike | {"engine_version": "9", "harness_version": "9"}).items()}
    for run, change in changes.items():
        factories.write(factories.records(6, run, **change), tmp_path / f"{run}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("repetitions", None, str(tmp_path / "w.duckdb"))
    setups = dict(found.select(pl.col("result_id").str.strip_prefix("run:"), "setup").iter_rows())
    same = {run for run, setup in setups.items() if setup == setups["one"]}
    assert same == {"one", "seed", "later", "card"}
    assert len(set(setups.values())) == len(changes) - len(same) + 1
    assert found.filter(pl.col("card").is_not_null())["card"].to_list() == ["abc"]


def started(*options: str, **others: object) -> dict[str, object]:
    """A row's `environment` of a server that was started with these options."""
    return {"environment": json.dumps({"server_setup": {"options": [*options, "--max-model-len", "4096"]}} | others)}


def test_options_of_a_server_are_part_of_the_setup_and_its_seed_and_room_are_not(tmp_path: Path) -> None:
    changes = {
        "one": started("m", "--seed", "0", "--max-num-seqs", "8"),
        "room": started("m", "--seed", "3", "--max-num-seqs", "128"),
        "seeded": started("m", "--seed", "0", "--max-num-seqs", "8", request_seed=True),
        "eager": started("m", "--seed", "0", "--max-num-seqs", "8", "--enforce-eager"),
        "rate": started("m", "--seed", "0", "--max-num-seqs", "8", request_rate=2.0),
        "broken": {"environment": "{"},
        "carded": started("m", "--seed", "0", "--max-num-seqs", "8", gpus=[{"card": "abc"}]),
    }
    for run, change in changes.items():
        factories.write(factories.records(6, run, **change), tmp_path / f"{run}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("repetitions", None, str(tmp_path / "w.duckdb")).select(pl.col("result_id").str.strip_prefix("run:"), "setup")
    of = dict(found.iter_rows())
    assert of["one"] == of["room"] == of["carded"] and len(set(of.values())) == len(changes) - 2
    keys = query.load("setups", None, str(tmp_path / "w.duckdb")).sort("result_id")
    assert keys.filter(pl.col("result_id") == "run:seeded")["request_seed"].item() == "true"
    assert dict(keys.select("result_id", "card").iter_rows())["run:carded"] == "abc" and set(keys["card"]) == {"", "abc"}
    options = keys["server_options"].to_list()  # broken, carded, eager, one, rate, room, seeded
    assert options[0] == "" and "--enforce-eager" in options[2] and {options[1], *options[3:]} == {'["m","--max-model-len","4096"]'}


def test_top_k_keeps_two_runs_from_being_alike(tmp_path: Path) -> None:
    """Null is what a source does not say, and counts as off."""
    for number, top_k in enumerate((0, None, 40)):
        rows = factories.records(4, f"run-{number}", task="chat" if number == 0 else "chat-concise", top_k=top_k, energy_j=10.0 + number)
        factories.write(rows, tmp_path / f"{number}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    sampling = query.load("setups", None, str(tmp_path / "w.duckdb"))["sampling"].unique().sort().to_list()
    plain = "temperature 0.7, top-p 1.0, repetition penalty 1.0"
    assert sampling == [plain, f"{plain}, top-k 40"]
    sides = {"contrast": "task", "a": "chat-concise", "b": "chat", "idle": "gross"}
    found = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **sides)
    assert found.select("pairs", "energy_a_j", "energy_b_j").rows() == [(4, 11.0, 10.0)]
