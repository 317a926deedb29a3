"""Whose joules are they? A server's energy, divided among the requests that were in flight.

The rule (`energy_attribution` = shared): every moment's energy is shared equally by the requests in flight at that moment. A counter moves
in steps, so the energy between two steps is spread evenly over the time between them. Moments with no request in flight are nobody's.

What this does not know: that a prefill costs more than a decode step, or which GPU worked for whom. Between two steps of the counter the
power is unknown too; `error_j` bounds what that can move: a request can have got as much of a step's energy as its largest share in it,
or as little as its smallest (none, where it began or ended within the step).
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise


@dataclass
class Part:
    """What one request got so far: energy (J), half-width of its error (J), and when it ended (s; None: in flight)."""

    energy_j: float = 0.0
    error_j: float = 0.0
    end_s: float | None = None


class SharedEnergy:
    """Divides a counter's energy, step by step, among requests that come and go.

    Attributes:
        knots: (time in s, counter in J) of every step seen, in order.
        parts: what each request got, by its key.
        idle_j: energy of moments without a request, J.
    """

    def __init__(self) -> None:
        self.knots: list[tuple[float, float]] = []
        self.parts: dict[int, Part] = {}
        self.idle_j = 0.0
        self._changes: list[tuple[float, int, bool]] = []
        self._running: set[int] = set()

    def start(self, key: int, t_s: float) -> None:
        """A request goes out. Times of calls never fall."""
        self.parts[key] = Part()
        self._changes.append((t_s, key, True))

    def stop(self, key: int, t_s: float) -> None:
        """A request has ended, however it did."""
        self.parts[key].end_s = t_s
        self._changes.append((t_s, key, False))

    def settled(self, key: int) -> bool:
        """Whether the counter has been seen to move after the request's end, so that its part is final."""
        end_s = self.parts[key].end_s
        return end_s is not None and bool(self.knots) and self.knots[-1][0] >= end_s

    def advance(self, t_s: float, energy_j: float) -> None:
        """The counter moved to `energy_j` at `t_s`: divide what came since its last step."""
        if self.knots:
            self._divide(*self.knots[-1], t_s, energy_j)
        else:
            self._take_changes(t_s)
        self.knots.append((t_s, energy_j))

    def _take_changes(self, until_s: float) -> list[tuple[float, int, bool]]:
        """Apply and return the comings and goings up to a moment."""
        taken = [change for change in self._changes if change[0] <= until_s]
        self._changes = self._changes[len(taken) :]
        for _, key, comes in taken:
            (self._running.add if comes else self._running.discard)(key)
        return taken

    def _divide(self, begin_s: float, begin_j: float, end_s: float, end_j: float) -> None:
        gain_j, running = end_j - begin_j, set(self._running)
        changes = self._take_changes(end_s)
        shares: dict[int, list[float]] = {key: [] for key in running}
        at_s = begin_s
        for t_s, key, comes in [*changes, (end_s, -1, False)]:
            self._share_moment(running, gain_j * (t_s - at_s) / (end_s - begin_s), shares)
            at_s = t_s
            (running.add if comes else running.discard)(key)
            if comes:
                shares.setdefault(key, [0.0])
            elif key in shares:
                shares[key].append(0.0)
        for key, seen in shares.items():
            self.parts[key].error_j += gain_j * (max(seen) - min(seen)) if seen else 0.0

    def _share_moment(self, running: set[int], energy_j: float, shares: dict[int, list[float]]) -> None:
        if not running:
            self.idle_j += energy_j
        for key in running:
            self.parts[key].energy_j += energy_j / len(running)
            shares[key].append(1 / len(running))

    def at(self, t_s: float) -> float | None:
        """The counter at a moment, J, on the line between two steps; None outside the steps seen."""
        place = bisect_right(self.knots, t_s, key=lambda knot: knot[0])
        if place == 0 or (place == len(self.knots) and self.knots[-1][0] < t_s):
            return None
        if place == len(self.knots):
            return self.knots[-1][1]
        (t0_s, e0_j), (t1_s, e1_j) = self.knots[place - 1], self.knots[place]
        return e0_j + (e1_j - e0_j) * (t_s - t0_s) / (t1_s - t0_s)


@dataclass(frozen=True)
class Flight:
    """One request as a server's steady state needs it."""

    # start_s, end_s: in flight, monotonic.
    start_s: float
    end_s: float
    stamps_s: tuple[float, ...]  # when pieces of the answer arrived
    output_tokens: int | None  # as the server counted them; None for a failed request


def steady_state(flights: list[Flight], full: int | None, energy: SharedEnergy, no_energy: str | None = None) -> dict[str, object]:
    """Energy over output tokens while the batch is full, as ML.ENERGY v3 defines it; the prefills of other requests are inside.

    The window reaches from the first moment with `full` requests in flight to the last one, so the instants in which one request has just
    ended and the next is on its way are inside too. An answer's tokens are spread evenly over the pieces in which it arrived.

    Args:
        flights: every request of the session.
        full: requests in flight when the batch is full; None if no number is (a request rate).
        energy: what the counter showed.
        no_energy: why there are no joules.

    Returns:
        `start_s` and `end_s` (monotonic, s), `duration_s`, `output_tokens`, `energy_j`, `energy_per_token_j`; what is unknown is null, and
        `reason` says why.
    """
    empty: dict[str, object] = dict.fromkeys(("start_s", "end_s", "duration_s", "output_tokens", "energy_j", "energy_per_token_j"))
    if full is None:
        return empty | {"reason": "a request rate has no full batch"}
    window = _full_window(flights, full)
    if window is None:
        return empty | {"reason": f"{full} requests were never in flight at once"}
    start_s, end_s = window
    figures: dict[str, object] = empty | {"start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s}
    inside = [flight for flight in flights if flight.end_s > start_s and flight.start_s < end_s]
    if any(flight.output_tokens is None for flight in inside):
        return figures | {"reason": "a request in the window failed: its tokens are not known"}
    tokens = sum(_tokens_between(flight, start_s, end_s) for flight in inside)
    figures |= {"output_tokens": tokens}
    before_j, after_j = energy.at(start_s), energy.at(end_s)
    if no_energy is not None or before_j is None or after_j is None:
        return figures | {"reason": no_energy or "the counter was not read over the whole window"}
    if not tokens:
        return figures | {"energy_j": after_j - before_j, "reason": "no token in the window"}
    return figures | {"energy_j": after_j - before_j, "energy_per_token_j": (after_j - before_j) / tokens, "reason": None}


def _full_window(flights: list[Flight], full: int) -> tuple[float, float] | None:
    changes = sorted([(flight.end_s, -1) for flight in flights] + [(flight.start_s, 1) for flight in flights])
    count, spans = 0, []
    for (t_s, change), (next_s, _) in pairwise(changes):
        count += change
        if count >= full and next_s > t_s:
            spans.append((t_s, next_s))
    return (spans[0][0], spans[-1][1]) if spans else None


def _tokens_between(flight: Flight, start_s: float, end_s: float) -> float:
    """Tokens of an answer that arrived in a window."""
    if not flight.stamps_s or flight.output_tokens is None:
        return 0.0
    inside = sum(start_s < stamp_s <= end_s for stamp_s in flight.stamps_s)
    return flight.output_tokens * inside / len(flight.stamps_s)
