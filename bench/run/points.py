"""The operating points of a server: one a concurrency, and the cheapest that keeps a service level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from prompt_joules.bench import slo
from prompt_joules.bench.run.folder import read_run

_COLUMNS = ["status", "ttft_s", "latency_s", "output_tokens", "energy_j"]


def cheapest(points: Sequence[tuple[int, Sequence[Path]]], asked: str) -> str:
    """What to tell about the points measured.

    Args:
        points: concurrency, and the folders of its runs.
        asked: the service level, see `slo.parse`.

    Returns:
        One line a point, and which is the cheapest (J/token of the steady state, else of the answers) among those that keep the level.
        Without joules the fastest stands in for it, and the line says so. A concurrency above the number of answers was never reached:
        its line says so, and it is not chosen.
    """
    limits = slo.parse(asked)
    found = [_point(level, folders, limits) for level, folders in points if folders]
    lines = [_words(point) for point in found]
    reached = [point for point in found if point["in_flight"] == point["level"]]
    kept = [point for point in reached if (point["attainment"] or 0.0) >= slo.ENOUGH]
    if not kept:
        return "\n".join([*lines, f"No concurrency reached keeps {asked} for {slo.ENOUGH:.0%} of its answers."])
    metered = [point for point in kept if point["j_per_token"] is not None]
    if metered:
        best = min(metered, key=lambda point: point["j_per_token"])
        return "\n".join([*lines, f"The cheapest that keeps {asked}: {best['level']} at once, {best['j_per_token']:.4g} J/token."])
    best = max(kept, key=lambda point: point["tokens_per_s"])
    return "\n".join([*lines, f"No joules were measured: not the cheapest but the fastest that keeps {asked} is {best['level']} at once."])


def _point(level: int, folders: Sequence[Path], limits: tuple[slo.Limit, ...]) -> dict[str, Any]:
    # One by one: a run that an earlier version began has parts without the columns that came later.
    parts = [[pl.read_parquet(path, columns=_COLUMNS) for path in sorted(folder.glob("part-*.parquet"))] for folder in folders]
    rows = pl.concat([part for of_run in parts for part in of_run])
    in_flight = min(level, max(sum(part.height for part in of_run) for of_run in parts))
    steady = [state for folder in folders for session in read_run(folder).sessions if (state := _steady(session))]
    tokens, joules = sum(state["output_tokens"] for state in steady), sum(state["energy_j"] for state in steady)
    measured = rows.filter(pl.col("energy_j").is_not_null())
    answered = rows.filter(pl.col("status") == "ok")
    if not tokens and not measured.is_empty():
        tokens, joules = float(measured["output_tokens"].sum()), float(measured["energy_j"].sum())
    seconds = float(answered["latency_s"].sum())
    return {
        "level": level,
        "in_flight": in_flight,
        "attainment": slo.attainment(rows, limits),
        "j_per_token": joules / tokens if tokens else None,
        "tokens_per_s": in_flight * float(answered["output_tokens"].sum()) / seconds if seconds else 0.0,
        "steady": bool(steady),
    }


def _steady(session: dict[str, Any]) -> dict[str, Any] | None:
    state = ((session.get("books") or {}).get("server") or {}).get("steady_state") or {}
    return state if state.get("energy_j") is not None and state.get("output_tokens") else None


def _words(point: dict[str, Any]) -> str:
    share = "no answers" if point["attainment"] is None else f"{point['attainment']:.1%} keep it"
    joules = "no joules" if point["j_per_token"] is None else f"{point['j_per_token']:.4g} J/token"
    never = "" if point["in_flight"] == point["level"] else f"never more than {point['in_flight']}, the number of answers; "
    return f"{point['level']:>5} at once: {never}{share}, {joules}, about {point['tokens_per_s']:.0f} token/s"
