"""Every command says its version, can be silent, speaks JSON, and is documented with its exit status."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prompt_joules import command, completion
from prompt_joules.bench.__main__ import main as bench
from prompt_joules.bench.config import RunConfig
from prompt_joules.ingest.__main__ import COMMANDS
from prompt_joules.warehouse import create, switches
from tests import factories, warehouses

DOCUMENT = (warehouses.ROOT / "docs" / "commands.md").read_text()
IN_BENCH = ("run", "sweep", "prompts sharegpt", "devices")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a warehouse of it. Nobody may change it."""
    folder = tmp_path_factory.mktemp("made")
    factories.write(factories.records(25), folder / "results" / "run-1" / "part-00000.parquet")
    factories.run_json(folder / "results" / "run-1" / "run.json")
    warehouses.ingest(folder / "results", into=folder / "warehouse.duckdb")
    return folder


@pytest.fixture
def desk(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder; its warehouse is the default."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROMPT_JOULES_WAREHOUSE", raising=False)
    return tmp_path


def test_every_command_is_documented() -> None:
    own = [name for name in command.PROGRAMS if name not in ("bench", "ingest")]
    named = [*own, *(f"bench {name}" for name in IN_BENCH), *(f"ingest {name}" for name in COMMANDS if name not in command.PROGRAMS)]
    assert [name for name in named if f"| `{name}" not in DOCUMENT] == []


@pytest.mark.parametrize("name", command.PROGRAMS)
def test_every_command_says_its_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([name, "--version"]) == 0
    assert capsys.readouterr().out == f"prompt-joules {create.project_version()}\n"


FOUND: dict[str, Callable[[object], bool]] = {
    "bench devices": lambda found: isinstance(found, list) and {"name", "source", "reason"} <= set(found[0]),
    "ingest results": lambda found: isinstance(found, dict) and [one["state"] for one in found["files"]] == ["known", "known"],
    "ingest formats": lambda found: isinstance(found, list) and "records" in [one["name"] for one in found],
    "ingest rejects": lambda found: found == [],
    "ingest check": lambda found: isinstance(found, list) and {one["state"] for one in found} == {"ok"},
    "export rows.csv": lambda found: isinstance(found, dict) and (found["file"], found["rows"]) == ("rows.csv", 1),
    "export reports --as boamps": lambda found: found == {"file": "reports", "configurations": 1, "left_out": 0},
    "export package --format croissant": lambda found: isinstance(found, dict) and found["descriptor"] == "package/croissant.json",
    "bundle results/run-1": lambda found: isinstance(found, dict) and [run["run_id"] for run in found["runs"]] == ["run-1"],
}


@pytest.mark.parametrize("words", FOUND)
def test_json_is_one_document_and_quiet_is_silence(words: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*words.split(), "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    assert FOUND[words](json.loads(said.out)) and said.err == ""
    assert command.main([*words.split(), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert command.main(words.split()) == 0
    assert capsys.readouterr().out != "", "the next command speaks again"


def test_the_app_says_where_it_is(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", "")
    monkeypatch.setattr(command, "_serve", lambda words: print("You can now view your app in your browser.") or 0)
    assert command.main(["app", "--port", "8600", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"warehouse": str(desk / "warehouse.duckdb"), "host": "127.0.0.1", "port": "8600"} and said.err == ""
    assert command.main(["app", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_app_says_that_the_warehouse_in_the_variable_is_missing(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_serve", lambda words: 0)
    for name, said in (
        ("none.duckdb", "There is no warehouse at none.duckdb, which PROMPT_JOULES_WAREHOUSE names."),
        ("warehouse.duckdb", ""),
    ):
        monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", name)
        assert command.main(["app", "--json"]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["warehouse"] == name
        assert printed.err.startswith(said) and bool(printed.err) == bool(said)
    assert command.main(["export", "rows.csv"]) == 0
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", "none.duckdb")
    assert command.main(["export", "rows.csv"]) == 2
    assert "which PROMPT_JOULES_WAREHOUSE names. Make one: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SQL", "TEXTS", "SIGN_IN", "METRICS"])
def test_a_switch_with_a_slip_closes_and_the_app_does_not_start(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"PROMPT_JOULES_{name}"
    asked = switches.is_on if name in ("SQL", "TEXTS") else switches.is_switched_on
    found = {}
    for value in ("", "on", "Yes", "off", "0", "of", "disabled"):
        monkeypatch.setenv(variable, value)
        found[value] = asked(variable)
    slip = name == "SIGN_IN"
    assert found == {"": asked is switches.is_on, "on": True, "Yes": True, "off": False, "0": False, "of": slip, "disabled": slip}
    assert command.main(["app"]) == 2
    assert capsys.readouterr().err == f"{variable} is 'disabled': it can be on or off.\n"


def test_a_completion_is_a_document_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(completion, "explored", lambda _: [completion.Command((), ("app",))])
    assert command.main(["completion", "bash", "--quiet"]) == 0
    script = capsys.readouterr().out
    assert command.main(["completion", "bash", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"shell": "bash", "script": script}


def test_a_run_says_what_it_wrote(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

    def measure(config: RunConfig) -> int:
        factories.run_json(config.out / "run-2" / "run.json", "run-2", finished=False)
        return 130

    os.utime(desk / "results" / "run-1" / "run.json", (0, 0))
    monkeypatch.setattr("prompt_joules.bench.run.local.run_benchmark", measure)
    assert bench(["run", "--model", "org/x", "--out", "results", "--json"]) == 130
    assert json.loads(capsys.readouterr().out) == {
        "status": 130,
        "runs": [{"folder": "results/run-2", "run_id": "run-2", "prompts": None, "finished": False}],
    }
