"""AIPerf beside ours: the table of docs/engines.md out of the times that were kept."""

import dataclasses
import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from fastapi.responses import Response

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines import server_facts
from prompt_joules.bench.run import served, traffic
from prompt_joules.bench.run.served import run_served
from tests import warehouses
from tests.fake_server import FakeServer, event, stream
from tests.figures import marked
from tests.perf import beside, beside_running

TOKENS = 6
AIPERF = """#!{python}
import json, os, pathlib, sys

words = sys.argv[1:]
if words == ["--version"]:
    sys.exit(print("0.13.0"))
value = dict(zip(words, words[1:]))
bodies = [json.loads(line) for line in open(value["--input-file"])]
assert all(body["ignore_eos"] and body["max_tokens"] == {tokens} and body["min_p"] == 0 for body in bodies), bodies
assert pathlib.Path(value["--tokenizer"]).is_dir() and "HF_HUB_OFFLINE" not in os.environ
out = pathlib.Path(value["--artifact-dir"])
out.mkdir()
times = {{"time_to_first_token": 20, "inter_token_latency": 2, "request_latency": 30, "usage_completion_tokens": {tokens}}}
metrics = {{name: {{"value": value}} for name, value in times.items()}}
lines = [{{"metrics": metrics}} | ({{"error": {{"message": "lost"}}}} if place < {failing} else {{}}) for place, _ in enumerate(bodies)]
(out / "profile_export.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


def test_the_table_of_clients_is_made_of_the_times_that_were_kept() -> None:
    made = json.loads((warehouses.ROOT / "docs/figures/clients-llama-server.json").read_text(encoding="utf-8"))
    text = (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")
    assert marked.stands_as_table(beside.table(made), text, beside.HEADING)
    assert {len(turn["answers"]) for turn in made["turns"]} == {beside.PROMPTS} and len(made["turns"]) == 2 * len(beside.TURNS)


def test_the_table_of_turns_is_made_of_the_times_that_were_kept() -> None:
    made = json.loads((warehouses.ROOT / "docs/figures/clients-vllm.json").read_text(encoding="utf-8"))
    text = (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")
    assert all(line in text for line in beside_running.table(made))
    for turn in made["turns"]:
        columns = zip(*turn["answers"], strict=True)
        assert [statistics.median(column) for column in columns] == pytest.approx(list(turn["median"].values()), abs=0.001)


def test_the_interval_of_two_clients_is_over_rounds() -> None:
    assert beside_running.ratio([11.0], [10.0]) == beside_running.Ratio(pytest.approx(0.1), None, None)
    drifting, base = [10.1, 20.2, 40.4], [10.0, 20.0, 40.0]
    its = beside_running.ratio(drifting, base)
    assert (its.mean, its.low, its.high) == pytest.approx((0.01, 0.01, 0.01)), "what drifts from round to round is in both turns"
    its = beside_running.ratio([math.exp(0.1), math.exp(0.2), math.exp(0.3)], [1.0, 1.0, 1.0])
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (its.mean, its.low, its.high) == pytest.approx((math.expm1(0.2), math.expm1(0.2 - half), math.expm1(0.2 + half)), rel=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.02, 0.02, "shown"), (0.021, 0.3, "refused"), (-0.3, -0.021, "refused"), (-0.01, 0.03, "open"), (None, None, "open")],
)
def test_two_clients_agree_where_the_whole_interval_does(low: float | None, high: float | None, verdict: str) -> None:
    assert beside_running.Ratio(0.01, low, high).verdict == verdict


def test_a_client_is_compared_with_the_log_of_the_server() -> None:
    log = """slot print_timing: id 3 | task 0 | prompt eval time =     900.00 ms /    41 tokens
