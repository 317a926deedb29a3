"""All scenarios by name, one per interval that the app shows: each measures once and says whether the interval holds the truth."""

import numpy as np

from tests.simulations.contrasts import of_pairs, total_of_batches
from tests.simulations.fits import coefficient, coefficient_of_runs, expected_energy, percentile, percentile_of_steps, saved, served, slope
from tests.simulations.measurements import Scenario, World
from tests.simulations.ratios import off_by_the_meter, ratio, ratio_alone, ratio_of_batches, ratio_of_cards, ratio_of_percentiles
from tests.simulations.values import in_a_table, runs_alone, runs_of_one_search, value_across_runs, value_of_one_run

FAR_APART = World(length=400.0, between_prompts=0.8, between_samples=0.9, longest=2048)
"""Lengths as those of the shipped prompts with 2,048 new tokens: half of the energy may be in a tenth of the answers."""
ALIKE = World(between_prompts=0.1, between_samples=0.1)
"""Lengths that were nearly forced, as with random weights: five answers have an interval."""
HEAVY, HEAVIER = (World(between_prompts=spread, between_samples=0.0, longest=10**9) for spread in (1.0, 1.5))
"""Lengths without a limit, log-normal: of 100 answers the longest has about 7 % of the energy, or 14 %."""
OF_SHAREGPT = (*[(0, 130)] * 3, *[(130, 200)] * 2, (130, 142))
"""Which of the 200 ShareGPT prompts the shipped runs of protocol 2.1 asked, one at a time."""
SCENARIOS: dict[str, Scenario] = {
    **{f"mean energy, one run, {n} prompts of about one length": value_of_one_run(n, world=ALIKE) for n in (5, 10)},
    **{f"J/token, one run, {n} prompts of about one length": value_of_one_run(n, "output token", ALIKE) for n in (5, 10)},
    **{f"mean energy, one run, {n} prompts": value_of_one_run(n) for n in (20, 100)},
    **{f"J/token, one run, {n} prompts": value_of_one_run(n, "output token") for n in (20, 100)},
    "mean energy, one run, very long tails, 100 prompts": value_of_one_run(100, world=HEAVY),
    **{f"ratio, very long tails, {n} prompts": ratio(n, 1, 0.0, world=HEAVY) for n in (20, 100)},
    **{f"ratio, still longer tails, {n} prompts": ratio(n, 1, 0.0, world=HEAVIER) for n in (50, 100)},
    "ratio, very long tails, 100 prompts, of which one side answered 20": ratio(100, 1, 0.0, sizes=((), (20,)), world=HEAVY),
    "mean energy, one run, spread 8 % known from others, 100 prompts": value_across_runs(100, 1, 0.08),
    "mean energy, three runs, spread 8 %, 100 prompts": value_across_runs(100, 3, 0.08),
    **{
        f"J/token, {name} runs and no others, spread {words} %, 40 prompts": runs_alone(40, count, spread)
        for name, count, words, spread in (("two", 2, "8", 0.08), ("three", 3, "2.9", 0.029), ("four", 4, "8", 0.08))
    },
    "J/token, three runs with the kernels of one search, 4 % between searches, 100 prompts": runs_of_one_search(100, 3, 0.04, 0.005),
    "J/token, three runs on three cards, 5 % between cards, 40 prompts": runs_alone(40, 3, 0.029, 3, 0.05),
    "J/token, six runs on three cards, 8 % between cards, 40 prompts": runs_alone(40, 6, 0.029, 3, 0.08),
    **{
        f"ratio of J/token, {name} runs {how} and no others, spread 8 %, 40 prompts": ratio_alone(
            40, count, 0.08, in_turns=how == "in turns"
        )
        for name, count, how in (("two", 2, "each"), ("two", 2, "in turns"), ("three", 3, "in turns"))
    },
    "ratio of J/token on two cards, three others known, 5 % between cards, 40 prompts": ratio_of_cards(40, 3, 0.029, 0.05),
    "mean energy in a table, one run, spread 2 %, 20 prompts": in_a_table(20, 1, 0.02),
    "mean energy in a table, two runs, spread 8 %, 100 prompts": in_a_table(100, 2, 0.08),
    "mean energy in a table, three runs, spread 2 %, 20 prompts": in_a_table(20, 3, 0.02),
    "J/token in a table, one run, spread 8 %, 100 prompts": in_a_table(100, 1, 0.08, "output token"),
    "J/token in a table, two runs, spread 2 %, 20 prompts": in_a_table(20, 2, 0.02, "output token"),
    "J/token in a table, three runs, spread 8 %, 100 prompts": in_a_table(100, 3, 0.08, "output token"),
    "J/token in a table, one run, spread 4 % and uneven, 100 prompts": in_a_table(100, 1, 0.04, "output token", uneven=0.5),
    "J/token in a table, three runs, spread 4 % and uneven, 100 prompts": in_a_table(100, 3, 0.04, "output token", uneven=0.5),
    "J/token in a table, one run, lengths far apart, 20 prompts": in_a_table(20, 1, 0.0, "output token", world=FAR_APART),
    "J/token of a server, two runs, spread 8 %": served(2, 0.08),
    "ratio, one run each, spread 8 % known from others, 100 prompts": ratio(100, 1, 0.08),
    "ratio, one run each, spread 2 % known from others, 20 prompts": ratio(20, 1, 0.02),
    "ratio, one run each, spread 8 % known from one pair of runs, 100 prompts": ratio(100, 1, 0.08, setups=1),
    "ratio, two runs each, spread 8 %, 100 prompts": ratio(100, 2, 0.08),
    "ratio, three runs each, spread 8 %, 100 prompts": ratio(100, 3, 0.08),
    "ratio, three runs in turns, spread 8 %, 100 prompts": ratio(100, 3, 0.08, in_turns=True),
    "ratio of J/token, three runs each, spread 8 %, 20 prompts": ratio(20, 3, 0.08, per="output token"),
    "ratio of J/token, three runs in turns, spread 8 %, 20 prompts": ratio(20, 3, 0.08, in_turns=True, per="output token"),
    "J/token in a table, four runs, the first of which holds five sixths, spread 4 %": in_a_table(
        300, 4, 0.04, "output token", sizes=(300, 20, 20, 20)
    ),
    "mean energy in a table, eight runs, of which five asked 20 of 100 prompts, spread 3 %": in_a_table(
        100, 8, 0.03, sizes=(100, 100, 100, 20, 20, 20, 20, 20)
    ),
    "ratio of J/token, four runs each, the first of which holds seven eighths, spread 4 %": ratio(
        200, 4, 0.04, per="output token", sizes=((200, 10, 10, 10), (200, 10, 10, 10))
    ),
    "ratio of J/token, three runs in turns, of which one side has the first alone, spread 8 %": ratio(
        100, 3, 0.08, in_turns=True, per="output token", sizes=((), (100, 0, 0))
    ),
    "ratio of J/token, three runs in turns, of uneven sizes, spread 8 %": ratio(
        100, 3, 0.08, in_turns=True, per="output token", sizes=((100, 20, 20), (20, 100, 20))
    ),
    "ratio, 8 windows of 32, one run each": ratio_of_batches(8, 32),
    "ratio, 23 windows of 128, one run each": ratio_of_batches(23, 128),
    **{
        f"{what}, meter off by 3 %, {prompts:,} prompts": off_by_the_meter(prompts, key)
        for what, key, prompts in (
            ("mean energy", "value", 3000),
            ("ratio on one card", "one card", 1000),
            ("ratio on two cards", "two cards", 3000),
        )
    },
    "median of pairs, one run each, spread 8 % known from others, 100 pairs": of_pairs(100, 1, 0.08),
    "median of pairs, two runs each, spread 8 %, 100 prompts": of_pairs(100, 2, 0.08),
    "median of pairs, three runs in turns, spread 8 %, 100 prompts": of_pairs(100, 3, 0.08, in_turns=True),
    "median of pairs, three runs each, spread 8 %, 20 prompts": of_pairs(20, 3, 0.08),
    "median of pairs, six runs in turns, of parts of 200 prompts, spread 3 %": of_pairs(200, 6, 0.03, in_turns=True, parts=OF_SHAREGPT),
    "median of pairs, three runs in turns of one search, the last of a half of 200 prompts, spread 3 %": of_pairs(
        200, 3, 0.03, in_turns=True, parts=((0, 200), (0, 200), (0, 103)), searches=1
    ),
    "total of pairs, three runs in turns, spread 8 %, 100 prompts": of_pairs(100, 3, 0.08, "total_change", in_turns=True),
    **{f"J per output token of a fit, {n} prompts": coefficient(n, "output_token_j") for n in (20, 200)},
    "total of pairs of batches, 12 windows of 32, one run each": total_of_batches(12, 32),
    "what a step of software saves, one run each, spread 3 % known from others, 20 answers": saved(20, 0.03),
    "J per input token of a fit, 50 prompts": coefficient(50, "input_token_j"),
    **{f"fixed J of a fit, {n} prompts": coefficient(n, "fixed_j") for n in (20, 200)},
    "J per output token of a fit, 50 prompts answered three times": coefficient(50, "output_token_j", counts=3),
    **{
        f"J per output token of a fit, {name}, spread 8 %, 50 prompts": coefficient_of_runs(50, count, 0.08)
        for name, count in (("one run", 1), ("two runs", 2), ("three runs", 3))
    },
    "energy that a fit gives, 50 prompts": expected_energy(50),
    "exponent of a line, 8 models": slope(8, 1),
    "exponent of a line, 8 models measured four times each": slope(8, 4),
    **{
        f"{name}, {n} prompts": percentile(n, level)
        for name, level in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
        for n in (20, 100, 1000)
    },
    **{f"{name} read off 200 steps, 1000 prompts": percentile_of_steps(1000, level) for name, level in (("median", 0.5), ("p95", 0.95))},
    "ratio of medians, one run each, 20 prompts": ratio_of_percentiles(20, "median", 0.0),
    "ratio of p95, one run each, spread 8 % known from others, 100 prompts": ratio_of_percentiles(100, "p95", 0.08),
}


# What intervals do not promise: a setup that is less steady than all that were measured more than once; a mean with the longest tails.
LIMITS: dict[str, Scenario] = {
    "mean energy, one run, very long tails, 20 prompts": value_of_one_run(20, world=HEAVY),
    "mean energy, one run, still longer tails, 50 prompts": value_of_one_run(50, world=HEAVIER),
}
LIMITS |= {
    f"J/token in a table, {name}, twice as unsteady as others, 100 prompts": in_a_table(100, count, 0.04, "output token", times=2)
    for name, count in (("one run", 1), ("two runs", 2), ("three runs", 3))
}


def coverage(scenario: Scenario, times: int, seed: int = 1) -> float:
    """How often the interval of a scenario holds the truth, of so many times."""
    return sum(scenario(np.random.default_rng([seed, place])) for place in range(times)) / times
