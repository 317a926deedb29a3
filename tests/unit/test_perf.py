"""The benchmark of the queries covers each of them, with columns that exist."""

from pathlib import Path

from prompt_joules.warehouse import query
from tests import factories, warehouses
from tests.perf import queries, window_share


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


def test_a_query_over_prompts_is_judged_by_the_scan_and_one_over_runs_by_the_clock() -> None:
    over_prompts, over_runs = queries.Case("requests", ()), queries.Case("runs", ())
    assert [queries.verdict(over_prompts, taken, 100)[1] for taken in (299, 300)] == [True, False]
    assert [queries.verdict(over_runs, taken, 1)[1] for taken in (19, 20)] == [True, False]


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
