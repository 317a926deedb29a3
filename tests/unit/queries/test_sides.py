"""Two sides compared: published means, pairs of prompts, and the units that a bootstrap draws from."""

import json
from datetime import timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pairs
from tests import factories, warehouses
from tests.unit.queries.made import Case, Cases, shown

CASES = Cases()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the cases of this file."""
    return CASES.loaded(tmp_path_factory.mktemp("sides"))


def test_published_sides(warehouse: str) -> None:
    assert query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="task", a="", b="").is_empty()
    rows = query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="gpu", a="A40", b="A100")
    figures = pl.read_csv(warehouses.SHIPPED / "published" / "mlenergy_v1" / "figures.csv").filter(pl.col("task") == "chat")
    a, b = (figures.filter(pl.col("gpu_model") == gpu) for gpu in ("A40", "A100"))
    expected = a.join(b, on="published_model_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series().sort()
    assert rows["change"].sort().to_list() == pytest.approx(expected.to_list())
    split = rows["length_effect_log"] + rows["token_effect_log"]
    assert split.to_list() == pytest.approx(rows["energy_effect_log"].to_list())


@CASES.of
def pairs_of_prompts() -> list[pl.DataFrame]:
    wordy = [factories.record("run-1", index) for index in range(40)]
    brief = [factories.record("run-2", index, task="chat-concise") for index in range(40)]
    older = [factories.record("run-0", index, started_at=factories.START - timedelta(days=1)) for index in range(40)]
    longer = [factories.record("run-3", index, task="chat-concise", max_new_tokens=900) for index in range(40)]
    wordy[0]["finish_reason"] = brief[1]["finish_reason"] = "length"
    wordy[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    wordy[3] = factories.failed("run-1", 3)
    return [factories.frame(rows) for rows in (wordy, brief, older, longer)]


@pytest.mark.parametrize("idle", factories.IDLE_W)
def test_pairs_of_prompts(apart: str, idle: str) -> None:
    wordy, brief, *_ = pairs_of_prompts.runs
    found = query.load("contrast_prompts", pairs_of_prompts.selection, apart, **OF_TASKS, idle=idle)
    idle_j = factories.IDLE_W[idle] * pl.col("latency_s")
    a, b = (rows.filter(pl.col("energy_j").is_not_null()).with_columns(pl.col("energy_j") - idle_j) for rows in (wordy, brief))
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


@CASES.of
def passes() -> list[pl.DataFrame]:
    at = {"started_at": factories.START}
    later = {"started_at": factories.START + timedelta(days=1)}
    return [
        factories.records(10, "a-1", pass_id="x", seed=1, **at),
        factories.records(10, "b-1", task="chat-concise", pass_id="y", seed=2, **at),
        factories.records(10, "a-2", pass_id="y", seed=2, **later),
        factories.records(10, "b-2", task="chat-concise", pass_id="x", seed=1, **later),
        factories.records(10, "a-3", **at),
        factories.records(10, "a-4", **later),
        factories.records(10, "b-3", task="chat-concise", **at),
    ]


def test_runs_of_one_pass_are_matched_and_the_others_newest_with_newest(apart: str) -> None:
    row = query.load("contrast_prompts", passes.selection, apart, **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 30, "a-3 has no partner"
    by_run = {str(rows["run_id"][0]).removeprefix("passes "): rows["energy_j"].to_list() for rows in passes.runs}
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


@CASES.of
def asked_often() -> list[pl.DataFrame]:
    """Two runs of all 12 prompts in which nothing changes, six of the first 4 alone, which cost half."""
    return [
        factories.frame(
            [
                factories.record(f"{task}-{turn}", index, task=task, pass_id=f"pass {turn}", energy_j=joules if index < 4 else 100.0)
                for index in range(count)
            ]
        )
        for turn, count in enumerate((12, 12, 4, 4, 4, 4, 4, 4))
        for task, joules in (("chat", 100.0), ("chat-concise", 50.0))
    ]


def test_a_prompt_counts_once_however_often_it_was_asked(apart: str) -> None:
    found = query.load("contrast_prompts", asked_often.selection, apart, **OF_TASKS, idle="gross")
    row = pairs.paired(found).row(0, named=True)
    assert (row["pairs"], row["energy_a_j"], row["energy_b_j"]) == (48, pytest.approx(100), pytest.approx((4 * 50 + 8 * 100) / 12))
    assert (row["change"], row["total_change"]) == (pytest.approx(-4 / 24), pytest.approx(-4 / 24))
    assert row["median_change"] == 0, "of eight prompts in twelve; 32 of 48 pairs cost half"
    weights = {run["turn"]: run["weight"] for run in found["runs"][0]}
    assert weights["pass 0"] == pytest.approx(4 / 8 + 8 / 2) and weights["pass 7"] == pytest.approx(4 / 8)


DIFFERENT: list[tuple[str, object]] = [
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
]


def unlike(column: str, value: object) -> list[pl.DataFrame]:
    """Two sides that are alike, and a newer run of one of them that is not."""
    newer = factories.START + timedelta(days=1)
    return [
        factories.records(8, "a-1"),
        factories.records(8, "b-1", task="chat-concise"),
        factories.records(8, "b-2", task="chat-concise", started_at=newer, **{column: value}),
    ]


UNLIKE = [CASES.add(f"unlike {place}", partial(unlike, *different)) for place, different in enumerate(DIFFERENT)]


@pytest.mark.parametrize("case", UNLIKE, ids=["-".join(map(str, different)) for different in DIFFERENT])
def test_sides_that_differ_in_more_than_what_is_asked_are_no_pair(apart: str, case: Case) -> None:
    row = query.load("contrast_prompts", case.selection, apart, **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 8
    expected = factories.records(8, "b-1", task="chat-concise")["energy_j"]
    assert sorted(pair["energy_b_j"] for pair in row["pair_list"]) == pytest.approx(expected.sort().to_list()), (
        "b-2 is newer, and not alike"
    )


ONE_SIDED = [("engine", "engine", ("eager", "compiled")), ("task", "task", ("chat", "chat-concise"))]


def one_sided(column: str, sides: tuple[str, str]) -> list[pl.DataFrame]:
    """A pass of each side."""
    return [factories.records(8, f"run-{place}", pass_id=f"pass {place}", **{column: side}) for place, side in enumerate(sides)]


ALONE = {kind: CASES.add(f"one-sided {kind}", partial(one_sided, column, sides)) for kind, column, sides in ONE_SIDED}


@pytest.mark.parametrize(("kind", "column", "sides"), ONE_SIDED)
def test_a_pass_of_one_side_alone_keeps_nobody_from_a_match(apart: str, kind: str, column: str, sides: tuple[str, str]) -> None:
    asked = {"contrast": kind, "a": sides[0], "b": sides[1], "idle": "gross"}
    row = query.load("contrast_prompts", ALONE[kind].selection, apart, **asked).row(0, named=True)
    assert row["pairs"] == 8
    assert ALONE[kind].runs[1][column].unique().to_list() == [sides[1]]
    assert [(run["turn"], run["is_pass"]) for run in row["runs"]] == [("newest 1", False)] * 2


@CASES.of
def lost() -> list[pl.DataFrame]:
    """Two passes, one of which has lost the energy of one side."""
    return [
        *(
            factories.records(8, run, task=task, pass_id=pass_id)
            for run, task, pass_id in (("a-1", "chat", "x"), ("b-1", "chat-concise", "x"), ("a-2", "chat", "y"))
        ),
        factories.records(8, "b-2", task="chat-concise", pass_id="y", energy_j=None, energy_reason="the counter was lost"),
    ]


def test_a_run_that_has_no_pair_is_no_run_of_the_contrast(apart: str) -> None:
    row = query.load("contrast_prompts", lost.selection, apart, **OF_TASKS, idle="gross").row(0, named=True)
    assert row["pairs"] == 8 and row["dropped"] == 8
    assert [(run["turn"], run["is_b"], run["weight"]) for run in row["runs"]] == [("x", False, 8), ("x", True, 8)]


@CASES.of
def divided() -> list[pl.DataFrame]:
    batch = {"batch_size": 4, "energy_attribution": "shared"}
    return [
        factories.frame([factories.record(run, index, task=task, window_id=index // 4, **batch) for index in range(20)])
        for run, task in (("run-1", "chat"), ("run-2", "chat-concise"))
    ]


def test_of_divided_energy_the_windows_are_listed(apart: str) -> None:
    row = query.load("contrast_prompts", divided.selection, apart, **OF_TASKS, idle="gross").row(0, named=True)
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


@CASES.of
def overlapping() -> list[pl.DataFrame]:
    return [
        factories.frame([factories.record(run, index, energy_j=float(index + 1), task=run) for index in prompts])
        for run, prompts in (("one", range(0, 40)), ("other", range(20, 60)))
    ]


def test_a_prompt_is_the_same_unit_in_every_run(apart: str) -> None:
    results = "\n".join(map(overlapping.result, ("one", "other")))
    units = query.load("units", overlapping.selection, apart, results=results, idle="gross", pooled=True)
    by_unit = {key: part["energy_j"].to_list() for (key,), part in units.group_by("unit")}
    assert len(by_unit) == 60 and sorted(len(energies) for energies in by_unit.values()) == [1] * 40 + [2] * 20
    assert all(len(set(energies)) == 1 for energies in by_unit.values()), "the same energy is the same prompt"


SIZES = {"z": 500, "a": 620}


@CASES.of
def many() -> list[pl.DataFrame]:
    return [
        factories.records(size, name, prompt_set=name, prompt_set_sha256=name * 64).with_columns(energy_j=pl.int_range(1.0, size + 1.0))
        for name, size in SIZES.items()
    ]


def test_many_prompts_are_dealt_into_units_in_the_order_of_their_sets_and_ids(apart: str) -> None:
    asked = {"results": "\n".join(map(many.result, SIZES)), "idle": "gross", "pooled": True}
    rows = pl.concat(
        pl.DataFrame(
            {
                "prompt_set": name,
                "prompt_id": rows["prompt_id"],
                "joules": pl.int_range(1.0, size + 1.0, eager=True),
            }
        )
        for (name, size), rows in zip(SIZES.items(), many.runs, strict=True)
    ).sort("prompt_set", "prompt_id")
    dealt = rows.with_columns(result_id=pl.format("run:many {}", "prompt_set"), unit=pl.int_range(pl.len()) % 1000)
    expected = dealt.group_by("result_id", "unit").agg(pl.col("joules").sum()).sort("result_id", "unit")
    for name, joules in (("units", "energy_j"), ("cost_units", "joules")):
        found = query.load(name, many.selection, apart, **asked).select("result_id", "unit", joules=joules)
        assert found.rows() == expected.rows(), name


@CASES.of
def repeated() -> list[pl.DataFrame]:
    runs: dict[str, dict[str, object]] = {"one": {}, "two": {"seed": 7}, "three": {"dtype": "bfloat16"}}
    places = [(times, index) for times in (0, 1) for index in range(30)]
    again = [factories.record("four", index, repetition=times, sequence=30 * times + index) for times, index in places]
    return [*(factories.records(30, run, **changes) for run, changes in runs.items()), factories.frame(again)]


def test_runs_that_repeat_each_other_are_units_of_one_result(apart: str) -> None:
    asked = {"results": repeated.result("one"), "idle": "gross"}
    together = query.load("units", repeated.selection, apart, pooled=True, **asked)
    assert together["run_number"].n_unique() == 3 and together["answers"].sum() == 120 and together["unit"].n_unique() == 30
    once = together.group_by("unit").agg(pl.col("prompts").sum())["prompts"]
    assert once.to_list() == pytest.approx([1.0] * 30), "every prompt counts once"
    assert together.group_by("unit").len()["len"].to_list() == [4] * 30, "one row for each run and repetition"
    alone = query.load("units", repeated.selection, apart, pooled=False, **asked)
    assert alone["run_number"].n_unique() == 1 and alone["prompts"].sum() == 30


@CASES.of
def windows() -> list[pl.DataFrame]:
    batch = {"batch_size": 4, "energy_attribution": "shared"}
    rows = [factories.record("run-1", index, window_id=index // 4, **batch) for index in range(20)]
    other = [factories.record("run-2", index, task="chat-concise", window_id=5 - index // 4, **batch) for index in range(20)]
    mixed = [factories.record("run-3", index, task="instruct", window_id=index % 5, **batch) for index in range(20)]
    return [factories.frame(run) for run in (rows, other, mixed)]


def test_a_window_is_the_unit_of_a_batch(apart: str) -> None:
    first, second, third = (windows.result(f"run-{number}") for number in (1, 2, 3))
    units = query.load("units", windows.selection, apart, results=f"{first}\n{second}\n{third}", idle="gross", pooled=True)
    assert units["shared"].all() and units["prompts"].to_list() == units["answers"].to_list() == [4] * 15
    of = {name: set(part["unit"]) for (name,), part in units.group_by("result_id")}
    assert of[first] == of[second], "windows of the same prompts, whatever their numbers"
    assert not of[first] & of[third]
    assert units.filter(pl.col("result_id") == first)["energy_j"].sum() == pytest.approx(windows.runs[0]["energy_j"].sum())


@CASES.of
def setups() -> list[pl.DataFrame]:
    changes: dict[str, dict[str, object]] = {
        "one": {},
        "seed": {"seed": 5},
        "later": {"started_at": factories.START + timedelta(days=3)},
        "card": {"environment": '{"gpus": [{"card": "abc"}]}'},
        "limited": {"environment": '{"gpus": [{"power_limit_w": 300.0}]}'},
    }
    others = {"dtype": "bfloat16", "task": "instruct", "num_gpus": 2, "max_new_tokens": 600, "temperature": 0.0, "batch_size": 2}
    changes |= {name: {name: value} for name, value in (others | {"engine_version": "9", "harness_version": "9"}).items()}
    return [factories.records(6, run, **change) for run, change in changes.items()]


def test_repetitions_share_a_setup_and_nothing_else_does(apart: str) -> None:
    found = setups.only(query.load("repetitions", None, apart))
    of = dict(found.select(setups.bare(), "setup").iter_rows())
    same = {run for run, setup in of.items() if setup == of["one"]}
    assert same == {"one", "seed", "later", "card"}
    assert len(set(of.values())) == len(setups.runs) - len(same) + 1
    assert found.filter(pl.col("card").is_not_null())["card"].to_list() == ["abc"]


def started(*options: str, **others: object) -> dict[str, object]:
    """A row's `environment` of a server that was started with these options."""
    return {"environment": json.dumps({"server_setup": {"options": [*options, "--max-model-len", "4096"]}} | others)}


