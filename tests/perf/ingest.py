"""How far is the ingest from what DuckDB can do, and the queries from a bare scan? All as ratios, in one run.

    python -m tests.perf.ingest [--rows 1000000] [--repeats 3] [--folder FOLDER]

Rows are made up (runs of 3,000 prompts, texts and 24 gaps each), written as one Parquet a run. Ours and the bare
`create table as select * from read_parquet` alternate, each into a new file on the same disk, and medians are compared.
The bare load checks nothing, hashes nothing and summarises nothing. A query is compared with a scan that only reads the
columns it needs. Peak memory is that of a process of its own.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest import build
from tests import factories
from warehouse import query, store
from warehouse.selection import Selection

RUN = 3000
SQL = Path(__file__).parent
METRIC = {"metric": "energy_j", "by": "model", "bins": 40, "log": True}
# What each question must read at least: a table and its columns.
NEEDS = {
    "distribution_bins": ("requests", ("run_id", "valid", "status", "energy_j")),
    "distribution_ecdf": ("requests", ("run_id", "valid", "status", "energy_j")),
    "distribution_percentiles": ("requests", ("run_id", "valid", "status", "energy_j")),
    "lorenz": ("requests", ("run_id", "valid", "status", "energy_j")),
    "hidden": ("requests", ("run_id", "valid", "status", "reasons")),
    "leaderboard": ("run_summary", ("run_id", "metric", "mean", "p50", "p90", "p95", "p99")),
    "options": ("runs", ("model_id", "gpu", "task", "engine", "batch_size", "weights")),
    "runs": ("runs", ("run_id", "valid", "reasons")),
}


def make(folder: Path, rows: int) -> list[Path]:
    """Write `rows` valid rows in runs of 3,000; the setup columns are those of the tests' factory."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    connection = duckdb.connect()
    connection.register("one", factories.records(1).to_arrow())
    for number in range(rows // RUN + (rows % RUN > 0)):
        path = folder / f"run-{number:05d}.parquet"
        if not path.exists():
            size = min(RUN, rows - number * RUN)
            sql = (SQL / "made_rows.sql").read_text()
            made = connection.sql(sql, params={"run": number, "size": size})
            made.write_parquet(str(path), compression="zstd")
        files.append(path)
    connection.close()
    return files


def seconds(work: Callable[[], object]) -> float:
    """Wall clock of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare(files: list[Path], target: Path) -> None:
    """The least that DuckDB must do: the same columns into a file, nothing else."""
    target.unlink(missing_ok=True)
    connection = duckdb.connect(target, config={"memory_limit": store.MEMORY_LIMIT})
    connection.execute("create table requests as select * from read_parquet($files)", {"files": [str(path) for path in files]})
    connection.execute("checkpoint")
    connection.close()


def ours(paths: list[Path], target: Path) -> None:
    """The ingest as the command line runs it."""
    report = build.ingest([str(path) for path in paths], str(target), rebuild=False, say=print, step=lambda *_: None)
    assert report.status == 0, [line for line in report.lines if line.state != "loaded"]


def load_ratio(folder: Path, files: list[Path], repeats: int) -> Path:
    """Print the load against the bare one; the warehouse of the last repeat."""
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for repeat in range(repeats):
        for name in ("ours", "bare") if repeat % 2 else ("bare", "ours"):
            target = folder / f"{name}.duckdb"
            target.unlink(missing_ok=True)
            work = bare if name == "bare" else ours
            times[name].append(seconds(lambda work=work, target=target: work(files, target)))  # type: ignore[misc]
    mine, least = statistics.median(times["ours"]), statistics.median(times["bare"])
    print(f"load: ours {mine:.2f} s, bare {least:.2f} s, ratio bare/ours {least / mine:.2f} (goal 0.5)")
    return folder / "ours.duckdb"


def add_one_run(folder: Path, warehouse: Path, repeats: int) -> None:
    """Print the time to add one run beside the time to copy the file."""
    adds, copies = [], []
    for repeat in range(repeats):
        more = make(folder / f"more-{repeat}", RUN)[0]
        connection = duckdb.connect()
        path = folder / f"more-{repeat}.parquet"
        connection.sql(
            "select * replace ('added-' || $n as run_id) from read_parquet($f)", params={"n": repeat, "f": str(more)}
        ).write_parquet(str(path))
        connection.close()
        copies.append(seconds(lambda: shutil.copyfile(warehouse, folder / "copy.duckdb")))
        adds.append(seconds(lambda path=path: ours([path], warehouse)))  # type: ignore[misc]
    added, copied = statistics.median(adds), statistics.median(copies)
    size = warehouse.stat().st_size / 2**20
    print(f"add one run of {RUN:,} rows: {added:.2f} s; copy of the {size:,.0f} MiB file: {copied:.2f} s; ratio {added / copied:.1f}")


def queries(warehouse: Path, repeats: int) -> None:
    """Print every named query's median beside the bare scan of what it needs."""
    everything = Selection(weights=(), only_valid=False)
    print(f"{'query':28}{'ms':>9}{'scan ms':>9}{'ratio':>7}")
    for name in query.names():
        if name == "prompts":
            continue
        table, columns = NEEDS.get(name, ("runs", ("run_id",)))
        mine, scans = [], []
        try:
            query.load(name, everything, str(warehouse), **METRIC)
        except query.MissingParameter as error:
            print(f"{name:28} not timed: {error}")
            continue
        for _ in range(repeats):
            mine.append(seconds(lambda name=name: query.load(name, everything, str(warehouse), **METRIC)))  # type: ignore[misc]
            scans.append(seconds(lambda table=table, columns=columns: scan(warehouse, table, columns)))  # type: ignore[misc]
        taken, least = 1000 * statistics.median(mine), 1000 * statistics.median(scans)
        print(f"{name:28}{taken:9.1f}{least:9.1f}{taken / least:7.1f}")


def scan(warehouse: Path, table: str, columns: tuple[str, ...]) -> None:
    """Attach and read every value of some columns, as a query of ours attaches and reads."""
    connection = store.connect(str(warehouse))
    parts = [duckdb.SQLExpression(f"max({column})") for column in columns]
    connection.table(table).aggregate(parts).fetchall()
    connection.close()


def peak_memory(files: list[Path], folder: Path) -> None:
    """Print the most memory that an ingest of all files holds, in a process of its own."""
    target = folder / "memory.duckdb"
    target.unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "-m", "ingest", str(files[0].parent), "--warehouse", str(target)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of the ingest: {peak:.2f} GiB (goal under 2 at 10 M rows)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="keep the made rows here for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        files = make(folder / f"rows-{options.rows}", options.rows)
        size = sum(path.stat().st_size for path in files) / 2**20
        print(f"{options.rows:,} rows in {len(files):,} files, {size:,.0f} MiB, {os.cpu_count()} cores")
        warehouse = load_ratio(folder, files, options.repeats)
        queries(warehouse, options.repeats)
        add_one_run(folder, warehouse, options.repeats)
        peak_memory(files, folder)


if __name__ == "__main__":
    main()
