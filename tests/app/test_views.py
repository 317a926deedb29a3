"""From the words of a download's header alone the same rows come out: what a page says of its rows is all that chose them."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import streamlit as st

from prompt_joules.pages.ui import data, site
from prompt_joules.pages.ui.of import distributions, export_sql, three_years, verbosity, what_software_saves_curves
from prompt_joules.pages.ui.pure.narrowings import Among, Computed, Grouped, Planned, Sides
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import comparison, cost, editions, summaries, workload
from tests import factories, warehouses
from tests.app.conftest import Open, open_app, opened
from tests.app.files import said_of
from tests.from_words import heard, view_of


def _heard(file: bytes, kind: str) -> tuple[View, pl.DataFrame]:
    """The view that the header of a file says, and the rows of the file."""
    words, rows = said_of(file, kind)
    return view_of(words), rows


def _results(view: View) -> pl.DataFrame:
    return data.results(view).select("result_id")


def _chosen(view: View) -> pl.DataFrame:
    return data.results(view).select("result_id").join(pl.DataFrame({"result_id": _among(view, "result_id")}), on="result_id")


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
    sides, idle = _sides(view), view.measure.idle
    asked = {"contrast": sides.kind, "a": sides.a, "b": sides.b, "idle": idle}
    return view.rows(data.load("contrast_prompts", view.selection, **asked)).select("a", "b", "model_name", "pairs", "energy_a_j")


def _one_size(view: View) -> pl.DataFrame:
    bare = View(view.selection, measure=view.measure)
    rows = verbosity.in_sizes(data.results(bare))
    sets = verbosity.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size", "prompt_set"))
    return view.rows(sets).select("result_id")


def _answers(view: View) -> pl.DataFrame:
    prompt = next(narrowing for narrowing in view.narrowings if isinstance(narrowing, Among)).values[0]
    return view.rows(data.load("prompt_answers", view.selection, prompt=prompt)).select("prompt_id", "model_name", "task", "energy_j")


def _among(view: View, column: str) -> tuple[str, ...]:
    return next(each.values for each in view.narrowings if isinstance(each, Among) and each.column == column)


def _residuals(view: View) -> pl.DataFrame:
    (result,), idle = _among(view, "result_id"), {"idle": view.measure.idle}
    fit = cost.fits(data.load("cost_units", view.selection, results=result, pooled=True, **idle), data.luck()).row(0, named=True)
    asked = {"a": fit["fixed_j"], "b": fit["input_token_j"], "c": fit["output_token_j"]}
    return data.load("cost_prompts", view.selection, result=result, **asked, **idle).select("prompt_id", "energy_j", "residual_j")


def _of_bars(view: View) -> pl.DataFrame:
    rows = data.load("prompts", view.selection)
    chosen = rows.filter(pl.Series(distributions.answers(rows)).is_in(_among(view, "answer")))
    return chosen.select("run_id", "prompt_id", "repetition", "energy_j")


def _fits(view: View) -> pl.DataFrame:
    sums = data.load("cost_units", view.selection, results="", pooled=True, idle=view.measure.idle)
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
    units = data.load("units", view.selection, results=chosen["result_id"][0], idle=view.measure.idle, pooled=True)
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
    ("tradeoffs", {"task": "chat", "gpu": "A40", "x": "Latency (s)", "limit_latency_s": "10"}, ("trade-offs",), "trade-offs", _results),
    ("tradeoffs", {"task": "chat", "x": "Latency (s)"}, ("trade-offs-rows",), "trade-offs-rows", _results),
    ("three_years", {}, ("three-years-rows",), "three-years-rows", _results),
    ("three_years", {"band": "10 to 40"}, ("three-years",), "three-years", _editions),
    ("three_years", {}, ("three-years-pairs",), "three-years-pairs", _matched),
    ("verbosity", {"gpu": "A40"}, ("concise-or-verbose",), "concise-or-verbose", _published),
    ("verbosity", {"task": "chat", "view": "The same prompts"}, ("pairs",), "pairs", _pairs),
    ("verbosity", {"gpu": "A40", "view": "Models of one size"}, ("models-of-one-size",), "models-of-one-size", _one_size),
    ("compare", {}, (), "compare", _chosen),
    ("prompts", {}, (), "prompt", _answers),
    ("cost_of_a_token", {}, ("cost-of-a-token",), "cost-of-a-token", _fits),
    ("cost_of_a_token", {"idle": "above idle"}, ("fit",), "fit", _residuals),
    ("distributions", {"by": "task"}, ("percentiles-energy_j",), "percentiles-energy_j", _percentiles),
    ("compare", {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "source": "Prompt Joules"}, ("differences",), "differences", _differences),
    ("runs", {"kind": "To check"}, (), "runs", _runs),
    ("planner", {"requests": "2500", "country": "Germany"}, (), "plan", _plan),
    ("what_software_saves", {"card": "H100"}, ("what-software-saves",), "what-software-saves", _steps),
    ("what_software_saves", {"at": "8B"}, ("answers-at-once",), "answers-at-once", _curves),
]


# Pages that need more kinds of runs than the test warehouse has.
SHIPPED = ("what_software_saves",)
# A page without a download, and one whose files have tests of their own below.
OTHERS = ("methods", "export_sql")
IDS = [f"{entry[0]}-{place}" for place, entry in enumerate(FILES)]


def test_every_page_with_a_download_is_among_them() -> None:
    assert {page for page, *_ in FILES} | set(OTHERS) == {page for pages in site.SECTIONS.values() for page, *_ in pages}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files that a page offers, by name."""
    files: dict[str, bytes] = {}

    def caught(label: str, data: Callable[[], bytes], file_name: str, *_: object, **__: object) -> None:
        files[file_name.removeprefix("prompt-joules-")] = data()

    monkeypatch.setattr(st, "download_button", caught)
    return files


