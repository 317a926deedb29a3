"""AIPerf beside ours: the table of docs/engines.md out of the times that were kept."""

import json

import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from tests import warehouses
from tests.figures import marked
from tests.perf import beside


def test_the_table_of_clients_is_made_of_the_times_that_were_kept() -> None:
    made = json.loads((warehouses.ROOT / "docs/figures/clients-llama-server.json").read_text(encoding="utf-8"))
    text = (warehouses.ROOT / "docs/engines.md").read_text(encoding="utf-8")
    assert marked.stands_as_table(beside.table(made), text, beside.HEADING)
    assert {len(turn["answers"]) for turn in made["turns"]} == {beside.PROMPTS} and len(made["turns"]) == 2 * len(beside.TURNS)


def test_a_client_is_compared_with_the_log_of_the_server() -> None:
    log = """slot print_timing: id 3 | task 0 | prompt eval time =     900.00 ms /    41 tokens
slot print_timing: id 3 | task 0 |        eval time =    1200.00 ms /    16 tokens
slot print_timing: id 3 | task 0 |       total time =    2100.00 ms /    57 tokens
"""
    assert beside.logged(log) == [(900.0, 1200.0)]
    turn = {"client": "ours", "at_once": 1, "answers": [[909.0, 2121.0, 900.0, 1200.0]]}
    assert beside.table({"turns": [turn, turn]})[1] == "| ours | 1 | +1.0 %, +1.0 % | +1.0 %, +1.0 % | +1.0 %, +1.0 % |"
