"""A real Postgres and an S3-compatible server for the tests of shared warehouses. They run in the environment that `make lake` makes."""

import itertools
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lake.loading import load, run_file

PASSWORD = "correct-horse"
COUNTER = itertools.count(1)


@dataclass(frozen=True)
class Postgres:
    """A running server: `run` is psql as its superuser, the port is that of 127.0.0.1 and of the socket in `folder`."""

    folder: Path
    port: int
    psql: str

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run one statement; its output without headers. Raises CalledProcessError."""
        command = [self.psql, "-h", str(self.folder), "-p", str(self.port), "-U", "lake", "-d", database, "-qAtc", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Lake:
    """An address for `--warehouse`, the name of its catalog's database, and its server."""

    address: str
    database: str
    postgres: Postgres


NewLake = Callable[..., Lake]


def _binary(name: str) -> str | None:
    """A program of the newest Postgres of a Debian package, or the one on the path."""
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(packaged[-1]) if packaged else shutil.which(name)


def _as_postgres() -> list[str]:
    """Postgres refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    try:
        with running_postgres() as server:
            yield server
    except FileNotFoundError as error:
        pytest.skip(str(error))


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server in a folder of its own, with a password on TCP and none on its socket. Raises FileNotFoundError: no Postgres."""
    initdb, pg_ctl, psql = (_binary(name) for name in ("initdb", "pg_ctl", "psql"))
    if not (initdb and pg_ctl and psql):
        raise FileNotFoundError("there is no Postgres here, and without root it cannot be installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pj-pg-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    port = _free_port()
    create = [
        initdb,
        "-D",
        f"{folder}/data",
        "-U",
        "lake",
        f"--pwfile={folder}/password",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
    ]
    options = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
    stop = [*_as_postgres(), pg_ctl, "-D", f"{folder}/data", "-m", "immediate", "stop"]
    subprocess.run([*_as_postgres(), *create], check=True, capture_output=True, cwd="/")
    start = [*_as_postgres(), pg_ctl, "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield Postgres(folder, port, psql)
    finally:
        subprocess.run(stop, check=False, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """An S3-compatible server with one bucket; AWS_* point to it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/team", method="PUT"), timeout=60).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield "s3://team"
    server.stop()


@pytest.fixture(scope="session")
def new_lake(postgres: Postgres, bucket: str) -> Callable[..., Lake]:
    """Make addresses of lakes: `new_lake()` has no tables yet, `new_lake(other)` is a copy of another, to which nobody is connected.

    All keep their Parquet in one folder: its names are unique, and the catalog of a copy names what is there already.
    """

    def make(of: Lake | None = None) -> Lake:
        name = f"lake{next(COUNTER)}"
        postgres.run(f"create database {name}" + (f" template {of.database}" if of else ""))
        address = f"ducklake:postgres:host={postgres.folder} port={postgres.port} user=lake dbname={name}?data_path={bucket}/lakes"
        return Lake(address, name, postgres)

    return make


@pytest.fixture(scope="session")
def one_run(new_lake: NewLake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a run of the name "before". Copy it: `new_lake(one_run)`."""
    made = new_lake()
    load(made.address, run_file(tmp_path_factory.mktemp("before"), "before"))
    return made
