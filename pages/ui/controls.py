"""The small choices on a page: which number, which colour, which axis. Each is bound to the URL."""

import json
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import naming, prompt_words, tables, titles, words
from prompt_joules.warehouse import stats
from prompt_joules.warehouse import visitor_formula as formulas
from prompt_joules.warehouse.energy_shown import NUMBERS, Measure
from prompt_joules.warehouse.metrics import PROMPT_METRICS

SIZES = ("params_total_b", "params_active_b", "output_tokens", "latency_s", "throughput_tps", "quality_mean")
COSTS = (
    "energy_j",
    "energy_per_token_j",
    "throughput_tps",
    "latency_s",
    "output_tokens",
    "power_w",
    "quality_mean",
    "arc",
    "hellaswag",
    "truthfulqa",
)
COLOURS = {"GPU": "gpu_model", "family": "family", "task": "task", "source": "source", "generation": "generation", "engine": "engine"}
GROUPS = ("result", "model", "task", "gpu", "engine", "batch size", "prompt set")
MOST_SERIES = 8
AXES = ("automatic", "linear", "logarithmic")
ALL_SETUPS = "All setups together"


def title(key: str) -> str:
    """Label and unit of a metric, e.g. "Energy (J)"."""
    return NUMBERS[key].title


def metric(label: str, key: str, choices: Sequence[str]) -> str:
    """One of several metrics, by its key in NUMBERS; the first is the default."""
    titles = {title(choice): choice for choice in choices}
    chosen = st.selectbox(label, list(titles), key=key, bind="query-params", width=230)
    return titles[chosen or title(choices[0])]


def colour() -> str:
    """The column that colours the points."""
    chosen = st.selectbox("Colour", list(COLOURS), key="colour", bind="query-params", width=150)
    return COLOURS[chosen or "GPU"]


def show_everything() -> bool:
    """Whether to show all tasks and batch sizes, or one prompt at a time."""
    choices = ("One prompt at a time", "Everything")
    chosen = st.segmented_control("What to show", choices, default=choices[0], required=True, key="show", bind="query-params")
    return chosen == choices[1]


def group() -> str:
    """What one series of a distribution is."""
    return st.selectbox("One series per", GROUPS, key="by", bind="query-params", width=150) or GROUPS[0]


def some_series(rows: pl.DataFrame) -> str:
    """The series to draw, as a JSON list; empty for all.

    Of more than a person can read those with the most prompts, unless the visitor chooses others.

    Args:
        rows: one row per series, most prompts first: `series`, `prompts`.
    """
    if rows.height <= MOST_SERIES or not rows["prompts"][0]:
        return ""
    series = {name: whole for whole, name in naming.short(rows["series"]).items()}
    first = list(series)[:MOST_SERIES]
    chosen = st.multiselect("Series", list(series), default=first, key="series", bind="query-params", wrap=True) or first
    st.caption(prompt_words.some_series(len(chosen), len(series), chosen == first))
    return json.dumps([series[name] for name in chosen])


def log(default: bool) -> bool:
    """Logarithmic axes or not."""
    return st.toggle("Logarithmic", value=default, key="log", bind="query-params", help="Equal steps are equal ratios.")


def setup(names: Sequence[str]) -> str | None:
    """One setup; None for all of them together."""
    explanation = "What is alike for all prompts of the chart: GPU, engine, prompts answered together, prompt set."
    choices = [*names, *([ALL_SETUPS] if len(names) > 1 else [])]
    chosen = st.selectbox("Setup", choices, key="setup", bind="query-params", width=620, help=explanation) or choices[0]
    return None if chosen == ALL_SETUPS else chosen


def axis(wide: bool) -> bool:
    """Whether the axis is logarithmic: as chosen, or where values lie far apart."""
    explanation = "automatic: logarithmic where a linear axis would squeeze the typical prompt into its first tenth."
    chosen = st.selectbox("Axis", AXES, key="axis", bind="query-params", width=150, help=explanation)
    return wide if chosen in (None, AXES[0]) else chosen == AXES[2]


