"""Random weights answer with as many tokens as they were told to: pages show what a token of theirs takes, never what an answer takes."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.pure import words
from prompt_joules.warehouse.energy_shown import FORCED, without_forced
from tests import factories, warehouses
from tests.app.conftest import Open, open_app, opened, table, text

SHAPE = {"weights": "dummy", "model_id": "shape-8b", "model_name": "shape-8b", "params_total_b": 8.0, "params_active_b": 8.0}


@pytest.fixture(scope="module")
def forced_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its weights, and a shape with random ones in two engines, of forced lengths that differ."""
    folder = tmp_path_factory.mktemp("forced")
    runs = {
        "run-real": factories.records(20, "run-real", max_new_tokens=512),
        "run-eager": factories.records(20, "run-eager", engine="transformers-eager", output_tokens=128, energy_j=256.0, **SHAPE),
        "run-compiled": factories.records(20, "run-compiled", engine="transformers-compiled", output_tokens=256, energy_j=230.4, **SHAPE),
    }
    for name, rows in runs.items():
        factories.write(rows, folder / "in" / name / "part-00000.parquet")
    path = folder / "w.duckdb"
    warehouses.ingest(folder / "in", into=path)
    return path


@pytest.fixture
def open_forced(forced_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(forced_warehouse))
    return open_app


def test_energies_of_answers_are_left_out_with_the_reason() -> None:
    rows = pl.DataFrame(
        {
            "weights": ["dummy", "pretrained", "dummy"],
            "energy_j": [1.0, 2.0, None],
            "energy_p95_j": [1.5, 2.5, None],
            "energy_per_token_j": [0.1, 0.2, 0.3],
            "energy_reason": [None, None, "no counter"],
        }
    )
    found = without_forced(rows)
    assert found["energy_j"].to_list() == [None, 2.0, None]
    assert found["energy_p95_j"].to_list() == [None, 2.5, None]
    assert found["energy_per_token_j"].to_list() == [0.1, 0.2, 0.3]
    assert found["energy_reason"].to_list() == [FORCED, None, "no counter"]
    assert without_forced(rows.filter(pl.col("weights") != "dummy")).height == 1


def test_the_leaderboard_has_their_energy_per_token_only_and_says_why(open_forced: Open) -> None:
    app = open_forced("leaderboard", weights="both")
    shown = table(app).filter(pl.col("weights") == "random")
    assert shown.height == 2
    assert shown["energy_j"].null_count() == 2
    assert sorted(shown["energy_per_token_j"].to_list()) == pytest.approx([0.9, 2.0])
    assert words.FORCED in text(app)
    app.button(key="per-token").click().run()
    assert app.selectbox(key="per").value == app.query_params["per"] == "output token", "the link leads here, not to where it was missing"
    assert words.FORCED not in text(app)
    assert table(app)["energy_per_token_j"].to_list() == sorted(table(app)["energy_per_token_j"].to_list())


def test_compare_refuses_answers_of_forced_lengths_and_offers_tokens(open_forced: Open) -> None:
    app = open_forced("compare", weights="dummy")
    assert words.FORCED in text(app)
    assert not app.dataframe
    app.button(key="per-token").click().run()
    assert table(app, -1)["ratio"].to_list()[1] in (pytest.approx(0.9 / 2.0), pytest.approx(2.0 / 0.9))


def test_distributions_offer_no_number_that_follows_from_the_length(open_forced: Open) -> None:
    app = open_forced("distributions", weights="dummy")
    assert not {"Energy (J)", "Response length (token)", "Latency (s)"} & set(app.selectbox(key="metric").options)
    assert app.selectbox(key="metric").value == "Energy per token (J/token)"
    assert words.FORCED in text(app)
    joules = open_forced("distributions", weights="dummy", form="Where the joules go")
    assert not joules.exception and not joules.get("vega_lite_chart")
    real = open_forced("distributions")
    assert real.selectbox(key="metric").value == "Energy (J)" and words.FORCED not in text(real)


def test_the_planner_and_the_scatter_show_none_of_them(open_forced: Open) -> None:
    planned = text(open_forced("planner", weights="dummy"))
    assert words.FORCED in planned and "the length forced on random weights" in planned
    app = opened(open_forced("energy_vs_parameters", weights="both", y="Energy (J)"), "energy-and-parameters")
    assert set(table(app)["model_name"]) == {"SmolLM2-135M-Instruct"} and words.FORCED in text(app)
    assert words.FORCED not in text(open_forced("energy_vs_parameters", weights="both", y="Energy per token (J/token)")), "all are drawn"


def test_what_a_token_takes_by_size_is_drawn_of_random_weights_too_and_said(open_forced: Open) -> None:
    def names(**query: str) -> set[str]:
        return set(table(opened(open_forced("energy_vs_parameters", **query), "energy-and-parameters"))["model_name"])

    assert names() == {"SmolLM2-135M-Instruct", "shape-8b"}
    said = text(open_forced("energy_vs_parameters"))
    assert words.RANDOM_POINTS in said and "pretrained and random weights" in said
    for of_answers in ({"y": "Energy (J)"}, {"x": "Response length (token)"}):
        assert names(**of_answers) == {"SmolLM2-135M-Instruct"}, "a forced length says nothing"
        assert words.RANDOM_POINTS not in text(open_forced("energy_vs_parameters", **of_answers))
