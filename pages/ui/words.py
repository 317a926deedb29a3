"""Sentences about numbers that were computed elsewhere. Pure: no Streamlit, no arithmetic beyond rounding."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl

from prompt_joules.warehouse.energy_shown import NUMBERS, UNITS, Measure
from prompt_joules.warehouse.metrics import Metric
from prompt_joules.warehouse.visitor_sql import Answer

MOST_LINES = 6
OVER_TIME = (
    "One point per result, of all batch sizes unless a filter chooses: later editions serve many prompts at once, which alone lowers "
    "J/token. Compare within one colour, and look at the batch sizes in the table. v2 and v3 have other, often larger models than v1."
)
RANDOM = " Results with random weights are among them: their energy per token is real, their text is not."
TRADE_OFFS = (
    "The more prompts a GPU answers at once, the less energy each token takes and the longer each reader waits for it. One point is one "
    "model on one GPU at one batch size; small points miss a limit. ITL p50 is the usual time between two tokens of an answer."
)
BOOTSTRAP = (
    "Intervals are 95 % intervals by bootstrap over single prompts; results that answered the same prompts are drawn together. Published "
    "averages have none."
)
ASSUMPTIONS = (
    "**Assumptions, not measurements**: every day has the same number of responses, like those that were measured in length and content; "
    "the GPU works at the measured batch size and is not idle between; PUE, price and grid intensity are yours. CPU, memory, network and "
    "the making of the hardware are not in it. The band covers the choice of prompts only."
)
EXPORT = (
    "Exactly the rows that the filters of the sidebar choose, all columns, in base units (J, s, W). Each file starts with a header: the "
    "filter in words, its link, the number of rows, their SHA-256, sources, licences and how to cite them."
)
SQL = (
    "One SELECT on this warehouse, whatever the filters of the sidebar: read-only, no files, no network, 10 s, 512 MB, 10,000 rows. "
    "`results` has one row per configuration, `prompts` one row per prompt of our own runs."
)


def first_view(tasks: tuple[str, ...], others: int, everything: bool) -> str:
    """What the first view leaves out, or what mixes when it leaves out nothing."""
    if everything:
        return (
            "All tasks and batch sizes together. A GPU that answers many prompts at once uses far less for each, and tasks differ in "
            "length: compare within a task and a batch size."
        )
    return (
        f"Batch size 1, task {plain(' or '.join(tasks))}. {others:,} more results, of other tasks or of GPUs that answer many prompts at "
        "once, are under “Everything”: they use far less energy per answer and are no fair comparison."
    )


def editions(steps: pl.DataFrame, metric: Metric) -> str:
    """From which median to which one GPU has come, one item for each GPU of several editions.

    Args:
        steps: one row per GPU and edition, in order: `gpu_model`, `edition`, `p50`, `count`, `batches`.
    """
    items = [
        _step(gpu, group.row(0, named=True), group.row(-1, named=True), metric)
        for (gpu,), group in steps.group_by("gpu_model", maintain_order=True)
        if group.height > 1
    ]
    return "\n".join(items) or "No GPU is in two editions: a median of each edition is in the table."


def alone(levels: pl.DataFrame, metric: Metric) -> str:
    """What one prompt at a time costs, like for like over the editions; nothing where only one edition has it.

    Args:
        levels: one row per edition, GPU and engine at batch size 1, in order: `edition`, `gpu_model`, `engine`, `p50`.
    """
    if levels["edition"].n_unique() < 2:
        return ""
    parts = [
        f"{figure(row['p50'], 3)} on {plain(row['gpu_model'])} ({plain(row['edition'])}, {plain(row['engine'])})"
        for row in levels.iter_rows(named=True)
    ]
    return f"\n- **One prompt at a time**, median in {metric.display_unit}: {'; '.join(parts)}."


def _step(gpu: object, first: dict[str, Any], last: dict[str, Any], metric: Metric) -> str:
    times = first["p50"] / last["p50"]
    change = (
        "about the same" if 0.95 < times < 1.05 else f"**{figure(times, 2)}× less**" if times > 1 else f"**{figure(1 / times, 2)}× more**"
    )
    ends = " to ".join(
        f"{figure(row['p50'], 3)} {metric.display_unit} ({plain(row['edition'])}, {row['count']} results, batch {row['batches']})"
        for row in (first, last)
    )
    return f"- **{plain(str(gpu))}**: from a median of {ends}, {change}."


def lines(fits: pl.DataFrame, x: str, y: str, log: bool) -> str:
    """What the dashed lines say, one item a line."""
    if fits.is_empty():
        return "No line is drawn: it needs four points of one colour, edition and batch size, at three different places."
    kind = "power laws, fitted to the logarithms" if log else "fitted"
    start = f"Dashed lines are {kind} by least squares, one for each colour, edition and batch size, with 95 % intervals (pale bands):\n"
    return f"{start}\n{first_lines(fits, lambda row: _line(row, x, y, log), 'more lines')}"


def first_lines(rows: pl.DataFrame, say: Callable[[dict[str, Any]], str], more: str = "more in the chart") -> str:
    """What is to say of the first rows, one item each, and how many more there are."""
    items = [say(row) for row in rows.head(MOST_LINES).iter_rows(named=True)]
    return "\n".join(items + ([f"- and {rows.height - MOST_LINES} {more}"] if rows.height > MOST_LINES else []))


def _line(row: dict[str, float], x: str, y: str, log: bool) -> str:
    interval = minus(f"{figure(row['slope_low'], 2)} to {figure(row['slope_high'], 2)}")
    if log:
        exponent = minus(f"{row['slope']:.2f}")
        grows = f"{NUMBERS[y].label.lower()} grows as {NUMBERS[x].label.lower()} to the power **{exponent}** ({interval})"
        twice = " to ".join(figure(2 ** row[end], 2) for end in ("slope_low", "slope_high"))
        twice = f"twice as much takes **{figure(2 ** row['slope'], 2)}×** ({twice})"
        return f"- {plain(str(row['line']))}: {grows}: {twice}; {row['points']} points"
    unit = f"{NUMBERS[y].display_unit} per {NUMBERS[x].display_unit or 'unit'}"
    return f"- {plain(str(row['line']))}: **{minus(figure(row['slope'], 3))}** {unit} ({interval}); {row['points']} points"


def least(rows: pl.DataFrame, key: str) -> str:
    """Which of the rows takes the least and which the most, and how far they are apart; nothing where fewer than two have the number.

    Args:
        rows: rows of `results`, least first.
        key: of NUMBERS, the energy.
    """
    known = rows.filter(pl.col(key) > 0)
    if known.height < 2:
        return ""
    ends = (known.row(0, named=True), known.row(-1, named=True))
    low, high = (
        f"**{plain(row['model_name'])}**{_size(row)} on {plain(row['gpu_model'])} with {figure(row[key], 3)} {NUMBERS[key].display_unit}"
        for row in ends
    )
    return f"Least: {low}; most: {high}, {figure(ends[1][key] / ends[0][key], 2)}× as much."


def _size(row: dict[str, Any]) -> str:
    """The parameters of a model in brackets, where they are known: models of different sizes are no like for like."""
    return f" ({figure(row['params_total_b'], 2)} billion parameters)" if row["params_total_b"] else ""


def within(passing: int, shown: int, best: pl.DataFrame, x: str, y: str) -> str:
    """How many configurations meet the limits, and which of them costs least."""
    if best.is_empty():
        return f"**None** of {shown:,} configurations is within the limits: raise one of them."
    row = best.row(0, named=True)
    numbers = " and ".join(f"{figure(row[key] * NUMBERS[key].display_factor, 3)} {NUMBERS[key].display_unit}" for key in (y, x))
    place = ", ".join(plain(str(row[name])) for name in ("gpu_model", "engine")) + f", batch size {row['batch_size']}"
    least = f"Least: **{plain(row['model_name'])}** ({place}) with {numbers}."
    return f"**{passing:,}** of {shown:,} configurations are within the limits. {least}"


def compared(found: pl.DataFrame, measure: Measure) -> str:
    """Each result against the first, one item a line.

    Args:
        found: rows of `comparison.compared` with `shown_as`.
    """
    unit = f"energy per {measure.per}" if measure == Measure(per=measure.per) else measure.words
    first = plain(found["shown_as"][0])
    return "\n".join(_times(row, first, unit) for row in found.tail(-1).iter_rows(named=True))


def _times(row: dict[str, Any], first: str, unit: str) -> str:
    name = plain(row["shown_as"])
    if row["ratio"] is None:
        return f"- **{name}**: the {unit} is not known here or for the first result."
    interval = (
        "" if row["ratio_low"] == row["ratio_high"] else f" (95 % interval {figure(row['ratio_low'], 3)} to {figure(row['ratio_high'], 3)})"
    )
    apart = " No difference is shown: the interval includes 1." if row["ratio_low"] < 1 < row["ratio_high"] else ""
    return f"- **{name}** uses **{figure(row['ratio'], 3)}×** the {unit} of {first}{interval}.{apart}"


def alike(shared: str) -> str:
    """What the results of a page have in common, which their short names leave out."""
    return f"All of them: {plain(shared)}." if shared else ""


def planned(row: dict[str, Any], energy: dict[str, Any], requests: float, measure: Measure) -> str:
    """What a plan is made of, in words."""
    mean, low, high = (energy[f"value{end}"] for end in ("", "_low", "_high"))
    band = "a published average: no band" if low is None else f"95 % interval {figure(low, 4)} to {figure(high, 4)} J"
    idle = ", above the power of the idle GPU" if measure.above_idle else ""
    return f"An estimate for {requests:,.0f} responses a day of **{plain(row['label'])}** at {figure(mean, 4)} J a response{idle} ({band})."


def figure(value: float, digits: int) -> str:
    """A number of so many significant digits, never in powers of ten where it is shown: 4,470 and not 4.47e+03."""
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def amount(value: float) -> str:
    """A number for a headline: whole from a hundred on."""
    return f"{value:,.0f}" if value >= 100 else figure(value, 3)


def listed(keys: pl.DataFrame) -> str:
    """Names of keys as a list in words."""
    names = {"power_limit_w": "power limit (W)", "gpu_model": "GPU model", "num_gpus": "number of GPUs"}
    return ", ".join(names.get(key, key.replace("_", " ")) for key in keys["key"])


def stated(measure: Measure, rows: pl.DataFrame) -> str:
    """Which energy is shown, and why some results do not have it."""
    lacking = rows[measure.key].null_count()
    shown = f"Energy is shown as {measure.words} ({UNITS[measure.per]})."
    if not lacking:
        return shown
    if measure.above_idle:
        why = "where idle power was recorded and the GPU was not shared"
    elif measure.statistic != "mean":
        why = "where single prompts were kept"
    else:
        why = f"where {measure.per}s were counted"
    return f"{shown} It is known only {why}: {lacking:,} of {rows.height:,} results have none."


def ignored(names: list[str], why: str) -> str:
    """Which switches of energy do not act on the page, and why; what else there is to know where all act."""
    return f"{' and '.join(names).capitalize()} {'does' if len(names) == 1 else 'do'} not act on this page. {why}" if names else why


def verdicts(runs: pl.DataFrame) -> str:
    """How many runs count, how many answers have energy, and how close the energy books are."""
    valid, answers, measured = runs["valid"].sum(), int(runs["ok"].sum()), int(runs["measured"].sum())
    worst = (runs["books_ratio"] - 1).abs().max()
    books = (
        " The energy of answers and of the gaps between them adds up to the GPU's own counter within "
        f"{figure(max(100 * worst, 0.01), 2)} %."
        if isinstance(worst, float)
        else ""
    )
    return f"**{valid} of {runs.height}** runs count; {measured:,} of {answers:,} answers have their energy measured.{books}"


def answer(found: Answer) -> str:
    """How many rows the SQL gave."""
    return f"{found.rows.height:,} rows{': there are more, only the first are shown' if found.cut else ''}."


def percent(share: float) -> str:
    """A change as a signed percentage, e.g. −4.0 %, or +1,306 %."""
    return minus(f"{100 * share:+,.{1 if abs(share) < 10 else 0}f} %")


def minus(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


# What Markdown makes a link of by itself, even where its signs are escaped, and where a sign without width stops it.
LINKS_BY_THEMSELVES = re.compile(r"(?i)(https?:/(?=/)|www(?=\.)|@(?=\w))")
WORD_JOINER = "\u2060"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: names come from files, and files come from anywhere."""
    unlinked = LINKS_BY_THEMSELVES.sub(rf"\1{WORD_JOINER}", text)
    escaped = re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", unlinked)
    return escaped.replace("\n", " ")
