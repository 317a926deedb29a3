"""How long do loading and questions take as rows grow, in a file and in a lake? The figures of docs/scale.md.

    python -m tests.perf.scale --rows 100000000 --folder FOLDER [--texts] [--lake] [--repeats 3] [--all | --write] [--loaded]

Rows are made up in runs of 3,000 prompts. With --texts they have texts and 24 gaps each, one file a run, as in `tests.perf.ingest`;
without, a file holds 333 runs, so that 100 million fit on a small disk. The ingest is a process of its own, whose peak memory is given.
With --lake (in the environment that `make lake` makes) the same rows go into a lake, too: a Postgres of its own and a data folder, both on
this machine. The load of the machine before each part is printed: absolute times mean little when it is not near 0.

With --all every named query is asked of the file, beside the bare scan of its columns (`tests.perf.queries`); --write puts that table into
docs/scale.md. With --loaded nothing is loaded: the file that an earlier turn left in the folder is asked.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from prompt_joules.warehouse import connect, query
from tests.lake.conftest import Postgres, running_postgres
from tests.perf import ingest, queries, table
from tests.perf.queries import EVERYTHING, METRIC, seconds

RUNS_A_FILE = 333
QUESTIONS: dict[str, dict[str, object]] = {
    "leaderboard": {},
    "distribution": METRIC,
    "distribution_bins": METRIC,
    "hidden": {},
    "options": {},
}


def load(folder: Path, warehouse: str) -> None:
    """Print the time and the peak memory of an ingest of a folder."""
    began = time.perf_counter()
    peak = ingest.most_memory(["-m", "ingest", str(folder), "--warehouse", warehouse])
    print(f"\n  load: {time.perf_counter() - began:.1f} s, peak memory {peak:.2f} GiB", flush=True)


def ask(warehouse: str, repeats: int) -> None:
    """Print the median time of each question."""
    for name, choice in QUESTIONS.items():
        times = [seconds(lambda name=name, choice=choice: query.load(name, EVERYTHING, warehouse, **choice)) for _ in range(repeats)]  # type: ignore[misc]
        print(f"  {name}: {statistics.median(times):.3f} s (first {times[0]:.3f})", flush=True)
    times = [seconds(lambda: connect.version(warehouse)) for _ in range(repeats)]
    print(f"  has it changed?: {statistics.median(times):.3f} s")


def ask_all(warehouse: Path, rows: int, repeats: int, write: bool) -> None:
    """Print every query beside its scan, and put the table into the document if that is wished."""
    timings = queries.measure(warehouse, repeats)
    if write:
        table.write(timings, table.conditions(warehouse, rows, repeats))


def measure(folder: Path, warehouse: str, size_of: Path, repeats: int) -> None:
    """Load and ask, and print."""
    print(f", load of the machine {os.getloadavg()[0]:.1f}", end="")
    load(folder, warehouse)
    print(f"  size: {size_in_mb(size_of):,.0f} MB", flush=True)
    ask(warehouse, repeats)


def size_in_mb(path: Path) -> float:
    """Bytes of a file, or of all files in a folder, in 1e6."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()) / 1e6


@contextmanager
def lake_in(folder: Path) -> Iterator[str]:
    """The address of an empty lake whose rows go into the folder."""
    with running_postgres() as postgres:
        postgres.run("create database lake")
        yield _address(postgres, folder)


def _address(postgres: Postgres, folder: Path) -> str:
    return f"ducklake:postgres:host={postgres.folder} port={postgres.port} user=lake dbname=lake?data_path={folder}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="keep the made rows and the warehouses here")
    parser.add_argument("--texts", action="store_true", help="rows with texts and gaps, one file a run")
    parser.add_argument("--lake", action="store_true", help="a lake beside the file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="every named query beside the bare scan of its columns")
    parser.add_argument("--loaded", action="store_true", help="ask the file that an earlier turn has left in the folder")
    parser.add_argument("--write", action="store_true", help="as --all, and put the table into docs/scale.md")
    options = parser.parse_args()
    folder = options.folder.absolute()
    warehouse = folder / "scale.duckdb"
    rows = folder / f"{'texts' if options.texts else 'slim'}-{options.rows}"
    if not options.loaded:
        files = ingest.make(rows, options.rows, runs_a_file=1 if options.texts else RUNS_A_FILE, texts=options.texts)
        print(
            f"{options.rows:,} rows in {len(files):,} files, {size_in_mb(rows):,.0f} MB; DuckDB {duckdb.__version__}, {os.cpu_count()} CPUs"
        )
        print("file", end="")
        warehouse.unlink(missing_ok=True)
        measure(rows, str(warehouse), warehouse, options.repeats)
    if options.all or options.write:
        ask_all(warehouse, options.rows, options.repeats, options.write)
    if options.lake:
        print("lake", end="")
        with lake_in(folder / "lake") as address:
            measure(rows, address, folder / "lake", options.repeats)


if __name__ == "__main__":
    main()
