"""Runs, Export and SQL, Methods, and every download."""

import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.bench.tasks import TASKS
from prompt_joules.pages.ui import downloads, tables
from prompt_joules.pages.ui.of import export_sql, methods, runs
from prompt_joules.pages.ui.pure import detail
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import create, query, switches, visitor_sql
from prompt_joules.warehouse.metrics import METRICS
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.app import warehouse
from tests.app.conftest import FIGURES, Open, open_app, opened, table, text


def test_sql_answers_and_says_what_is_wrong(open_page: Open) -> None:
    sql = "select gpu_model, count(*) as n from published where source = 'ML.ENERGY v1' group by all order by 1"
    app = pressed(open_page("export_sql", sql=sql))
    figures = pl.read_csv(FIGURES).group_by("gpu_model").len().sort("gpu_model")
    assert table(app, -1).rows() == figures.rows()
    app.text_area(key="sql").set_value("drop table published")
    assert "Only SELECT" in pressed(app).error[0].value
    app.text_area(key="sql").set_value("select * from '/etc/passwd'")
    app = pressed(app)
    assert app.error and not app.exception


def pressed(app: AppTest) -> AppTest:
    """The page of the SQL box after a click on Run."""
    return next(button for button in app.button if button.label == "Run").click().run()


def test_nothing_runs_before_a_click(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(visitor_sql, "run", lambda sql, warehouse: ran.append(sql))
    app = open_page("export_sql", sql="select 1 as x")
    assert app.text_area(key="sql").value == "select 1 as x"
    app.text_area(key="sql").set_value("select 2 as x").run()
    assert ran == [] and export_sql.NOT_YET in text(app)


def test_the_answer_stays_while_its_text_does_and_can_be_drawn(open_page: Open) -> None:
    app = pressed(open_page("export_sql", sql="select task, sum(ok) as answers from runs group by all", chart="true"))
    assert app.get("vega_lite_chart") and not app.exception
    app.toggle(key="chart").set_value(False).run()
    assert table(app, -1).columns == ["task", "answers"] and not app.get("vega_lite_chart")
    app.text_area(key="sql").set_value("select 2 as x").run()
    assert table(app, -1).columns == ["task", "answers"], "a text that is being written is not asked"


def test_the_box_can_be_switched_off(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switches.SQL, "off")
    app = open_page("export_sql", sql="select 1 as x")
    assert not app.text_area and export_sql.SWITCHED_OFF in text(app)


def test_texts_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = factories.records(3, prompt_text="a secret question", output_text="a secret answer")
    factories.write(rows, tmp_path / "in" / "a.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "w.duckdb"))
    assert "a secret answer" in text(open_app("prompts"))
    (tmp_path / "w.duckdb").touch()
    monkeypatch.setenv(switches.TEXTS, "off")
    app = open_app("prompts")
    assert not app.exception and "secret" not in text(app) + str([table(app, place) for place in range(len(app.dataframe))])
    assert "No prompt contains" in text(open_app("prompts", search="secret"))


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "arrow"])
def test_an_export_holds_the_rows_and_a_header(app_warehouse: Path, kind: str) -> None:
    with export_sql.file_of(View(Selection(gpus=("A40",), tasks=("chat",))), "Results", kind, str(app_warehouse)) as file:
        made = file.read()
    readers = {
        "parquet": lambda: pl.read_parquet(io.BytesIO(made)),
        "csv": lambda: pl.read_csv(io.BytesIO(made), comment_prefix="#"),
        "json": lambda: pl.DataFrame(json.loads(made)["rows"], infer_schema_length=None),
        "arrow": lambda: pl.read_ipc(io.BytesIO(made)),
    }
    v1 = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    assert readers[kind]()["energy_j"].to_list() == pytest.approx(v1["energy_j"].to_list())
    assert made.replace(b";", b",").count(b"GPU A40, task chat") >= 1


def test_runs_shows_every_run_and_what_was_loaded(open_page: Open) -> None:
    app = open_page("runs")
    rows = warehouse.measured_rows()
    prompts = dict(rows.group_by("run_id").len().iter_rows())
    assert dict(table(app).select("run_id", "prompts").iter_rows()) == prompts
    order = {verdict: place for place, verdict in enumerate(runs.OF_KIND)}
    listed = table(app).select(pl.col("verdict").replace_strict(order), "started_at", "run_id")
    newest_first = listed.sort("verdict", "started_at", "run_id", descending=[False, True, False])
    assert listed.equals(newest_first), "the worst kind first, each newest first"
    app.multiselect(key="gpu").set_value(["CPU"]).run()
    assert table(app)["run_id"].to_list() == ["run-cpu"]
    assert len(app.dataframe) == 1, "remarks and files are folded"
    assert any("1 model in 1 run, measured; shown: GPU CPU" in caption.value for caption in app.caption), "the footer is of the rows"
    app = opened(app, "remarks", "files")
    assert table(app, 1)["remark"].is_in(list(runs.SAID.values())).any()
    assert table(app, 2)["accepted"].sum() >= rows.height


