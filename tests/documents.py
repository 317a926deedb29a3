"""Documents as tests read them."""

from pathlib import Path


def blocks(path: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a language ("" for none), each with the number of the line before it, counted from 1."""
    found: list[tuple[int, str]] = []
    opened: tuple[int, str] | None = None
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = number, line.removeprefix("```").strip()
        else:
            if opened[1] == language:
                found.append((opened[0], "\n".join(lines[opened[0] : number - 1]) + "\n"))
            opened = None
    return found
