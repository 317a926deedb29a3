"""AIPerf and our client on one real llama-server, each against the server's own log: `python -m tests.perf.beside --help`.

Both send the same payloads in turns (AIPerf, ours, ours, AIPerf). A busy machine stretches the same answer from turn to turn, so what a
client says of a request is compared with what the server's log says of it. `--save` keeps the times, no texts; `--table` makes the table of
docs/engines.md out of them. AIPerf is installed elsewhere, because its packages are not the project's. With `--base-url` the server is one
that runs already, of any kind, and clients take more turns, ours with and without its meter: `tests.perf.beside_running`.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from rich.console import Console

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.openai import request_body
from prompt_joules.bench.engines.servers import _free_port
from prompt_joules.bench.files import write_atomically
from prompt_joules.bench.interrupt import terminated
from prompt_joules.bench.prompts.sets import load_prompts
from prompt_joules.bench.run.job import choose_prompts
from prompt_joules.bench.run.served import run_served
from prompt_joules.bench.tasks import TASKS
from tests.perf import beside_ratios, beside_running
from tests.perf.beside_ratios import percent
from tests.tiny_models import byte_tokenizer

NAME, PROMPTS, TOKENS, TURNS = "fake-1b", 8, 16, ("AIPerf", "ours", "ours", "AIPerf")
TIMES = ("ttft_ms", "latency_ms", "prefill_ms", "decode_ms")
PREFILL = re.compile(r"prompt eval time = +([\d.]+) ms")
DECODE = re.compile(r"\|\s+eval time = +([\d.]+) ms")
HEADING = "| client | at once |"
Answer = tuple[float, float]


def asked(address: str, at_once: int, folder: Path) -> RunConfig:
    """Our run: eight shipped prompts as instruct, 16 new tokens, temperature 0."""
    options: dict[str, Any] = {"engine": "openai", "base_url": f"{address}/v1", "task": ("instruct",), "limit": PROMPTS, "temperature": 0.0}
    return RunConfig(NAME, concurrency=at_once, max_new_tokens=TOKENS, out=folder, warmup=0, **options)


def ours(address: str, at_once: int, folder: Path) -> list[Answer]:
    """TTFT and latency (ms) of our rows, in the order in which they ended."""
    run_served(asked(address, at_once, folder / "ours"), Console(quiet=True))
    rows = pl.read_parquet(folder / "ours" / "*" / "part-*.parquet").sort("sequence")
    return [(1000 * ttft, 1000 * latency) for ttft, latency in rows.select("ttft_s", "latency_s").iter_rows()]


def aiperf(program: str) -> Callable[[str, int, Path], list[Answer]]:
    """The same of AIPerf, with the same payloads."""

    def measured(address: str, at_once: int, folder: Path) -> list[Answer]:
        config = asked(address, at_once, folder)
        prompts = choose_prompts(load_prompts(config.prompts), PROMPTS).prompts
        bodies = [request_body(NAME, TASKS["instruct"], each.text, None, config.sampling, dialect="llama.cpp") for each in prompts]
        payloads, tokenizer = folder / "payloads.jsonl", folder / "tokenizer"
        payloads.write_text("".join(f"{json.dumps(body)}\n" for body in bodies), encoding="utf-8")
        byte_tokenizer().save_pretrained(tokenizer)
        words = ["profile", "--model", NAME, "--url", address, "--endpoint-type", "chat", "--streaming", "--ui", "none"]
        words += ["--concurrency", str(at_once), "--request-count", str(PROMPTS), "--tokenizer", str(tokenizer)]
        words += ["--input-file", str(payloads), "--custom-dataset-type", "raw-payload", "--use-server-token-count"]
        subprocess.run([program, *words, "--artifact-dir", str(folder / "aiperf")], check=True, capture_output=True)
        lines = (folder / "aiperf" / "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
        found = sorted((json.loads(line) for line in lines), key=lambda each: each["metadata"]["request_end_ns"])
        return [tuple(each["metrics"][name]["value"] for name in ("time_to_first_token", "request_latency")) for each in found]  # type: ignore[misc]

    return measured


def logged(text: str) -> list[Answer]:
    """Prefill and decoding (ms) of each request of a llama-server's log, in the order in which they ended."""
    return [(float(a), float(b)) for a, b in zip(PREFILL.findall(text), DECODE.findall(text), strict=True)]


