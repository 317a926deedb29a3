"""The warehouse that the app shows when nobody names one: the results that ship with the project, in the user's cache folder.

The file is made once for each version of the project, of DuckDB and of the shipped files.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import platformdirs

from prompt_joules.ingest import loading
from prompt_joules.warehouse import commands, create


def ready(say: Callable[[str], None]) -> Path:
    """The warehouse of the shipped results; made when it is not there yet, which takes some seconds.

    Args:
        say: gets one sentence before the work starts.

    Returns:
        A DuckDB file in the cache folder of the user (XDG_CACHE_HOME on Linux).

    Raises:
        OSError: the cache folder cannot be written.
        derive.UnsoundBuild: a fault of ours.
    """
    path = platformdirs.user_cache_path("prompt-joules") / f"shipped-{_fingerprint()}.duckdb"
    if not path.exists():
        say(f"Loading the results that ship with Prompt Joules into {path} …")
        loading.ingest([str(commands.SHIPPED)], str(path), say=say)
        _remove_others(path)
    return path


def _fingerprint() -> str:
    """Changes when the file would have other rows or another form."""
    files = sorted((str(path.relative_to(commands.SHIPPED)), path.stat().st_size) for path in commands.SHIPPED.rglob("*") if path.is_file())
    parts = (create.project_version(), create.SCHEMA_VERSION, duckdb.__version__, files)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _remove_others(kept: Path) -> None:
    """Remove the files of earlier versions. One that is open goes on working for whoever reads it."""
    for path in kept.parent.glob("shipped-*.duckdb*"):
        if not path.name.startswith(kept.name):
            with contextlib.suppress(OSError):
                path.unlink()
