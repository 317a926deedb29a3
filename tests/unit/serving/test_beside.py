"""AIPerf beside ours: the table of docs/engines.md out of the times that were kept."""

import dataclasses
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from starlette.responses import Response

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines import server_facts
from prompt_joules.bench.engines.server_facts import ServerFacts
from prompt_joules.bench.run import served, traffic
from prompt_joules.bench.run.served import run_served
from tests import warehouses
from tests.fake_server import FakeServer, event, stream
from tests.figures import marked
from tests.perf import beside, beside_ratios, beside_running

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


@pytest.mark.parametrize("at_once", [1, 8])
def test_the_tables_of_turns_are_made_of_the_times_that_were_kept(at_once: int) -> None:
    made = json.loads((warehouses.ROOT / f"docs/figures/clients-vllm-{at_once}.json").read_text(encoding="utf-8"))
    text = (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")
    for of in ("median", "mean"):
        lines = beside_ratios.table(made, of)
        assert len(lines) == 3 and all(line in text for line in lines)
    for turn in made["turns"]:
        columns = zip(*turn["answers"], strict=True)
        assert [statistics.median(column) for column in columns] == pytest.approx(list(turn["median"].values()), abs=0.001)


def test_one_at_a_time_all_three_times_are_shown_to_agree() -> None:
    made = json.loads((warehouses.ROOT / "docs/figures/clients-vllm-long.json").read_text(encoding="utf-8"))
    text = (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")
    assert all(line in text for line in beside_ratios.table(made, "median"))
    said = beside_ratios.verdicts(made, "median")
    assert [time for time in beside_ratios.TIMES if any(f"{time}: within 2% is shown (rounds: 4)" in line for line in said)] == list(
        beside_ratios.TIMES
    )
    assert {turn["requests"] for turn in made["turns"]} == {48} and len(made["turns"]) == 8


def test_the_interval_of_two_clients_is_over_rounds() -> None:
    assert beside_ratios.ratio([11.0], [10.0]) == beside_ratios.Ratio(pytest.approx(0.1), None, None)
    drifting, base = [10.1, 20.2, 40.4], [10.0, 20.0, 40.0]
    its = beside_ratios.ratio(drifting, base)
    assert (its.mean, its.low, its.high) == pytest.approx((0.01, 0.01, 0.01)), "what drifts from round to round is in both turns"
    its = beside_ratios.ratio([math.exp(0.1), math.exp(0.2), math.exp(0.3)], [1.0, 1.0, 1.0])
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (its.mean, its.low, its.high) == pytest.approx((math.expm1(0.2), math.expm1(0.2 - half), math.expm1(0.2 + half)), rel=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.02, 0.02, "shown"), (0.021, 0.3, "refused"), (-0.3, -0.021, "refused"), (-0.01, 0.03, "open"), (None, None, "open")],
)
def test_two_clients_agree_where_the_whole_interval_does(low: float | None, high: float | None, verdict: str) -> None:
    assert beside_ratios.Ratio(0.01, low, high).verdict == verdict


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
    made = beside_running.turns(_asked(tmp_path, server.url), [1, 2], ("AIPerf", "ours"), beside_running.Plan(2))
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
            assert turn["stream_end_after_latency_ms"] > 0
    ends = [turn["stream_end_after_latency_ms"] for turn in made["turns"] if turn["client"] == "ours"]
    assert max(ends) > 32, "two pauses of 20 ms, less what a busy machine reads late of the last text"
    of_ours = [turn["median"]["itl_ms"] for turn in made["turns"] if (turn["client"], turn["at_once"]) == ("ours", 1)]
    its = beside_ratios.compared(made)["ours", 1, "itl_ms"]
    assert its.mean == pytest.approx(math.sqrt(of_ours[0] * of_ours[1]) / 2 - 1) and its.verdict in {"refused", "open"}
    assert made["versions"]["aiperf"] == "0.13.0" and made["server"] == "vllm 9.9" and made["tokens"] == TOKENS
    kept = json.loads(json.dumps(made))
    assert [line.split(" | ")[0] for line in beside_ratios.table(kept)] == ["| AIPerf", "| ours", "| ours over AIPerf"] * 2
    assert len(beside_ratios.verdicts(kept)) == 2 * 3


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
    plan = beside_running.Plan(1, seed=3)
    made = beside_running.turns(asked, [1], own, plan)
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
    again = beside_running.turns(dataclasses.replace(_asked(tmp_path, server.url), program=None, tokenizer=None), [1], own, plan)
    assert [turn["client"] for turn in again["turns"]] == [turn["client"] for turn in made["turns"]]


