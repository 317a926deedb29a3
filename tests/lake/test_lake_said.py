"""Shared warehouses: what is wrong is said in one sentence, and what cannot be trusted is not loaded."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

pytest.importorskip("duckdb_extension_ducklake", reason="runs in the environment that `make lake` makes, with DuckDB 1.5.5")


from prompt_joules.ingest import lake, loading
from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import records
from prompt_joules.warehouse import connect, create, errors, places
from tests import factories
from tests.lake.conftest import PASSWORD, Lake, NewLake
from tests.lake.loading import ROWS, WHOLE, ask, load, run_file


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("host=127.0.0.1 port={port} user=lake dbname=postgres", "password authentication failed"),
        ("host=127.0.0.1 port=1 user=lake dbname=postgres", "Connection refused"),
        ("host={folder} port={port} user=lake dbname=nobody", "does not exist"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_the_password(
    new_lake: NewLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], place: str, says: str
) -> None:
    postgres = new_lake().postgres
    monkeypatch.setenv("PGPASSWORD", "wrong-" + PASSWORD)
    address = "ducklake:postgres:" + place.format(port=postgres.port, folder=postgres.folder) + f"?data_path={tmp_path}"
    status = main([str(run_file(tmp_path, "one")), "--warehouse", address])
    output = " ".join("".join(capfd.readouterr()).split())
    assert status == 2
    assert says in output
    assert PASSWORD not in output
    with pytest.raises(errors.UnreachableWarehouse, match=says):
        connect.once(address)


def test_the_right_password_from_the_environment(new_lake: NewLake, one_run: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_lake(one_run)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    address = made.address.replace(f"host={made.postgres.folder}", "host=127.0.0.1")
    load(address, run_file(tmp_path, "one"))
    assert ask(address, WHOLE).row(0) == (2 * ROWS,) * 4
    assert PASSWORD not in str(ask(address, "select * exclude (tags) from duckdb_databases()").rows())


def test_a_missing_bucket_is_said(new_lake: NewLake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = new_lake()
    address = made.address.replace("s3://team", "s3://nobody")
    status = main([str(run_file(tmp_path, "one")), "--warehouse", address])
    output = "".join(capfd.readouterr())
    assert status == 2, output
    assert "nobody" in output
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in output


def test_a_lake_that_is_not_there_and_one_that_is_not_rebuilt(new_lake: NewLake, tmp_path: Path) -> None:
    made = new_lake()
    with pytest.raises(errors.NoWarehouse):
        connect.version(made.address)
    with pytest.raises(lake.SharedRebuild):
        loading.ingest([str(tmp_path)], made.address, rebuild=True)


def test_another_schema_version_is_refused(one_run: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "SCHEMA_VERSION", create.SCHEMA_VERSION + 1)
    with pytest.raises(errors.OldWarehouse, match="Make a new one"):
        connect.once(one_run.address)
    with pytest.raises(errors.OldWarehouse):
        load(one_run.address, run_file(tmp_path, "two"))


def test_a_lake_whose_catalog_is_a_file(tmp_path: Path) -> None:
    address = f"ducklake:{tmp_path}/team.ducklake?data_path={tmp_path}/team"
    load(address, run_file(tmp_path, "one"))
    load(address, run_file(tmp_path, "two"))
    assert ask(address, WHOLE).row(0) == (2 * ROWS,) * 4


def test_a_file_of_which_nothing_was_accepted_is_read_again(new_lake: NewLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused yesterday because it lay in the future replaces its refusal today."""
    into = new_lake().address
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    rows = factories.records(4, "tomorrow").with_columns(pl.lit(tomorrow).dt.cast_time_unit("us").alias("started_at"))
    path = factories.write(rows, tmp_path / "tomorrow.parquet")
    assert load(into, path).lines[0].rejected == 4

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return tomorrow + timedelta(hours=1)

    with monkeypatch.context() as patch:
        patch.setattr(records, "datetime", Later)
        assert load(into, path).lines[0].accepted == 4
    counts = "select (select count(*) from requests), (select count(*) from rejects), (select sum(accepted) from ingested_files)"
    assert ask(into, counts).row(0) == (4, 0, 4)
    assert load(into, path).lines[0].state == "known"


def test_an_extension_whose_file_has_changed_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are checked once for each file of a process; an instance loads nothing without one in the end."""
    packaged = Path(str(places._packaged("httpfs")))
    file = tmp_path / packaged.name
    file.write_bytes(packaged.read_bytes())
    monkeypatch.setattr(places, "_packaged", lambda _: str(file))
    setting = "select current_setting('allow_unsigned_extensions')"
    for _ in range(2):
        with duckdb.connect(config=places.UNCHECKED) as connection:
            places.load_extensions(connection, ("httpfs",))
            assert connection.execute(setting).fetchall() == [(False,)]
            with pytest.raises(duckdb.Error, match=r"[Cc]annot change allow_unsigned_extensions"):
                connection.execute("set allow_unsigned_extensions = true")
    changed = bytearray(packaged.read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    (tmp_path / "changed").replace(file)
    with duckdb.connect(config=places.UNCHECKED) as connection, pytest.raises(places.BadPlace):
        places.load_extensions(connection, ("httpfs",))