slot print_timing: id 3 | task 0 |        eval time =    1200.00 ms /    16 tokens
slot print_timing: id 3 | task 0 |       total time =    2100.00 ms /    57 tokens
"""
    assert beside.logged(log) == [(900.0, 1200.0)]
    turn = {"client": "ours", "at_once": 1, "answers": [[909.0, 2121.0, 900.0, 1200.0]]}
    assert beside.table({"turns": [turn, turn]})[1] == "| ours | 1 | +1.0 %, +1.0 % | +1.0 %, +1.0 % | +1.0 %, +1.0 % |"


def _asked(folder: Path, address: str, failing: int = 0) -> beside_running.Asked:
    """Four prompts, and a program that writes what AIPerf writes."""
    program = folder / "aiperf"
    program.write_text(AIPERF.format(python=sys.executable, tokens=TOKENS, failing=failing), encoding="utf-8")
    program.chmod(0o755)
    return beside_running.Asked(address, "fake-1b", folder, str(program), 4, TOKENS)


def _answers(body: dict[str, object], number: int) -> Response:
    assert body["ignore_eos"] and body["max_tokens"] == TOKENS
    end = [event("b", finish="length"), event(usage=(7, TOKENS), choices=False), "data: [DONE]\n\n"]
    return stream([event("a ") for _ in range(TOKENS - 1)] + end, 0.02)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """One that says that it is vLLM."""
    found = FakeServer(_answers, owner="vllm")
    found.start()
    yield found
    found.stop()


def test_clients_take_turns_on_a_server_that_runs(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = beside_running.turns(_asked(tmp_path, server.url), [1, 2], ("AIPerf", "ours"), rounds=2)
    places = {(turn["client"], turn["at_once"], turn["round"]) for turn in made["turns"]}
    assert places == {(client, level, place) for client in ("AIPerf", "ours") for level in (1, 2) for place in (0, 1)}
    assert len(made["turns"]) == len(places)
    assert {(turn["requests"], turn["output_tokens"]) for turn in made["turns"]} == {(4, 4 * TOKENS)}
    assert len(server.bodies) == 2 * 3 * 4, "ours: a turn that does not count, and two that do"
    for turn in made["turns"]:
        if turn["client"] == "AIPerf":
            assert turn["median"] == {"ttft_ms": 20, "itl_ms": 2, "latency_ms": 30}
        else:
            ttft, gap, latency = turn["answers"][0]
            assert latency - ttft == pytest.approx(gap * (TOKENS - 1), abs=0.01) and gap > 16
            assert turn["stream_end_after_latency_ms"] > 32
    of_ours = [turn["median"]["itl_ms"] for turn in made["turns"] if (turn["client"], turn["at_once"]) == ("ours", 1)]
    its = beside_running.compared(made)["ours", 1, "itl_ms"]
    assert its.mean == pytest.approx(math.sqrt(of_ours[0] * of_ours[1]) / 2 - 1) and its.verdict in {"refused", "open"}
    assert made["versions"]["aiperf"] == "0.13.0" and made["server"] == "vllm 9.9" and made["tokens"] == TOKENS
    kept = json.loads(json.dumps(made))
    assert [line.split(" | ")[0] for line in beside_running.table(kept)] == ["| AIPerf", "| ours", "| ours over AIPerf"] * 2
    assert len(beside_running.verdicts(kept)) == 2 * 3


def test_ours_takes_turns_without_its_meter_and_without_figures_of_the_server(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, float, float]] = []

    def run(config: RunConfig, console: object) -> int:
        reason = str(served.meter_of(config, str(config.base_url)).reason)
        seen.append((reason == "a turn without the meter", traffic._POLL_S, server_facts.SAMPLED_S))
        return run_served(config, console)  # type: ignore[arg-type]

    monkeypatch.setattr(beside_running, "run_served", run)
    own = tuple(beside_running.OURS)
    asked = dataclasses.replace(_asked(tmp_path, server.url), program=None, tokenizer=None)
    made = beside_running.turns(asked, [1], own, rounds=1, seed=3)
    found = dict(zip([turn["client"] for turn in made["turns"]], seen[1:], strict=True))
    assert found == {
        "ours": (False, 0.01, 1.0),
        "ours, no meter": (True, 0.01, 1.0),
        "ours, meter every 50 ms": (False, 0.05, 1.0),
        "ours, no /metrics": (False, 0.01, math.inf),
        "ours, requests alone": (True, 0.01, math.inf),
    }
    assert seen[0] == found["ours"] and "aiperf" not in made["versions"]
    assert [turn["client"] for turn in made["turns"]] != list(own), "the order is drawn"
    again = beside_running.turns(
        dataclasses.replace(_asked(tmp_path, server.url), program=None, tokenizer=None), [1], own, rounds=1, seed=3
    )
    assert [turn["client"] for turn in again["turns"]] == [turn["client"] for turn in made["turns"]]


def test_a_client_that_loses_a_request_ends_it(server: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(errors.BenchError, match=r"4 of 4 requests, 1 failed.*lost"):
        beside_running.turns(_asked(tmp_path, server.url, failing=1), [1])
