"""run.json: what the measuring side writes about a whole run beside its Parquet parts. Its energy balance judges the run.

A run that was interrupted has several sessions; their joules add up. Of two files about the same run the one with more
sessions counts, so that the order of files does not matter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Facts, Format, Loaded, Source, Unreadable, content_of
from prompt_joules.ingest.formats.foreign import dug, is_number, is_text
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create

SCHEMA = create.columns_of("run_notes", without=())
MOST = 1e15
"""No balance has more joules, tokens or seconds than this."""


def _joules(balance: Mapping[str, Any], key: str) -> float | None:
    """A number of the balance; None where the meter had none, or it is below zero or above all energy."""
    value: Any = balance.get(key)
    return float(value) if is_number(value) and (-MOST if key == "gaps_j" else 0) <= value <= MOST else None


def _sum(balances: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Sum over sessions; None when any session lacks it, because a part is not the whole."""
    values = [_joules(balance, key) for balance in balances]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _steady(balance: Mapping[str, Any]) -> Mapping[str, Any]:
    """The steady state of a server in the balance of a session: energy and tokens while its batch was full; empty without one."""
    steady = dug(balance, "server", "steady_state")
    return steady if isinstance(steady, dict) else {}


def notes_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `run_notes` that a run.json stands for: joules summed over sessions, the ratio of those sums."""
    sessions = [session for session in content["sessions"] if isinstance(session, dict)]
    balances = [session["books"] for session in sessions if isinstance(session.get("books"), dict)]
    counter, windows, gaps = (_sum(balances, key) for key in ("counter_j", "windows_j", "gaps_j"))
    ratio = _joules(balances[0], "ratio") if len(balances) == 1 else None
    if ratio is None and counter and windows is not None and gaps is not None:
        ratio = (windows + gaps) / counter
    steady = [_steady(balance) for balance in balances]
    steps = [step for balance in balances if (step := _joules(balance, "step_s")) is not None]
    return {
        "run_id": content["run_id"],
        "fingerprint": content["fingerprint"],
        "finished": content.get("finished"),
        "sessions": len(sessions),
        "balance_counter_j": counter,
        "balance_windows_j": windows,
        "balance_gaps_j": gaps,
        "balance_ratio": ratio,
        "counter_step_s": max(steps, default=None),
        "steady_energy_j": _sum(steady, "energy_j"),
        "steady_output_tokens": _sum(steady, "output_tokens"),
    }


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    newest: dict[str, dict[str, Any]] = {}
    for note in map(_note, sources):
        if (known := newest.get(note["run_id"])) is None or _rank(note) >= _rank(known):
            newest[note["run_id"]] = note
    # One statement for all files: a statement for each takes 10 ms.
    connection.register("incoming_notes", pl.DataFrame(list(newest.values()), SCHEMA).to_arrow())
    try:
        connection.execute(statement("run_notes"))
        connection.execute("insert or ignore into touched select run_id from incoming_notes")
    finally:
        connection.unregister("incoming_notes")
    return [Loaded(source, 1, 0) for source in sources]


def _rank(note: Mapping[str, Any]) -> tuple[int, bool]:
    """Of two files about one run the one with the higher rank counts, and the later one of those of the same."""
    return note["sessions"], bool(note["finished"])


def _note(source: Source) -> dict[str, Any]:
    """The row of a file. Raises Unreadable."""
    content = content_of(source).json
    if not isinstance(content, dict) or not isinstance(content.get("sessions"), list):
        raise Unreadable("is not a run.json: `sessions` is not a list")
    if not is_text(content["run_id"]) or not is_text(content["fingerprint"]) or not isinstance(content.get("finished"), bool | None):
        raise Unreadable("is not a run.json: `run_id` and `fingerprint` must be text and `finished` true or false")
    return notes_of(content) | {"file_id": source.file_id}


FORMAT = Format(
    Facts("run-json", "run.json beside our Parquet: the energy balance of a run"),
    recognises=lambda content: content.kind == "document" and {"run_id", "fingerprint", "sessions"} <= content.keys,
    load=_load,
    batch=500,
    rank=-1,
)
