"""The verdict of every row and run, with its reasons, and the energy balance behind it."""

import itertools
import json
from pathlib import Path

import pytest

from prompt_joules.ingest.formats.run_json import notes_of
from prompt_joules.warehouse import create
from tests import factories, warehouses


def test_verdicts_of_rows_and_runs(tmp_path: Path, warehouse: Path) -> None:
    rows = [factories.record("run-1", index) for index in range(22)]
    rows[0] |= {"finish_reason": "length"}
    rows[1] |= {"energy_error_j": rows[1]["energy_j"] * 0.11}
    rows[2] |= {"throttled": True}
    rows[3] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    rows.append(factories.failed("run-1", 22))
    factories.write(factories.frame(rows), tmp_path / "part.parquet")
    warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    verdicts = warehouses.rows(warehouse, "select valid, reasons from requests order by sequence").rows()
    assert verdicts[:5] == [
        (True, ["truncated"]),
        (True, ["not-resolved"]),
        (False, ["throttled"]),
        (True, ["no-energy"]),
        (True, []),
    ]
    assert verdicts[22] == (False, ["failed"])
    run = warehouses.rows(warehouse, "select * from runs").row(0, named=True)
    counts = [run[key] for key in ("prompts", "ok", "failed", "counted", "measured", "resolved", "truncated", "throttled")]
    assert counts == [23, 22, 1, 21, 20, 19, 1, 1]
    assert (run["valid"], run["reasons"]) == (True, ["failed"])


VLLM = {"engine": "vllm", "concurrency": 8, "harness_version": "2.1", "device": "server"}


