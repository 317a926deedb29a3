"""What CI does with a request that adds results: `.ci/results`, run in a repository of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from prompt_joules.ingest import bundle
from tests import factories, warehouses

SCRIPT = warehouses.ROOT / ".ci" / "results"


def git(folder: Path, *words: str) -> None:
    own = ["-c", "user.name=A. Person", "-c", "user.email=person@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


def run(folder: Path, run_id: str) -> Path:
    factories.write(factories.records(25, run_id), folder / run_id / "part-00000.parquet")
    factories.run_json(folder / run_id / "run.json", run_id)
    return folder / run_id


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with the script and one result that was there before."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / ".ci")
    bundle.bundle([str(run(tmp_path, "run-0"))], str(folder / "warehouse" / "data" / "submitted" / "old.zip"))
    git(folder, "init")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "before")
    git(folder, "checkout", "-b", "request")
    return folder


def requested(repository: Path) -> subprocess.CompletedProcess[str]:
    """What CI says of everything that was added since `main`."""
    git(repository, "add", "-A")
    git(repository, "commit", "--allow-empty", "-m", "a result")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "GITHUB_STEP_SUMMARY": str(repository.parent / "summary")}
    command = [str(repository / ".ci" / "results"), "main"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_rows_of_a_zip_that_is_added_are_printed(repository: Path, tmp_path: Path) -> None:
    bundle.bundle([str(run(tmp_path, "run-1"))], str(repository / "warehouse" / "data" / "submitted" / "new.zip"))
    done = requested(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "│ run-1  │ SmolLM2-135M-Instruct │ H100 │ chat │" in done.stdout and "submitted/old.zip\n" not in done.stdout
    assert "52 rows accepted, 0 rejected" in done.stdout, "two runs of 25 prompts, and their run.json"
    assert "| SmolLM2-135M-Instruct | H100 | chat |" in (tmp_path / "summary").read_text()


def test_a_zip_that_is_not_fit_fails(repository: Path, tmp_path: Path) -> None:
    folder = run(tmp_path, "run-1")
    made = bundle.bundle([str(folder)], str(tmp_path / "new.zip"))[1]
    assert made is not None
    (repository / "warehouse" / "data" / "submitted" / "new.zip").write_bytes(made.read_bytes()[:-200])
    done = requested(repository)
    assert done.returncode == 1 and "new.zip" in done.stderr and "Traceback" not in done.stderr.split("new.zip")[0]


def test_a_request_without_results_says_so(repository: Path) -> None:
    done = requested(repository)
    assert (done.returncode, done.stdout) == (0, "No zip is added to warehouse/data/submitted.\n")


def test_the_workflow_calls_it_with_nothing_but_the_right_to_read() -> None:
    workflow = yaml.safe_load((warehouses.ROOT / ".github" / "workflows" / "results.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step.get("run", "") for step in workflow["jobs"]["check"]["steps"]]
    assert any(step.startswith(".ci/results") for step in steps) and SCRIPT.stat().st_mode & 0o111