def assert_same(found: pl.DataFrame, rows: pl.DataFrame, kind: str) -> None:
    """The rows of a file have what was found again, in any order; of a CSV the texts are compared."""
    assert found.height == rows.height > 0
    columns = found.columns if kind == "parquet" else [column for column, kind_ in found.schema.items() if kind_ == pl.String]
    expected = rows.select(columns) if kind == "parquet" else rows.select(pl.col(column).cast(pl.String) for column in columns)
    assert found.select(columns).sort(columns).equals(expected.sort(columns), null_equal=True)


@pytest.mark.parametrize(("page", "link", "frames", "name", "again"), FILES, ids=IDS)
def test_the_rows_of_a_download_come_out_again_from_its_words(
    open_page: Open,
    shipped_warehouse: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: dict[str, bytes],
    page: str,
    link: dict[str, str | list[str]],
    frames: tuple[str, ...],
    name: str,
    again: Again,
) -> None:
    if page in SHIPPED:
        monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_page(page, **link)
    app = opened(app, *frames) if frames else app
    assert not app.exception
    for kind in ("csv", "parquet"):
        view, rows = _heard(made[f"{name}.{kind}"], kind)
        assert_same(again(view), rows, kind)


def test_the_prompts_of_bars_come_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, bytes]) -> None:
    """Each prompt is answered twice, with energies in different bars: the words say which of the answers."""
    rows = factories.records(20, "run-twice")
    later = pl.col("sequence") >= 10
    twice = rows.with_columns(
        pl.col("prompt_id").gather(pl.int_range(20) % 10), repetition=later.cast(rows.schema["repetition"]), energy_j=100.0 + 200.0 * later
    )
    factories.write(twice, tmp_path / "in" / "a.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "w.duckdb"))
    app = open_app("distributions", by="task")
    bars = app.multiselect(key="histogram_names")
    app = bars.set_value(bars.options[:1]).run()
    assert not app.exception
    for kind in ("csv", "parquet"):
        view, rows = _heard(made[f"prompts-of-bars.{kind}"], kind)
        assert rows.height == 10
        assert_same(_of_bars(view), rows, kind)


def test_the_answer_to_sql_comes_out_again(open_page: Open, made: dict[str, bytes]) -> None:
    app = open_page("export_sql", sql="select result_id, energy_j\nfrom results where task = 'chat' and gpu_model != 'a “b”, 50 %'")
    next(button for button in app.button if button.label == "Run").click().run()
    for kind in ("csv", "parquet"):
        words, rows = said_of(made[f"sql.{kind}"], kind)
        assert words.startswith("SQL “")
        assert_same(data.ask(heard(words.removeprefix("SQL "))).rows, rows, kind)


@pytest.mark.parametrize("name", export_sql.EXPORTS)
def test_the_rows_of_an_export_come_out_again(app_warehouse: Path, name: str) -> None:
    narrowed = (Computed("energy_j / output_tokens"),) if name == "Results" else ()
    chosen = View(Selection(tasks=("chat",), gpus=("A40", "H100")), narrowed)
    for kind in ("csv", "parquet"):
        with export_sql.file_of(chosen, name, kind, str(app_warehouse)) as file:
            view, rows = _heard(file.read(), kind)
        found = view.rows(query.load(export_sql.EXPORTS[name][0], view.selection, str(app_warehouse)))
        assert_same(found if kind == "parquet" else found.select("model_id", "gpu_model", "task"), rows, kind)
