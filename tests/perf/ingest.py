"""How far is the ingest from what DuckDB can do, and the queries from a bare scan? All as ratios, in one run.

    python -m tests.perf.ingest [--rows 1000000] [--repeats 3] [--folder FOLDER]

Rows are made up (runs of 3,000 prompts, texts and 24 gaps each), written as one Parquet a run. Ours and the bare
`create table as select * from read_parquet` alternate, each into a new file on the same disk, and medians are compared.
The bare load checks nothing, hashes nothing and summarises nothing. Every named query is compared with a scan that only
reads the columns it needs (tests/perf/queries.py). Peak memory is that of a process of its own.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from prompt_joules.ingest import loading
from prompt_joules.warehouse import connect
from tests import factories
from tests.perf import queries
from tests.perf.queries import seconds

RUN = 3000
SQL = Path(__file__).parent


def make(folder: Path, rows: int, runs_a_file: int = 1, texts: bool = True) -> list[Path]:
    """Write `rows` valid rows in runs of 3,000; the setup columns are those of the tests' factory. Files that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    connection = duckdb.connect(config={"memory_limit": connect.MEMORY_LIMIT})
    connection.register("one", factories.records(1).to_arrow())
    sql = (SQL / "made_rows.sql").read_text()
    runs = -(-rows // RUN)
    for first in range(0, runs, runs_a_file):
        path = folder / f"run-{first:06d}.parquet"
        if not path.exists():
            last = min(first + runs_a_file, runs) - 1
            asked = {"first": first, "last": last, "size": RUN, "rows": rows, "texts": texts}
            connection.sql(sql, params=asked).write_parquet(str(path), compression="zstd")
        files.append(path)
    connection.close()
    return files


def bare(files: list[Path], target: Path) -> None:
    """The least that DuckDB must do: the same columns into a file, nothing else."""
    target.unlink(missing_ok=True)
    connection = duckdb.connect(target, config={"memory_limit": connect.MEMORY_LIMIT})
    connection.execute("create table requests as select * from read_parquet($files)", {"files": [str(path) for path in files]})
    connection.execute("checkpoint")
    connection.close()


def ours(paths: list[Path], target: Path) -> None:
    """The ingest as the command line runs it."""
    report = loading.ingest([str(path) for path in paths], str(target), say=print)
    assert report.status == 0, [line for line in report.lines if line.state != "loaded"]


def load_ratio(folder: Path, files: list[Path], repeats: int) -> Path:
    """Print the load against the bare one, by the clock and in CPU s of all threads, which other work moves little.

    The aim is that ours takes at most twice the CPU of the bare load. Returns the warehouse of the last repeat.
    """
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    cpu: dict[str, list[float]] = {"ours": [], "bare": []}
    for repeat in range(repeats):
        for name in ("ours", "bare") if repeat % 2 else ("bare", "ours"):
            target = folder / f"{name}.duckdb"
            target.unlink(missing_ok=True)
            work = bare if name == "bare" else ours
            before = time.process_time()
            times[name].append(seconds(lambda work=work, target=target: work(files, target)))  # type: ignore[misc]
            cpu[name].append(time.process_time() - before)
    for what, taken in (("s", times), ("CPU s", cpu)):
        mine, least = statistics.median(taken["ours"]), statistics.median(taken["bare"])
        print(f"load: ours {mine:.2f} {what}, bare {least:.2f} {what}, {mine / least:.2f} times (aim: at most 2, in CPU)")
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


def peak_memory(files: list[Path], folder: Path) -> None:
    """Print the most memory that an ingest of all files holds, in a process of its own."""
    target = folder / "memory.duckdb"
    target.unlink(missing_ok=True)
    peak = most_memory(["-m", "ingest", str(files[0].parent), "--warehouse", str(target)])
    print(f"peak memory of the ingest: {peak:.2f} GiB (goal under 2 at 10 M rows)")


def most_memory(arguments: list[str]) -> float:
    """Run Python; the most memory (GiB) that it held. What the system says of a child at its end is at least what its parent held."""
    peak = 0.0
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as process:
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            time.sleep(0.2)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return peak


def _held(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 2**20 for line in status.splitlines() if line.startswith("VmHWM")), default=0.0)


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
        queries.measure(warehouse, options.repeats)
        add_one_run(folder, warehouse, options.repeats)
        peak_memory(files, folder)


if __name__ == "__main__":
    main()
