"""The benchmark of the queries covers each of them, with columns that exist."""

import re
from pathlib import Path

import pytest

from prompt_joules.warehouse import create, query
from tests import factories, warehouses
from tests.perf import pages, queries, table, window_share


def test_every_named_query_is_timed(tmp_path: Path) -> None:
    for number, model in enumerate(("me/a", "me/b")):
        run = factories.records(10, f"run-{number}", model_id=model, model_name=model[3:])
        factories.write(run, tmp_path / f"{number}.parquet")
    warehouse = tmp_path / "warehouse.duckdb"
    warehouses.ingest(tmp_path, into=warehouse)
    cases = queries.cases(warehouse)
    assert sorted(cases) == query.names()
    for name, case in cases.items():
        queries.ask(name, case, warehouse)
        queries.scan(case, warehouse)


def timing(name: str = "units", *, over_prompts: bool = True, cpu: float = 250.0, wall: float = 19.0) -> queries.Timing:
    return queries.Timing(name, over_prompts, queries.Spent(wall, cpu), queries.Spent(50, 100))


def test_a_query_over_prompts_is_judged_by_the_cpu_of_its_scan_and_one_over_runs_by_the_clock_or_its_own_cpu() -> None:
    assert [timing(cpu=cpu, wall=1e6).met for cpu in (299, 300)] == [True, False]
    assert [timing(over_prompts=False, cpu=1e6, wall=wall).met for wall in (19, 20)] == [True, False]
    assert timing(over_prompts=False, cpu=19, wall=1e6).met


def test_the_table_of_queries_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    document = tmp_path / "scale.md"
    document.write_text(f"# Before\n\n{table.BEGIN}\nold\n{table.END}\n\nafter\n")
    slow, quick = timing("units", cpu=1234), timing("tasks", over_prompts=False, wall=3.4, cpu=5)
    table.write([quick, slow], "Two rows.", document)
    text = document.read_text()
    assert text.startswith("# Before") and text.endswith("after\n") and "old" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == ["| `units` | prompts | 1234 | 100 | 12.3 | 19 | < 3× | **no** |", "| `tasks` | runs | 5 |  |  | 3 | < 20 ms | yes |"]
    assert "1 of 2 queries keep their aim" in text


def test_the_table_is_not_written_into_a_document_without_its_place(tmp_path: Path) -> None:
    (tmp_path / "scale.md").write_text("# Nothing here\n")
    with pytest.raises(ValueError, match="needs the marks"):
        table.write([timing()], "", tmp_path / "scale.md")


def test_the_document_names_no_query_that_is_gone() -> None:
    named = re.findall(r"^\| `(\w+)` \| (?:prompts|runs) ", table.DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named and set(named) <= set(query.names())


def test_the_clock_of_a_gpu_adds_up_what_lies_between_its_events() -> None:
    class Event:
        def record(self) -> None:
            events.append(self)

        def synchronize(self) -> None:
            waited.append(self)

        def elapsed_time(self, later: "Event") -> float:
            return 1.5 * (events.index(later) - events.index(self))

    events: list[Event] = []
    waited: list[Event] = []
    clock = window_share.GpuClock(Event)
    double = clock.around(lambda value: 2 * value)
    assert [double(1), double(2)] == [2, 4]
    assert clock.seconds() == 0.003
    assert waited == [events[-1]]


def test_a_warehouse_that_is_kept_outlives_comments_and_no_change_of_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, schema = pages.key(), create.SOURCES[0]
    for old, new, stays in (("-- ", "-- More of it. ", True), (" integer", " bigint", False)):
        changed = tmp_path / "schema.sql"
        changed.write_text(schema.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
        monkeypatch.setattr(create, "SOURCES", (changed, *create.SOURCES[1:]))
        assert (pages.key() == before) == stays
