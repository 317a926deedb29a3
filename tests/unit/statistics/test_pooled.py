"""Runs of one setup as one result."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse import connect, query
from prompt_joules.warehouse.energy_shown import EVERY, Measure, joined
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import comparison, intervals, pooled
from prompt_joules.warehouse.statistics import runs as luck
from tests import factories, warehouses

ASKED = {"per": "response", "idle": "gross"}


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one setup with seeds of their own, one of another task, one of a batch."""
    folder = tmp_path_factory.mktemp("pooled")
    runs = {f"run-{seed}": factories.records(60 + seed, f"run-{seed}", seed=seed, energy_error_j=0.1) for seed in range(3)}
    runs = {name: rows.with_columns(pl.col("energy_j") * (1 + place / 10)) for place, (name, rows) in enumerate(runs.items())}
    runs["other"] = factories.records(4, "other", task="instruct")
    shared = {"energy_attribution": "shared", "batch_size": 8, "window_id": 0}
    runs["batch"] = factories.records(8, "batch", task="chat-concise", **shared)
    for name, rows in runs.items():
        factories.write(rows, folder / name / "part-0.parquet")
    path = folder / "w.duckdb"
    assert warehouses.ingest(folder, into=path).status == 0
    return path


@cache
def _asked(path: str, version: connect.Version, name: str, selection: Selection | None, given: tuple[tuple[str, Any], ...]) -> pl.DataFrame:
    return query.load(name, selection, path, **dict(given))


def ask(name: str, selection: Selection | None, path: Path, **given: Any) -> pl.DataFrame:
    """What a question gives. The same question to the same version of a file is asked once: 75 measures ask most of theirs alike."""
    return _asked(str(path), connect.version_now(str(path)), name, selection, tuple(sorted(given.items())))


@cache
def _chat(path: Path, version: connect.Version) -> pl.DataFrame:
    return warehouses.rows(path, "from requests where task = 'chat'")


def chat(path: Path) -> pl.DataFrame:
    """All answers of one task."""
    return _chat(path, connect.version_now(str(path)))


def results(path: Path) -> pl.DataFrame:
    return ask("leaderboard", None, path)


def test_runs_of_one_setup_are_one_row(three_runs: Path) -> None:
    rows = results(three_runs)
    found = pooled.pooled(rows)
    assert (rows.height, found.height) == (5, 3)
    assert found.columns == [*rows.columns, "runs", "between_runs"]
    assert found.drop("runs", "between_runs").schema == rows.schema
    assert pooled.pooled(found).equals(found), "once is enough"
    (row,) = found.filter(task="chat").iter_rows(named=True)
    every = chat(three_runs)
    assert (row["prompts"], row["runs"]) == (every.height, 3)
    assert row["energy_j"] == pytest.approx(every["energy_j"].mean()), "without the sums of `evened` every answer counts once"
    assert row["output_tokens"] == pytest.approx(every["output_tokens"].mean())
    assert row["energy_per_token_j"] == pytest.approx(every["energy_j"].sum() / every["output_tokens"].sum())
    each = every.group_by("run_id").agg((pl.col("energy_j").sum() / pl.col("output_tokens").sum()).log().alias("ln"))["ln"]
    assert row["between_runs"] == pytest.approx(each.std())
    one = found.filter(task="instruct").row(0, named=True)
    assert (one["runs"], one["between_runs"]) == (1, None)
    assert one["energy_j"] == rows.filter(task="instruct")["energy_j"].item(), "a run by itself stays as it is"


def asked_with_parts(path: Path, measure: Measure) -> pl.DataFrame:
    """The rows that a page pools, by any mean energy."""
    rows, energies = results(path), ask("energies", None, path, **measure.parameters())
    if not measure.is_kept:
        rows = joined(rows, energies, measure)
    rows = rows.join(energies.select("result_id", pl.col("parts").alias(pooled.PARTS)), on="result_id", how="left", maintain_order="left")
    return rows.join(ask("evened", None, path), on="result_id", how="left", maintain_order="left")


