"""The command line: exit status, sentences, lists."""

import subprocess
import sys
from pathlib import Path

import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import FORMATS
from tests import factories, reference, warehouses

DATA = Path(__file__).parents[2] / "data" / "mapped"


def test_exit_status_says_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = factories.write(factories.records(3), tmp_path / "good.parquet")
    bad = factories.write(factories.records(3, "run-2", energy_j=-1.0), tmp_path / "bad.parquet")
    (tmp_path / "torn.parquet").write_bytes(good.read_bytes()[:99])
    warehouse = ["--warehouse", str(tmp_path / "w.duckdb")]
    assert main([str(good), *warehouse]) == 0
    assert main([str(bad), *warehouse]) == 1
    assert main([str(tmp_path / "torn.parquet"), *warehouse]) == 1
    assert "is not a whole Parquet file" in " ".join(capsys.readouterr().err.split())
    assert main(["rejects", *warehouse]) == 1
    listed = " ".join(capsys.readouterr().out.split())
    assert "is negative" in listed
    assert "is not a whole Parquet file" in listed
    assert main([str(tmp_path / "none"), *warehouse]) == 2
    assert capsys.readouterr().err == f"There is no file or folder {tmp_path / 'none'}.\n", "no bar where nobody looks"


def test_many_files_are_summed_by_format_and_only_the_bad_ones_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(42):
        factories.write(factories.records(3, f"run-{number}"), tmp_path / "in" / f"good-{number}.parquet")
    bad = [factories.record("run-bad", 0), factories.record("run-bad", 1, energy_j=-1.0)]
    factories.write(factories.frame(bad), tmp_path / "in" / "bad.parquet")
    (tmp_path / "in" / "notes.json").write_text("{}")
    assert main([str(tmp_path / "in"), "--warehouse", str(tmp_path / "w.duckdb")]) == 1
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["records", "43", "0", "127", "1"] in lines
    assert {line[0] for line in lines if line and line[0].startswith("in/")} == {"in/bad.parquet", "in/notes.json"}
    assert main([str(tmp_path / "in"), "--warehouse", str(tmp_path / "w.duckdb")]) == 0
    assert ["records", "43", "43", "0", "0"] in [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]


def test_a_command_with_a_slip_is_not_taken_for_a_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["rejcts"]) == 2
    assert capsys.readouterr().err == "There is no file or folder rejcts. Did you mean the command rejects?\n"


def test_what_holds_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without results, and a file without rows: neither is an error, and neither is silent."""
    (tmp_path / "empty").mkdir()
    warehouse = ["--warehouse", str(tmp_path / "w.duckdb")]
    assert main([str(tmp_path / "empty"), *warehouse]) == 0
    assert f"There are no results in {tmp_path / 'empty'}" in " ".join(capsys.readouterr().out.split())
    factories.records(3).head(0).write_parquet(tmp_path / "none.parquet")
    assert main([str(tmp_path / "none.parquet"), *warehouse]) == 0
    assert "has no rows" in capsys.readouterr().out


def test_a_changed_mapping_alone_is_told_to_need_a_rebuild(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(DATA / "lab.csv"), "--map", str(DATA / "lab.yaml"), "--warehouse", str(tmp_path / "w.duckdb")]
    main(arguments)
    assert "--rebuild" not in capsys.readouterr().out
    main(arguments)
    assert "after a change of the mapping alone, --rebuild reads it again" in " ".join(capsys.readouterr().out.split())


def test_no_path_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Name at least one file or folder" in capsys.readouterr().err


def test_formats_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    listed = capsys.readouterr().out
    assert all(reader.name in listed for reader in FORMATS)
    assert "versions tried" in " ".join(listed.split())


def test_every_format_has_a_page_and_every_page_its_formats() -> None:
    """The list of formats is made of the modules and of the pages: `python -m tests.reference`."""
    docs = warehouses.ROOT / "docs"
    listed = (docs / "reference" / "formats.md").read_text()
    assert [reader.name for reader in FORMATS if reader.facts.tried and reader.facts.tried not in listed] == []
    told = [name for name, _, _ in reference.rows_of_formats(docs / "formats")]
    assert sorted(told) == sorted(reader.name for reader in FORMATS)
    becomes = {name: cells[1] for name, _, cells in reference.rows_of_formats(docs / "formats")}
    assert [reader.name for reader in FORMATS if reader.into and f"`{reader.into}`" not in becomes[reader.name]] == []


def test_figures_gives_back_what_ships(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = warehouses.SHIPPED / "published" / "mlenergy_v1"
    assert main(["figures", str(shipped), "--out", str(tmp_path)]) == 0
    for name in ("figures.csv", "quality.csv"):
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes()
    assert f"{warehouses.PUBLISHED['v1']} rows" in " ".join(capsys.readouterr().out.split())


def test_figures_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figures", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "There are no published figures" in capsys.readouterr().err


def test_names_with_brackets_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factories.write(factories.records(3), tmp_path / "[red]x.parquet")
    assert main([str(tmp_path), "--warehouse", str(tmp_path / "w.duckdb")]) == 0
    assert "[red]x.parquet" in capsys.readouterr().out


def test_help_needs_no_torch_and_names_the_commands() -> None:
    script = "import sys, prompt_joules.ingest.__main__; sys.exit('torch' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=warehouses.ROOT, check=False).returncode == 0
    shown = subprocess.run([sys.executable, "-m", "ingest", "--help"], cwd=warehouses.ROOT, capture_output=True, text=True, check=True)
    for word in ("--warehouse", "--rebuild", "formats", "rejects", "check", "export", "publish", "figures"):
        assert word in shown.stdout


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ingest", "--help"], cwd=warehouses.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
