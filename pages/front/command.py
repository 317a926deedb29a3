"""The command `prompt-joules`: app, bench, measure, ingest, export, bundle, publish, completion.

Each hands its words to the program behind it. It imports nothing before it knows which program is wanted, so that the app needs no
torch and a machine that measures needs no Streamlit.
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

USAGE = """usage: prompt-joules [--version] {app,bench,measure,ingest,export,bundle,publish,completion} ...

  app      serve the pages of a warehouse in the browser
  bench    measure what one answer of a language model costs: run, sweep, prompts, devices
  measure  what another program uses: prompt-joules measure -- python x.py
  ingest   load results into a warehouse, or check one; `ingest shipped` loads those that come with the project
  export   write the rows of a warehouse as files
  bundle   check runs and write them into one zip for other people, without texts
  publish  the same into a dataset of the Hugging Face Hub: prompt-joules publish hf:ORGANISATION/NAME RUN
  completion  a script for your shell: Tab completes commands and options

`prompt-joules COMMAND --help` explains each. All take --version, --json and --quiet (docs/commands.md)."""
APP_USAGE = """Serve the pages of a warehouse in the browser. All other options are Streamlit's (`streamlit run --help`), e.g.
--server.address 0.0.0.0."""


MOST_PORT = 65535
OWN_OPTIONS = ("--warehouse", "--port", "--host", "--json", "--quiet")


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: as after `prompt-joules`; None takes them from the process.

    Returns:
        Exit status of the program behind the command; 2 for an unknown command.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["--version"] or (words[:1] in (["app"], ["completion"]) and "--version" in words):
        print(f"prompt-joules {metadata.version('prompt-joules')}")
        return 0
    if words[:1] in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    program = PROGRAMS.get(words[0]) if words else None
    if program is None:
        from prompt_joules.bench import screen

        about = [screen.no_such_command(words[0], PROGRAMS)] if words else []
        print(USAGE, *about, sep="\n\n", file=sys.stderr)
        return 2
    return program(words[1:])


def _need_home() -> None:
    """A home for a user who has none (of a service, of a container): Streamlit looks for its settings there and fails without."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def _app(words: list[str]) -> int:
    from prompt_joules.bench import screen
    from prompt_joules.warehouse import connect, errors, switches

    parser = argparse.ArgumentParser("prompt-joules app", description=APP_USAGE, allow_abbrev=False)
    parser.add_argument(
        "--warehouse",
        help=f"a file or a lake; default: ${connect.VARIABLE}, else {connect.default_warehouse()} in this folder if there is one, "
        "else the results that ship with the project",
    )
    parser.add_argument("--port", default="8501", help="default: %(default)s")
    parser.add_argument(
        "--host", default="127.0.0.1", help="who may reach it; 0.0.0.0 is everybody (docs/security.md); default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print warehouse and address as one JSON document, and no other words")
    parser.add_argument("--quiet", action="store_true", help="print errors alone, and what --json prints")
    with screen.unbroken():
        options, more = parser.parse_known_args(words)
    address = [] if any(word.startswith("--server.address") for word in more) else ["--server.address", options.host]
    words = ["--server.port", options.port, *address, *more]
    _need_home()
    if options.port.isdecimal() and int(options.port) > MOST_PORT:
        print(f"--port {options.port}: must be a number from 0 to {MOST_PORT}.", file=sys.stderr)
        return 2
    if fault := switches.fault() or _fault(words):
        print(fault, file=sys.stderr)
        return 2
    silent = options.json or options.quiet
    try:
        os.environ[connect.VARIABLE] = _warehouse(options.warehouse, quiet=silent)
    except (errors.WarehouseError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        where = {"warehouse": os.environ[connect.VARIABLE], "host": options.host, "port": options.port}
        print(json.dumps(where, indent=2), flush=True)
    with contextlib.ExitStack() as spoken:
        if silent:
            spoken.enter_context(contextlib.redirect_stdout(spoken.enter_context(Path(os.devnull).open("w", encoding="utf-8"))))
        return _serve(words)


def _warehouse(named: str | None, *, quiet: bool = False) -> str:
    """The warehouse of the app, absolute where it is a file. Raises WarehouseError: the one that was named cannot be read."""
    from prompt_joules import first_warehouse
    from prompt_joules.warehouse import connect

    if named is None and connect.is_named():
        _say_what_is_missing(connect.default_warehouse())
        return connect.default_warehouse()
    if named is None and not Path(connect.default_warehouse()).exists():
        return str(first_warehouse.ready(lambda text: None if quiet else print(text, file=sys.stderr)))
    path = named or connect.default_warehouse()
    connect.once(path).close()
    return path if connect.place_of(path).shared else str(Path(path).absolute())


def _say_what_is_missing(path: str) -> None:
    """The app of a service may start before its warehouse is made, and shows then what is missing; whoever starts it reads it here."""
    from prompt_joules.warehouse import connect, errors

    try:
        if not connect.place_of(path).shared:
            connect.version_now(path)
    except errors.NoWarehouse as error:
        print(f"{error}\nThe app starts, and says so on every page.", file=sys.stderr)
    except errors.WarehouseError:
        pass  # the pages say it


def _fault(words: list[str]) -> str | None:
    """What is wrong with options that are for Streamlit; None where they can be read."""
    import click
    from streamlit.web.cli import main_run

    try:
        with main_run.make_context("prompt-joules app", ["script.py", *words]) as context:
            unknown = context.params["args"]
    except click.NoSuchOption as error:
        close = get_close_matches(error.option_name, [*OWN_OPTIONS, *(error.possibilities or ())], 1)
        meant = f"Did you mean {close[0]}? " if close else ""
        return f"There is no option {error.option_name}. {meant}`prompt-joules app --help` lists ours."
    except click.ClickException as error:
        return f"{error.format_message()} `prompt-joules app --help` lists the options."
    return f"{unknown[0]} is no option. To name a warehouse: prompt-joules app --warehouse {unknown[0]}" if unknown else None


def _serve(words: list[str]) -> int:
    from streamlit.web.cli import main as streamlit

    import prompt_joules.pages

    script = Path(next(iter(prompt_joules.pages.__path__))).parent / "streamlit_app.py"
    return int(streamlit.main(["run", str(script), *words], prog_name="prompt-joules app", standalone_mode=False) or 0)


def _main_of(module: str, *first: str, **named: object) -> Callable[[list[str]], int]:
    """The command line of a module, which is imported when it runs; `first` are words before those of the person."""
    return lambda words: int(importlib.import_module(f"prompt_joules.{module}").main([*first, *words], **named))


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "app": _app,
    "bench": _main_of("bench.__main__", prog="prompt-joules bench"),
    "measure": _main_of("bench.meter.process"),
    "ingest": _main_of("ingest.__main__"),
    **{task: _main_of("ingest.__main__", task) for task in ("export", "bundle", "publish")},
    "completion": _main_of("completion", program=main),
}
