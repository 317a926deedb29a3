"""What holds for every page through `streamlit_app.py`: it opens, says what is wrong, ignores odd links, finds nothing with grace."""

import re
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from prompt_joules.pages.ui import draw, pick, site
from prompt_joules.pages.ui.of import distributions, leaderboard, verbosity
from prompt_joules.pages.ui.pure import theme
from tests.app.conftest import Open, open_app, opened, table, text

# Views with charts that their page does not start with.
MORE_CHARTS: list[tuple[str, dict[str, str]]] = [
    ("distributions", {"by": "task"}),
    *(("distributions", {"form": view}) for view in distributions.SPREADS[1:]),
    *(("verbosity", {"view": view}) for view in verbosity.CONTRASTS[1:]),
]
# Frames of the rows behind charts, by page.
FRAMES = {
    "verbosity": ("concise-or-verbose", "models-of-one-size"),
    "energy_vs_parameters": ("energy-and-parameters",),
}
PAGES = [entry[0] for entries in site.SECTIONS.values() for entry in entries]


@pytest.mark.parametrize("view", [(page, {}) for page in PAGES] + MORE_CHARTS)
def test_opens_without_an_exception_and_every_chart_is_valid(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, view: tuple[str, dict[str, str]]
) -> None:
    def checked(chart: theme.Chart) -> draw.Drawn:
        chart.to_dict()  # raises SchemaValidationError
        return finished(chart)

    finished = draw.finished
    monkeypatch.setattr(draw, "finished", checked)
    draw.forget()
    page, query = view
    app = open_page(page, **query)
    assert not app.exception
    question = next(entry[2] for entries in site.SECTIONS.values() for entry in entries if entry[0] == page)
    assert [title.value for title in app.title] == [question]


def test_the_table_of_results_opens_after_the_page_on_which_rows_are_chosen(open_page: Open) -> None:
    app = open_page("export_sql")
    for page in ("leaderboard", "export_sql", "leaderboard"):
        app._page_hash = calc_hash(page)
        assert not app.run().exception, "a key of two widgets"
        assert len(app.dataframe) == 1


@pytest.mark.parametrize("page", PAGES)
def test_without_a_warehouse_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.delenv("PROMPT_JOULES_WAREHOUSE", raising=False)
    monkeypatch.chdir(tmp_path)
    app = open_app(page)
    assert not app.exception
    assert app.title[0].value == "No results yet"
    assert "python -m ingest warehouse/data --warehouse" in app.code[0].value
    assert not app.dataframe


def test_a_warehouse_that_was_named_and_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "no such folder" / "none.duckdb"
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(path))
    app = open_app()
    assert not app.exception
    assert app.title[0].value == "There is no file of that name"
    assert app.error[0].value.replace("\\", "") == f"There is no warehouse at {path}, which PROMPT_JOULES_WAREHOUSE names."
    assert "If another file was meant, set `PROMPT_JOULES_WAREHOUSE`" in text(app)
    assert app.code[0].value == f"python -m ingest warehouse/data --warehouse '{path}'"
    assert not app.dataframe


def test_old_and_broken_warehouses_have_their_own_messages(app_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database" * 1000)
    old = tmp_path / "old.duckdb"
    shutil.copyfile(app_warehouse, old)
    with duckdb.connect(str(old)) as connection:
        connection.execute("update meta set schema_version = 0")
    for path, title in ((broken, "The results cannot be read"), (old, "The results are from another version")):
        monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(path))
        app = open_app()
        assert not app.exception
        assert app.title[0].value == title
        if path == old:
            assert app.code[0].value.endswith("--rebuild")
        else:
            assert not app.code and "Name another one" in text(app), "a file of another kind is nobody's to replace"


@pytest.mark.parametrize("page", PAGES)
def test_unknown_values_in_a_link_are_ignored_with_a_note(open_page: Open, page: str) -> None:
    app = open_page(page, gpu=["A40", "<b>Nonesuch</b>"], valid="perhaps", batch="many")
    assert not app.exception
    if page == "leaderboard":
        assert len(app.info) == 3
        assert all(re.search(r"was ignored\W+There are\W", note.value) for note in app.info), "each says what there is"
        assert "\\<b\\>Nonesuch" in app.info[0].value
    assert app.multiselect(key="gpu").value == ["A40"]


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("home", {"of": "talk"}),
        ("leaderboard", {"columns": "Colour"}),
        ("energy_vs_parameters", {"colour": "smell"}),
        ("energy_vs_parameters", {"x": "Weight (kg)"}),
        ("tradeoffs", {"band": "huge"}),
        ("distributions", {"setup": "A41 · Eager"}),
        ("distributions", {"metric": "Energy (kWh)"}),
        ("verbosity", {"view": "Averages"}),
        ("cost_of_a_token", {"result": "no such result"}),
        ("compare", {"results": "no such result"}),
        ("planner", {"plan_model": "Nonesuch 7B"}),
        ("planner", {"result": "no such result"}),
        ("runs", {"kind": "good"}),
    ],
)
def test_a_choice_that_the_link_names_and_nobody_has_is_told(open_page: Open, page: str, link: dict[str, str]) -> None:
    app = open_page(page, **link)
    ((key, value),) = link.items()
    assert not app.exception
    (note,) = [note.value.replace("\\", "") for note in app.info if "ignored" in note.value]
    assert f"{key}={value} in the link is not known here" in note


