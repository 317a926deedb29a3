"""How words reach a person or a pipe: data is printed as it is, and what is piped is not broken into lines of 80 signs."""

import sys

from rich.console import Console

# Wider than any table of ours: where nobody looks, a line of the output is a line.
PIPED_WIDTH = 10_000


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that takes `[bench]` for a word and not for a style.

    Args:
        stderr: to standard error instead of standard output.
        quiet: print nothing.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, quiet=quiet, markup=False, highlight=False, emoji=False, width=width)
