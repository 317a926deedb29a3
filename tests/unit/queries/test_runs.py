"""Runs, their windows, what is hidden, refused and loaded, and the reasons."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.unit.queries.made import EVERYTHING, Cases, made_rows, shown

CASES = Cases()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the cases of this file."""
    return CASES.loaded(tmp_path_factory.mktemp("runs"))


def test_hidden(warehouse: str) -> None:
    found = query.load("hidden", Selection(), warehouse)
    assert dict(found.iter_rows()) == {"run: balance": 40, "failed": 1, "throttled": 1}
    assert dict(query.load("hidden", EVERYTHING, warehouse).iter_rows()) == {"failed": 1}


def test_runs(warehouse: str) -> None:
    found = query.load("runs", EVERYTHING, warehouse)
    assert set(found["run_id"]) == {"run-a", "run-b", "run-c", "run-d"}
    made = made_rows().group_by("run_id").len()
    assert {(run, count) for run, count in made.iter_rows()} < set(found.select("run_id", "prompts").iter_rows())
    assert found.filter(~pl.col("valid"))["run_id"].to_list() == ["run-b"]
    errors = shown().filter(pl.col("run_id") == "run-a")["energy_error_j"]
    energies, calibration = shown().filter(pl.col("run_id") == "run-a", pl.col("energy_error_j").is_not_null())["energy_j"], 0.003
    edges = (errors**2).sum() - calibration**2 * (energies**2).sum()
    alone = (edges / errors.count() ** 2 + (calibration * energies.mean()) ** 2) ** 0.5
    assert found.filter(pl.col("run_id") == "run-a")["energy_error_j"].item() == pytest.approx(alone), "errors of windows partly cancel"


AT_ONCE = [(1, 1), (4, 1), (1, 8)]


def metered(size: int, concurrency: int) -> list[pl.DataFrame]:
    """A run whose meter was off by 2 % at the edges of each window, and by 0.3 % in all of it."""
    rows = [factories.record("run-1", index, batch_size=size, concurrency=concurrency, window_id=index // size) for index in range(40)]
    for row in rows:
        edge, common = 0.02 * row["energy_j"], 0.003
        row.update(energy_error_edge_j=edge, energy_error_calibration=common)
        row["energy_error_j"] = (edge**2 + (common * row["energy_j"]) ** 2) ** 0.5
        row["energy_attribution"] = "shared" if size * concurrency > 1 else "exclusive"
        row["window_id"] = 0 if concurrency > 1 else row["window_id"]
    return [factories.frame(rows)]


METERED = {at_once: CASES.add(f"metered {at_once}", partial(metered, *at_once)) for at_once in AT_ONCE}


@pytest.mark.parametrize(("size", "concurrency"), AT_ONCE)
def test_the_meter_is_off_in_two_parts(apart: str, size: int, concurrency: int) -> None:
    """What all answers have in common stays, what windows are off by themselves cancels; answers of one window share its error."""
    case = METERED[size, concurrency]
    found = query.load("leaderboard", case.selection, apart)["energy_error_j"].item()
    (rows,) = case.runs
    mean = rows["energy_j"].sum() / 40
    edges = (rows["energy_error_edge_j"] ** 2).sum() * (40 if concurrency > 1 else size)
    assert found == pytest.approx((edges / 1600 + (0.003 * mean) ** 2) ** 0.5)


def test_what_the_windows_of_a_run_went_through(warehouse: str) -> None:
    rows = made_rows().filter(pl.col("run_id") == "run-a")
    error = (rows["energy_error_j"] / rows["energy_j"]).drop_nulls()
    ends = (rows["gpu_temperature_c"].min(), rows["gpu_temperature_c"].max(), 100 * error.median(), 100 * error.max())
    found = query.load("run_windows", None, warehouse, run="run-a")
    assert found.row(0) == pytest.approx(ends)
    assert found.columns == ["temperature_low_c", "temperature_high_c", "error_median_percent", "error_most_percent"]
    assert query.load("run_windows", None, warehouse, run="no such run").is_empty()


def test_rejects_and_files(warehouse: str) -> None:
    rejects = query.load("rejects", None, warehouse)
    assert rejects.select("row", "column", "reason").rows() == [(1, "energy_j", "is negative")]
    files = query.load("ingested_files", None, warehouse)
    assert files.filter(pl.col("format") == "records")["accepted"].sum() == made_rows().height + 1
    assert files["sha256"].str.len_chars().unique().to_list() == [64]


def test_reason_codes(warehouse: str) -> None:
    codes = query.load("reason_codes", None, warehouse)
    assert {code for code, scope in codes.filter("invalidates").select("code", "scope").iter_rows() if scope == "run"} == {
        "no-valid-rows",
        "balance",
        "throttled",
    }


@CASES.of
def two_reasons() -> list[pl.DataFrame]:
    reasons, nothing = ["no counter", "a stuck counter"], {"energy_j": None, "energy_error_j": None}
    return [
        factories.frame([factories.record(f"run-{n}", place, energy_reason=reason, **nothing) for place, reason in enumerate(order)])
        for n, order in enumerate((reasons, reasons[::-1]))
    ]


def test_of_two_reasons_as_frequent_the_first_by_alphabet_is_shown(apart: str) -> None:
    found = warehouses.rows(Path(apart), "select energy_reason from runs where model_id = 'two_reasons'")
    assert found["energy_reason"].to_list() == ["a stuck counter"] * 2
