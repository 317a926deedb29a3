"""A disk that is full: what was there stays as it was, and one sentence says why. A mount of a few megabytes holds root too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