@pytest.mark.parametrize("measure", [measure for measure in EVERY if measure.statistic == "mean"], ids=lambda measure: measure.words)
def test_a_prompt_counts_once_on_every_page(three_runs: Path, measure: Measure) -> None:
    """The first 60 prompts were asked three times, the others once or twice: a mean of answers would be one of other prompts."""
    asked = {"results": "run:run-0", "idle": measure.idle, "pooled": True}
    (row,) = pooled.pooled(asked_with_parts(three_runs, measure)).filter(task="chat").iter_rows(named=True)
    named = pl.DataFrame([{"result_id": "run:run-0", measure.key: row[measure.key]}])
    compared = comparison.compared(named, ask("units", None, three_runs, **asked), measure).row(0, named=True)
    every = chat(three_runs).with_columns(
        joules=pl.col("energy_j") - factories.IDLE_W[measure.idle] * pl.col("latency_s"),
        total_tokens=pl.col("input_tokens") + pl.col("output_tokens"),
        prompts=1.0,
    )
    below = comparison.DENOMINATORS[measure.per]
    each = every.group_by("prompt_id").agg(pl.col("joules", below).mean())
    expected = each["joules"].sum() / each[below].sum()
    assert every["joules"].sum() / every[below].sum() != pytest.approx(expected, rel=1e-4)
    assert (row[measure.key], compared["value"]) == (pytest.approx(expected), pytest.approx(expected))


def test_home_has_the_same_means(three_runs: Path) -> None:
    (row,) = pooled.pooled(asked_with_parts(three_runs, Measure())).filter(task="chat").iter_rows(named=True)
    home = ask("answers", None, three_runs).filter(task="chat").row(0, named=True)
    each = chat(three_runs).group_by("prompt_id").agg(pl.col("energy_j", "output_tokens", "latency_s", "ttft_s").mean())
    assert (home["answer_j"], home["output_tokens"]) == (pytest.approx(row["energy_j"]), pytest.approx(row["output_tokens"]))
    assert home["energy_per_token_j"] == pytest.approx(row["energy_per_token_j"])
    for name in ("output_tokens", "latency_s", "ttft_s"):
        assert row[name] == pytest.approx(each[name].mean())
    assert row["throughput_tps"] == pytest.approx(each["output_tokens"].sum() / each["latency_s"].sum())
    assert row["power_w"] == pytest.approx(each["energy_j"].sum() / each["latency_s"].sum())


def weighed(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """A percentile of values that count differently, by itself: numpy's where they count alike."""
    order = np.lexsort((weights, values))
    places = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(places[0] + level * (places[-1] - places[0]), places, values[order]))


def with_percentiles(path: Path, measure: Measure, selection: Selection | None = None) -> pl.DataFrame:
    """The rows that a page pools, by any percentile."""
    rows = ask("leaderboard", selection, path)
    if not measure.is_kept:
        rows = joined(rows, ask("energies", selection, path, **measure.parameters()), measure)
    kept = ask("setup_percentiles", selection, path, per=measure.per, idle=measure.idle)
    return pooled.with_percentiles(rows, kept, measure)


@pytest.mark.parametrize("measure", [measure for measure in EVERY if measure.statistic != "mean"], ids=lambda measure: measure.words)
def test_percentiles_are_of_all_answers_with_every_prompt_once_on_every_page(three_runs: Path, measure: Measure) -> None:
    asked = with_percentiles(three_runs, measure)
    (row,) = pooled.pooled(asked).filter(task="chat").iter_rows(named=True)
    every = chat(three_runs).with_columns(
        joules=pl.col("energy_j") - factories.IDLE_W[measure.idle] * pl.col("latency_s"),
        total_tokens=pl.col("input_tokens") + pl.col("output_tokens"),
        prompts=1.0,
        weight=1 / pl.len().over("prompt_id"),
    )
    each = (every["joules"] / every[comparison.DENOMINATORS[measure.per]]).to_numpy()
    expected = weighed(each, every["weight"].to_numpy(), comparison.LEVELS[measure.statistic])
    assert expected != pytest.approx(np.quantile(each, comparison.LEVELS[measure.statistic]), rel=1e-7)
    named = pooled.of_whole_setups(asked).filter(task="chat").head(1)
    units = ask("units", None, three_runs, results=named["result_id"].item(), idle=measure.idle, pooled=True)
    compared = comparison.compared(named, units, measure)["value"].item()
    dealt = comparison.compared(named, units.with_columns(answers=2), measure)["value"].item()
    assert (row[measure.key], compared, dealt) == (pytest.approx(expected),) * 3


