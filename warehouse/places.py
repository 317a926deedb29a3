"""What a `--warehouse` may be, and the one clause that knows it: ATTACH. Everything else is the same SQL on every kind.

    warehouse.duckdb                                          a file
    ducklake:postgres:host=db dbname=joules?data_path=s3://…  a lake: catalog in Postgres, rows as Parquet in a bucket or folder
    ducklake:team.ducklake?data_path=folder                   a lake whose catalog is a file: for one machine
    md:joules                                                 a database of MotherDuck

Credentials come from the environment (PG*, AWS_*, motherduck_token) and never stand in the text: it is shown in errors, process
lists and `duckdb_databases()`.
"""

import functools
import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import duckdb

LAKE, CLOUD = "ducklake:", "md:"
# Where a password could hide in an address: `password=…`, `scheme://user:…@host`, `motherduck_token=…`.
SECRET_PART = re.compile(r"(password\s*=|token\s*=|://[^/@\s:]*:[^@\s]*@)", re.IGNORECASE)
SECRET_VARIABLES = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "motherduck_token", "MOTHERDUCK_TOKEN")
ALIAS = "results"
UNCHECKED: dict[str, str | bool | int | float | list[str]] = {"allow_unsigned_extensions": "true"}
"""Settings of an instance that loads an extension whose signature this process has checked. `load_extensions` takes them back."""


class BadPlace(Exception):
    """The text names no warehouse that can be attached, or a part of DuckDB that is needed is not installed."""


@dataclass(frozen=True)
class Place:
    """A parsed `--warehouse`."""

    kind: str  # file, lake or cloud
    address: str  # what ATTACH gets: a path, `ducklake:postgres:…`, `md:name`
    data_path: str | None = None  # where a lake keeps its Parquet; None: where its catalog says

    @property
    def shared(self) -> bool:
        """Whether several machines may write it: then a load is a transaction, not a new file."""
        return self.kind != "file"

    @property
    def catalog(self) -> str:
        """The name of the database on the connection. MotherDuck keeps its own names."""
        return self.address.removeprefix(CLOUD) if self.kind == "cloud" else ALIAS

    @property
    def postgres(self) -> str | None:
        """How to reach the Postgres that holds a lake's catalog, if one does."""
        scheme, found, rest = self.address.removeprefix(LAKE).partition(":")
        return rest if self.kind == "lake" and found and scheme in ("postgres", "postgresql") else None

    @property
    def extensions(self) -> tuple[str, ...]:
        """The parts of DuckDB that attaching needs."""
        if self.kind == "cloud":
            return ("motherduck",)
        if self.kind == "file":
            return ()
        postgres = ("postgres_scanner",) if self.postgres is not None else ()
        sqlite = ("sqlite_scanner",) if self.address.startswith(f"{LAKE}sqlite:") else ()
        # Without a data path only the catalog knows where the rows are: a bucket, as far as anyone can tell.
        remote = ("httpfs",) if self.data_path is None or "://" in self.data_path else ()
        return ("ducklake", *postgres, *sqlite, *remote)


def parse(text: str) -> Place:
    """Read a `--warehouse`. Raises BadPlace, in words that never repeat a password."""
    if not text.startswith((LAKE, CLOUD)):
        return Place("file", text)
    if SECRET_PART.search(text):
        raise BadPlace(
            "A warehouse's address must not hold a password or token: leave it out and set PGPASSWORD (or ~/.pgpass), or motherduck_token."
        )
    address, asked, query = (part.strip() for part in text.partition("?"))
    if text.startswith(CLOUD):
        if query or not re.fullmatch(r"md:[A-Za-z_][A-Za-z0-9_]*", address):
            raise BadPlace(f"{text} is no name of a MotherDuck database; write md: and its name, e.g. md:joules.")
        return Place("cloud", address)
    options = dict(parse_qsl(query, keep_blank_values=True))
    if address == LAKE or options.keys() - {"data_path"} or "" in options.values() or (asked and not options):
        raise BadPlace(f"{text} is no lake; write ducklake:postgres:dbname=joules?data_path=s3://bucket/joules (docs/scale.md).")
    return Place("lake", address, options.get("data_path"))