@pytest.mark.parametrize(
    "page",
    [
        "home",
        "leaderboard",
        "what_software_saves",
        "energy_vs_parameters",
        "distributions",
        "verbosity",
        "tradeoffs",
        "three_years",
        "compare",
        "planner",
        "prompts",
        "cost_of_a_token",
    ],
)
def test_no_match_names_the_filters_and_offers_a_way_back(open_page: Open, page: str) -> None:
    app = open_page(page, gpu="CPU", task="instruct")
    assert not app.exception
    assert "GPU CPU, task instruct" in app.warning[0].value
    assert not app.dataframe


@pytest.mark.parametrize("page", ["leaderboard", "compare", "planner"])
def test_an_empty_page_offers_to_end_the_filter_that_is_in_the_way(open_page: Open, page: str) -> None:
    app = open_page(page, gpu="CPU", source="ML.ENERGY v1")
    ways = {button.label: button for button in app.button}
    assert set(ways) == {way for way in ways if way.startswith(("Without GPU CPU: ", "Without source ML"))}
    label = next(label for label in ways if label.startswith("Without GPU CPU"))
    count = int(label.split(": ")[1].split()[0].replace(",", ""))
    assert count > 0
    ways[label].click().run()
    assert not app.exception and not app.warning
    assert app.multiselect(key="gpu").value == []
    assert app.multiselect(key="source").value == ["ML.ENERGY v1"]
    if page == "leaderboard":
        assert table(app).height <= count


def test_an_empty_leaderboard_offers_to_end_a_search_or_a_range(open_page: Open) -> None:
    app = open_page(gpu="A40", search="vicuna", range_params_total_b=["50", "100"])
    assert "with the words “vicuna”" in app.warning[0].value.replace("\\", "")
    ways = {button.label.split(":")[0].replace("\\", ""): button for button in app.button}
    assert "Without with" not in " ".join(ways)
    assert any(way.startswith("Without Parameters (billion) at least") for way in ways)
    next(button for way, button in ways.items() if way.startswith("Without Parameters")).click().run()
    assert not app.warning
    assert app.text_input(key="search").value == "vicuna"
    assert table(app)["model_name"].str.contains("vicuna").all()


def test_the_first_view_is_one_chat_prompt_at_a_time_and_all_is_one_click_away(open_page: Open) -> None:
    app = open_page()
    assert table(app).select("task", "batch_size").unique().rows() == [("chat", 1)]
    shown = table(app).height
    more = int(re.findall(r"([\d,]+) more results", text(app))[0].replace(",", ""))
    app.segmented_control(key="show").set_value("Everything").run()
    assert table(app).height == shown + more
    assert set(table(app)["source"]) > {"ML.ENERGY v1", "ML.ENERGY v3"}
    assert set(table(open_page(batch="64"))["batch_size"]) == {64}, "who filters by batch size sees what the filter says"
    assert table(open_page(task="code")).height > 0, "nothing at batch size 1: everything is shown"


@pytest.mark.parametrize(("page", "label", "link"), leaderboard.PRESETS, ids=[label for _, label, _ in leaderboard.PRESETS])
def test_a_preset_leads_to_a_view_with_an_answer(
    shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch, page: str, label: str, link: dict[str, str]
) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_app(page, **link)
    assert not app.exception
    assert not any("ignored" in note.value for note in app.info), f"{link} has a value that no filter knows"
    assert not any("Nothing matches" in warning.value for warning in app.warning)
    app = opened(app, *FRAMES.get(page, ()))
    if label == "One prompt and the next":
        assert len(app.get("vega_lite_chart")) == 1
        app.segmented_control(key="form").set_value("Percentiles").run()
        opened(app, "percentiles-energy_j")
    assert page == "methods" or table(app).height > 0
    if label.startswith("Why does one 7B"):
        assert app.markdown[0].value.startswith("Mostly **because one says more than another**"), "the answer comes first"
        assert "because one says more than another" in text(app)
    if label == "H100: eager against compiled":
        assert "**Eager** uses **" in text(app).replace("\\", "")
        assert table(app, -1)["ratio"][1] > 1.5
    if label.startswith("One card"):
        assert text(app).count("energy per token grows as parameters") >= 1
        assert set(table(app)["weights"]) == {"random"}
        assert table(app)["params_total_b"].max() > 30
    if label == "Cheapest 7B":
        assert table(app)["model_name"].str.to_lowercase().str.contains("7b").all()
        assert table(app)["model_name"][0] == "llama-7B"


