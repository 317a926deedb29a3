"""What `--warehouse` may be, the ATTACH clause, and words without secrets. Nothing is reached here; tests/lake does that."""

import duckdb
import pytest

from prompt_joules.ingest import lake, loading
from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import connect, create, errors, places
from prompt_joules.warehouse.places import Place


@pytest.mark.parametrize(
    ("text", "place", "clause"),
    [
        ("warehouse.duckdb", Place("file", "warehouse.duckdb"), "attach 'warehouse.duckdb' as results (read_only)"),
        (
            "ducklake:postgres:host=db dbname=joules ?data_path=s3://team/joules",
            Place("lake", "ducklake:postgres:host=db dbname=joules", "s3://team/joules"),
            "attach 'ducklake:postgres:host=db dbname=joules' as results (read_only, data_path 's3://team/joules')",
        ),
        (
            "ducklake:postgres:dbname=joules",
            Place("lake", "ducklake:postgres:dbname=joules"),
            "attach 'ducklake:postgres:dbname=joules' as results (read_only)",
        ),
        (
            "ducklake:it's.ducklake?data_path=a folder",
            Place("lake", "ducklake:it's.ducklake", "a folder"),
            "attach 'ducklake:it''s.ducklake' as results (read_only, data_path 'a folder')",
        ),
        ("md:joules", Place("cloud", "md:joules"), "attach 'md:joules'"),
    ],
)
def test_addresses(text: str, place: Place, clause: str) -> None:
    assert places.parse(text) == place
    assert places.attach_clause(place, read_only=True) == clause


@pytest.mark.parametrize(
    "text",
    [
        "ducklake:",
        "ducklake:x?",
        "ducklake:x?data_path=",
        "ducklake:x?data_pth=y",
        "md:",
        "md:a b",
        "md:a;drop table x",
        "md:a?data_path=b",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(places.BadPlace):
        places.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "ducklake:postgres:dbname=x password=hunter2",
        "ducklake:postgres:dbname=x PASSWORD = hunter2",
        "ducklake:postgres:postgresql://me:hunter2@db/x",
        "md:joules?motherduck_token=hunter2",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["somewhere", "--warehouse", text]) == 2
    output = "".join(capfd.readouterr())
    assert "PGPASSWORD" in output
    assert "hunter2" not in output


def test_what_each_kind_needs() -> None:
    needed = {
        "w.duckdb": (),
        "md:joules": ("motherduck",),
        "ducklake:x.ducklake?data_path=folder": ("ducklake",),
        "ducklake:sqlite:x.db?data_path=folder": ("ducklake", "sqlite_scanner"),
        "ducklake:postgres:dbname=x?data_path=s3://b": ("ducklake", "postgres_scanner", "httpfs"),
        "ducklake:postgres:dbname=x": ("ducklake", "postgres_scanner", "httpfs"),
    }
    assert {text: places.parse(text).extensions for text in needed} == needed


def test_a_missing_extension_is_one_sentence() -> None:
    with pytest.raises(errors.UnreachableWarehouse, match="extension motherduck, which is not installed"):
        connect.once("md:joules")
    with pytest.raises(errors.UnreachableWarehouse, match="extension motherduck, which is not installed"):
        loading.ingest([__file__], "md:joules")


def test_the_key_of_a_bucket_comes_from_the_environment() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "it's secret",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://minio:9000/",
    }
    assert places.s3_secret(environment) == (
        "create or replace secret object_storage (type s3, key_id 'key', secret 'it''s secret', region 'eu-west-1', "
        "endpoint 'minio:9000', url_style 'path', use_ssl false)"
    )
    assert places.s3_secret({}) is None


def test_sentences_hold_no_secret() -> None:
    error = duckdb.IOException('cannot connect to "dbname=x password=hunter2": swordfish\nis wrong\n\nLINE 1')
    assert places.sentence(error, {"PGPASSWORD": "swordfish"}) == 'cannot connect to "dbname=x password=*** *** is wrong'


def test_a_lake_gets_the_tables_without_their_keys() -> None:
    connection = duckdb.connect()
    create.empty(connection, keys=False)
    kinds = {kind for (kind,) in connection.execute("select distinct constraint_type from duckdb_constraints()").fetchall()}
    assert kinds == {"NOT NULL"}
    keyed = duckdb.connect()
    create.empty(keyed)
    comments = "select table_name, column_name, comment from duckdb_columns() where not internal order by all"
    assert connection.execute(comments).fetchall() == keyed.execute(comments).fetchall()


def test_a_warehouse_that_nobody_opens_has_the_same_tables_without_comments() -> None:
    whole, bare = duckdb.connect(), duckdb.connect()
    create.empty(whole)
    create.empty(bare, comments=False)
    columns = "select table_name, column_name, data_type, is_nullable from duckdb_columns() where not internal order by all"
    assert bare.execute(columns).fetchall() == whole.execute(columns).fetchall()
    said = "select count(comment) from duckdb_columns() where not internal"
    assert bare.execute(said).fetchall() == [(0,)] != whole.execute(said).fetchall()


@pytest.mark.parametrize("words", ["Transaction conflict - another transaction", "could not serialize access", "database is locked"])
def test_conflicts_are_known_by_their_words(words: str) -> None:
    assert lake.is_conflict(duckdb.TransactionException(words))
    assert not lake.is_conflict(duckdb.IOException("No space left on device"))
