"""Turns of clients, compared: how far one client's times are from another's, and how sure that is.

Such a server keeps no log of its own to compare with. The medians of two clients' turns of one round are divided, and the mean of the
logarithms has a t interval over the whole rounds: what drifts from round to round is in both turns. Whoever looks at an interval several
times and stops when it pleases is wrong more often than it says: with `--until-known` there are a few looks, and each interval is so wide
that all of them together hold the truth in 95 of 100 cases (Bonferroni).
"""

import bisect
import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMES = {"ttft_ms": "time_to_first_token", "itl_ms": "inter_token_latency", "latency_ms": "request_latency"}
AGREE = 0.02
"""Two clients agree when the whole interval of their ratio lies this near to 1."""
LEVEL = 0.95
LISTED = 3
"""Turns of a client at a level that a table lists one by one."""


def whole(made: dict[str, Any], level: int) -> list[int]:
    """The rounds at a level in which every client had its turn."""
    of = [(turn["round"], turn["client"]) for turn in made["turns"] if turn["at_once"] == level]
    return [place for place in sorted({place for place, _ in of}) if all((place, client) in of for client in made["clients"])]


def known(made: dict[str, Any], level: int, until: Sequence[str]) -> bool:
    """Whether the last look at a level showed or refused an agreement of all clients in these times."""
    looks = [look for look in made["looks"][:-1] if look <= len(whole(made, level))]
    if not until or not looks:
        return False
    seen = made | {"turns": [turn for turn in made["turns"] if turn["round"] in whole(made, level)[: looks[-1]]]}
    return all(its.verdict != "open" for (_, at_once, name), its in compared(seen).items() if at_once == level and name in until)


@dataclass(frozen=True)
class Ratio:
    """One client's times over another's, less 1.

    Attributes:
        mean: over rounds.
        low, high: ends of the interval; None where there is one round.
        spread: the standard deviation of the logarithm of a round's ratio; None where there is one round.
    """

    mean: float
    low: float | None
    high: float | None
    spread: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the clients agree within `AGREE`: shown, refused, or open where the interval allows both."""
        if self.low is None or self.high is None:
            return "open"
        if self.low >= -AGREE and self.high <= AGREE:
            return "shown"
        return "refused" if self.low > AGREE or self.high < -AGREE else "open"


def ratio(ours_of: Sequence[float], theirs: Sequence[float], looks: int = 1) -> Ratio:
    """Medians of turns, paired by round, > 0: the geometric mean of their ratios with a t interval.

    The intervals of so many looks hold the truth together in 95 of 100 cases or more; where they are fewer in the end, in more.
    """
    logs = [math.log(a / b) for a, b in zip(ours_of, theirs, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Ratio(math.expm1(mean), None, None)
    spread = statistics.stdev(logs)
    half = half_width(spread, len(logs), looks)
    return Ratio(math.expm1(mean), math.expm1(mean - half), math.expm1(mean + half), spread)


def half_width(spread: float, rounds: int, looks: int = 1) -> float:
    """Of the interval of a mean of so many logarithms that have this standard deviation."""
    return _quantile(rounds - 1, looks) * spread / math.sqrt(rounds)


@functools.cache
def _quantile(degrees: int, looks: int) -> float:
    from scipy.stats import t as student  # 0.8 s, which every process of the tests would take to collect them

    return float(student.ppf(1 - (1 - LEVEL) / looks / 2, degrees))


def rounds_for(spread: float, looks: int = 1, most: int = 10_000) -> int:
    """How many rounds show an agreement within `AGREE` of clients that are equal, if a round's ratio spreads so; `most` or more."""
    return 2 + bisect.bisect_left(range(2, most), -math.log1p(AGREE), key=lambda rounds: -half_width(spread, rounds, looks))


def compared(made: dict[str, Any], of: str = "median") -> dict[tuple[str, int, str], Ratio]:
    """By client, level and name of a time: every client but the first over the first, in the whole rounds of levels that have one.

    `of` says what a turn's time is, the median or the mean of its answers.
    """
    base, *others = made["clients"]
    looks = len(made.get("looks", [0]))
    return {
        (client, level, name): ratio(
            _of_turns(made, client, level, name, rounds, of), _of_turns(made, base, level, name, rounds, of), looks
        )
        for level in dict.fromkeys(turn["at_once"] for turn in made["turns"])
        if (rounds := whole(made, level))
        for client in others
        for name in TIMES
    }


def _of_turns(made: dict[str, Any], client: str, level: int, name: str, rounds: Sequence[int], of: str) -> list[float]:
    """The medians or means of a client's turns at a level, by round."""
    its = {turn["round"]: turn for turn in made["turns"] if (turn["client"], turn["at_once"]) == (client, level)}
    if of == "median":
        return [its[place]["median"][name] for place in rounds]
    column = list(TIMES).index(name)
    return [statistics.fmean(answer[column] for answer in its[place]["answers"]) for place in rounds]


def table(made: dict[str, Any], of: str = "median") -> list[str]:
    """The rows of a table: the time of each turn (ms) by round, its median or mean, where there are more than `LISTED` their median and
    their ends; then each client over the first with its interval over the whole rounds."""
    ratios, base = compared(made, of), made["clients"][0]
    lines = []
    for level in dict.fromkeys(turn["at_once"] for turn in made["turns"]):
        for client in made["clients"]:
            rounds = sorted(turn["round"] for turn in made["turns"] if (turn["client"], turn["at_once"]) == (client, level))
            cells = [_listed(_of_turns(made, client, level, name, rounds, of)) for name in TIMES]
            lines.append("| " + " | ".join([client, str(level), *cells]) + " |")
        for client in made["clients"][1:] if whole(made, level) else ():
            cells = [_words(ratios[client, level, name]) for name in TIMES]
            lines.append("| " + " | ".join([f"{client} over {base}", str(level), *cells]) + " |")
    return lines


def _listed(times: list[float]) -> str:
    if len(times) <= LISTED:
        return ", ".join(f"{each:.2f}" for each in times)
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def verdicts(made: dict[str, Any], of: str = "median") -> list[str]:
    """One line a comparison: whether it agrees within `AGREE`, and where that is open how many rounds equal clients would take."""
    base, looks = made["clients"][0], len(made.get("looks", [0]))
    return [
        f"{client} over {base}, {level} at once, {name}: within {AGREE:.0%} is {its.verdict}{_further(its, looks)} ({_rounds(made, level)})"
        for (client, level, name), its in compared(made, of).items()
    ]


def _further(its: Ratio, looks: int) -> str:
    if its.verdict != "open" or its.spread is None:
        return ""
    return f"; rounds spread by {100 * its.spread:.1f} %, so {rounds_for(its.spread, looks):,} of them would show it of equal clients"


def _rounds(made: dict[str, Any], level: int) -> str:
    """How many rounds count, and turns that do not."""
    rounds = whole(made, level)
    rest = sum(turn["at_once"] == level and turn["round"] not in rounds for turn in made["turns"])
    return f"rounds: {len(rounds)}" + (f"; turns of one that is not whole: {rest}" if rest else "")


def _words(its: Ratio) -> str:
    ends = "" if its.low is None or its.high is None else f" ({percent(its.low)} to {percent(its.high)})"
    return percent(its.mean) + ends


def percent(share: float) -> str:
    """A share less 1 with its sign, in percent."""
    return f"{100 * share:+.1f} %".replace("-", "−").replace("−0.0", "0.0").replace("+0.0", "0.0")
