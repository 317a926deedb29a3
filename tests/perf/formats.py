"""How fast is each kind of file loaded, in rows a second of CPU, and what does a hostile one hold in memory?

    python -m tests.perf.formats [--rows 200000] [--folder FOLDER]

Files are made of the samples of `tests/data`: one line or one run of each is repeated, with another number. Every load is a process of its
own; CPU seconds are of user and system, so that other work on the machine changes them little, and hold the start of the process.
"""

import argparse
import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import factories, warehouses

DATA = warehouses.DATA
MB = 1_000_000


def vllm(folder: Path, rows: int) -> list[Path]:
    """One run of `vllm bench serve --save-detailed`."""
    run = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    longest = {
        name: (values * rows)[:rows] for name, values in run.items() if isinstance(values, list) and len(values) == len(run["ttfts"])
    }
    (folder / "vllm.json").write_text(json.dumps(run | longest | {"num_prompts": rows}))
    return [folder / "vllm.json"]


def aiperf(folder: Path, rows: int) -> list[Path]:
    """Lines of AIPerf, each of a session of its own."""
    line = json.loads((DATA / "aiperf" / "profile_export.jsonl").read_text().splitlines()[0])
    (folder / "profile_export_aiperf.json").write_bytes((DATA / "aiperf" / "profile_export_aiperf.json").read_bytes())
    with (folder / "profile_export.jsonl").open("w") as file:
        for number in range(rows):
            line["metadata"]["session_num"] = number
            file.write(json.dumps(line) + "\n")
    return [folder / "profile_export.jsonl"]


def mapped(folder: Path, rows: int) -> list[Path]:
    """A table of requests with a mapping."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("id", "out", "s", "j"))
    writer.writerows((f"q{number}", 20, 0.5, 31.5) for number in range(rows))
    (folder / "lab.csv").write_text(text.getvalue())
    (folder / "lab.yaml").write_text(
        "columns: {prompt_id: id, output_tokens: out, latency_s: s, energy_j: j}\n"
        "values: {model_id: a/b, task: chat, energy_source: meter, run_id: lab}\n"
    )
    return [folder / "lab.csv", Path("--map"), folder / "lab.yaml"]


def llama_bench(folder: Path, rows: int) -> list[Path]:
    """Tests of llama-bench, one a line."""
    test = json.loads((DATA / "llama_bench" / "lb.jsonl").read_text().splitlines()[0])
    with (folder / "lb.jsonl").open("w") as file:
        file.writelines(json.dumps(test | {"avg_ns": 1000 + number}) + "\n" for number in range(rows))
    return [folder / "lb.jsonl"]


def codecarbon(folder: Path, rows: int) -> list[Path]:
    """Runs of CodeCarbon, one a line."""
    header, line, *_ = (DATA / "codecarbon" / "emissions.csv").read_text().splitlines()
    place = header.split(",").index("run_id")
    cells = line.split(",")
    with (folder / "emissions.csv").open("w") as file:
        file.write(header + "\n")
        file.writelines(",".join([*cells[:place], f"run-{number}", *cells[place + 1 :]]) + "\n" for number in range(rows))
    return [folder / "emissions.csv"]


def pandas(folder: Path, rows: int) -> list[Path]:
    """Records of ours as pandas writes them: times without a zone, whole numbers as floats."""
    import polars as pl

    part = factories.records(1000, "pandas").with_columns(
        pl.col("input_tokens").cast(pl.Float64), pl.col("started_at").dt.replace_time_zone(None)
    )
    whole = pl.concat([part] * (rows // 1000)).with_columns(pl.int_range(pl.len()).cast(pl.String).alias("prompt_id"))
    return [factories.write(whole, folder / "pandas.parquet")]


def parts(folder: Path, rows: int) -> list[Path]:
    """5,000 files of one run."""
    size = max(1, rows // 5000)
    whole = factories.records(size * 5000, "parts")
    for number, part in enumerate(whole.iter_slices(size)):
        factories.write(part, folder / f"part-{number:05d}.parquet")
    return [folder]


def one_line(folder: Path, rows: int) -> list[Path]:
    """A CSV of one line of 400 MB."""
    with (folder / "line.csv").open("w") as file:
        file.writelines("a," * (MB // 2) for _ in range(400))
    return [folder / "line.csv"]


def many_cells(folder: Path, rows: int) -> list[Path]:
    """A JSON of 46 MB whose values are empty lists."""
    (folder / "lists.json").write_text('{"benchmarks": [' + ",".join(["[]"] * (46 * MB // 3)) + "]}")
    return [folder / "lists.json"]


def large(folder: Path, rows: int) -> list[Path]:
    """A result of vLLM of 46 MB, in one line."""
    return vllm(folder, 46 * MB // 40)


KINDS: dict[str, Callable[[Path, int], list[Path]]] = {
    function.__name__: function for function in (pandas, parts, vllm, aiperf, mapped, llama_bench, codecarbon, one_line, many_cells, large)
}


def load(paths: list[Path], warehouse: Path) -> tuple[int, float, float, float]:
    """Rows loaded, CPU seconds, seconds, and peak memory (GiB) of an ingest in a process of its own."""
    import time

    words = [sys.executable, "-m", "prompt_joules.ingest", *map(str, paths), "--warehouse", str(warehouse), "--quiet"]
    began = time.perf_counter()
    child = os.posix_spawn(sys.executable, words, os.environ)
    peak = 0.0
    while True:
        done, _, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        peak = max(peak, held(child))
        time.sleep(0.05)
    tables = ("requests", "published", "run_totals")
    counts = warehouses.rows(warehouse, f"select {' + '.join(f'(select count(*) from {table})' for table in tables)}").item()
    return counts, used.ru_utime + used.ru_stime, time.perf_counter() - began, peak


def held(process: int) -> float:
    """The most memory that a process held until now (GiB)."""
    from tests.perf.ingest import _held

    return _held(process)


def measured(rows: int, folder: Path, kinds: list[str]) -> Iterator[str]:
    """A line of the table for each kind of file."""
    for name in kinds:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            inside = Path(place) / "in"
            inside.mkdir()
            paths = KINDS[name](inside, rows)
            size = sum(file.stat().st_size for file in inside.rglob("*")) / MB
            found, cpu, seconds, peak = load(paths, Path(place) / "w.duckdb")
        meaning = str(KINDS[name].__doc__).split("\n")[0].rstrip(".")
        yield f"| {meaning} | {size:,.0f} | {found:,} | {cpu:.1f} | {found / cpu:,.0f} | {seconds:.1f} | {peak:.2f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    print(f"load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| file | MB | rows | CPU (s) | rows/s of CPU | s | peak GiB |\n|---|---|---|---|---|---|---|")
    for line in measured(options.rows, options.folder, options.kinds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
