"""The command `prompt-joules`: app, bench, ingest, export. Each hands its words to the program behind it.

It imports nothing before it knows which program is wanted, so that the app needs no torch and a machine that measures needs no Streamlit.
"""

import sys
from importlib import metadata
from pathlib import Path

USAGE = """usage: prompt-joules [--version] {app,bench,ingest,export} ...

  app      serve the pages of a warehouse in the browser; options are Streamlit's, e.g. --server.port 8501
  bench    measure what one answer of a language model costs: run, sweep, prompts, devices
  ingest   load results into a warehouse, or check one
  export   write the rows of a warehouse as files

`prompt-joules COMMAND --help` explains each."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: as after `prompt-joules`; None takes them from the process.

    Returns:
        Exit status of the program behind the command; 2 for a command that there is not.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["--version"]:
        print(f"prompt-joules {metadata.version('prompt-joules')}")
        return 0
    if words[:1] in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    program = PROGRAMS.get(words[0]) if words else None
    if program is None:
        print(USAGE, file=sys.stderr)
        return 2
    return program(words[1:])


def _app(words: list[str]) -> int:
    from streamlit.web.cli import main as streamlit

    import prompt_joules.pages

    script = Path(next(iter(prompt_joules.pages.__path__))).parent / "streamlit_app.py"
    return int(streamlit.main(["run", str(script), *words], prog_name="prompt-joules app", standalone_mode=False) or 0)


def _bench(words: list[str]) -> int:
    from prompt_joules.bench.__main__ import main as bench

    return bench(words)


def _ingest(words: list[str]) -> int:
    from prompt_joules.ingest.__main__ import main as ingest

    return ingest(words)


def _export(words: list[str]) -> int:
    return _ingest(["export", *words])


PROGRAMS = {"app": _app, "bench": _bench, "ingest": _ingest, "export": _export}
