"""Made-up measurements: answers of random length, whose energy has the luck of its run. Everything is drawn from a generator that the
caller seeds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompt_joules.warehouse.statistics import runs as runs_of

Floats = NDArray[np.float64]
Chance = np.random.Generator
# Measures once; whether the interval holds the truth.
Scenario = Callable[[Chance], bool]
MANY = 400_000


def holds(low: float | None, high: float | None, truth: float) -> bool:
    """Whether the truth is inside; an end that is not known holds everything."""
    return (low is None or low <= truth) and (high is None or truth <= high)


@dataclass(frozen=True)
class World:
    """What is true of a configuration.

    Attributes:
        token_j: J per output token.
        start_j: J before the first token.
        length: median length of an answer (token).
        between_prompts: standard deviation of ln(length) between prompts.
        between_samples: the same between two answers to one prompt.
        between_runs: standard deviation of ln(J/token) between runs.
        of_side: what of that two configurations measured in turns do not share.
        noise: standard deviation of the energy of one answer, relative, and growing for short answers.
        longest: the length limit (token).
    """

    token_j: float = 0.25
    start_j: float = 4.0
    length: float = 200.0
    between_prompts: float = 0.6
    between_samples: float = 0.7
    between_runs: float = 0.0
    of_side: float = 0.0
    noise: float = 0.05
    longest: int = 512


def lengths(world: World, prompts: Floats, chance: np.random.Generator) -> Floats:
    """Lengths of one answer to each prompt (token), cut at the limit.

    Args:
        prompts: how far ln(length) of each prompt is from the median, in standard deviations.
    """
    drawn = world.length * np.exp(world.between_prompts * prompts + world.between_samples * chance.standard_normal(len(prompts)))
    return np.clip(np.round(drawn), 2, world.longest)


def energies(world: World, tokens: Floats, luck: float, chance: np.random.Generator) -> Floats:
    """Energy of answers of these lengths (J) in a run of this luck."""
    spread = world.noise * (1 + 20 / tokens)
    return (world.start_j + world.token_j * tokens) * np.exp(luck) * (1 + spread * chance.standard_normal(len(tokens)))


def units(
    world: World, prompts: Floats, lucks: Floats, chance: np.random.Generator, name: str = "a", first_run: int = 0, in_turns: bool = False
) -> pl.DataFrame:
    """Rows of the query `units`: every prompt answered once in each run.

    Args:
        lucks: of each run, as a logarithm.
        in_turns: whether the runs share their pass with others of the same number.
    """
    count, runs = len(prompts), len(lucks)
    tokens, joules = np.empty((runs, count)), np.empty((runs, count))
    for place, luck in enumerate(lucks):
        tokens[place] = lengths(world, prompts, chance)
        joules[place] = energies(world, tokens[place], float(luck), chance)
    rows = runs * count
    return pl.DataFrame(
        {
            "unit": np.tile(np.arange(count), runs),
            "energy_j": joules.ravel() * (1 / runs),
            "output_tokens": tokens.ravel() * (1 / runs),
            "result_id": _all(name, rows),
            "run_number": np.repeat(np.arange(first_run, first_run + runs, dtype=np.int32), count),
            "pass_id": pl.concat([_all(f"pass {place}", count) for place in range(runs)]) if in_turns else _all(None, rows),
            "search": _all(None, rows),
            "shared": np.zeros(rows, bool),
            "card": _all("one", rows),
            "calibration": np.zeros(rows),
            "answers": np.ones(rows, np.int32),
            "prompts": np.full(rows, 1 / runs),
        }
    )


def of_sizes(own: pl.DataFrame, sizes: tuple[int, ...]) -> pl.DataFrame:
    """Rows of `units` with the first prompts of each run alone: a run that was stopped, or asked for fewer.

    Args:
        sizes: how many of each run; empty for all.
    """
    if not sizes:
        return own
    place = pl.col("run_number") - pl.col("run_number").min()
    left = own.filter(pl.col("unit") < place.replace_strict(dict(enumerate(sizes))))
    # Every prompt counts once, however many of the runs are left that asked it.
    return left.with_columns(pl.col("energy_j", "output_tokens", "prompts") / pl.col("prompts").sum().over("unit"))


def _all(word: str | None, count: int) -> pl.Series:
    """A column that says the same everywhere: many times cheaper than a literal that Polars spreads."""
    return pl.Series([word], dtype=pl.String).new_from_index(0, count)


def windows(
    world: World, prompts: Floats, size: int, luck: float, chance: np.random.Generator, name: str = "a", run: int = 0
) -> pl.DataFrame:
    """Rows of the query `units` for batches: each window takes as long as its longest answer, whose steps cost the same however many
    answer."""
    tokens = lengths(world, prompts, chance).reshape(-1, size)
    steps = tokens.max(axis=1)
    energy = energies(World(token_j=8 * world.token_j, start_j=world.start_j * size, noise=world.noise), steps, luck, chance)
    rows = {"unit": 1000 + np.arange(len(tokens)), "energy_j": energy, "output_tokens": tokens.sum(axis=1).astype(int)}
    return pl.DataFrame(rows).with_columns(
        result_id=pl.lit(name),
        run_number=pl.lit(run),
        pass_id=pl.lit(None, pl.String),
        search=pl.lit(None, pl.String),
        card=pl.lit("one"),
        calibration=pl.lit(0.0),
        shared=pl.lit(True),
        answers=pl.lit(size),
        prompts=pl.lit(size),
    )


def runs_in_a_table(own: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the queries `spreads` and `repetitions`: what the ingest keeps of each run.

    Args:
        own: rows of `units`, of prompts alone on the GPU.
    """
    spreads, kept = [], []
    for (run,), part in own.group_by("run_number", maintain_order=True):
        energy, tokens = (part.select(pl.col(name) / pl.col("prompts")).to_series().to_numpy() for name in ("energy_j", "output_tokens"))
        of_energy, of_tokens = energy / energy.sum(), tokens / tokens.sum()
        count = len(energy)
        spreads.append({"answers": count, "mean": energy.mean(), "stddev": energy.std(ddof=1), "spread": [1.0] * 7})
        kept.append(
            {
                "result_id": f"run {run}",
                "energy_per_token_j": energy.sum() / tokens.sum(),
                "token_log_error": float(np.sqrt(count / (count - 1) * ((of_energy - of_tokens) ** 2 * (1 + of_energy + of_tokens)).sum())),
                "token_units": count,
                "calibration": 0.0,
                "measured": count,
            }
        )
    prompts = own.group_by("unit").agg(pl.len(), pl.col("energy_j").sum() / pl.col("prompts").sum())
    uneven = prompts["len"].n_unique() > 1
    asked = {
        "asked_prompts": pl.lit(prompts.height if uneven else None, pl.Int64),
        "prompt_stddev": pl.lit(prompts["energy_j"].std() if uneven else None, pl.Float64),
    }
    always = {"setup": pl.lit("own"), "answers_per_prompt": pl.lit(1)}
    nothing = {name: pl.lit(None, pl.String) for name in ("pass_id", "search")}
    alone = {"card": pl.lit("one"), "valid": pl.lit(True), "harness_version": pl.lit("2.0"), **nothing}
    return pl.DataFrame(spreads).with_columns(divided=pl.lit(False), **always, **asked), pl.DataFrame(kept).with_columns(**always, **alone)