def test_runs_that_do_not_count_and_random_weights_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run, ratio, weights in (("sound", 1.0, "pretrained"), ("lost", 0.9, "pretrained"), ("random", 1.0, "dummy")):
        factories.write(factories.records(20, run, weights=weights), tmp_path / run / "part-0.parquet")
        factories.run_json(tmp_path / run / "run.json", run, ratio)
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "w.duckdb"))
    app = open_app("runs")
    assert dict(table(app).select("run_id", "verdict").iter_rows()) == {"sound": "Sound", "lost": "Invalid", "random": "Sound"}
    assert "**2 of 3** runs count" in text(app)
    first = table(app).row(0, named=True)
    assert (first["run_id"], first["adds_up"]) == ("lost", "10.0 % off") and "Does not add up to the counter" in first["remarks"]
    buttons = next(each for each in app.button_group if each.key == "kind_of_run")
    assert buttons.options == ["All 3", "1 invalid", "2 sound"], "random weights are no fault of a run"
    assert "Invalid: in no average; sound: no check found anything." in text(app)
    buttons.set_value("Invalid").run()
    assert table(app)["run_id"].to_list() == ["lost"]
    assert app.query_params["kind"] == "Invalid", "the link leads to these runs"
    assert table(open_app("runs", kind="Invalid"))["run_id"].to_list() == ["lost"]
    assert table(open_app("runs", show="Invalid"))["run_id"].to_list() == ["lost"], "as older links say it"
    del app.query_params["kind"]  # the browser's Back
    assert table(app.run()).height == 3


def test_every_remark_of_a_run_is_said_in_words(app_warehouse: Path) -> None:
    codes = query.load("reason_codes", None, str(app_warehouse)).filter(pl.col("scope") == "run")["code"]
    assert set(codes) == set(runs.SAID)
    assert set(codes) == set(runs.KIND_OF), "each makes a run of one kind"
    every = query.load("runs", Selection(only_valid=False).with_random_weights(), str(app_warehouse))
    listed = runs.explained(query.load("reason_codes", None, str(app_warehouse)), every)
    counts = dict(listed.filter(pl.col("scope") == "run").select("code", "of_runs").iter_rows())
    assert counts == {code: every["reasons"].list.contains(code).sum() for code in codes}
    words = listed.filter(pl.col("scope") == "run")["remark"].to_list()
    assert set(words) == set(runs.SAID.values()) and listed["scope"][0] == "run", "as the table of runs says them"


def test_a_run_is_of_the_kind_of_its_worst_remark_and_has_properties_beside() -> None:
    reasons = [
        ["truncated", "looped"],
        ["too-few-prompts", "beside-busy", "truncated"],
        ["not-resolved", "dummy-weights"],
        ["no-valid-rows", "failed"],
        [],
        ["a-new-one"],
    ]
    rows = pl.DataFrame(
        {"run_id": [str(place) for place in range(len(reasons))], "reasons": reasons, "valid": [True] * 3 + [False, True, True]}
    )
    listed = runs.listed(rows.with_columns(balance_ratio=pl.lit(None, pl.Float64), gpu=pl.lit("H200")))
    assert listed.select("run_id", "verdict").rows() == [
        ("3", "Invalid"), ("1", "To check"), ("5", "To check"), ("2", "Rough"), ("0", "Sound"), ("4", "Sound"),
    ]  # fmt: skip
    of = dict(listed.select("run_id", "remarks").iter_rows())
    assert of["1"] == ["Others were busy on the host", "Fewer than 20 answers"], "worst first, without what nearly every run has"
    assert of["0"] == of["4"] == []
    assert dict(listed.select("run_id", "properties").iter_rows())["0"] == ["Answers cut short", "Answers repeat themselves"]
    assert runs.kinds(listed) == {"All": "All 6", "Invalid": "1 invalid", "To check": "2 to check", "Rough": "1 rough", "Sound": "2 sound"}
    assert runs.about(runs.of_kind(listed, "To check"), "To check").endswith(
        "Most frequent: Fewer than 20 answers (1), Others were busy on the host (1)."
    )


def test_most_of_what_ships_has_no_remark_that_nearly_all_runs_have(shipped_warehouse: Path) -> None:
    listed = runs.listed(query.load("runs", Selection(only_valid=False).with_random_weights(), str(shipped_warehouse)))
    common = listed["remarks"].explode().drop_nulls().value_counts().filter(pl.col("count") > listed.height / 2)
    assert common.is_empty() and set(listed["verdict"]) == set(runs.OF_KIND), "each button holds some and none holds all"