def attach_clause(place: Place, *, read_only: bool, snapshot_version: int | None = None) -> str:
    """The ATTACH statement: the only SQL that depends on the kind of warehouse."""
    if place.kind == "cloud":
        return f"attach {_literal(place.address)}"
    options = ["read_only"] if read_only else []
    if snapshot_version is not None:
        options.append(f"snapshot_version {snapshot_version}")
    if place.data_path:
        options.append(f"data_path {_literal(place.data_path)}")
    return f"attach {_literal(place.address)} as {ALIAS}" + (f" ({', '.join(options)})" if options else "")


def attach(connection: duckdb.DuckDBPyConnection, place: Place, *, read_only: bool, snapshot_version: int | None = None) -> None:
    """Attach a warehouse under `place.catalog` and make it the connection's database.

    Raises:
        BadPlace: an extension is not installed.
        duckdb.Error: it cannot be reached or read.
    """
    load_extensions(connection, place.extensions)
    if "httpfs" in place.extensions and (secret := s3_secret(os.environ)):
        connection.execute(secret)
    connection.execute(attach_clause(place, read_only=read_only, snapshot_version=snapshot_version))
    connection.execute(f"use {place.catalog}")


def take_turn(connection: duckdb.DuckDBPyConnection, postgres: str) -> None:
    """Wait until no other writer of this catalog is at work. The turn lasts until the connection closes or dies. Raises duckdb.Error."""
    load_extensions(connection, ("postgres_scanner",))
    connection.execute(f"attach {_literal(postgres)} as queue (type postgres)")
    connection.execute("begin")
    connection.execute("from postgres_query('queue', 'select pg_advisory_xact_lock(hashtext(''prompt-joules'')) is null')").fetchall()


def load_extensions(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load DuckDB's signed extensions: from their PyPI packages, else from where INSTALL put them. Never downloads. Raises BadPlace.

    DuckDB checks a signature in every instance, 0.35 s of CPU for those of a lake. Those of packages are checked once in a process, and
    an instance that was made with UNCHECKED loads them as they are. Afterwards it loads nothing without a signature.
    """
    connection.execute("set autoinstall_known_extensions = false")
    files = {name: _packaged(name) for name in names}
    try:
        for name in sorted(files, key=lambda name: files[name] is None):
            file = files[name]
            if file is None:
                connection.execute("set allow_unsigned_extensions = false")
            else:
                _check_signature(file, _state(file))
            connection.execute(f"load {_literal(file or name)}")
        connection.execute("set allow_unsigned_extensions = false")
    except duckdb.Error as error:
        raise BadPlace(
            f"This warehouse needs DuckDB's extension {name}, which is not installed for DuckDB {duckdb.__version__} here: "
            "make the environment of `make lake` (docs/scale.md)."
        ) from error


@functools.cache
def _check_signature(file: str, state: tuple[int, int, int]) -> None:
    """Load an extension where DuckDB refuses one without its signature; once for each state of the file. Raises duckdb.Error."""
    with duckdb.connect() as connection:
        connection.execute(f"load {_literal(file)}")


def _state(file: str) -> tuple[int, int, int]:
    """Inode, modification time (ns) and size (bytes): another file has another."""
    found = Path(file).stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _packaged(name: str) -> str | None:
    """The file of an extension that a PyPI package brought for this very DuckDB, if there is one."""
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is None or found.origin is None:
        return None
    file = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return str(file) if file.exists() else None


def s3_secret(environment: Mapping[str, str]) -> str | None:
    """CREATE SECRET for the AWS_* variables; None when there is no key. Lives only in the connection's memory."""
    if "AWS_ACCESS_KEY_ID" not in environment:
        return None
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    parts = {
        "key_id": environment["AWS_ACCESS_KEY_ID"],
        "secret": environment.get("AWS_SECRET_ACCESS_KEY", ""),
        "session_token": environment.get("AWS_SESSION_TOKEN"),
        "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
    }
    options = [f"{key} {_literal(value)}" for key, value in parts.items() if value]
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options += [f"endpoint {_literal(host.rstrip('/'))}", "url_style 'path'", f"use_ssl {str(scheme != 'http').lower()}"]
    return f"create or replace secret object_storage (type s3, {', '.join(options)})"


def sentence(error: Exception, environment: Mapping[str, str] = os.environ) -> str:
    """The first telling line of DuckDB's words, without any secret of the environment."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]).rstrip(".:")
    for name in SECRET_VARIABLES:
        if secret := environment.get(name):
            text = text.replace(secret, "***")
    return re.sub(r"(password\s*=\s*)\S+", r"\1***", text, flags=re.IGNORECASE)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
