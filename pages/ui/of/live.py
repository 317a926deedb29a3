"""Live: an answer on its way and at its end, in words and numbers. Rows in, words out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prompt_joules.pages.ui.pure.words import count, figure, plain

LENGTHS = (64, 128, 256, 512)
LONGEST_QUESTION = 2000
FIRST_QUESTION = "Why are there two tides a day?"
ABOUT = (
    "Both get the same question and the system prompt of the task “chat”, one after the other, so that each has the energy counter of the "
    "GPU to itself. The number that counts up is that counter, which moves in steps; the number at the end is that of a "
    "measured window, with its "
    "error. All GPUs of this host are summed, so whatever else they do is in it, an idle second model too."
)


WAITS = "waits for its turn"
# In the place of joules that nobody has.
NOTHING_YET = "– J"
# The joules are what one looks at while they count up; figures of one width keep them from trembling.
STYLE = """<style>
p.joules { margin: 0 0 -0.75rem; font-size: 2rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
</style>"""


def title(label: str, model: str) -> str:
    """Who answers; of a model that its server knows by a folder, the folder's name alone."""
    name = re.split(r"[/\\]", model.rstrip("/\\"))[-1] if re.match(r"[/\\~.]|[A-Za-z]:", model) else model
    return f"**{plain(label)}**" + ("" if label in (model, name) else f" · {plain(name)}")


def sentence(fault: str, label: str) -> str:
    """Why there is no answer, as a sentence; a server's own name stays as it is."""
    start = fault if fault.startswith(label) else f"{fault[:1].upper()}{fault[1:]}"
    return start if start.endswith(("?", ".")) else f"{start}."


def so_far(text: str, seconds: float, joules: float | None) -> tuple[str, str]:
    """The large number above an answer that is on its way, and the line below it."""
    words = len(text.split())
    if not words:
        return NOTHING_YET, f"waits for the first word · {seconds:.1f} s"
    energy, beside = (NOTHING_YET, "joules not known") if joules is None else (f"{figure(joules, 3)} J", "so far")
    return energy, f"{beside} · {count(words, 'word')} · {seconds:.1f} s"


def measured(row: Mapping[str, Any]) -> tuple[str, str]:
    """The large number above a whole answer, joules with their error, and the line below it: words, J per word, tokens, seconds, and the
    reason where there are no joules.

    Args:
        row: of a results file.
    """
    joules, words = row["energy_j"], row["output_words"]
    energy = f"{figure(joules, 3)} J ± {figure(row['energy_error_j'], 2)}" if joules is not None else NOTHING_YET
    parts = [count(words, "word")] if joules is not None else ["joules not measured", count(words, "word")]
    if joules is not None and words:
        parts.append(f"**{figure(joules / words, 3)} J per word**")
    parts += [
        count(row["output_tokens"], "token") if row["output_tokens"] is not None else "tokens not counted",
        f"{row['latency_s']:.1f} s",
    ]
    why = f"  \nWhy there are no joules: {plain((row['energy_reason'] or 'not said').rstrip('.'))}." if joules is None else ""
    cut = "  \nCut short at the length limit." if row["finish_reason"] == "length" else ""
    return energy, " · ".join(parts) + why + cut


def verdict(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """What the pair shows, as one sentence; that it shows nothing where joules are missing.

    Args:
        rows: of two whole answers.
        names: of their servers.
    """
    first, second = rows
    if first["energy_j"] is None or second["energy_j"] is None:
        return "Both models answered, but not every energy was measured: the lines below say what is missing on this machine."
    low, high = sorted(zip(rows, names, strict=True), key=lambda pair: float(pair[0]["energy_j"]))
    apart = high[0]["energy_j"] - low[0]["energy_j"]
    noise = high[0]["energy_error_j"] + low[0]["energy_error_j"]
    if apart <= noise:
        return "The two answers took the same, within what the counter can tell."
    answer = (
        f"**{plain(low[1])}** answered for {figure(low[0]['energy_j'], 3)} J, **{plain(high[1])}** for {figure(high[0]['energy_j'], 3)} J"
    )
    ratio = f": {figure(high[0]['energy_j'] / low[0]['energy_j'], 2)}× as much"
    per_word = [each["energy_j"] / each["output_words"] for each, _ in (low, high) if each["output_words"]]
    lengths = ""
    if len(per_word) == len(rows):
        lengths = f"; per word {figure(per_word[0], 2)} and {figure(per_word[1], 2)} J"
    return f"{answer}{ratio}{lengths}. One question says little about others: “Runs” and “Compare” have many."
