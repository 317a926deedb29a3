"""The app's own charts (Altair) of frames that `Results` gives. Axes and tooltips are in the units of the app, e.g. ms for TTFT."""

import polars as pl

from prompt_joules.pages.ui.of import distributions, distributions_charts, energy_vs_parameters, tradeoffs, verbosity, verbosity_charts
from prompt_joules.pages.ui.pure import naming, shape, theme
from prompt_joules.pages.ui.pure.narrowings import Known
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric
from prompt_joules.warehouse.statistics import lines as fitted
from prompt_joules.warehouse.statistics import summaries


class NothingToDraw(ValueError):
    """No row has what the chart shows."""


def scatter(
    rows: pl.DataFrame, x: str = "params_total_b", y: str = "energy_j", colour: str = "gpu_model", *, log: bool = True
) -> theme.Chart:
    """One point per configuration, with lines of least squares and their 95 % bands, one for each colour, edition,
    batch size and task.

    Args:
        rows: of `Results.leaderboard`; those without both numbers are left out.
        x, y: columns with numbers.
        colour: column that colours the points, e.g. gpu_model, family, task, engine.
        log: logarithmic axes.

    Raises:
        NothingToDraw: no row has both numbers.
    """
    points = shape.on_screen(_with_both(rows, x, y, log))
    lines = fitted.lines(points, x, y, energy_vs_parameters.apart(colour), log)
    return energy_vs_parameters.scatter(points, x, y, colour, log, lines)


def tradeoff(rows: pl.DataFrame, x: str = "latency_s", y: str = "energy_per_token_j") -> theme.Chart:
    """Energy against speed, with the line that joins the configurations that no other beats.

    Args:
        rows: of `Results.leaderboard`; those without both numbers are left out.
        x: a speed: latency_s, ttft_s, tpot_s, throughput_tps.
        y: an energy.

    Raises:
        NothingToDraw: no row has both numbers.
    """
    points = _with_both(rows, x, y, log=True)
    marked = summaries.frontier(points, x, y, NUMBERS[x].better == "higher").with_columns(pl.lit(True).alias("inside"))
    return tradeoffs.tradeoff(shape.on_screen(marked), x, y, {})


def pairs(rows: pl.DataFrame) -> theme.Chart:
    """The median change of the same prompts from side A to side B with its interval, one line per setup.

    Args:
        rows: of `Results.pairs`.

    Raises:
        NothingToDraw: there is no setup with both sides.
    """
    if rows.is_empty():
        raise NothingToDraw("No setup has answered the same prompts on both sides.")
    return verbosity_charts.paired(verbosity.pair_labels(rows))


def boxes(rows: pl.DataFrame, metric: str = "energy_j") -> theme.Chart:
    """One box per series: the middle half of the prompts, a tick at the median, a line from 5 to 95 %.

    Args:
        rows: of `Results.distribution` for this metric.

    Raises:
        NothingToDraw: no prompt has the number.
    """
    named, number = _named(rows), NUMBERS[metric]
    table = distributions.in_units_of(distributions.without_steps(named), number, distributions.LEVELS)
    return distributions_charts.boxes(table, number, distributions.is_wide(named))


def shares(rows: pl.DataFrame, metric: str = "energy_j") -> theme.Chart:
    """For every value the share of the prompts at or below it, one curve per series; as `boxes` otherwise."""
    named, number = _named(rows), NUMBERS[metric]
    steps = _steps(named, number)
    return distributions_charts.ecdf(steps, number, distributions.is_wide(named), shape.names(named, "shown_as"))


def lorenz(rows: pl.DataFrame, metric: str = "energy_j") -> theme.Chart:
    """The cheapest share of the prompts against their share of the sum, one curve per series; as `boxes` otherwise."""
    named = _named(rows)
    return distributions_charts.lorenz(_steps(named, NUMBERS[metric]), shape.names(named, "shown_as"))


def _with_both(rows: pl.DataFrame, x: str, y: str, log: bool) -> pl.DataFrame:
    points = Known((x, y), positive=log).apply(rows)
    if points.is_empty():
        raise NothingToDraw(f"None of {rows.height:,} rows has both {x} and {y}{', both above 0' if log else ''}.")
    return points


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """The series that have prompts, with `shown_as`. Raises NothingToDraw."""
    measured = distributions.with_prompts(rows)
    if measured.is_empty():
        raise NothingToDraw(f"None of {int(rows['unmeasured'].sum()):,} prompts has this number.")
    return naming.with_short_names(measured, naming.short(measured["series"]))


def _steps(named: pl.DataFrame, number: Metric) -> pl.DataFrame:
    steps = distributions.in_units_of(distributions.steps_of(named), number, ("value",))
    return steps.join(named.select("series", "shown_as"), on="series", maintain_order="left")