def of_prompts(measure: Measure) -> tuple[str, ...]:
    """The numbers that a prompt has; the energy of the sidebar first."""
    return tuple(dict.fromkeys((replace(measure, statistic="mean").key, *PROMPT_METRICS)))


def axes(rows: pl.DataFrame, choices: Sequence[str]) -> tuple[str, ...]:
    """What an axis can show: the choices, and the visitor's own formula where there is one."""
    return tuple(dict.fromkeys((*choices, *(["formula"] if "formula" in rows.columns else []))))


def behind(x: str, y: str) -> tuple[str, ...]:
    """The columns of the table behind a scatter."""
    named = ("model_name", "model_url", x, y, "energy_j", "params_total_b", "origin", "gpu_model", "task", "engine")
    return tuple(dict.fromkeys(named))


SIDES = {
    "Each task with its concise twin": "task",
    "Two tasks": "task",
    "Two models": "model",
    "Two engines": "engine",
    "Two GPUs": "gpu",
}


BANDS = {"All sizes": (0.0, 1e9), "up to 3 billion": (0.0, 3.0), "3 to 10": (3.0, 10.0), "10 to 40": (10.0, 40.0), "over 40": (40.0, 1e9)}


def of_size(rows: pl.DataFrame, default: str = "All sizes") -> pl.DataFrame:
    """Rows of the models of one band of sizes; a band without rows shows all, and says so."""
    chosen = st.segmented_control("Parameters (billion)", list(BANDS), default=default, required=True, key="band", bind="query-params")
    low, high = BANDS[chosen or default]
    kept = rows.filter(pl.col("params_total_b") > low, pl.col("params_total_b") <= high)
    if kept.is_empty() and chosen != "All sizes" and not rows.is_empty():
        st.caption("No model of these filters has this size: all sizes are shown.")
    return rows if chosen == "All sizes" or kept.is_empty() else kept


LONGEST_SEARCH = 200
NO_LIMIT = "no limit"
SPEEDS = ("itl_p50_s", "tpot_s", "ttft_s", "latency_s", "throughput_tps")
# The limits that a first visitor finds: 50 ms between two tokens is faster than people read.
FIRST_LIMITS = {"itl_p50_s": "50"}


def limit(rows: pl.DataFrame, key: str) -> float | None:
    """A slider over round values of one metric; None when there is no limit.

    Args:
        rows: all results, whatever the filters, so that the slider keeps its ends.
        key: of NUMBERS; a limit from below where more is better.

    Returns:
        The limit in storage units.
    """
    metric = NUMBERS[key]
    values = rows[key].drop_nulls() * metric.display_factor
    values = values.filter(values > 0)
    if values.is_empty():
        return None
    ends = values.to_numpy()
    choices = [*(f"{step:g}" for step in stats.steps(float(ends.min()), float(ends.max()))), NO_LIMIT]
    at_least = metric.better == "higher"
    if at_least:
        choices = [NO_LIMIT, *choices[:-1]]
    label = f"{metric.title}, {'at least' if at_least else 'at most'}"
    first = FIRST_LIMITS.get(key, NO_LIMIT)
    chosen = st.select_slider(
        label, choices, value=first if first in choices else NO_LIMIT, key=f"limit_{key}", bind="query-params", width=330
    )
    return None if chosen == NO_LIMIT else float(chosen) / metric.display_factor


def sides(options: pl.DataFrame) -> tuple[str, str, str]:
    """What is compared with what: the kind of difference, side A and side B; both empty for every task and its concise twin.

    Args:
        options: rows (kind, value, label, count).
    """
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        compared = st.selectbox("Compare", list(SIDES), key="compare", bind="query-params", width=280) or next(iter(SIDES))
        kind = SIDES[compared]
        if compared == next(iter(SIDES)):
            return kind, "", ""
        names = options.filter(pl.col("kind") == kind)["label"].drop_nulls().unique().sort().to_list()
        a = st.selectbox("A", names, key=f"a_{kind}", bind="query-params", width=260)
        b = st.selectbox("B", names, index=min(1, len(names) - 1), key=f"b_{kind}", bind="query-params", width=260)
    return kind, a or names[0], b or names[0]


