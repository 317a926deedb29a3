"""What `make lint` and `make audit` make of pip-audit's report."""

import json
import stat
from pathlib import Path

import pytest

from tests import weaknesses

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}, {"id": "PYSEC-2", "fix_versions": []}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (3.0)"}


def pip_audit(folder: Path, packages: list[dict[str, object]] | None) -> str:
    """A program that writes this report, or none and an error."""
    program = folder / "pip-audit"
    words = "echo 'ERROR: no connection' >&2" if packages is None else f"echo '{json.dumps({'dependencies': packages})}'"
    program.write_text(f"#!/bin/sh\n{words}\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize(
    ("packages", "lint", "audit", "said"),
    [
        ([SOUND], 0, 0, "pins.txt: 1 packages looked up, 0 with known weaknesses\n"),
        ([SOUND, WEAK], 1, 1, "pins.txt: weak 2.0: PYSEC-1 (mended in 2.1); PYSEC-2 (mended in no version yet)\n"),
        ([SOUND, UNKNOWN], 0, 1, "1 without an answer (Dependency not found on PyPI and could not be audited: unknown (3.0))\n"),
        (None, 0, 1, "0 packages looked up, 0 with known weaknesses, 0 without an answer (ERROR: no connection)\n"),
    ],
    ids=["sound", "weak", "unknown", "no connection"],
)
def test_a_weakness_fails_and_no_answer_fails_where_all_must_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], packages: list[dict[str, object]] | None, lint: int, audit: int, said: str
) -> None:
    words = [pip_audit(tmp_path, packages), "pins.txt"]
    assert weaknesses.main(words) == lint
    assert said in capsys.readouterr().out
    assert weaknesses.main([*words, "--complete"]) == audit
