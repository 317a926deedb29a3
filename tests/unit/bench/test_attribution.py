"""Whose joules: the rule by hand, and what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_joules.bench.run.attribution import Flight, SharedEnergy, steady_state


def shared(spans: list[tuple[float, float]], knots: list[tuple[float, float]]) -> SharedEnergy:
    """Feed spans and knots in the order in which they would happen."""
    energy = SharedEnergy()
    moments = [(start, 0, key) for key, (start, _) in enumerate(spans)] + [(end, 1, key) for key, (_, end) in enumerate(spans)]
    moments += [(t_s, 2, place) for place, (t_s, _) in enumerate(knots)]
    for t_s, what, which in sorted(moments):
        if what == 2:
            energy.advance(*knots[which])
        else:
            (energy.start, energy.stop)[what](which, t_s)
    return energy


def test_two_requests_by_hand() -> None:
    """100 W; A from 1 s to 5 s, B from 3 s to 7 s: alone 200 J, together 100 J each."""
    energy = shared([(1.0, 5.0), (3.0, 7.0)], [(float(t), 100.0 * t) for t in range(9)])
    assert energy.parts[0].energy_j == pytest.approx(300)
    assert energy.parts[1].energy_j == pytest.approx(300)
    assert energy.idle_j == pytest.approx(200)
    assert energy.settled(0) and energy.settled(1)


def test_energy_follows_the_counter_and_not_a_mean_power() -> None:
    energy = shared([(0.0, 1.0), (1.0, 2.0)], [(0.0, 0.0), (1.0, 10.0), (2.0, 110.0)])
    assert (energy.parts[0].energy_j, energy.parts[1].energy_j) == (pytest.approx(10), pytest.approx(100))


def test_error_is_the_steps_in_which_the_share_changes() -> None:
    inside = shared([(0.5, 3.5)], [(0.0, 0.0), (1.0, 10.0), (2.0, 30.0), (3.0, 50.0), (4.0, 90.0)])
    assert inside.parts[0].error_j == pytest.approx(10 + 40)
    joined = shared([(0.0, 3.0), (1.5, 3.0)], [(0.0, 0.0), (1.0, 10.0), (2.0, 30.0), (3.0, 50.0)])
    assert joined.parts[0].error_j == pytest.approx(20 * (1 - 0.5) + 20 * 0.5)


def test_a_request_is_settled_only_after_a_step_behind_its_end() -> None:
    energy = shared([(0.2, 0.8)], [(0.0, 0.0), (0.5, 5.0)])
    assert not energy.settled(0)
    energy.advance(1.0, 10.0)
    assert energy.settled(0)
    assert energy.parts[0].energy_j == pytest.approx(6)


TIMES = st.integers(1, 99).map(lambda n: n / 10)


@given(
    st.lists(st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=8),
    st.lists(st.floats(0, 100), min_size=1, max_size=20),
)
def test_parts_and_idle_add_up_to_the_counter_and_equal_requests_get_equal_parts(
    spans: list[tuple[float, float]], gains: list[float]
) -> None:
    knots, total = [(0.0, 7.0)], 7.0
    for place, gain in enumerate(gains):
        total += gain
        knots.append((10.0 * (place + 1) / len(gains), total))
    energy = shared([*spans, spans[0]], knots)
    parts = list(energy.parts.values())
    assert sum(part.energy_j for part in parts) + energy.idle_j == pytest.approx(total - 7.0, abs=1e-6)
    assert energy.parts[0].energy_j == pytest.approx(energy.parts[len(spans)].energy_j, abs=1e-9)
    assert all(part.energy_j >= 0 and part.error_j >= 0 for part in parts)


@given(
    st.lists(st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=5),
    st.lists(st.floats(0, 100), min_size=100, max_size=100),
)
def test_the_error_bound_holds_for_a_coarse_counter(spans: list[tuple[float, float]], gains: list[float]) -> None:
    """The truth is a counter of 0.1 s steps; the coarse one shows only every twentieth of them."""
    fine, total = [(0.0, 0.0)], 0.0
    for place, gain in enumerate(gains):
        total += gain
        fine.append(((place + 1) / 10, total))
    truth, coarse = shared(spans, fine), shared(spans, fine[::20])
    for key in range(len(spans)):
        assert abs(truth.parts[key].energy_j - coarse.parts[key].energy_j) <= coarse.parts[key].error_j + 1e-6


def test_steady_state_by_hand() -> None:
    """Two at once from 1 s to 6 s at 100 W; each answer has ten pieces, evenly."""
    flights = [
        Flight(start, start + 5.0, tuple(start + 0.5 * (n + 1) - 0.01 for n in range(10)), tokens)
        for start, tokens in ((0.0, 20), (1.0, 10), (5.0, 30))
    ]
    energy = shared([(flight.start_s, flight.end_s) for flight in flights], [(float(t), 100.0 * t) for t in range(12)])
    figures = steady_state(flights, 2, energy)
    assert (figures["start_s"], figures["end_s"]) == (1.0, 6.0)
    assert figures["output_tokens"] == pytest.approx(8 * 2 + 10 * 1 + 2 * 3)
    assert figures["energy_per_token_j"] == pytest.approx(500 / 32)
    assert figures["reason"] is None


@pytest.mark.parametrize(
    ("full", "tokens", "why"),
    [(None, 1, "request rate"), (3, 1, "never in flight"), (1, None, "failed")],
)
def test_no_steady_state_is_null_with_the_reason(full: int | None, tokens: int | None, why: str) -> None:
    figures = steady_state([Flight(0.0, 1.0, (0.5,), tokens)], full, shared([(0.0, 1.0)], [(0.0, 0.0), (2.0, 10.0)]))
    assert figures["energy_per_token_j"] is None
    assert why in str(figures["reason"])


def test_outside_the_steps_nothing_is_known() -> None:
    energy = shared([], [(1.0, 10.0), (2.0, 20.0)])
    assert energy.at(0.9) is None and energy.at(2.1) is None
    assert (energy.at(1.0), energy.at(1.5), energy.at(2.0)) == (10.0, 15.0, 20.0)