# What is unusual about a run of 30 answers, whether it counts, and why it may not.
RUNS: list[tuple[dict[str, object], bool, list[str]]] = [
    ({"throttled": True}, False, ["no-valid-rows", "throttled", "too-few-prompts", "no-energy"]),
    ({"idle_power_w": None}, True, ["no-idle-power"]),
    ({"finish_reason": "length"}, True, ["truncated"]),
    ({"weights": "dummy"}, True, ["dummy-weights"]),
    ({"energy_error_j": 1e9}, True, ["not-resolved"]),
    ({"power_capped": True}, True, ["power-capped"]),
    ({"warm": False}, True, ["cold"]),
    ({"warm": True, "loop_share": 0.19, "neighbour_power_w": 116.0, "host_load": 0.5, "power_capped": False}, True, []),
    ({"loop_share": 0.2}, True, ["looped"]),
    ({"neighbour_power_w": 118.0}, True, ["beside-busy"]),
    ({"neighbour_power_w": 149.0, "idle_power_w": None}, True, ["no-idle-power"]),
    ({"neighbour_power_w": 151.0, "idle_power_w": None}, True, ["no-idle-power", "beside-busy"]),
    ({"host_load": 0.51}, True, ["beside-busy"]),
    ({"environment": '{"gpu_shared": true, "other_processes": 1}'}, True, ["other-process"]),
    ({"environment": '{"gpu_shared": false, "other_processes": 0}'}, True, []),
    ({"environment": '{"gpu_shared": true}', "device": "server"}, True, []),
    ({"other_processes": 1}, True, ["other-process"]),
    ({"other_processes": 0}, True, []),
    ({"other_processes": 2, "device": "server"}, True, []),
    (VLLM, True, ["seeded-requests"]),
    (VLLM | {"harness_version": "2.2"}, True, []),
    (VLLM | {"environment": '{"request_seed": false}'}, True, []),
    (VLLM | {"harness_version": "2.2", "environment": '{"request_seed": true}'}, True, ["seeded-requests"]),
    (VLLM | {"environment": "no JSON", "harness_version": "other-tool"}, True, []),
    (VLLM | {"concurrency": 1}, True, []),
    (VLLM | {"engine": "sglang"}, True, []),
    (
        {"energy_j": None, "energy_error_j": None, "energy_reason": "CPU", "energy_source": "none"},
        True,
        ["no-energy"],
    ),
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with each of them, in a file of its own."""
    folder = tmp_path_factory.mktemp("judged")
    for number, (changes, _, _) in enumerate(RUNS):
        factories.write(factories.records(30, f"run-{number}", **changes), folder / f"{number}.parquet")
    warehouses.ingest(folder, into=folder / "w.duckdb")
    return folder / "w.duckdb"


@pytest.mark.parametrize("number", range(len(RUNS)), ids=lambda number: f"{RUNS[number][0]}")
def test_verdict_of_a_run(judged: Path, number: int) -> None:
    found = warehouses.rows(judged, f"select valid, reasons from runs where run_id = 'run-{number}'").rows()
    assert found == [RUNS[number][1:]]


def test_every_reason_is_explained(warehouse: Path, results: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    codes = set(warehouses.rows(warehouse, "select code from reason_codes")["code"])
    verdicts = (create.HERE / "definitions" / "verdicts.sql").read_text().split("-- Whether a run counts")[0]
    given = {line.split("'")[-2] for line in verdicts.splitlines() if line.strip().startswith("case when") and "then '" in line}
    given = {code for code in given if "case when" not in code}
    assert given <= codes
    assert codes <= given
    guide = (warehouses.ROOT / "docs" / "verdicts.md").read_text()
    assert all(f"`{code}`" in guide for code in codes)


def test_balances_of_several_sessions_add_up() -> None:
    first = {"counter_j": 100.0, "windows_j": 80.0, "gaps_j": 21.0, "ratio": 1.01, "step_s": 0.1}
    second = {"counter_j": 300.0, "windows_j": 250.0, "gaps_j": 49.0, "ratio": 0.9967, "step_s": 0.2}
    content = {"run_id": "r", "fingerprint": "f", "finished": True, "sessions": [{"books": first}, {"books": second}]}
    notes = notes_of(content)
    assert (notes["balance_counter_j"], notes["balance_windows_j"], notes["balance_gaps_j"]) == (400.0, 330.0, 70.0)
    assert notes["balance_ratio"] == 1.0
    assert notes["counter_step_s"] == 0.2


def test_of_files_about_one_run_that_of_most_sessions_counts_in_any_order(tmp_path: Path) -> None:
    said = {"one": (1, True, "1"), "going on": (2, False, "2"), "done": (2, True, "3")}
    for name, (sessions, finished, fingerprint) in said.items():
        content = {"run_id": "r", "fingerprint": fingerprint, "finished": finished, "sessions": [{}] * sessions}
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    for place, order in enumerate(itertools.permutations(said)):
        warehouses.ingest(*(tmp_path / f"{name}.json" for name in order), into=tmp_path / f"{place}.duckdb")
    for name in ("done", "going on", "one"):
        warehouses.ingest(tmp_path / f"{name}.json", into=tmp_path / "apart.duckdb")
    for path in tmp_path.glob("*.duckdb"):
        assert warehouses.rows(path, "select fingerprint, finished from run_notes").rows() == [("3", True)], path.stem


@pytest.mark.parametrize("impossible", [-1e308, -0.5, 1e16, 10**400, float("nan"), float("inf"), True, "9"])
def test_a_number_that_no_book_can_have_is_null(impossible: object) -> None:
    balance = {"counter_j": 100.0, "windows_j": impossible, "gaps_j": 20.0, "ratio": impossible, "step_s": impossible}
    notes = notes_of({"run_id": "r", "fingerprint": "f", "finished": True, "sessions": [{"books": balance}]})
    assert [notes[name] for name in ("balance_windows_j", "balance_ratio", "counter_step_s")] == [None, None, None]
    assert (notes["balance_counter_j"], notes["balance_gaps_j"]) == (100.0, 20.0)


@pytest.mark.parametrize(("key", "value"), [("run_id", '"\\ud800"'), ("run_id", "7"), ("fingerprint", '"a\\udfff"'), ("finished", '"no"')])
def test_a_run_json_that_names_no_run_is_refused_in_our_words(tmp_path: Path, warehouse: Path, key: str, value: str) -> None:
    whole = {"run_id": '"r"', "fingerprint": '"f"', "finished": "true", "sessions": "[]"} | {key: value}
    (tmp_path / "run.json").write_text("{" + ", ".join(f'"{name}": {text}' for name, text in whole.items()) + "}", encoding="utf-8")
    assert warehouses.ingest(tmp_path / "run.json", into=warehouse).status == 1
    (reason,) = warehouses.rows(warehouse, "select reason from rejects")["reason"]
    assert "`run_id` and `fingerprint` must be text" in reason


def test_a_balance_without_a_counter_is_null() -> None:
    content = {"run_id": "r", "fingerprint": "f", "finished": False, "sessions": [{"books": {"counter_j": None}}, {}]}
    notes = notes_of(content)
    assert notes["balance_ratio"] is None
    assert notes["sessions"] == 2


def test_the_steady_state_of_a_server_is_summed_over_sessions_and_whole_or_nothing() -> None:
    def notes(*steady: object) -> tuple[object, object]:
        sessions = [{"books": {"ratio": 1.0, "server": {"steady_state": state}}} for state in steady]
        found = notes_of({"run_id": "r", "fingerprint": "f", "sessions": sessions})
        return found["steady_energy_j"], found["steady_output_tokens"]

    full = {"energy_j": 100.0, "output_tokens": 40.5, "reason": None}
    assert notes(full) == (100.0, 40.5)
    assert notes(full, full) == (200.0, 81.0)
    assert notes(full, {"energy_j": None, "output_tokens": None, "reason": "never full"}) == (None, None)
    assert notes(None) == (None, None)
