"""`prompt-joules`: which program gets which words, and what the app shows when nobody names a warehouse."""

import pwd
import tempfile
from pathlib import Path

import pytest

from prompt_joules import command, first_warehouse
from prompt_joules.warehouse import commands, connect
from tests import warehouses

GIVEN = list[list[str]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> GIVEN:
    """The words that each started server got, instead of a server."""
    given: GIVEN = []
    monkeypatch.setattr(command, "_serve", lambda words: given.append(words) or 0)
    monkeypatch.setenv(connect.VARIABLE, "")  # restored at the end, whatever the command sets
    return given


@pytest.fixture
def some_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder in the place of the shipped results, and a cache folder that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(commands, "SHIPPED", warehouses.SHIPPED / "published" / "mlenergy_v1")
    return tmp_path / "cache" / "prompt-joules"


def test_an_unknown_command_is_refused_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["bnch"]) == 2
    said = capsys.readouterr().err
    assert "usage: prompt-joules" in said and "There is no command bnch. Did you mean bench? There are: app, bench, " in said
    assert command.main(["--help"]) == 0
    usage = capsys.readouterr().out
    assert all(name in usage for name in command.PROGRAMS)


def test_the_app_without_a_warehouse_shows_the_shipped_results(
    served: GIVEN, some_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["app", "--port", "8600", "--server.address", "0.0.0.0"]) == 0
    (made,) = some_results.glob("shipped-*.duckdb")
    assert connect.default_warehouse() == str(made)
    assert warehouses.rows(made, "select count(*) from published").item() == warehouses.PUBLISHED["v1"]
    assert served == [["--server.port", "8600", "--server.address", "0.0.0.0"]]
    assert str(made) in capsys.readouterr().err
    before = made.stat()
    assert first_warehouse.ready(pytest.fail) == made, "the second time it is there"
    assert made.stat() == before


def test_other_shipped_files_make_another_warehouse_and_the_old_one_goes(some_results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = first_warehouse.ready(lambda _: None)
    monkeypatch.setattr(commands, "SHIPPED", warehouses.SHIPPED / "published" / "mlenergy_v3")
    new = first_warehouse.ready(lambda _: None)
    assert old != new
    assert sorted(some_results.glob("*.duckdb")) == [new]


def test_the_app_takes_the_warehouse_that_is_named_or_lies_here(served: GIVEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("warehouse.duckdb", "other.duckdb"):
        warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v1", into=tmp_path / name)
    assert command.main(["app"]) == 0
    assert connect.default_warehouse() == str(tmp_path / "warehouse.duckdb")
    monkeypatch.setenv(connect.VARIABLE, "elsewhere.duckdb")
    assert command.main(["app", "--warehouse", "other.duckdb"]) == 0
    assert connect.default_warehouse() == str(tmp_path / "other.duckdb")
    assert len(served) == 2


def test_a_warehouse_that_cannot_be_read_is_a_sentence(
    served: GIVEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["app", "--warehouse", "none.duckdb"]) == 2
    make = "There is no warehouse at none.duckdb. Make one: python -m ingest warehouse/data"
    assert capsys.readouterr().err.startswith(f"{make} --warehouse none.duckdb"), "a folder that is not there would be an error"
    Path("results").mkdir()
    assert command.main(["app", "--warehouse", "none.duckdb"]) == 2
    assert capsys.readouterr().err.startswith(f"{make} results --warehouse none.duckdb")
    assert command.main(["app", "--port", "99999"]) == 2
    assert capsys.readouterr().err == "--port 99999: must be a number from 0 to 65535.\n"
    Path("warehouse.duckdb").write_text("no warehouse")
    assert command.main(["app"]) == 2
    assert "no DuckDB file" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--prot", "8600"], "There is no option --prot. Did you mean --port? "),
        (["--server.maxUploadSise", "8"], "There is no option --server.maxUploadSise. Did you mean --server.maxUploadSize? "),
        (["--port", "http"], "'http' is not a valid integer."),
        (["own.duckdb"], "own.duckdb is no option. To name a warehouse: prompt-joules app --warehouse own.duckdb"),
    ],
)
def test_the_app_refuses_words_that_it_cannot_use(
    served: GIVEN, words: list[str], wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it looks for a warehouse: it would serve another one than the one that was named."""
    monkeypatch.chdir(tmp_path)
    assert command.main(["app", *words]) == 2
    assert wrong in capsys.readouterr().err
    assert not served


def test_a_user_without_a_home_can_start_the_app(
    served: GIVEN, some_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd's DynamicUser: no HOME, and nobody knows the user."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "restored at the end")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert command.main(["app"]) == 0
    assert served and Path.home() == Path(tempfile.gettempdir())


def test_a_cache_folder_that_cannot_be_written_is_a_sentence(
    served: GIVEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert command.main(["app"]) == 2
    assert "cache" in capsys.readouterr().err
    assert served == []


def test_shipped_names_the_results_that_ship_unless_something_else_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.path_of("shipped") == str(warehouses.SHIPPED)
    assert commands.path_of("results") == "results"
    (tmp_path / "shipped").mkdir()
    assert commands.path_of("shipped") == "shipped"
