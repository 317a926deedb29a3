"""`python -m bench`: run, sweep, prompts, devices. A thin shell: options in, one sentence out when something is wrong.

Each command imports its own code when it is called, so that the help needs neither torch nor a GPU.
Exit status: 0 done, 1 not one prompt could be answered, 2 the command cannot be carried out, 130 interrupted, 141 nobody reads
what it prints (as in `… --help | head -1`).
"""

import dataclasses
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from prompt_joules.bench import errors, extras, screen
from prompt_joules.bench.config import SERVED, RunConfig, check, require_folder, with_their_values
from prompt_joules.bench.prompts.sharegpt import ShareGptConfig
from prompt_joules.bench.sweep.grid import SweepConfig

Said = Annotated[screen.Output, tyro.conf.arg(name="")]


def run(config: Annotated[RunConfig, tyro.conf.arg(name="")], output: Said = screen.NOTHING) -> int:
    """Measure a model on a prompt set: one row of Parquet per prompt.

    The same command again goes on where the last one stopped. Ctrl-C finishes the prompt in hand and writes it.
    """
    began = time.time()
    with screen.speaking(output):
        if config.engine in SERVED:
            from prompt_joules.bench.run.served import run_served

            status = run_served(config)
        else:
            check(config)  # what is refused is refused before seconds go into importing torch
            if not config.gguf_file:
                require_folder(config.model)
            from prompt_joules.bench.run.local import run_benchmark

            status = run_benchmark(config)
        screen.result({"status": status, "runs": written_since(config.out, began)})
    return status


def written_since(out: Path, began: float) -> list[dict[str, Any]]:
    """The runs under a folder that were written to since a time (s): folder, run_id, prompts, finished."""
    found = sorted(path for path in out.rglob("run.json") if path.stat().st_mtime >= began - 1)
    said = [(path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in found]
    return [{"folder": folder, **{name: facts.get(name) for name in ("run_id", "prompts", "finished")}} for folder, facts in said]


def prompts_sharegpt(config: Annotated[ShareGptConfig, tyro.conf.arg(name="")], output: Said = screen.NOTHING) -> int:
    """Make a prompt set of the first human turns of a ShareGPT dump."""
    from prompt_joules.bench.prompts.sharegpt import convert_sharegpt

    with screen.speaking(output):
        counts = convert_sharegpt(config)
        screen.result({"file": config.out} | dataclasses.asdict(counts))
    return 0


def sweep(config: Annotated[SweepConfig, tyro.conf.arg(name="")], output: Said = screen.NOTHING) -> int:
    """Measure every combination of a grid of options.

    A failed cell does not stop the rest. The same command again goes on with what is left.
    """
    from prompt_joules.bench.sweep.grid import read_sweep, run_sweep

    began = time.time()
    with screen.speaking(output):
        status = run_sweep(config)
        folders = sorted({cell.config.out for cell in read_sweep(config.file)})
        screen.result({"status": status, "runs": [run for out in folders for run in written_since(out, began)]})
    return status


def devices(output: Said = screen.NOTHING) -> int:
    """List what can be measured on this machine, and for what cannot, why."""
    from prompt_joules.bench.meter.devices import print_devices

    with screen.speaking(output):
        screen.result([dataclasses.asdict(device) for device in print_devices()])
    return 0


def main(arguments: list[str] | None = None, prog: str = "python -m bench") -> int:
    """Run the command line.

    Args:
        arguments: as after `python -m bench`; None takes them from the process.
        prog: what the help calls the command.

    Returns:
        Exit status.
    """
    if screen.told_version(sys.argv[1:] if arguments is None else arguments):
        return 0
    try:
        with screen.unbroken():
            command = read(sys.argv[1:] if arguments is None else arguments, prog)
        status = command()
    except errors.BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (said := extras.sentence(error)) is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Aborted. Run the same command again to go on after the last row written.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python reports it once more as it ends
        return 141
    return int(status)


def read(words: Sequence[str], prog: str) -> Callable[[], int]:
    """The command that a command line names, with its options.

    Only its own options are parsed, so that help and errors name the command: `prompt-joules bench run --help`.

    Raises:
        errors.NoCommand: there is no such command.
        SystemExit: its help was asked for, or its options cannot be read.
    """
    for names, command in COMMANDS.items():
        if tuple(words[: len(names)]) == names:
            alone, config = f"{prog} {' '.join(names)}", (tyro.conf.OmitArgPrefixes,)
            return tyro.cli(_later(command), prog=alone, args=with_their_values(words[len(names) :]), config=config)
    named = tuple(itertools.takewhile(lambda word: not word.startswith("-"), words))
    for depth, word in enumerate(named):
        known = dict.fromkeys(names[depth] for names in COMMANDS if names[:depth] == named[:depth])
        if word not in known:
            raise errors.NoCommand(screen.no_such_command(word, known))
    app, prompts = tyro.extras.SubcommandApp(), tyro.extras.SubcommandApp()
    for (name, *below), command in COMMANDS.items():
        if below:
            prompts.command(name=below[0])(_later(command))
            app.command(prompts, name=name, help="Make prompt sets.")
        else:
            app.command(name=name)(_later(command))
    found: Callable[[], int] = app.cli(args=words, prog=prog, description=DESCRIPTION, config=(tyro.conf.OmitArgPrefixes,))
    return found


def _later(command: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """A command whose options are read now and whose work begins when the result is called."""

    @functools.wraps(command)
    def prepared(*options: Any, **named: Any) -> Callable[[], int]:
        return functools.partial(command, *options, **named)

    return prepared


COMMANDS: dict[tuple[str, ...], Callable[..., int]] = {
    ("run",): run,
    ("sweep",): sweep,
    ("prompts", "sharegpt"): prompts_sharegpt,
    ("devices",): devices,
}
DESCRIPTION = "Measure what one answer of a language model costs in energy, prompt by prompt."

if __name__ == "__main__":
    sys.exit(main())
