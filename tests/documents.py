"""Documents as tests read them."""

import re
import textwrap
from pathlib import Path


def blocks(path: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a language ("" for none), each with the number of the line before it, counted from 1."""
    found: list[tuple[int, str]] = []
    opened: tuple[int, str] | None = None
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        fence = line.strip()
        if not fence.startswith("```"):
            continue
        if opened is None:
            opened = number, fence.removeprefix("```").strip()
        else:
            if opened[1] == language:
                found.append((opened[0], "\n".join(lines[opened[0] : number - 1]) + "\n"))
            opened = None
    return found


def languages(path: Path) -> list[str]:
    """The languages of the code blocks, each once, in order."""
    opened = [line.strip().removeprefix("```").strip() for line in path.read_text().splitlines() if line.strip().startswith("```")][::2]
    return list(dict.fromkeys(opened))


def commands(block: str) -> list[str]:
    """The commands of a block for a shell: lines that end in a backslash joined, comments and what indents a block in a list left out."""
    joined = textwrap.dedent(block).replace("\\\n", " ")
    found = (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in found if line]


def needs(path: Path, line: int) -> str | None:
    """The environment that the block of a line needs (`<!-- needs: bench -->` above it, or at the top of the page); None: not said."""
    lines = path.read_text().splitlines()
    own = next((text for text in reversed(lines[: line - 1]) if text.strip()), "")
    for text in (own, next((text for text in lines[:4] if "<!-- needs:" in text), "")):
        if said := re.search(r"<!-- needs: (\S+) -->", text):
            return said[1]
    return None