def test_a_client_that_loses_a_request_ends_it(server: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(errors.BenchError, match=r"4 of 4 requests, 1 failed.*lost"):
        beside_running.turns(_asked(tmp_path, server.url, failing=1), [1])


def _command(folder: Path, server: FakeServer, *more: str, failing: str = "0") -> list[str]:
    """`python -m tests.perf.beside` with the program above, which fails or waits where told."""
    asked = _asked(folder, server.url)
    program = Path(str(asked.program))
    program.write_text(program.read_text(encoding="utf-8").replace("place < 0", failing), encoding="utf-8")
    words = ["--base-url", server.url, "--model", "fake-1b", "--tokenizer", str(folder), "--aiperf", str(program), "--prompts", "4"]
    words += ["--tokens", str(TOKENS), "--at-once", "1", "--client", "AIPerf", "--client", "ours", "--save", str(folder / "kept.json")]
    return [sys.executable, "-m", "tests.perf.beside", *words, *more]


def _kept(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "kept.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_the_turns_before_and_ends_aiperf(server: FakeServer, tmp_path: Path, number: int) -> None:
    waits = '(len(list(out.parent.parent.glob("1-2-*"))) and open("{}", "w").write(str(os.getpid())) and __import__("time").sleep(60))'
    command = _command(tmp_path, server, "--turns", "3", failing=waits.format(tmp_path / "pid"))
    # Tests that a script starts in the background have Ctrl-C ignored, and so would their children.
    listens: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, cwd=warehouses.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **listens) as process:
        try:
            until_s = time.monotonic() + 60
            while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until_s:
                time.sleep(0.05)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130 and "ended by a stop" in err, err
    made = _kept(tmp_path)
    assert beside_ratios.whole(made, 1) == [0, 1] and made["ended"] == "a stop" and len(made["turns"]) in {4, 5}
    assert [line.split(" | ")[0] for line in out.splitlines()[:3]] == ["| AIPerf", "| ours", "| ours over AIPerf"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_error_of_a_client_keeps_the_turns_before_and_is_an_error(server: FakeServer, tmp_path: Path) -> None:
    fails = 'len(list(out.parent.parent.glob("1-2-*")))'
    command = _command(tmp_path, server, "--turns", "3", failing=fails)
    done = subprocess.run(command, cwd=warehouses.ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "lost" in done.stderr, done.stderr
    made = _kept(tmp_path)
    assert beside_ratios.whole(made, 1) == [0, 1] and "lost" in made["ended"]
    assert "| ours over AIPerf | 1 |" in done.stdout and "rounds: 2" in done.stdout
    told = [line for line in done.stderr.splitlines() if "1 at once, round" in line]
    assert len(told) == len(made["turns"]) and all("answers 0." in line and "itl " in line and "ttft " in line for line in told)


def _turn(client: str, place: int, factor: float, level: int = 1) -> dict[str, Any]:
    return {"client": client, "at_once": level, "round": place, "median": dict.fromkeys(beside_ratios.TIMES, 10 * factor)}


def test_a_round_that_is_not_whole_counts_for_nothing_in_pairs() -> None:
    two = [_turn(client, place, 2.0 if client == "ours" else 1.0) for place in range(2) for client in ("ours", "AIPerf")]
    made = {"clients": ["AIPerf", "ours"], "turns": [*two, _turn("ours", 2, 9.0), _turn("ours", 0, 9.0, level=8)]}
    its = beside_ratios.compared(made)
    assert {level for _, level, _ in its} == {1} and its["ours", 1, "itl_ms"].mean == pytest.approx(1.0)
    lines = beside_ratios.table(made)
    assert lines[1].startswith("| ours | 1 | 20.00, 20.00, 90.00 |") and lines[3:] == [
        "| AIPerf | 8 |  |  |  |",
        "| ours | 8 | 90.00 | 90.00 | 90.00 |",
    ]
    assert all(line.endswith("(rounds: 2; turns of one that is not whole: 1)") for line in beside_ratios.verdicts(made))


def test_no_round_is_begun_that_would_not_end_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now_s = [0.0]

    def ours(asked: object, at_once: int, folder: Path, how: object = None) -> dict[str, Any]:
        now_s[0] += 10 / at_once
        return beside_running.turn([(1.0, 1.0, 2.0)], [TOKENS])

    monkeypatch.setattr(beside_running, "time", SimpleNamespace(perf_counter=lambda: now_s[0]))
    monkeypatch.setattr(beside_running, "ours", ours)
    monkeypatch.setattr(beside_running, "facts_of", lambda _: ServerFacts((), None))
    asked, two = beside_running.Asked("", "fake-1b", None, None, 1, TOKENS), ("ours", "ours, no meter")
    rounds = {}
    for seconds in (1000.0, 77.0, 76.0, 74.0, 45.0, 0.0):
        now_s[0] = 0.0
        made = beside_running.turns(asked, [1, 2], two, beside_running.Plan(3, seconds=seconds))
        rounds[seconds] = [len(beside_ratios.whole(made, level)) for level in (1, 2)]
        assert now_s[0] <= max(seconds, 30) and (made["ended"] == "all rounds") == (seconds == 1000)
    # 10 s of warm-up and 20 a round at level 1, half of that at level 2
    assert rounds == {1000.0: [3, 3], 77.0: [2, 2], 76.0: [2, 2], 74.0: [2, 1], 45.0: [1, 0], 0.0: [1, 0]}


def test_rounds_end_once_the_times_that_were_asked_for_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)

    def ours(asked: object, at_once: int, folder: Path, how: object = None) -> dict[str, Any]:
        spread = 0.001 if at_once == 1 else 0.2
        return beside_running.turn([(chance.lognormvariate(0, 0.5), 10 * chance.lognormvariate(0, spread), 50.0)], [TOKENS])

    monkeypatch.setattr(beside_running, "ours", ours)
    monkeypatch.setattr(beside_running, "facts_of", lambda _: ServerFacts((), None))
    asked, two = beside_running.Asked("", "fake-1b", None, None, 1, TOKENS), ("ours", "ours, no meter")
    plan = beside_running.Plan(9, until=("itl_ms", "latency_ms"))
    assert plan.looks == (4, 8, 9) and beside_running.Plan(9).looks == (9,) and beside_running.Plan(3, until=("itl_ms",)).looks == (3,)
    made = beside_running.turns(asked, [1, 8], two, plan)
    assert [len(beside_ratios.whole(made, level)) for level in (1, 8)] == [4, 9] and made["ended"] == "known"
    assert beside_ratios.compared(made)["ours, no meter", 1, "itl_ms"].verdict == "shown"
    assert len(beside_ratios.whole(beside_running.turns(asked, [1], two, dataclasses.replace(plan, until=("ttft_ms",))), 1)) == 9


def test_intervals_of_several_looks_hold_the_truth_together() -> None:
    chance, wrong, looks = random.Random(1), [0, 0], beside_running.Plan(32, until=("itl_ms",)).looks
    for _ in range(1000):
        ratios = [chance.lognormvariate(0, 0.03) for _ in range(32)]
        for place, corrected in enumerate((1, len(looks))):
            its = [beside_ratios.ratio(ratios[:look], [1.0] * look, corrected) for look in looks]
            wrong[place] += any((each.low or 0) > 0 or (each.high or 0) < 0 for each in its)
    assert wrong[0] > 90 and wrong[1] < 50


def test_rounds_that_2_percent_take_follow_from_the_spread_of_a_round() -> None:
    assert [beside_ratios.rounds_for(spread) for spread in (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)] == [3, 4, 7, 12, 27, 101]
    assert beside_ratios.rounds_for(9.0) == 10_000
    rounds = beside_ratios.rounds_for(0.03, looks=4)
    assert beside_ratios.half_width(0.03, rounds, 4) <= math.log(1.02) < beside_ratios.half_width(0.03, rounds - 1, 4)
