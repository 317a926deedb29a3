"""Made-up input of four kinds, by a seed: formulas, SQL, links and files. `make fuzz` runs 118,000 cases; a part of them is in the suite.

    python -m tests.attack.fuzz --cases 100000 --seed 1
    python -m tests.attack.fuzz --cases 100000 --seed 1 --only file

A case that fails is printed with its kind, seed and number: `run(kind, seed, range(number, number + 1), …)` makes it again.
"""

import argparse
import collections
import contextlib
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs

import duckdb
import polars as pl

from prompt_joules.ingest import reading
from prompt_joules.pages.ui import filters, site
from prompt_joules.warehouse import connect, query, visitor_formula, visitor_sql_allowed
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.attack.made_up import dice, formula, link, mutated, odd_values, spoilt, statement

ROWS = pl.DataFrame({"energy_j": [100.0, 0.0, None, -1.5, 1e300], "prompts": [4, 9, 16, 0, 2**60], "name": ["a", "b", None, "", "=1"]})


@contextlib.contextmanager
def told(kind: str, seed: int, number: int) -> Iterator[None]:
    """Say which case it was when one fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"fuzz: kind {kind}, seed {seed}, case {number}")
        raise


def try_formulas(seed: int, numbers: Sequence[int], outcomes: collections.Counter[str]) -> None:
    """A formula gives finite numbers or null, or says why not."""
    for number in numbers:
        text = formula(dice("formula", seed, number))
        with told("formula", seed, number):
            try:
                found = ROWS.select(visitor_formula.parse(text, ["energy_j", "prompts"]).alias("x"))["x"]
            except visitor_formula.WrongFormula:
                outcomes["formula refused"] += 1
                continue
            assert found.dtype == pl.Float64 and all(value is None or math.isfinite(value) for value in found.to_list())
            outcomes["formula answered"] += 1


def try_sql(seed: int, numbers: Sequence[int], outcomes: collections.Counter[str], warehouse: Path) -> None:
    """A statement is refused or looked through whole; one with poison in it is refused."""
    connection = connect.once(str(warehouse))
    known = visitor_sql_allowed.names(connection)
    for number in numbers:
        chance = dice("sql", seed, number)
        poison = chance.random() < 0.5
        text = statement(chance, poison)
        changed = chance.random() < 0.4
        text = mutated(text, chance) if changed else text
        with told("sql", seed, number):
            try:
                visitor_sql_allowed.check(visitor_sql_allowed.tree(connection, text), known)
            except (visitor_sql_allowed.RefusedSql, duckdb.Error):
                outcomes["sql refused"] += 1
                assert poison or changed, f"refused though harmless: {text}"
                continue
            assert changed or not poison, f"accepted though not: {text}"
            outcomes["sql accepted"] += 1
    connection.close()


def try_links(seed: int, numbers: Sequence[int], outcomes: collections.Counter[str], warehouse: Path) -> None:
    """A link gives filters and notes; the link of those filters gives them again. One in 250 is opened in the app."""
    options = query.options(str(warehouse))
    for number in numbers:
        asked = parse_qs(link(dice("link", seed, number)), keep_blank_values=True)
        with told("link", seed, number):
            selection, notes = Selection.from_query(asked)
            assert Selection.from_query(selection.to_query()) == (selection, ())
            assert all(len(note) < 1_000 for note in (*notes, *filters.ignored({key: asked.get(key, []) for key in filters.MANY}, options)))
            outcomes["link with notes" if notes else "link read"] += 1
            if number % 250 == 0:
                open_page(asked, dice("page", seed, number), warehouse)
                outcomes["page opened"] += 1


def open_page(asked: dict[str, list[str]], chance: random.Random, warehouse: Path) -> None:
    """A page shows something at any address, and no exception."""
    import os

    from tests.app.conftest import open_app

    os.environ[connect.VARIABLE] = str(warehouse)
    page = chance.choice([file for entries in site.SECTIONS.values() for file, *_ in entries])
    app = open_app(page, **asked)  # type: ignore[arg-type]
    assert not app.exception, (page, asked, app.exception[0].value)
    assert app.title


def try_files(seed: int, numbers: Sequence[int], outcomes: collections.Counter[str]) -> None:
    """Files with bytes or values changed load, are refused or are foreign, each by a named error; a good one beside them loads whole."""
    samples = sorted(
        path for path in warehouses.DATA.rglob("*") if path.is_file() and path.stat().st_size < 60_000 and path.suffix != ".md"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        factories.write(factories.records(5, "good"), folder / "in" / "good.parquet")
        for number in numbers:
            chance = dice("file", seed, number)
            like = chance.choice(samples)
            place = folder / "in" / str(number) / like.parent.name
            shutil.copytree(like.parent, place, ignore=lambda _, names: [name for name in names if Path(name).suffix == ".parquet"])
            content = like.read_bytes()
            (place / like.name).write_bytes(spoilt(content, chance) if chance.random() < 0.5 else odd_values(content, like.suffix, chance))
        with told("file", seed, numbers[0] if numbers else 0):
            report = warehouses.ingest(folder / "in", into=folder / "w.duckdb")
            assert warehouses.rows(folder / "w.duckdb", "select count(*) from requests where run_id = 'good'").item() == 5
            assert [verdict for verdict in reading.check(str(folder / "w.duckdb")) if verdict.state != "ok"] == []
            assert [line for line in report.lines if "breaks its reader" in line.why] == []
    outcomes.update(f"file {line.state}" for line in report.lines)


TRIES: dict[str, tuple[Callable[..., None], float, int]] = {
    "formula": (try_formulas, 0.4, 5_000),
    "sql": (try_sql, 0.4, 5_000),
    "link": (try_links, 0.18, 2_000),
    "file": (try_files, 0.2, 100),
}
"""Kind → how it is tried, how many of it for one of `--cases`, and how many a process tries before the next takes over."""


def run(kind: str, seed: int, numbers: Sequence[int], warehouse: Path) -> collections.Counter[str]:
    """Try some cases of a kind. Raises AssertionError, or whatever should not have been raised, with a note of the case."""
    outcomes: collections.Counter[str] = collections.Counter()
    more = (warehouse,) if kind in ("sql", "link") else ()
    TRIES[kind][0](seed, numbers, outcomes, *more)
    return outcomes


def in_a_process(kind: str, seed: int, numbers: Sequence[int], warehouse: Path) -> tuple[collections.Counter[str], str]:
    """`run` in a process of its own, so that a crash is one failure more: the outcomes, and what went wrong."""
    words = [kind, str(seed), str(numbers[0]), str(len(numbers)), str(warehouse)]
    done = subprocess.run([sys.executable, "-m", "tests.attack.fuzz", "--part", *words], capture_output=True, text=True, check=False)
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("outcome\t")]
    outcomes = collections.Counter({name: int(count) for _, name, count in lines})
    return outcomes, "" if done.returncode == 0 else f"{kind} from {numbers[0]}: exit {done.returncode}\n{done.stderr[-1500:]}"


def main() -> int:
    """Run cases of all kinds, print what came of them; 1 when a case failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=TRIES)
    parser.add_argument("--part", nargs=5)
    options = parser.parse_args()
    if options.part:
        kind, seed, first, count, warehouse = options.part
        for name, times in run(kind, int(seed), range(int(first), int(first) + int(count)), Path(warehouse)).items():
            print(f"outcome\t{name}\t{times}")
        return 0
    outcomes: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "w.duckdb"
        warehouses.ingest(warehouses.SHIPPED, into=warehouse)
        for kind, (_, share, at_once) in TRIES.items():
            if options.only not in (None, kind):
                continue
            began, total = time.monotonic(), round(options.cases * share)
            for first in range(0, total, at_once):
                found, failure = in_a_process(kind, options.seed, range(first, min(first + at_once, total)), warehouse)
                outcomes += found
                wrong += [failure] if failure else []
            print(f"{kind}: {total:,} cases in {time.monotonic() - began:.0f} s", flush=True)
    for name, times in sorted(outcomes.items()):
        print(f"  {name}: {times:,}")
    print("\n".join(wrong) or "no case failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
