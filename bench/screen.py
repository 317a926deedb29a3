"""How words reach a person, a pipe or a program: data is printed as it is, what is piped is not broken into lines of 80 characters.

Every command takes --json (one document on standard output instead of words), --quiet (errors alone) and --version.
"""

import json as written
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from typing import Annotated, Any

import tyro
from rich.console import Console

# Wider than any table of ours: where the output is no terminal, no line is broken.
PIPED_WIDTH = 10_000


@dataclass(frozen=True, kw_only=True)
class Output:
    """The options of every command about its output."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON document to standard output instead of words and tables."""

    quiet: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print errors alone, and what --json prints."""


NOTHING = Output()
_ASKED: ContextVar[Output] = ContextVar("asked", default=NOTHING)


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that takes `[bench]` for a word and not for a style.

    Args:
        stderr: to standard error instead of standard output.
        quiet: print nothing; also where the command was told so.
    """
    asked = _ASKED.get()
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else PIPED_WIDTH
    silent = quiet or asked.quiet or (asked.json and not stderr)
    return Console(stderr=stderr, quiet=silent, markup=False, highlight=False, emoji=False, width=width)


@contextmanager
def speaking(asked: Output) -> Iterator[None]:
    """Until the block ends, `OUT` and new consoles print as the command was told."""
    token, before = _ASKED.set(asked), OUT.quiet
    OUT.quiet = asked.quiet or asked.json
    try:
        yield
    finally:
        OUT.quiet = before
        _ASKED.reset(token)


@contextmanager
def unbroken() -> Iterator[None]:
    """Until the block ends, help and errors about options are not broken into lines of 80 characters where they are piped.

    For parsing alone: what a program is told in COLUMNS, the programs that it starts are told too.
    """
    if "COLUMNS" in os.environ or all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr)):
        yield
        return
    os.environ["COLUMNS"] = str(PIPED_WIDTH)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)


def result(facts: Any, *, in_one_line: bool = False) -> None:
    """What a command has found or done, for programs: printed where --json was asked for.

    Args:
        facts: of plain values; others (paths, times) become texts.
        in_one_line: for a command that finds something more than once: a line each, at once.
    """
    if _ASKED.get().json:
        print(written.dumps(facts, ensure_ascii=False, indent=None if in_one_line else 2, default=str), flush=in_one_line)


def is_quiet() -> bool:
    """Whether nobody wants to see progress."""
    return _ASKED.get().quiet


def no_such_command(word: str, known: Iterable[str]) -> str:
    """One sentence about a command that there is not: the nearest one, and all that there are."""
    close = get_close_matches(word, names := list(known), 1)
    return f"There is no command {word}. {f'Did you mean {close[0]}? ' if close else ''}There are: {', '.join(names)}."


def told_version(words: Sequence[str]) -> bool:
    """Print the version if a command line asks for it (before `--`, after which words belong to another program)."""
    own = words[: words.index("--")] if "--" in words else words
    if "--version" in own:
        print(f"prompt-joules {metadata.version('prompt-joules')}")
        return True
    return False


OUT, ERR = console(), console(stderr=True)
