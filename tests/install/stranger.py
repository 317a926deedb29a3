"""A stranger who has what the project hands out, and no checkout."""

import os
import subprocess
from pathlib import Path

# Seconds: the first start of the app loads the results that ship, and another job may have the processors.
FIRST_START = 400
FOLDERS = ("bench", "ingest", "warehouse", "pages")
FILES = (
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CITATION.cff",
    "SECURITY.md",
    "streamlit_app.py",
    ".streamlit/config.toml",
)


def environment(home: Path) -> dict[str, str]:
    """What a process of that user sees: nothing that leads to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROMPT_JOULES", "COV_", "COVERAGE"))}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def run(home: Path, *words: object, status: int = 0) -> str:
    """What a program prints, run in an empty folder; both streams."""
    command = [str(word) for word in words]
    done = subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
