"""Documents as tests read them."""

import re
from pathlib import Path


def blocks(path: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a language, each with the number of the line before it, counted from 1."""
    text = path.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start(1)].count("\n"), match[1]) for match in found]