def test_a_click_or_a_box_keeps_the_rows_of_its_points() -> None:
    rows = pl.DataFrame({"result_id": ["a", "b", "c"], "ttft_s": [0.01, 0.02, None], "energy_j": [1.0, 2.0, 3.0]})

    def kept(**selection: object) -> list[str]:
        return pick.chosen({"selection": selection}, rows, "result_id")["result_id"].to_list()

    assert kept(picked=[{"result_id": "b"}]) == ["b"]
    assert kept(boxed={"ttft_s": [9, 11]}) == ["a"], "a box is in screen units: milliseconds"
    assert kept(boxed={"ttft_s": [100, 1], "energy_j": [1.5, 9]}) == ["b"]
    assert kept(picked=[{"result_id": "a"}, {"result_id": "b"}], boxed={"energy_j": [1.5, 9]}) == ["b"]
    for nothing in (
        {"picked": []},
        {},
        {"picked": [{"result_id": "z"}]},
        {"boxed": {}},
        {"boxed": {"ttft_s": [500, 600]}},
        {"boxed": {"nope": [1, 2]}},
    ):
        assert len(kept(**nothing)) == 3


@pytest.mark.parametrize(
    ("page", "name", "query"),
    [
        ("verbosity", "concise-or-verbose", {"view": "Published averages"}),
        ("verbosity", "models-of-one-size", {"view": "Models of one size"}),
        ("energy_vs_parameters", "energy-and-parameters", {}),
        ("tradeoffs", "trade-offs-rows", {"x": "Latency (s)"}),
        ("three_years", "three-years-rows", {}),
    ],
)
def test_the_rows_behind_a_chart_come_when_their_frame_is_opened(open_page: Open, page: str, name: str, query: dict[str, str]) -> None:
    app = open_page(page, gpu="A40", task="chat", band="All sizes", **query)
    before = len(app.dataframe)
    opened(app, name)
    assert len(app.dataframe) == before + 1
    assert not app.exception


def test_the_rows_behind_a_chart_are_open_when_some_were_chosen(open_page: Open) -> None:
    app = open_page("tradeoffs", x="Latency (s)", gpu="A40", task="chat", band="All sizes")
    before = len(app.dataframe)
    app.multiselect(key="tradeoff_names").set_value(app.multiselect(key="tradeoff_names").options[:2]).run()
    assert len(app.dataframe) == before + 1
    assert table(app, -1).height == 2


def test_filters_of_a_closed_frame_are_made_when_it_opens_and_where_a_link_has_a_value(open_page: Open) -> None:
    def made(app: AppTest) -> set[str | None]:
        return {widget.key for widget in (*app.multiselect, *app.selectbox)} & {"engine", "batch", "weights", "statistic", "per"}

    app = open_page()
    assert made(app) == set()
    assert made(opened(app, "more-filters")) == {"engine", "batch", "weights"}
    app.multiselect(key="engine").set_value(["vllm"]).run()
    assert set(table(app)["engine"]) == {"vLLM"}
    shown = app.multiselect(key="engine_named")
    assert shown.value == ["vllm"] and "vLLM" in shown.options and "vllm" not in shown.options, "by name; the link keeps the id"
    app.session_state["more-filters-frame"] = False
    assert set(table(app.run())["engine"]) == {"vLLM"}, "a filter that acts stays when its frame is closed"
    app = open_page(per="output token")
    assert made(app) == {"statistic", "per"}
    app.selectbox(key="per").set_value("response").run()
    assert made(app) == {"statistic", "per"}, "the frame stays open when a value is set back"


def test_points_are_chosen_by_name_without_a_mouse(open_page: Open) -> None:
    app = opened(open_page("energy_vs_parameters", gpu="A40", task="chat"), "energy-and-parameters")
    before = table(app).height
    app.multiselect(key="scatter_names").set_value(["vicuna-7B · A40 · FP16 · chat · Eager · batch 1 · ML.ENERGY v1"]).run()
    assert table(app)["model_name"].to_list() == ["vicuna-7B"]
    assert f"1 of {before} rows chosen" in text(app)


def test_a_model_of_random_weights_is_shown_to_who_chooses_it(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    app = open_app("runs")
    assert "llama 2 7B · random weights" in app.multiselect(key="model_named").options
    app.multiselect(key="model_named").set_value(["llama-2-7b"]).run()
    assert app.query_params["model"] == "llama-2-7b"
    assert set(table(app)["model_name"]) == {"llama-2-7b"}
    app.session_state["model"] = []
    assert app.run().multiselect(key="model_named").value == []


@pytest.mark.parametrize(
    "page", ["home", "energy_vs_parameters", "tradeoffs", "three_years", "verbosity", "cost_of_a_token", "compare", "planner"]
)
def test_rows_without_energy_are_not_called_no_rows(open_page: Open, page: str) -> None:
    """Who measured on a CPU has rows: the page says that they have no energy, and why, not that nothing matches."""
    more = {"view": "The same prompts"} if page == "verbosity" else {}
    app = open_page(page, gpu="CPU", **more)
    assert not app.exception
    said = " ".join(each.value for each in (*app.warning, *app.info)).replace("\\", "")
    assert "1 result of these filters has none: no energy counter on this machine." in said
    assert "Nothing matches" not in said and "has both sides" not in said
