"""The named statements of the ingest: each is used, and each that is used exists once."""

import re
from pathlib import Path

import pytest

from prompt_joules.ingest import statements

INGEST = Path(statements.__file__).parent


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    source = "".join(path.read_text() for path in INGEST.rglob("*.py"))
    unused = {name for name in statements.blocks() if f'"{name}"' not in source}
    assert not unused
    for name in [*re.findall(r'statement\("(\w+)"\)', source), "run_summary"]:
        assert statements.statement(name).rstrip(";")


def test_no_block_is_lost_and_none_runs_into_the_next() -> None:
    marks = sum(path.read_text().count("-- name: ") for path in statements.SQL.glob("*.sql"))
    assert len(statements.blocks()) == marks > 40
    assert not any("-- name:" in text for text in statements.blocks().values())


def test_a_name_that_is_not_there_or_there_twice_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(statements.BadStatements, match="no_such_statement"):
        statements.statement("no_such_statement")
    for name in ("a", "b"):
        (tmp_path / f"{name}.sql").write_text("-- Title.\n\n-- name: twice\nselect 1\n")
    monkeypatch.setattr(statements, "SQL", tmp_path)
    with pytest.raises(statements.BadStatements, match="twice"):
        statements.blocks.__wrapped__()