def view(key: str, choices: Sequence[str], default: str | None = None) -> str:
    """What of the page to show: only that is asked for, sent and drawn.

    Args:
        key: of the widget, another one on every page, or the view of one page would stay in the address of the next.
        choices: the views, in the order of the page.
        default: the first one shown; the first of the choices if None.
    """
    first = default or choices[0]
    return st.segmented_control("Show", choices, default=first, required=True, key=key, bind="query-params") or first


def cut_short() -> bool:
    """Whether pairs in which an answer was cut short count."""
    return st.toggle(
        "Count answers that were cut short", key="cut", bind="query-params", help="An answer at the length limit hides what asking does."
    )


def search(label: str, hint: str, explanation: str | None = None) -> str:
    """Words to look for."""
    return st.text_input(label, key="search", bind="query-params", placeholder=hint, help=explanation).strip()[:LONGEST_SEARCH]


# The numbers that can be narrowed to a range on the leaderboard.
RANGES = ("params_total_b", "output_tokens", "latency_s", "throughput_tps", "quality_mean")


def ranges(rows: pl.DataFrame, energy: str) -> dict[str, tuple[float, float]]:
    """Sliders that narrow the leaderboard; those that stand at both ends narrow nothing.

    Args:
        rows: all results, whatever the filters, so that the sliders keep their ends.
        energy: of NUMBERS, the energy that is shown.

    Returns:
        The narrowed ranges in storage units, by key.
    """
    with st.expander("Ranges", expanded=any(f"range_{key}" in st.query_params for key in (energy, *RANGES))), st.container(horizontal=True):
        found = {key: _range(rows, key) for key in (energy, *RANGES)}
    return {key: ends for key, ends in found.items() if ends is not None}


def _range(rows: pl.DataFrame, key: str) -> tuple[float, float] | None:
    metric = NUMBERS[key]
    values = (rows[key].drop_nulls() * metric.display_factor).to_numpy()
    values = values[values > 0]
    if not len(values):
        return None
    ends = [f"{step:g}" for step in stats.steps(float(values.min()), float(values.max()))]
    if len(ends) < 2:
        return None
    low, high = st.select_slider(metric.title, ends, value=(ends[0], ends[-1]), key=f"range_{key}", bind="query-params", width=300)
    if (low, high) == (ends[0], ends[-1]):
        return None
    return float(low) / metric.display_factor, float(high) / metric.display_factor


def columns(rows: pl.DataFrame) -> list[str]:
    """The columns of the leaderboard besides model and energy."""
    usual = {titles.title_of(key): key for key in titles.LEADERBOARD[2:] if key in (*rows.columns, "pareto", "spread")}
    more = {titles.title_of(key): key for key in (*NUMBERS, "model_id", "family", "dtype", "num_gpus", "weights") if key in rows.columns}
    known = usual | {title: key for title, key in more.items() if title not in usual}
    picked = st.multiselect("Columns", list(known), default=list(usual), key="columns", bind="query-params", wrap=True)
    return [known[title] for title in picked]


def formula(columns: Sequence[str]) -> pl.Expr | None:
    """A column of the visitor's own; None where there is none. A wrong formula says where it is wrong."""
    text = st.text_input(
        "Formula column",
        key="formula",
        bind="query-params",
        placeholder="energy_j / params_total_b",
        help=f"Columns: {', '.join(key for key in NUMBERS if key in columns)}. Functions: {', '.join(formulas.FUNCTIONS)}.",
    )
    if not text.strip():
        return None
    try:
        return formulas.parse(text, [key for key in NUMBERS if key in columns])
    except formulas.WrongFormula as error:
        st.error(words.plain(str(error)), icon=":material/error:")
        return None


