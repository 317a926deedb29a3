"""From the words of a download's header alone the same rows come out: what a page says of its rows is all that chose them."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_joules.pages.ui import data, downloads, site
from prompt_joules.pages.ui.of import distributions, planner, three_years, verbosity, what_software_saves_curves
from prompt_joules.pages.ui.pure.narrowings import (
    CALLED,
    Among,
    Computed,
    Contains,
    Grouped,
    Known,
    Least,
    Narrowing,
    Planned,
    Pooled,
    Sides,
    Within,
)
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import rows_as
from prompt_joules.warehouse.energy_shown import EVERY, NUMBERS
from prompt_joules.warehouse.selection import Selection, UnclearWords
from prompt_joules.warehouse.statistics import comparison, cost, editions, summaries, workload
from tests.app.conftest import Open, opened

# Coverage makes a page cost 1.8 times as much; the tests of single pages cover the same lines.
pytestmark = pytest.mark.no_cover

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TRICKY = st.sampled_from(
    ["a, b", "a or b", "“a”", 'say "x"', "50 %", "a; b", " a", "a and b", "x\ty", "=1+1", "only valid rows", "task chat"]
)
TEXTS = st.one_of(TEXT, TRICKY)
SOME = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)
KEYS = st.sampled_from(sorted(NUMBERS))
POSITIVE = st.floats(min_value=0, max_value=1e12, allow_nan=False).map(lambda value: value + 0.0)
NUMBER = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).map(lambda value: value + 0.0)


def narrowings() -> st.SearchStrategy[Narrowing]:
    within = st.tuples(KEYS, NUMBER, NUMBER, st.booleans(), st.sampled_from(["low", "high", "both"])).map(
        lambda drawn: Within(drawn[0], *_ends(*drawn[1:]))
    )
    sides = st.builds(Sides, st.sampled_from(["model", "engine", "gpu", "task"]), TEXTS, TEXTS, st.one_of(st.just(()), SOME), st.booleans())
    return st.one_of(
        TEXTS.map(Contains),
        st.just(Pooled()),
        st.builds(Planned, POSITIVE, POSITIVE, POSITIVE, st.sampled_from(planner.CURRENCIES), POSITIVE, st.none() | POSITIVE),
        TEXTS.map(Computed),
        KEYS.map(Least),
        TEXTS.map(Grouped),
        within,
        sides,
        st.builds(Sides, st.just("task"), some=st.one_of(st.just(()), SOME)),
        st.builds(Known, st.lists(KEYS, min_size=1, max_size=2, unique=True).map(tuple), st.booleans()),
        st.builds(Among, st.sampled_from(sorted(CALLED)), SOME),
    )


def _ends(low: float, high: float, above: bool, which: str) -> tuple[float | None, float | None, bool]:
    if which == "high":
        return None, high, False
    return low, high if which == "both" else None, above


def selections() -> st.SearchStrategy[Selection]:
    many = st.one_of(st.just(()), SOME)
    batches = st.lists(st.integers(1, 512), max_size=3, unique=True).map(tuple)
    weights = st.sampled_from([("pretrained",), ("dummy",), ()])
    return st.builds(Selection, many, many, many, many, many, batches, weights, st.booleans())


VIEWS = st.builds(View, selections(), st.lists(narrowings(), max_size=4).map(tuple), st.sampled_from(EVERY))


@given(VIEWS)
def test_a_view_is_read_back_from_its_words(view: View) -> None:
    assert View.from_words(view.words()) == view


@given(VIEWS)
def test_and_from_the_header_of_a_file_of_any_kind(view: View) -> None:
    rows = pl.DataFrame({"x": [1.0]})
    for kind in ("csv", "parquet"):
        assert _heard(downloads.file_of(rows, "rows", kind, view, "http://x/"), kind)[0] == view


def test_words_that_no_filter_says_are_refused() -> None:
    with pytest.raises(UnclearWords, match="full moon"):
        View.from_words("GPU A40, full moon")


def _heard(file: bytes, kind: str) -> tuple[View, pl.DataFrame]:
    """The view that the header of a file says, and the rows of the file."""
    if kind == "parquet":
        header = json.loads(pl.read_parquet_metadata(io.BytesIO(file))[rows_as.METADATA_KEY])
        return View.from_words(header["filter"]), pl.read_parquet(io.BytesIO(file))
    line = next(line for line in file.decode().split("\n") if line.startswith("# filter: "))
    return View.from_words(line.removeprefix("# filter: ")), pl.read_csv(io.BytesIO(file), comment_prefix="#", infer_schema_length=None)


def _results(view: View) -> pl.DataFrame:
    return data.results(view).select("result_id")


def _chosen(view: View) -> pl.DataFrame:
    narrowing = next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Among) and narrowing.column == "result_id")
    return data.results(view).select("result_id").join(pl.DataFrame({"result_id": narrowing.values}), on="result_id")


def _editions(view: View) -> pl.DataFrame:
    rows = three_years.with_edition(data.results(view))
    return summaries.levels(rows, view.measure.key, ["edition", "gpu_model", "engine"]).select(
        "edition", "gpu_model", "engine", "count", "p50"
    )


def _matched(view: View) -> pl.DataFrame:
    pairs = editions.matched(three_years.with_edition(data.results(view)), view.measure.key)
    return pairs.select("model_name", "batch_size", "edition_a", "change")


def _sides(view: View) -> Sides:
    return next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Sides))


def _published(view: View) -> pl.DataFrame:
    sides = _sides(view)
    rows = data.load("contrast_published", view.selection, contrast=sides.kind, a=sides.a, b=sides.b)
    return view.rows(verbosity.in_sets(rows, ("source", "gpu_model", "task", "a", "b"))).select("a", "b", "energy_a_j", "energy_b_j")


def _pairs(view: View) -> pl.DataFrame:
    sides, above_idle = _sides(view), view.measure.above_idle
    asked = {"contrast": sides.kind, "a": sides.a, "b": sides.b, "above_idle": above_idle}
    return view.rows(data.load("contrast_prompts", view.selection, **asked)).select("a", "b", "model_name", "pairs", "energy_a_j")


def _one_size(view: View) -> pl.DataFrame:
    bare = View(view.selection, measure=view.measure)
    rows = verbosity.in_sizes(data.results(bare))
    sets = verbosity.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size", "prompt_set"))
    return view.rows(sets).select("result_id")


def _answers(view: View) -> pl.DataFrame:
    prompt = next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Among)).values[0]
    return view.rows(data.load("prompt_answers", view.selection, prompt=prompt)).select("prompt_id", "model_name", "task", "energy_j")


def _fits(view: View) -> pl.DataFrame:
    sums = data.load("cost_units", view.selection, results="", pooled=True, above_idle=view.measure.above_idle)
    return view.rows(cost.fits(sums, data.luck())).select("result_id", "fixed_j", "answers")


def _models(view: View) -> pl.DataFrame:
    return data.load("answers", view.selection).select("result_id", "answer_j", "kind")


def _percentiles(view: View) -> pl.DataFrame:
    by = next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Grouped)).by
    asked = {"metric": "energy_j", "by": by, "prompt_set": distributions.prompt_set_of(view), "only_series": ""}
    rows = data.load("distribution", view.selection, **asked)
    return rows.filter(pl.col("series").is_in(view.narrowings[-1].values)).select("series", "prompts", "p50")  # type: ignore[attr-defined]


def _differences(view: View) -> pl.DataFrame:
    return comparison.differing(_chosen(view).join(data.load("setups", view.selection), on="result_id", maintain_order="left"))


def _runs(view: View) -> pl.DataFrame:
    return view.rows(data.load("runs", view.selection)).select("run_id", "prompts")


def _steps(view: View) -> pl.DataFrame:
    return data.load("software_steps", view.selection).select("size", "step", "energy_per_token_j", "runs")


def _curves(view: View) -> pl.DataFrame:
    curves = what_software_saves_curves.complete(data.load("software_curves", view.selection))
    return view.rows(curves).select("engine", "batch_size", "energy_per_token_j")


def _plan(view: View) -> pl.DataFrame:
    assumed = next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Planned))
    chosen = data.results(view)
    units = data.load("units", view.selection, results=chosen["result_id"][0], above_idle=view.measure.above_idle, pooled=True)
    energy = comparison.compared(chosen, units, view.measure, data.luck(chosen["harness_version"])).row(0, named=True)
    return workload.workload(comparison.band(energy), assumed.requests, assumed.overhead, assumed.price, assumed.intensity)


Again = Callable[[View], pl.DataFrame]
# Page, its link, the frames to open, the file, and how its rows come out again.
FILES: list[tuple[str, dict[str, str | list[str]], tuple[str, ...], str, Again]] = [
    ("home", {"of": "lm-arena-chat"}, ("answers",), "answers", _models),
    ("leaderboard", {}, (), "leaderboard", _results),
    ("leaderboard", {"gpu": ["A40", "V100"], "search": "vicuna 7b", "per": "output token"}, (), "leaderboard", _results),
    (
        "leaderboard",
        {"show": "Everything", "range_params_total_b": ["5", "20"], "formula": "energy_j / params_total_b"},
        (),
        "leaderboard",
        _results,
    ),
    ("energy_vs_parameters", {"x": "Latency (s)", "gpu": "A40"}, ("energy-and-parameters",), "energy-and-parameters", _results),
    ("tradeoffs", {"task": "chat", "gpu": "A40", "x": "Latency (s)", "limit_latency_s": "10"}, (), "trade-offs", _results),
    ("tradeoffs", {"task": "chat", "x": "Latency (s)"}, ("trade-offs-rows",), "trade-offs-rows", _results),
    ("three_years", {}, ("three-years-rows",), "three-years-rows", _results),
    ("three_years", {"band": "10 to 40"}, (), "three-years", _editions),
    ("three_years", {}, ("three-years-pairs",), "three-years-pairs", _matched),
    ("verbosity", {"gpu": "A40"}, ("concise-or-verbose",), "concise-or-verbose", _published),
    ("verbosity", {"task": "chat", "view": "The same prompts"}, ("pairs",), "pairs", _pairs),
    ("verbosity", {"gpu": "A40", "view": "Models of one size"}, ("models-of-one-size",), "models-of-one-size", _one_size),
    ("compare", {}, (), "compare", _chosen),
    ("prompts", {}, (), "prompt", _answers),
    ("cost_of_a_token", {}, ("cost-of-a-token",), "cost-of-a-token", _fits),
    ("distributions", {"by": "task"}, ("percentiles-energy_j",), "percentiles-energy_j", _percentiles),
    ("compare", {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "source": "Prompt Joules"}, ("differences",), "differences", _differences),
    ("runs", {"show": "With remarks"}, (), "runs", _runs),
    ("planner", {"requests": "2500", "country": "Germany"}, (), "plan", _plan),
    ("what_software_saves", {"card": "H100"}, ("what-software-saves",), "what-software-saves", _steps),
    ("what_software_saves", {"at": "8B"}, ("answers-at-once",), "answers-at-once", _curves),
]


# Pages that need more kinds of runs than the test warehouse has.
SHIPPED = ("what_software_saves",)
# Pages without a download of rows that their filters and narrowings choose: texts, and all that the filters leave.
WITHOUT = ("methods", "export_sql")
IDS = [f"{entry[0]}-{place}" for place, entry in enumerate(FILES)]


def test_every_page_with_a_download_is_among_them() -> None:
    assert {page for page, *_ in FILES} | set(WITHOUT) == {page for pages in site.SECTIONS.values() for page, *_ in pages}


@pytest.mark.parametrize(("page", "link", "frames", "name", "again"), FILES, ids=IDS)
def test_the_rows_of_a_download_come_out_again_from_its_words(
    open_page: Open,
    shipped_warehouse: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    link: dict[str, str | list[str]],
    frames: tuple[str, ...],
    name: str,
    again: Again,
) -> None:
    made: dict[str, bytes] = {}

    def caught(label: str, make: Callable[[], bytes], file: str, mime: str, height: int) -> None:
        made[file] = make()

    monkeypatch.setattr(downloads, "_download", caught)
    if page in SHIPPED:
        monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_page(page, **link)
    app = opened(app, *frames) if frames else app
    assert not app.exception
    for kind in ("csv", "parquet"):
        view, rows = _heard(made[f"{name}.{kind}"], kind)
        found = again(view)
        assert found.height == rows.height > 0
        columns = found.columns if kind == "parquet" else [column for column, kind_ in found.schema.items() if kind_ == pl.String]
        expected = rows.select(columns) if kind == "parquet" else rows.select(pl.col(column).cast(pl.String) for column in columns)
        assert found.select(columns).sort(columns).equals(expected.sort(columns), null_equal=True)
