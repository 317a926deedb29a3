"""A warehouse to attack, and ways to ask it in SQL."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.warehouse import connect, visitor_sql_allowed, visitor_sql_child
from tests import factories, warehouses

Ask = Callable[[str], pl.DataFrame]
Check = Callable[[str], None]


@pytest.fixture
def entered() -> Iterator[Path]:
    """A folder that every user of the machine may enter, which pytest's own are not: any session of it closes them again."""
    with tempfile.TemporaryDirectory(prefix="prompt-joules-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published figures, our own prompts with texts, and a file from a folder of another place."""
    folder = tmp_path_factory.mktemp("attacked")
    factories.write(factories.records(30), folder / "results" / "a.parquet")
    elsewhere = tmp_path_factory.mktemp("secret-folder")
    factories.write(factories.records(30, "run-2", task="chat-concise", energy_j=-1.0), elsewhere / "b.parquet")
    path = folder / "w" / "warehouse.duckdb"
    warehouses.ingest(folder / "results", elsewhere, warehouses.SHIPPED / "published" / "mlenergy_v1", into=path)
    return path


@pytest.fixture(scope="session")
def ask(attacked: Path) -> Ask:
    """Ask as the child process does, in this one: without its limits, so without its start."""

    def answer(sql: str) -> pl.DataFrame:
        table, _ = visitor_sql_child.answer(sql, str(attacked), 10, 1_000, 8_000_000, True)
        return pl.DataFrame(table)

    return answer


@pytest.fixture(scope="session")
def check(attacked: Path) -> Check:
    """Look at a statement as a child does before it runs one. Raises RefusedSql or duckdb.ParserException."""
    connection = connect.once(str(attacked))
    known = visitor_sql_allowed.names(connection)
    return lambda sql: visitor_sql_allowed.check(visitor_sql_allowed.tree(connection, sql), known)
