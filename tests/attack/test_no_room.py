"""A disk that is full: what was there stays as it was, and one sentence says why. A mount of a few megabytes holds root too."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest

from prompt_joules.ingest import exporting
from prompt_joules.ingest.__main__ import COMMANDS, main
from tests import factories, warehouses

# In a mount of its own, which nobody else sees and which is gone with the process.
OWN_MOUNTS = ["unshare", "-m"] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["unshare", "-rm"]
PROGRAM = """
import subprocess, sys
from pathlib import Path
from prompt_joules.ingest.__main__ import main
disk, source, spare, *words = sys.argv[1:]
content = Path(source).read_bytes()
size = len(content) + int(spare)
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "none", disk], check=True)
target = Path(disk) / "w.duckdb"
target.write_bytes(content)
(Path(disk) / "out.csv").write_text("old")
before = target.read_bytes()
code = main([word.replace("DISK", disk) for word in words])
left = sorted(path.name for path in Path(disk).iterdir())
print("CODE", code, "SAME", before == target.read_bytes(), "LEFT", left, "CSV", (Path(disk) / "out.csv").read_text()[:3])
"""


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where a small disk can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not can_mount(folder):
        pytest.skip("no mount of one's own is allowed here")
    return folder


def on_a_full_disk(disk: Path, source: Path, spare: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the ingest's command line where a warehouse has so many spare bytes; DISK in its words is that place."""
    command = [*OWN_MOUNTS, sys.executable, "-c", PROGRAM, str(disk), str(source), str(spare), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"COLUMNS": "300"})


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small warehouse, one with 20,000 prompts, and their file."""
    folder = tmp_path_factory.mktemp("full")
    factories.write(factories.records(20), folder / "small" / "a.parquet")
    warehouses.ingest(folder / "small", into=folder / "w.duckdb")
    rows = factories.records(20_000, "run-big", output_text="x" * 20)
    factories.write(rows, folder / "big" / "b.parquet")
    warehouses.ingest(folder / "small", folder / "big", into=folder / "whole.duckdb")
    return folder


@pytest.mark.parametrize("spare", [100_000, 3_000_000, 14_000_000])
def test_a_load_that_does_not_fit_leaves_the_warehouse_as_it_was(disk: Path, sources: Path, spare: int) -> None:
    done = on_a_full_disk(disk, sources / "w.duckdb", spare, str(sources / "big"), "--warehouse", "DISK/w.duckdb")
    told = done.stdout + done.stderr
    assert "SAME True" in done.stdout and "CODE 0" not in done.stdout, told
    assert "Traceback" not in told and ("No space left" in told or "no space" in told.lower()), told
    assert "LEFT ['out.csv', 'w.duckdb', 'w.duckdb.lock']" in done.stdout, told


def test_an_export_that_does_not_fit_leaves_the_old_file(disk: Path, sources: Path) -> None:
    done = on_a_full_disk(
        disk, sources / "whole.duckdb", 500_000, "export", "DISK/out.csv", "--rows", "prompts", "--warehouse", "DISK/w.duckdb"
    )
    told = done.stdout + done.stderr
    assert "CSV old" in done.stdout and "CODE 0" not in done.stdout, told
    assert "Traceback" not in told and "No space left" in told, told
    assert "The export stopped; no file is half-written" in told and "ingest stopped" not in told


@pytest.mark.parametrize(
    "words", [["out.csv"], ["folder", "--format", "datapackage"], ["folder", "--format", "croissant"]], ids=lambda words: words[-1]
)
def test_rows_and_what_is_said_of_them_are_of_one_export(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """No room comes while the second of two files is written, or as the first is closed."""
    out = tmp_path / words[0]
    command = ["export", str(out), *words[1:], "--rows", "prompts", "--warehouse", str(sources / "w.duckdb")]
    assert main(command) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 2
    command[-1] = str(sources / "whole.duckdb")
    monkeypatch.setattr(exporting, "_json", lambda facts: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert main(command) == 2 and "The export stopped; no file is half-written" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_published_figures_are_whole_or_as_they_were(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "figures.csv").write_text("old")

    def half(rows: pl.DataFrame, file: BinaryIO) -> None:
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", half)
    assert main(["figures", str(warehouses.SHIPPED / "published" / "mlenergy_v1"), "--out", str(tmp_path)]) == 2
    assert "Writing figures stopped" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("figures.csv", "old")]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_command_that_could_not_go_on_says_which_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Also one that somebody stopped: SIGTERM is Ctrl-C to all of them."""
    for fault, status in ((OSError(5, "Input/output error"), 2), (None, 130)):

        def stop(_: list[str], fault: OSError | None = fault) -> int:
            if fault is not None:
                raise fault
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("SIGTERM has been overheard")

        monkeypatch.setattr("prompt_joules.ingest.__main__.run", stop)
        assert main([command] if command else ["results"]) == status
        told = capsys.readouterr().err
        assert ("ingest" in told.lower() or "warehouse is as it was" in told) == (command == "") and told.strip(), told
