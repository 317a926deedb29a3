"""The benchmark of the queries covers each of them, with columns that exist."""

import argparse
import collections
import contextlib
import copy
import itertools
import json
import re
import statistics
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.bench.meter.edges import Step
from prompt_joules.warehouse import create, query
from tests import factories, warehouses
from tests.figures import marked
from tests.perf import client_delay, pages, queries, table, tail, window_share


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


def test_a_token_is_late_by_what_it_took_longer_than_the_quickest_of_its_answer() -> None:
    sent_s, read_s = [10.0, 10.1, 10.2, 10.3], [3.5, 3.6, 3.9, 3.75]
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(read_s)]
    assert client_delay.delays_s(sent_s, gaps_s) == pytest.approx([0.05, 0.05, 0.25, 0.0])


def test_a_turn_of_the_delays_of_our_client_reads_what_the_server_wrote(tmp_path: Path) -> None:
    with client_delay.server_of(5, 0.01) as address:
        for place, read_s in enumerate((None, 0.001)):
            found, ratio = client_delay.turn(address, read_s, 2, 4, 5, tmp_path / str(place))
            assert len(found) == 4 * 5 and min(found) == 0 and 0.1 < ratio < 10


def test_delays_are_told_of_the_turns_before_a_stop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    turns = iter([([0.001], 1.01), ([0.002], 1.02), ([0.003], 1.03)])

    def turn(*_: object) -> tuple[list[float], float]:
        try:
            return next(turns)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(client_delay, "turn", turn)
    monkeypatch.setattr(client_delay, "server_of", lambda *_: contextlib.nullcontext("an address"))
    assert client_delay.main(["--at-once", "8", "--read-ms", "1", "--turns", "5"]) == 130
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and out.count("8 at once") == 2 and all(f"+{ratio}.00 %" in out for ratio in (1, 2, 3))
    assert err.count("of 5, way") == 3


def test_the_steps_of_a_tail_are_kept_after_every_answer() -> None:
    clock_s = itertools.count(0, 0.1)
    seen: list[int] = []
    kept: list[list[dict[str, Any]]] = []

    class Reader:
        def steps(self, count: int, timeout_s: float) -> tuple[list[Step], None]:
            return [Step(next(clock_s), 5.0 * place, 0.001) for place in range(count)], None

    def answer(tokens: int) -> float:
        if len(kept) == 3:
            raise KeyboardInterrupt
        seen.append(tokens)
        return tokens / 100

    with pytest.raises(KeyboardInterrupt):
        tail.answers(answer, Reader(), 100.0, [0.5], 4, lambda rows: kept.append(copy.deepcopy(rows)))  # type: ignore[arg-type]
    assert [len(rows) for rows in kept] == [1, 2, 3] and set(seen) == {50}
    assert [row["kind"] for row in kept[-1]] == ["aligned", "random", "aligned"]
    assert {(len(row["pre"]), len(row["post"])) for row in kept[-1]} == {(2, tail.STEPS_AFTER)}


def test_the_ways_to_compute_the_attention_of_a_step_agree(tmp_path: Path) -> None:
    step_parts = pytest.importorskip("tests.perf.step_parts", reason="needs the bench extra: make test installs it")
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**shape, vocab_size=128)).eval()
    plain = ["matmul", "sdpa", "sdpa, grouped", "sdpa, grouped, math"]
    rest = {"length": None, "filled": 0.9, "seconds": 60.0, "attention_alone": False, "ways": [*plain, "sdpa, grouped, cudnn", "flex"]}
    options = argparse.Namespace(loop="stacked", room=320, batch=[1, 3], repeats=1, compile=False, tb_per_s=1.0, **rest)
    found = step_parts.measured(model, options)
    assert [(line["batch"], line["length"]) for line in found] == [(1, 256), (1, 320), (3, 256), (3, 320)]
    for line in found:
        assert list(line["attention"]) == options.ways[:-1], "what is compiled is left out on a CPU"
        assert "RuntimeError" in line["attention"]["sdpa, grouped, cudnn"], "a kernel that is not there is a word"
        assert list(line["apart"]) == plain and max(line["apart"].values()) < 1e-5 and "step" in line
        assert line["bound of keys and values"] == 2 * line["batch"] * 2 * 2 * line["length"] * 8 * 4 / 1e9
    assert len(step_parts.lines(found)) == 2 + len(found)


def test_the_times_of_steps_that_were_kept_are_those_of_the_documents() -> None:
    """Of 32 answers: over 256, 512 and 640 positions at 1B, with copies and without, and over 512 and 640 at three sizes."""
    kept = {}
    for name in ("llama-3.2-1b", "llama-3.2-1b-copied", "llama-3.2-3b", "llama-3.1-8b"):
        lines = json.loads((warehouses.ROOT / f"docs/figures/steps-h200-{name}.json").read_text(encoding="utf-8"))["lines"]
        kept[name] = [f"{line['step']:.2f}" for line in lines if line["batch"] == 32]
    pairs = [f"{medium} and {large}" for name, (_, medium, large) in kept.items() if name != "llama-3.2-1b-copied"]
    said = {
        "engines": "gave {}, {} and {} ms, and {}, {} and {} ms with these copies".format(
            *kept["llama-3.2-1b"], *kept["llama-3.2-1b-copied"]
        ),
        "measurement": "{} ms at 1B, {} at 3B, {} at 8B (H200, torch 2.11, `tests.perf.step_parts`)".format(*pairs),
    }
    for name, words in said.items():
        assert marked.stands(words, (warehouses.ROOT / f"docs/{name}.md").read_text(encoding="utf-8")), words


def test_the_times_of_steps_by_length_are_those_of_the_rows() -> None:
    """Of 32 answers in one batch, by the positions of the buffers that a step reads."""
    times: dict[tuple[str, int], list[float]] = collections.defaultdict(list)
    for path in (warehouses.SHIPPED / "measured" / "h200").rglob("*.parquet"):
        rows = pl.scan_parquet(path).select("model_name", "engine", "batch_size", "window_id", "input_tokens", "itl_s")
        mine = (pl.col("engine") == "transformers-compiled") & (pl.col("batch_size") == 32) & pl.col("itl_s").is_not_null()
        for (name, _), answers in rows.filter(mine).collect().group_by("model_name", "window_id"):
            longest = answers["input_tokens"].max()
            for step, gap_s in enumerate(max(answers["itl_s"].to_list(), key=len), 1):
                length = next(some for some in (256, 512, 640) if longest + step <= some)
                times[str(name).lower(), length].append(1000 * gap_s)
    ms = {key: f"{statistics.median(gaps):.2f}" for key, gaps in times.items()}
    (small, medium, large) = (
        "{}, {} and {}".format(*(ms[name, length] for length in (256, 512, 640)))
        for size in ("1b", "3b", "8b")
        for name in sorted({name for name, _ in ms if f"-{size}-" in name})
    )
    words = f"{small} ms at 1B, {medium} at 3B, {large} at 8B"
    assert marked.stands(words, (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")), words
