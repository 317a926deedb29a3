"""Coverage counts the scripts of the pages, which Streamlit compiles."""

import importlib.util
from pathlib import Path

import pytest
import slipcover

from tests.app.scripts import Scripts


def test_lines_of_a_script_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.py"
    page.write_text("rows = 1\nif rows > 1:\n    rows = 2\n")
    monkeypatch.setattr(importlib.util, "spec_from_file_location", importlib.util.spec_from_file_location)  # slipcover replaces it
    counter = slipcover.Slipcover()
    slipcover.wrap_spec_from_file_location(counter, slipcover.FileMatcher(sources=[tmp_path]))
    scripts = Scripts()
    for _ in range(2):
        exec(scripts.get_bytecode(str(page)), {})
    (lines,) = counter.get_coverage()["files"].values()
    assert (lines["executed_lines"], lines["missing_lines"]) == ([1, 2], [3])
