"""`prompt-joules measure -- python x.py`: what another program uses, from its start to its end."""

import argparse
import contextlib
import dataclasses
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prompt_joules.bench import errors, screen
from prompt_joules.bench.files import write_atomically
from prompt_joules.bench.meter.windows import Meter, Window

DESCRIPTION = """Run a program and say what the GPU used meanwhile, in joules with an error bar; the CPU beside it where it can be read.
All work on the device is counted, that of other programs too. The exit status is that of the program."""
NOT_FOUND, NOT_RUNNABLE, SIGNALLED = 127, 126, 128


def main(words: Sequence[str], prog: str = "prompt-joules measure") -> int:
    """Run the command line; the words of the program come after `--`.

    Returns:
        Exit status of the program, 128 + its signal if one ended it; 127 if there is no such program, 126 if it cannot be run, 2 if the
        meter cannot be opened or nothing comes after `--`.
    """
    if screen.told_version(words):
        return 0
    options, command = _options(list(words), prog)
    if not command:
        print(f"Name the program after two dashes, e.g. {prog} -- python x.py", file=sys.stderr)
        return 2
    try:
        with Meter(options.device, edges=options.edges, replay=options.replay) as meter:
            window, status = run(meter, command)
            if not options.quiet:
                print(words_of(window, meter), file=sys.stderr)
            if options.json:
                write_atomically(options.json, json.dumps(facts(window, meter, command, status), indent=2).encode() + b"\n")
    except errors.BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {options.json} cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    return status


def _options(words: list[str], prog: str) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the words after `--`."""
    own, command = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    parser = argparse.ArgumentParser(prog, description=DESCRIPTION, usage=f"{prog} [options] -- PROGRAM …", allow_abbrev=False)
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, cuda:0,1, cuda:all, mps or cpu (default: %(default)s)")
    parser.add_argument("--edges", default="aligned", choices=("aligned", "plain"), help="how the window meets the counter's steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers into a file")
    parser.add_argument("--quiet", action="store_true", help="say nothing on standard error; --json writes all the same")
    parser.add_argument("--version", action="store_true", help="say which version this is, and do nothing else")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="take readings from this recording and not from a GPU; for tests")
    with screen.unbroken():
        return parser.parse_args(own), command


def run(meter: Meter, command: Sequence[str]) -> tuple[Window, int]:
    """Run a program to its end inside one window; the window and the program's exit status. Ctrl-C goes to the program alone."""
    with meter.window(shlex.join(command)) as window, _left_to_the_program():
        try:
            status = subprocess.call(command)
        except OSError as error:
            print(f"error: {command[0]}: {error.strerror or error}", file=sys.stderr)
            status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
    return window, status if status >= 0 else SIGNALLED - status


@contextlib.contextmanager
def _left_to_the_program() -> Iterator[None]:
    """Ctrl-C is sent to all programs of a terminal: this one goes on until the measured one has ended."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def words_of(window: Window, meter: Meter) -> str:
    """The numbers in a few lines."""
    lines = [f"{window.name}: {window.latency_s:.2f} s"]
    if window.energy_j is None:
        lines.append(f"GPU: not measured: {window.reason}")
    else:
        idle = "" if meter.idle_power_w is None else f" ({meter.idle_power_w:.0f} W before)"
        lines.append(
            f"GPU: {window.energy_j:,.1f} ± {window.error_j:,.1f} J, {window.power_w:,.0f} W{idle}, {meter.gpu_model}, {meter.source}"
        )
    if window.cpu_energy_j is None:
        lines.append(f"CPU: not measured: {meter.host_reason or 'its counter fell'}")
    else:
        lines.append(f"CPU: {window.cpu_energy_j:,.1f} J, {meter.cpu_source}")
    return "\n".join(lines)


def facts(window: Window, meter: Meter, command: Sequence[str], status: int) -> dict[str, Any]:
    """The same for a program: units are in the names, what was not measured is null with `reason` or `host_reason`."""
    measured = {key: value for key, value in dataclasses.asdict(window).items() if key not in ("name", "failed")}
    own = {"command": list(command), "exit_status": status, "gpu_model": meter.gpu_model, "energy_source": meter.source}
    host = {"cpu_energy_source": meter.cpu_source, "host_reason": meter.host_reason, "idle_power_w": meter.idle_power_w}
    return own | measured | {"started_at": window.started_at.isoformat()} | host