def repetitions(spread: float, setups: int, runs: int, chance: np.random.Generator) -> pl.DataFrame:
    """Rows of the query `repetitions`: A/A data of other setups, each run so many times."""
    return pl.DataFrame(
        {
            "setup": np.repeat([f"setup {place}" for place in range(setups)], runs),
            "card": _all("one", setups * runs),
            "valid": np.ones(setups * runs, bool),
            "measured": np.full(setups * runs, 100, np.int32),
            "harness_version": _all("2.0", setups * runs),
            "pass_id": _all(None, setups * runs),
            "search": _all(None, setups * runs),
            "energy_per_token_j": 0.25 * np.exp(spread * chance.standard_normal(setups * runs)),
        }
    )


def of_others(rows: pl.DataFrame) -> runs_of.Known:
    """What repetitions of other setups say; the runs that are asked about are not among them."""
    known = runs_of.known(rows)
    alone = replace(known.alone, runs=0) if known.alone is not None else None
    return runs_of.Known(alone, cards=known.cards)


def repetitions_of(own: pl.DataFrame) -> pl.DataFrame:
    """Rows of the query `repetitions`: the runs of rows of `units`, each result a setup."""
    token = pl.col("energy_j").sum() / pl.col("output_tokens").sum()
    each = own.group_by("result_id", "run_number", maintain_order=True).agg(
        pl.col("card", "pass_id", "search").first(), token.alias("energy_per_token_j")
    )
    always = {"valid": pl.lit(True), "measured": pl.lit(100), "harness_version": pl.lit("2.0")}
    return each.rename({"result_id": "setup"}).with_columns(**always)


def on_cards(own: pl.DataFrame, cards: list[str], lucks: Floats) -> pl.DataFrame:
    """Rows of `units` with each run on its card, which costs so much more, as a logarithm."""
    place = pl.col("run_number") - pl.col("run_number").min()
    more = place.replace_strict(dict(enumerate(np.exp(lucks).tolist())))
    return own.with_columns(pl.col("energy_j") * more, card=place.replace_strict(dict(enumerate(cards))))
