"""A new format is a module, a page and a test: everything else follows from them. A second place that had to be edited would fail here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import reference
from tests.warehouses import ROOT

MODULE = '''
"""A made-up tool: one request a line of JSON."""

from prompt_joules.ingest.formats.base import Facts
from prompt_joules.ingest.formats.foreign import Row, format_of, run_name, to_server


def rows_of(source, content, rejects):
    for number, said in content.objects():
        setup = to_server("measures no energy", run_id=run_name("made-up", source), model_id=said["of"], task="chat")
        yield Row(number, setup | {"engine": "x", "harness_version": "made-up-1", "prompt_id": str(number), "sequence": number,
                                   "output_tokens": said["tokens"], "latency_s": said["s"]})


FORMAT = format_of(
    Facts("made-up", "a made-up tool", "7.1 (real files)", source="Made Up"),
    recognises=lambda content: content.keys >= {"of", "tokens", "s"},
    rows_of=rows_of,
)
'''
PAGE = """# A made-up tool

| format | recognised by | becomes | exact | null or refused | dropped |
|---|---|---|---|---|---|
| `made-up` | JSON lines with `of`, `tokens`, `s` | `requests` | everything | energy | nothing |

More words.
"""
# The package is loaded with one folder more, as if the module lay in ingest/formats/.
PROGRAM = """
import importlib.util, json, sys
from pathlib import Path
folder, pages = map(Path, sys.argv[1:])
spec = importlib.util.find_spec("prompt_joules.ingest.formats")
spec.submodule_search_locations.append(str(folder / "modules"))
package = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = package
spec.loader.exec_module(package)
from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import connect, query
from tests import reference
warehouse = str(folder / "w.duckdb")
status = [main([str(folder / "rows.jsonl"), "--warehouse", warehouse]), main(["check", "--warehouse", warehouse]), main(["formats"])]
runs = query.load("runs", None, warehouse).select("source", "model_id").rows()
leaderboard = query.load("leaderboard", None, warehouse).select("source").rows()
(folder / "found.json").write_text(json.dumps([status, runs, leaderboard, reference.formats(pages)]))
"""


def test_a_module_and_a_page_are_all_that_a_format_needs(tmp_path: Path) -> None:
    modules, pages = tmp_path / "modules", tmp_path / "pages"
    modules.mkdir()
    (modules / "made_up.py").write_text(MODULE)
    pages.mkdir()
    for page in (ROOT / "docs" / "formats").glob("*.md"):
        (pages / page.name).symlink_to(page)
    (pages / "made_up.md").write_text(PAGE)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"of": "org/model", "tokens": 9, "s": 1.5}) + "\n" for _ in range(40)))
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path, pages], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, runs, leaderboard, listed = json.loads((tmp_path / "found.json").read_text())
    assert status == [0, 0, 0]
    assert runs == [["Made Up", "org/model"]]
    assert leaderboard == [["Made Up"]]
    assert "7.1 (real files)" in " ".join(done.stdout.split())
    row = "| [`made-up`](../formats/made_up.md) | a made-up tool | "
    row += "JSON lines with `of`, `tokens`, `s` | `requests` | everything | energy | nothing |"
    assert row in listed


def test_a_format_without_a_page_is_named(tmp_path: Path) -> None:
    for page in (ROOT / "docs" / "formats").glob("[!z]*.md"):
        (tmp_path / page.name).symlink_to(page)
    with pytest.raises(KeyError, match="zeus-log"):
        reference.formats(tmp_path)
