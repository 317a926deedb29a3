"""The table of holes in docs/reliability.md names tests that are there."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_test_that_the_table_names_is_in_the_suite() -> None:
    text = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## Each hole")[2].splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 14
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for path, name in named:
            tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"