def turns(
    server: list[str], model: Path, program: str, levels: list[int], keep: Callable[[dict[str, Any]], object] = len
) -> dict[str, Any]:
    """Start the server, let both clients ask it in turns, and put their times beside its own; `keep` gets what is done after every turn."""
    clients = {"AIPerf": aiperf(program), "ours": ours}
    version = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    made: dict[str, Any] = {"made": datetime.now(UTC).date().isoformat(), "aiperf": version, "times": TIMES, "turns": []}
    with tempfile.TemporaryDirectory() as name:
        log, port = Path(name) / "log", _free_port()
        words = ["--model", str(model), "--alias", NAME, "--parallel", str(max(levels)), "--ctx-size", str(1024 * max(levels))]
        words += ["--threads", "1", "--threads-batch", "1", "--no-cache-prompt", "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as file:
            process = subprocess.Popen([*server, *words], stdout=file, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address)
            for at_once in levels:
                for place, client in enumerate(TURNS):
                    folder, begun_s = Path(name) / f"{at_once}-{place}", time.perf_counter()
                    folder.mkdir()
                    seen = clients[client](address, at_once, folder)
                    of_server = logged(log.read_text(encoding="utf-8", errors="replace"))[-len(seen) :]
                    times = [[round(value, 3) for value in (*own, *its)] for own, its in zip(seen, of_server, strict=True)]
                    made["turns"].append({"client": client, "at_once": at_once, "answers": times})
                    print(f"{at_once} at once, {client}: {time.perf_counter() - begun_s:.1f} s", file=sys.stderr, flush=True)
                    keep(made)
        finally:
            process.terminate()
            process.wait(30)
    return made


def _wait(address: str) -> None:
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        try:
            if httpx.get(f"{address}/health").status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the server did not answer within 120 s")


def table(made: dict[str, Any]) -> list[str]:
    """The rows of the table: what each client says of a request over what the server's log says, less 1, one figure a turn.

    One at a time it is the median of the differences, request by request. At more at once the log does not say how long a request waits
    before its prefill, and requests end in another order than their log lines: there stands the ratio of the medians of decoding alone.
    """
    lines = []
    for at_once in sorted({turn["at_once"] for turn in made["turns"]}):
        for client in dict.fromkeys(TURNS):
            of = [turn["answers"] for turn in made["turns"] if (turn["client"], turn["at_once"]) == (client, at_once)]
            cells = [_apart(of, kind) if at_once == 1 or kind == "ITL" else "" for kind in ("TTFT", "ITL", "latency")]
            if at_once > 1:
                cells[1] = ", ".join(percent(_median(each, _decoding) / _median(each, lambda its: its[3]) - 1) for each in of)
            lines.append("| " + " | ".join([client, str(at_once), *cells]) + " |")
    return lines


def _apart(turns_of: list[list[list[float]]], kind: str) -> str:
    ratio: Callable[[list[float]], float] = {
        "TTFT": lambda its: its[0] / its[2],
        "ITL": lambda its: _decoding(its) / its[3],
        "latency": lambda its: its[1] / (its[2] + its[3]),
    }[kind]
    return ", ".join(percent(_median(each, ratio) - 1) for each in turns_of)


def _decoding(its: list[float]) -> float:
    """From the first text to the last (ms)."""
    return its[1] - its[0]


def _median(answers: list[list[float]], of: Callable[[list[float]], float]) -> float:
    return statistics.median(map(of, answers))


def _stopped(measure: Callable[[Callable[[dict[str, Any]], object]], dict[str, Any]], save: Path | None) -> tuple[dict[str, Any], int]:
    """What was measured until its end, a stop or an error, kept in a file after every turn; and the status to exit with."""
    made: dict[str, Any] = {}

    def keep(so_far: dict[str, Any]) -> None:
        nonlocal made
        made = so_far
        if save:
            write_atomically(save, f"{json.dumps(made)}\n".encode())

    try:
        with terminated():
            keep(measure(keep))
    except KeyboardInterrupt:
        ended, status = "a stop", 130
    except Exception as error:  # the turns of hours of a rented machine are worth more than its kind
        ended, status = f"{type(error).__name__}: {error}", 1
    else:
        print(made.get("ended", "all turns"), file=sys.stderr)
        return made, 0
    print(f"ended by {ended}", file=sys.stderr)
    if made:
        keep(made | {"ended": ended})
    return made, status


def main() -> int:
    """Measure, keep, print. Returns 0, 1 where a client failed, 130 where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", help="llama-server")
    parser.add_argument("--base-url", help="instead of --server: one that runs already, e.g. http://127.0.0.1:8000/v1")
    parser.add_argument("--model", help="a GGUF file; with --base-url the server's name for its model")
    parser.add_argument("--tokenizer", type=Path, help="with --base-url: a folder with the model's tokenizer")
    parser.add_argument("--prompts", type=int, default=64, help="with --base-url: requests a turn")
    parser.add_argument(
        "--prompt-set", default="default", help="with --base-url: a JSONL file of {id, prompt} instead of the shipped prompts"
    )
    parser.add_argument("--tokens", type=int, default=256, help="with --base-url: tokens of every answer")
    parser.add_argument(
        "--client", choices=beside_running.CLIENTS, action="append", help="with --base-url: repeat it; the first is the base"
    )
    parser.add_argument("--turns", type=int, default=5, help="with --base-url: of each client at each level, at most")
    parser.add_argument("--seconds", type=float, default=math.inf, help="with --base-url: begin no round that would not end within them")
    parser.add_argument(
        "--until-known",
        choices=beside_ratios.TIMES,
        nargs="*",
        help="with --base-url: no more rounds at a level once these times (all) are shown or refused to agree within 2 %%, "
        "looked at after 4, 8, 16 … rounds. With four looks equal clients take 5 rounds if their ratio spreads by 1 %%, 44 if by 5 %%",
    )
    parser.add_argument("--seed", type=int, default=0, help="with --base-url: of the order of the turns")
    parser.add_argument("--aiperf", help="the program")
    parser.add_argument("--at-once", type=int, nargs="+", help="with --server 1 4, with --base-url 1 8")
    parser.add_argument("--save", type=Path, help="where the times are kept")
    parser.add_argument("--table", type=Path, help="print the table of times that were kept")
    parser.add_argument("--of", choices=("median", "mean"), default="median", help="with --base-url, --table: what a turn's time is")
    options = parser.parse_args()
    clients = tuple(dict.fromkeys(options.client or beside_running.DEFAULT_CLIENTS))
    if options.turns < 1:
        parser.error("--turns: 1 or more; an interval needs 2")
    status = 0
    if options.table:
        made = json.loads(options.table.read_text(encoding="utf-8"))
    elif options.base_url and options.model and (beside_running.AIPERF not in clients or (options.tokenizer and options.aiperf)):
        address = options.base_url.rstrip("/").removesuffix("/v1")
        sent = (options.prompts, options.tokens, options.prompt_set)
        asked_of = beside_running.Asked(address, options.model, options.tokenizer, options.aiperf, *sent)
        until = () if options.until_known is None else tuple(options.until_known or beside_ratios.TIMES)
        plan = beside_running.Plan(options.turns, options.seed, options.seconds, until)
        levels = list(dict.fromkeys(options.at_once or [1, 8]))
        made, status = _stopped(lambda keep: beside_running.turns(asked_of, levels, clients, plan, keep), options.save)
    elif options.server and options.model and options.aiperf:
        levels = options.at_once or [1, 4]
        made, status = _stopped(lambda keep: turns([options.server], Path(options.model), options.aiperf, levels, keep), options.save)
    else:
        parser.error("--server, --model and --aiperf; or --base-url, --model and, for AIPerf, --tokenizer and --aiperf; or --table")
    if not made:
        return status
    on_running = "clients" in made
    print("\n".join(beside_ratios.table(made, options.of) if on_running else table(made)))
    if on_running:
        print("\n".join(beside_ratios.verdicts(made, options.of)))
    return status


if __name__ == "__main__":
    sys.exit(main())