@CASES.of
def options_of_servers() -> list[pl.DataFrame]:
    changes = {
        "one": started("m", "--seed", "0", "--max-num-seqs", "8"),
        "room": started("m", "--seed", "3", "--max-num-seqs", "128"),
        "seeded": started("m", "--seed", "0", "--max-num-seqs", "8", request_seed=True),
        "eager": started("m", "--seed", "0", "--max-num-seqs", "8", "--enforce-eager"),
        "rate": started("m", "--seed", "0", "--max-num-seqs", "8", request_rate=2.0),
        "broken": {"environment": "{"},
        "carded": started("m", "--seed", "0", "--max-num-seqs", "8", gpus=[{"card": "abc"}]),
    }
    return [factories.records(6, run, **change) for run, change in changes.items()]


def test_options_of_a_server_are_part_of_the_setup_and_its_seed_and_room_are_not(apart: str) -> None:
    case = options_of_servers
    of = dict(case.only(query.load("repetitions", None, apart)).select(case.bare(), "setup").iter_rows())
    assert of["one"] == of["room"] == of["carded"] and len(set(of.values())) == len(case.runs) - 2
    keys = query.load("setups", case.selection, apart).sort("result_id")
    assert keys.filter(pl.col("result_id") == case.result("seeded"))["request_seed"].item() == "true"
    assert dict(keys.select(case.bare(), "card").iter_rows())["carded"] == "abc" and set(keys["card"]) == {"", "abc"}
    options = keys["server_options"].to_list()  # broken, carded, eager, one, rate, room, seeded
    assert options[0] == "" and "--enforce-eager" in options[2] and {options[1], *options[3:]} == {'["m","--max-model-len","4096"]'}


@CASES.of
def top_k() -> list[pl.DataFrame]:
    """Null is what a source does not say, and counts as off."""
    tasks = ("chat", "chat-concise", "chat-concise")
    return [
        factories.records(4, f"run-{number}", task=task, top_k=most, energy_j=10.0 + number)
        for number, (task, most) in enumerate(zip(tasks, (0, None, 40), strict=True))
    ]


def test_top_k_keeps_two_runs_from_being_alike(apart: str) -> None:
    sampling = query.load("setups", top_k.selection, apart)["sampling"].unique().sort().to_list()
    plain = "temperature 0.7, top-p 1.0, repetition penalty 1.0"
    assert sampling == [plain, f"{plain}, top-k 40"]
    sides = {"contrast": "task", "a": "chat-concise", "b": "chat", "idle": "gross"}
    found = query.load("contrast_prompts", top_k.selection, apart, **sides)
    assert found.select("pairs", "energy_a_j", "energy_b_j").rows() == [(4, 11.0, 10.0)]
