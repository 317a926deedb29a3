"""What a format is: how it is recognised, and how its files are loaded into a connection. Knows no format."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from prompt_joules.ingest.front.content import Content as Content
from prompt_joules.ingest.front.table import Reject as Reject
from prompt_joules.ingest.front.unpack import Unreadable as Unreadable
from prompt_joules.ingest.statements import statement


def finite(value: Any) -> float:
    """A number as float. Raises TypeError or ValueError for anything else, an infinite one included."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


@dataclass(frozen=True)
class Source:
    """A file that is about to be loaded."""

    file_id: int  # its number in the warehouse
    path: Path  # where it is now
    name: str  # how the warehouse calls it
    sha256: str  # hash of its bytes
    size: int  # bytes
    model: str | None = None  # what its user said of the model, for results that name none

    def named(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        """A run with the model under `model_id`, where it says none itself and the user did."""
        return run if self.model is None or run.get("model_id") else {**run, "model_id": self.model}


@dataclass(frozen=True)
class Loaded:
    """What became of one file: rows loaded and rows refused."""

    source: Source
    accepted: int
    rejected: int


Load = Callable[[duckdb.DuckDBPyConnection, Sequence[Source]], list[Loaded]]


def one_by_one(load: Callable[[duckdb.DuckDBPyConnection, Source], Loaded]) -> Load:
    """The loader of a format whose files are loaded each by itself."""
    return lambda connection, sources: [load(connection, source) for source in sources]


@dataclass(frozen=True)
class Facts:
    """What people are told of a format."""

    name: str  # as stored in `ingested_files` and shown to people
    meaning: str  # one line for `prompt-joules ingest formats`
    tried: str = ""  # the versions of its tool whose files were read; empty for files of this project and for tables of any origin
    source: str = ""  # who measured its requests; its name unless given


@dataclass(frozen=True)
class Format:
    """A source format. A module-level value of this type registers it."""

    facts: Facts  # its name, and what people are told of it
    recognises: Callable[[Content], bool]  # whether a file is of this format
    load: Load  # loads files of this format inside the caller's transaction; raises Unreadable for the first bad one
    into: str = ""  # the table whose rows `Loaded.accepted` counts; empty when it counts something else
    batch: int = 1  # how many files one call of `load` should get
    rank: int = 0  # formats look at a file, and load, from the lowest to the highest; formats of one rank in the order of their modules

    @property
    def name(self) -> str:
        """As stored in `ingested_files` and shown to people."""
        return self.facts.name


def broken(error: BaseException) -> str:
    """What to say of a file that broke its reader: the file is odd, and the fault is ours."""
    said = next(iter(str(error).splitlines()), "")
    return f"breaks its reader ({type(error).__name__}: {said[:200]}); please report it with the file"


def content_of(source: Source) -> Content:
    """What is in a file that is about to be loaded. Raises Unreadable when it is gone."""
    try:
        return Content.of(source.path)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror or error})") from error


def write_rejects(connection: duckdb.DuckDBPyConnection, source: Source, rejects: Sequence[Reject]) -> None:
    """Put refused rows into the warehouse."""
    if not rejects:
        return
    columns = {
        "file_id": pa.array([source.file_id] * len(rejects), pa.int32()),
        "path": pa.array([source.name] * len(rejects), pa.string()),
        "row": pa.array([reject.row for reject in rejects], pa.int64()),
        "column": pa.array([reject.column for reject in rejects], pa.string()),
        "cell": pa.array([reject.cell for reject in rejects], pa.string()),
        "reason": pa.array([reject.reason for reject in rejects], pa.string()),
    }
    connection.register("incoming_rejects", pa.table(columns))
    try:
        connection.execute(statement("rejects"))
    finally:
        connection.unregister("incoming_rejects")