def test_a_percentile_of_several_runs_is_not_made_of_theirs(three_runs: Path) -> None:
    asked = with_percentiles(three_runs, Measure("p95"))
    bare = asked.select(name for name in asked.columns if not name.startswith(pooled.OF_SETUP))
    found = pooled.pooled(bare)
    assert found.filter(task="chat")["energy_p95_j"].to_list() == [None]
    alone = bare.filter(task="instruct")["energy_p95_j"].item()
    assert (
        found.filter(task="instruct")["energy_p95_j"].item() == alone == pooled.pooled(asked).filter(task="instruct")["energy_p95_j"].item()
    )


def test_percentiles_of_a_setup_follow_its_runs(tmp_path: Path) -> None:
    """One answer a prompt: each counts alike; runs that do not count are in it where they are shown; batches count by their answers."""
    into = tmp_path / "w.duckdb"
    batch = {"energy_attribution": "shared", "batch_size": 8, "window_id": 0}
    for seed in range(3):
        rows = factories.records(40, f"run-{seed}", seed=seed).with_columns(pl.col("energy_j") * (1 + seed / 10))
        rows = rows.with_columns(throttled=pl.lit(True)) if seed == 2 else rows
        factories.write(rows, tmp_path / f"run-{seed}" / "part-0.parquet")
        divided = factories.records(8 + seed, f"batch-{seed}", seed=seed, task="instruct", **batch)
        factories.write(divided, tmp_path / f"batch-{seed}" / "part-0.parquet")
    assert warehouses.ingest(tmp_path, into=into).status == 0
    valid = warehouses.rows(into, "select run_id, valid from runs where run_id like 'run-%' order by run_id")["valid"].to_list()
    assert valid == [True, True, False]
    every = warehouses.rows(into, "select run_id, energy_j from requests where valid")

    def p95(selection: Selection, task: str) -> float:
        found: float = pooled.pooled(with_percentiles(into, Measure("p95"), selection)).filter(task=task)["energy_p95_j"].item()
        return found

    def of(names: str) -> float:
        return float(np.quantile(every.filter(pl.col("run_id").str.contains(names))["energy_j"].to_numpy(), 0.95))

    assert p95(Selection(), "chat") == pytest.approx(of("run-[01]"))
    assert p95(Selection(only_valid=False), "chat") == pytest.approx(of("run-"))
    assert p95(Selection(), "instruct") == pytest.approx(of("batch-"))
    spread = pooled.spreads(ask("spreads", None, into, **ASKED)).filter(pl.col("answers") == 80)["spread"].item()
    assert spread[5] == pytest.approx(of("run-[01]")), "the spread is of the runs that count"
    factories.write(factories.records(2, "run-1", seed=1), tmp_path / "run-1" / "part-0.parquet")
    assert warehouses.ingest(tmp_path / "run-1", into=into).status == 0
    whole = tmp_path / "at-once.duckdb"
    assert warehouses.ingest(tmp_path, into=whole).status == 0
    kept = "from setup_summary order by all"
    assert warehouses.rows(into, kept).equals(warehouses.rows(whole, kept))


