"""Coverage counts the scripts of the pages, which Streamlit compiles."""

from pathlib import Path

import slipcover

from tests.app.scripts import Scripts


def test_lines_of_a_script_are_counted(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text("rows = 1\nif rows > 1:\n    rows = 2\n")
    counter, scripts = slipcover.Slipcover(), Scripts()
    with slipcover.ImportManager(counter, slipcover.FileMatcher(sources=[tmp_path])):
        for _ in range(2):
            exec(scripts.get_bytecode(str(page)), {})
    (lines,) = counter.get_coverage()["files"].values()
    assert (lines["executed_lines"], lines["missing_lines"]) == ([1, 2], [3])