def pick_prompt(found: pl.DataFrame) -> str:
    """The id of a prompt: typed, from a link, or by a click on a row; the first of the list at the start."""
    by_hand = st.text_input("Prompt id", key="prompt", bind="query-params", placeholder=found["prompt_id"][0], width=420).strip()[
        :LONGEST_SEARCH
    ]
    tables.clickable(found, "prompt_id", "prompt")
    return by_hand or str(found["prompt_id"][0])


EXAMPLE = """select model_name, gpu_model, energy_j, energy_per_token_j
from results
where task = 'chat' and batch_size = 1 and weights = 'pretrained'
order by energy_j
limit 20"""


def sql_text() -> str:
    """The visitor's SQL; an example at the start."""
    return st.text_area("SQL (DuckDB)", EXAMPLE, key="sql", bind="query-params", height=150) or EXAMPLE


def one_of(label: str, key: str, choices: Sequence[str], width: int = 420) -> str:
    """One of several; the first is the default."""
    return st.selectbox(label, choices, key=key, bind="query-params", width=width) or choices[0]


def some_of(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """A few results by their `label`, in the order chosen; at the start the first two that are alike in all but model and task."""
    first = naming.first_pair(rows)
    choices = _listed(rows["label"], "results", first)
    chosen = st.multiselect("Results", choices, default=first, key="results", bind="query-params", max_selections=most, wrap=True)
    return pl.DataFrame({"label": chosen}, schema={"label": pl.String}).join(rows, on="label", maintain_order="left")


def one_result(rows: pl.DataFrame) -> pl.DataFrame:
    """One result by its `label`."""
    return rows.filter(pl.col("label") == one_of("Result", "result", _listed(rows["label"], "result"), 900))


def _listed(labels: pl.Series, key: str, first: Sequence[str] = ()) -> list[str]:
    """As many names as a list can have, and those that the link or the start asks for beyond; says that it is cut.

    Args:
        key: of the widget.
        first: what it has at the start.
    """
    listed = labels.head(tables.MOST_LISTED)
    asked = [*first, *st.query_params.get_all(key)]
    if cut := prompt_words.first_of(labels.len(), tables.MOST_LISTED, "results", "filters lead to the others"):
        st.caption(cut)
    return pl.concat([listed, labels.filter(labels.is_in(asked) & ~labels.is_in(listed.implode()))]).to_list()


def assumptions() -> tuple[float, float, float, float]:
    """Responses a day, PUE, price per kWh and grid intensity in g CO₂e per kWh."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        requests = _number("Responses a day", "requests", 10_000.0, 0.0, 1e12, "How many answers the model gives a day.")
        overhead = _number("PUE", "pue", 1.2, 1.0, 5.0, "Energy of the building over energy of the computers; 1.2 is usual for a cloud.")
        price = _number("Price per kWh", "price", 0.20, 0.0, 1000.0, "In any currency.")
        intensity = _number("Grid (g CO₂e/kWh)", "grid", 400.0, 0.0, 2000.0, "Emissions of the electricity; look up your country's.")
    return requests, overhead, price, intensity


def _number(label: str, key: str, default: float, low: float, high: float, explanation: str) -> float:
    given = st.number_input(label, low, high, default, key=key, bind="query-params", help=explanation, width=190, format="%.10g")
    return default if given is None else float(given)


def lengths() -> tuple[float, float]:
    """Tokens of a prompt and of its answer, for a what-if."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tokens_in = _number("Prompt (token)", "in", 200.0, 0.0, 1e6, "Tokens in the prompt.")
        tokens_out = _number("Answer (token)", "out", 200.0, 1.0, 1e6, "Tokens in the answer.")
    return tokens_in, tokens_out