def test_what_every_prompt_counts_follows_the_files(tmp_path: Path) -> None:
    """A run that comes or goes changes the weights of the others of its setup; setups that asked evenly have none."""
    into = tmp_path / "w.duckdb"
    for seed, count in enumerate((4, 4, 6)):
        factories.write(factories.records(count, f"run-{seed}", seed=seed), tmp_path / f"run-{seed}" / "part-0.parquet")
    kept = "from evened order by run_id"
    warehouses.ingest(tmp_path / "run-0", tmp_path / "run-1", into=into)
    assert warehouses.rows(into, kept).is_empty()
    warehouses.ingest(tmp_path / "run-2", into=into)
    found = warehouses.rows(into, kept)
    assert found["run_id"].to_list() == ["run-0", "run-1", "run-2"]
    per_prompt = 14 / 6
    assert found["answers"].to_list() == pytest.approx([4 * per_prompt / 3, 4 * per_prompt / 3, 4 * per_prompt / 3 + 2 * per_prompt])
    whole = warehouses.ingest(tmp_path, into=tmp_path / "at-once.duckdb")
    assert whole.status == 0 and warehouses.rows(tmp_path / "at-once.duckdb", kept).equals(found)
    factories.write(factories.records(4, "run-2", seed=2), tmp_path / "run-2" / "part-0.parquet")
    warehouses.ingest(tmp_path / "run-2", into=into)
    assert warehouses.rows(into, kept).is_empty(), "the run was replaced by one of the same prompts"


def test_what_was_published_stays_as_it_is(shipped_warehouse: Path) -> None:
    rows = query.load("leaderboard", Selection(sources=("ML.ENERGY v1",)), str(shipped_warehouse))
    found = pooled.pooled(rows)
    assert found.drop("runs", "between_runs").equals(rows)
    assert found["runs"].null_count() == found.height


def test_the_spread_is_that_of_all_answers(three_runs: Path) -> None:
    found = pooled.spreads(ask("spreads", None, three_runs, **ASKED))
    every = chat(three_runs)["energy_j"]
    (row,) = found.filter(pl.col("answers_per_prompt") == 3).iter_rows(named=True)
    assert row["answers"] == len(every)
    assert (row["mean"], row["stddev"]) == (pytest.approx(every.mean()), pytest.approx(every.std()))
    each = chat(three_runs).with_columns(weight=1 / pl.len().over("prompt_id"))
    levels = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
    expected = [weighed(each["energy_j"].to_numpy(), each["weight"].to_numpy(), level) for level in levels]
    assert row["spread"] == pytest.approx(expected) and row["spread"] == sorted(row["spread"])


def test_the_interval_counts_a_prompt_once_and_adds_the_runs(three_runs: Path) -> None:
    repetitions = ask("repetitions", None, three_runs)
    spreads = pooled.spreads(ask("spreads", None, three_runs, **ASKED))
    found = pooled.with_intervals(pooled.pooled(results(three_runs)), spreads, "energy_j", repetitions)
    (row,) = found.filter(task="chat").iter_rows(named=True)
    every = chat(three_runs)["energy_j"].to_numpy()
    prompts = len(every) // 3
    varies = float(np.std(every, ddof=1)) / every.mean()
    of_prompts = intervals.student(prompts / (1 + varies**2) - 1) * varies / math.sqrt(prompts)
    half = math.log(row["value_high"] / row["energy_j"])
    assert half == pytest.approx(math.log(row["energy_j"] / row["value_low"]))
    each = chat(three_runs).group_by("prompt_id").agg(pl.col("energy_j").mean())["energy_j"]
    (kept,) = spreads.filter(answers_per_prompt=3).iter_rows(named=True)
    assert (kept["asked_prompts"], kept["prompt_stddev"]) == (62, pytest.approx(each.std())), "some were asked once or twice"
    uneven = float(kept["prompt_stddev"]) / row["energy_j"]
    within = intervals.student(62 / (1 + uneven**2) - 1) * uneven / math.sqrt(62)
    (own,) = pooled._of_runs(repetitions).filter(setup=row["setup"])["logs"].to_list()
    added = luck.of_mean([luck.Run(**run) for run in own], luck.known(repetitions))
    assert added is not None and half == pytest.approx(math.hypot(within, added.reach, 0.003))
    assert half > of_prompts, "the spread between runs comes on top"
    for task in ("instruct", "chat-concise"):
        row = found.filter(task=task).row(0, named=True)
        assert (row["value_low"], row["value_high"]) == (None, None), "four prompts, or energy that was divided, have none"
        assert (row["token_low_j"], row["token_high_j"]) == (None, None), "four prompts, or one window"