def test_totals_of_other_tools_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.write(factories.records(5, "own"), tmp_path / "own.parquet")
    warehouses.ingest(tmp_path, warehouses.DATA / "cases" / "cc-tasks", into=tmp_path / "w.duckdb")
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "w.duckdb"))
    app = open_app("runs")
    totals = table(app, 1)
    assert totals.select("part", "gpu_energy_j", "power_w").rows() == [
        ("infer", pytest.approx(3600.0), pytest.approx(72.0)),
        ("load", pytest.approx(360.0), pytest.approx(72.0)),
    ]
    assert "in no average" in " ".join(caption.value for caption in app.caption)


def test_a_run_that_is_clicked_shows_its_machine_temperatures_and_errors() -> None:
    told = '{"gpus": [{"driver": "580", "power_limit_w": 700.0, "clock_event_reasons": []}], "host": "h", "counter": {"step_s": 0.1}}'
    assert detail.environment(told).select("number", "is").rows() == [
        ("GPU · driver", "580"),
        ("GPU · power limit (W)", "700"),
        ("Host", "h"),
        ("Counter · step (s)", "0.1"),
    ]
    several = detail.environment('{"gpus": [{"driver": "1"}, {"driver": "2"}]}')
    assert several["number"].to_list() == [
        "GPU · 1 · driver",
        "GPU · 2 · driver",
    ]
    assert detail.environment("no JSON")["is"].to_list() == ["no JSON"]
    assert detail.environment("[1, 2]")["is"].to_list() == ["1, 2"]
    assert detail.environment(None).is_empty()


def test_methods_shows_the_system_prompts_and_every_definition(open_page: Open) -> None:
    app = open_page("methods")
    assert "Below is an instruction that describes a task." in text(app)
    numbers = table(app)
    assert numbers["column"].to_list() == list(METRICS) and numbers["meaning"].to_list() == [metric.meaning for metric in METRICS.values()]
    assert {"gpqa", "lm-arena-chat", "sourcegraph-fim", "code"} <= set(re.findall(r"- \*\*([\w-]+)\*\*:", text(app)))
    assert [head.anchor for head in app.header] == list(methods.SECTIONS)
    assert {"Is this accurate?", "Why is it null?", "Can I compare across GPUs?"} <= {frame.label for frame in app.expander}
    assert f"Prompt Joules {create.project_version()}, Which model" in text(app)


def test_downloads_hold_the_rows_and_run_no_formula() -> None:
    rows = pl.DataFrame({"model_name": ["=1+1", "ok"], "energy_j": [-1.5, None], "reasons": [["a", "b"], []]})
    made = {kind: downloads.file_of(rows, "rows", kind, View(), "http://x/?a=b") for kind in ("csv", "parquet")}
    csv = pl.read_csv(made["csv"], comment_prefix="#")
    assert b"# link: http://x/?a=b\n" in made["csv"] and b"content_sha256" in made["csv"]
    assert csv["model_name"].to_list() == ["'=1+1", "ok"]
    assert csv["energy_j"].to_list() == [-1.5, None]
    assert csv["reasons"].fill_null("").to_list() == ["a|b", ""]
    assert pl.read_parquet(io.BytesIO(made["parquet"])).equals(rows)


def test_links_lead_to_the_web_only() -> None:
    rows = pl.DataFrame({"model_url": ["https://huggingface.co/x", "javascript:alert(1)", None]})
    assert tables.safe_links(rows)["model_url"].to_list() == ["https://huggingface.co/x", None, None]


def test_the_tasks_are_those_that_are_run(app_warehouse: Path) -> None:
    rows = query.load("tasks", None, str(app_warehouse))
    assert rows.rows() == [(name, task.system, task.verbose_twin) for name, task in sorted(TASKS.items())]


def test_lists_of_many_runs_and_files_are_cut_and_say_so(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LISTED", 2)
    app = opened(open_page("runs"), "files")
    assert [table(app, place).height for place in (0, 1)] == [2, 2]
    said = " ".join(caption.value for caption in app.caption)
    assert "The first 2 of 4 runs are listed; the download has all." in said
    assert "files are listed; the table `ingested_files` has all." in said


def test_files_of_a_run_are_told_apart_and_no_folder_of_the_server_is_shown() -> None:
    run = "01a213d1-3001-7e16-a482-6c9a29dfe88c"
    paths = [f"host:/srv/me/{run}/run.json", f"C:\\me\\{run}\\part-0.parquet", f"/srv/{run}/secret/x.csv", "/srv/me/y.csv", "data/z.csv"]
    shown = runs.with_short_paths(pl.DataFrame({"path": paths}))["path"].to_list()
    assert shown == [f"…/{run}/run.json", f"…/{run}\\part-0.parquet", "…/x.csv", "…/y.csv", "data/z.csv"]
    ships = runs.with_short_paths(pl.DataFrame({"path": [f"/srv/data/published/mlenergy_v{edition}/figures.csv" for edition in (1, 2)]}))
    assert ships["path"].to_list() == [f"…/published/mlenergy_v{edition}/figures.csv" for edition in (1, 2)]