def token_error(alone: pl.DataFrame) -> float:
    """The standard error of ln(J/token) over prompts, or windows, by itself."""
    energy, tokens = alone["energy_j"].to_numpy(), alone["output_tokens"].to_numpy().astype(float)
    x, y = energy / energy.sum(), tokens / tokens.sum()
    return float(np.sqrt(len(x) / (len(x) - 1) * ((x - y) ** 2 * (1 + x + y)).sum()))


def test_joules_per_token_have_an_interval_over_prompts_and_runs(three_runs: Path) -> None:
    repetitions = ask("repetitions", None, three_runs)
    spreads = pooled.spreads(ask("spreads", None, three_runs, **ASKED))
    found = pooled.with_intervals(pooled.pooled(results(three_runs)), spreads, "energy_j", repetitions)
    (row,) = found.filter(task="chat").iter_rows(named=True)
    parts = [part for _, part in chat(three_runs).group_by("run_id")]
    logs = [(math.log(part["energy_j"].sum() / part["output_tokens"].sum()), part.height) for part in parts]
    within = intervals.student(min(part.height for part in parts) - 1) * sum(map(token_error, parts)) / 3
    added = luck.of_mean([luck.Run(ln, weight=count) for ln, count in logs], luck.known(repetitions))
    assert added is not None
    half = math.hypot(within, added.reach, 0.003)
    assert row["token_low_j"] == pytest.approx(row["energy_per_token_j"] * math.exp(-half))
    assert row["token_high_j"] == pytest.approx(row["energy_per_token_j"] * math.exp(half))


def test_the_error_within_a_run_is_kept_of_every_shipped_run(shipped_warehouse: Path) -> None:
    kept = warehouses.rows(shipped_warehouse, "select run_number, energy_attribution, token_units, token_log_error from runs")
    every = warehouses.rows(shipped_warehouse, "from requests where valid and energy_j is not null")
    counted = few = 0
    for row in kept.iter_rows(named=True):
        own = every.filter(run_number=row["run_number"])
        alone = own.group_by("window_id").agg(pl.col("energy_j", "output_tokens").sum()) if row["energy_attribution"] == "shared" else own
        assert (row["token_units"] or 0) == alone.height, row
        energies = alone["energy_j"].to_numpy().astype(float)
        sums = intervals.Sums(energies, np.ones(len(energies)), windows=row["energy_attribution"] == "shared")
        is_known = alone.height > 1 and (sums.windows or sums.is_enough)
        assert (row["token_log_error"] is not None) == is_known, row
        few += alone.height >= intervals.FEWEST_UNITS and not is_known
        if is_known:
            assert row["token_log_error"] == pytest.approx(token_error(alone), rel=1e-6), row
            counted += 1
    assert counted > 80 and few, "some shipped runs have too few answers for so unequal energies"


def test_answers_to_one_prompt_count_once(tmp_path: Path) -> None:
    once = factories.records(60, "once")
    thrice = pl.concat(
        once.with_columns(run_id=pl.lit("thrice"), repetition=pl.lit(place), sequence=pl.col("sequence") + 60 * place) for place in range(3)
    )
    for name, rows in (("once", once), ("thrice", thrice.cast(once.schema))):
        factories.write(rows, tmp_path / name / "part-0.parquet")
    assert warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb").status == 0
    kept = warehouses.rows(tmp_path / "w.duckdb", "select answers_per_prompt, token_units, token_log_error from runs order by run_id")
    assert kept["answers_per_prompt"].to_list() == [1, 3]
    assert kept["token_units"].to_list() == [60, 60]
    small = math.sqrt(180 / 179 / (60 / 59))
    assert kept["token_log_error"][1] == pytest.approx(kept["token_log_error"][0] * small), "the same answers three times say no more"
