"""The sentences of the documents say what the rows that ship say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import prompt_joules as pj
from prompt_joules.pages.ui.of import what_software_saves_curves
from prompt_joules.pages.ui.pure import naming
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.figures import FIGURES, documents, marked, neighbours, readme, repeated
from tests.figures.__main__ import report
from tests.figures.marked import Figure


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_of_a_document_follows_from_the_rows(figure: Figure, shipped_warehouse: Path) -> None:
    missing = [words for _, words, holds in marked.told([figure], pj.open(str(shipped_warehouse))) if not holds]
    assert not missing, f"{missing} must stand in {figure.document}, or its rows have changed: python -m tests.figures --write"


def test_every_mark_has_its_figure_and_every_figure_its_mark() -> None:
    documents = [warehouses.ROOT / "README.md", warehouses.SHIPPED / "README.md", *sorted((warehouses.ROOT / "docs").glob("*.md"))]
    found = [(path, name) for path in documents for name in marked.marks(path.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted((figure.path(), figure.name) for figure in FIGURES)
    first = [path for path in documents for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("<!-- rows:")]
    assert not first, "a line that starts with a comment is shown as it is, without its Markdown"


def told(_: pj.Results) -> list[str]:
    return ["took 33 % less, −5 to +1,234.5 J"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("It took 33 % less, −5 to\n  +1,234.5 J.", True),
        ("It took 33 % less, −5 to +1,234.56 J", False),
        ("It took 133 % less, −5 to +1,234.5 J", False),
        ("It took 32 % less, −5 to +1,234.5 J", False),
    ],
    ids=["lines", "digits", "longer", "other"],
)
def test_words_stand_wherever_lines_break_but_not_with_other_numbers(text: str, holds: bool) -> None:
    assert marked.stands("took 33 % less, −5 to +1,234.5 J", text) == holds
    assert marked.stands("33 % less", text) == ("took 33 % less" in text)


def test_a_changed_number_is_said_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("It took 41 % less,\n  −50 to −7 J, of 41.\n", encoding="utf-8")
    figure, words = Figure(told), told(None)[0]  # type: ignore[arg-type]
    said, can_be_written = report(figure, words, write=False)
    assert can_be_written and "says: took 41 % less, −50 to −7 J\n  now:  took 33 % less, −5 to +1,234.5 J" in said
    assert "41" in page.read_text(encoding="utf-8")
    report(figure, words, write=True)
    assert page.read_text(encoding="utf-8") == "It took 33 % less,\n  −5 to +1,234.5 J, of 41.\n"
    page.write_text("Nothing of the kind. took 1 % less, 2 to 3 J; took 4 % less, 5 to 6 J", encoding="utf-8")
    said, can_be_written = report(figure, words, write=True)
    assert "is not there, or not only once; write it: took 33 %" in said and not can_be_written


def test_a_table_has_the_rows_that_there_are_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("Words.\n\n| a | b |\n|---|---|\n| x | 1 |\n| gone | 2 |\n\nAfter.\n", encoding="utf-8")
    figure = Figure(lambda _: ["| x | 1 |", "| y | 3 |"], table="| a |")
    ((_, words, holds),) = marked.told([figure], pj.Results("nowhere"))
    assert not holds, "a row of the document that no run has any more is an error"
    said, can_be_written = report(figure, words, write=True)
    assert can_be_written and "| gone | 2 |" in said
    assert page.read_text(encoding="utf-8") == "Words.\n\n| a | b |\n|---|---|\n| x | 1 |\n| y | 3 |\n\nAfter.\n"
    assert marked.told([figure], pj.Results("nowhere"))[0][2]


def test_a_figure_that_says_nothing_is_no_figure() -> None:
    with pytest.raises(LookupError, match="no row is left"):
        marked.told([Figure(lambda _: [])], pj.Results("nowhere"))


@pytest.mark.parametrize(("share", "words"), [(0.123, "+12"), (-0.2, "−20"), (-0.002, "0"), (0.0, "0")])
def test_a_share_with_its_sign(share: float, words: str) -> None:
    assert readme.signed(share) == words


H200 = {"gpu_model": "NVIDIA H200", "warm": True}
FOUR = ("chat", "chat-concise", "instruct", "instruct-concise")


def in_turns(folder: Path, seed: int, card: str, prompts: range, protocol: str, joules: float) -> None:
    """A pass of all four tasks on a card, of one experiment: every answer has 100 tokens."""
    for task in FOUR:
        energy = 100 * joules * (1.1 if task == "chat-concise" else 1.0)
        same = H200 | {"task": task, "seed": seed, "experiment_id": f"e{protocol}", "pass_id": f"{protocol}/{seed}", "output_tokens": 100}
        same |= {"environment": json.dumps({"gpus": [{"card": card}]}), "engine": "transformers-compiled:searched", "energy_j": energy}
        rows = [factories.record(f"{protocol}-{seed}-{task}", index, harness_version=protocol, **same) for index in prompts]
        factories.write(factories.frame(rows), folder / f"{protocol}-{seed}-{task}.parquet")


def served(folder: Path, name: str, protocol: str, **changes: Any) -> None:
    """A run of vLLM, 8 at once."""
    same = {"engine": "vllm", "engine_version": "vllm 0.22.1", "task": "instruct", "concurrency": 8, "harness_version": protocol}
    factories.write(
        factories.records(6, name, **(H200 | same | {"energy_attribution": "shared", "output_tokens": 100} | changes)),
        folder / f"{name}.parquet",
    )


def test_figures_take_new_rows_of_any_number_of_cards_and_of_the_newest_protocol(tmp_path: Path) -> None:
    """Runs of unequal prompts on three cards, and servers of two protocols, with seeds and without, in 16 and 8 bits."""
    folder = tmp_path / "in"
    in_turns(folder, 0, "a", range(9), "2.9", 0.5)
    for seed, card, prompts, joules in ((0, "a", range(2, 8), 0.2), (1, "b", range(10), 0.3), (2, "c", range(4, 20), 0.25)):
        in_turns(folder, seed, card, prompts, "2.10", joules)
    served(folder, "old", "2.1")
    served(folder, "free", "2.2", environment=json.dumps({"request_seed": False}))
    served(folder, "seeded", "2.2", environment=json.dumps({"request_seed": True}))
    served(folder, "eight", "2.2", environment=json.dumps({"request_seed": False}), dtype="float8")
    served(folder, "busy", "2.5", environment=json.dumps({"request_seed": False}), host_load=0.9)
    served(folder, "alone", "2.5", environment=json.dumps({"request_seed": False}), host_load=0.9, engine="sglang", engine_version=None)
    shape = {"model_id": readme.SHAPE, "model_name": "Llama-3.1-8B-shape", "weights": "dummy", "task": "chat"}
    served(folder, "shape", "2.2", **shape, environment=json.dumps({"request_seed": False}))
    served(folder, "before", "2.0", **shape)
    warehouses.ingest(folder, into=tmp_path / "w.duckdb")
    made = pj.open(tmp_path / "w.duckdb")
    assert repeated.cards(made)[0].startswith("on the same 4 prompts and four tasks the H200s that we had (cards: 3) took 0.205 to 0.307 J")
    assert repeated.runs(made)[0].startswith("in 3 whole runs of 4 prompts and four tasks (protocol 2.10, H200s: 3)")
    assert repeated.runs(made)[1] == "changed the energy of all 4 together by +10 to +10 %"
    lines = [line.split(" | ")[:4] for line in documents.table_of_runtimes(made) if "vLLM" in line or "SGLang" in line]
    assert lines == [
        ["| SGLang", "8", "2.5", "0"],
        ["| vLLM 0.22.1", "8", "2.2", "0"],
        ["| vLLM 0.22.1, FP8", "8", "2.2", "0"],
        ["| vLLM 0.22.1, seeds", "8", "2.2", "0"],
    ]
    assert [line.split(" | ")[:3] for line in documents.table_of_the_8b_shape(made)] == [["| vLLM 0.22.1", "8", "2.2"]]


def test_one_model_in_three_formats_on_one_server_has_three_names_everywhere(tmp_path: Path) -> None:
    """GGUF files of one shape on llama.cpp: in a table of the documents, the curves of What software saves, Leaderboard and Compare."""
    folder, shape = tmp_path / "in", {"model_id": readme.SHAPE, "model_name": "Llama-3.1-8B-shape", "weights": "dummy", "task": "chat"}
    same = shape | {"engine": "llama.cpp", "engine_version": "llamacpp b0-unknown"}
    for dtype, form in (("float16", "F16"), ("Q8_0", "Q8_0"), ("Q4_K_M", "Q4_K_M")):
        for at_once in (1, 8):
            changes = {"dtype": dtype, "weights_format": f"gguf:{form} kernels", "batch_size": at_once, "concurrency": at_once}
            served(folder, f"{form}-{at_once}", "2.2", **same | changes)
    served(folder, "unnumbered", "2.1", **shape | {"engine": "sglang", "engine_version": None, "batch_size": 8})
    served(folder, "numbered", "2.2", **shape | {"engine": "sglang", "engine_version": "sglang 0.5.15", "batch_size": 8})
    served(
        folder, "before", "2.1", **same | {"dtype": "Q8_0", "weights_format": "gguf:Q8_0 kernels", "concurrency": 1, "engine_version": None}
    )
    warehouses.ingest(folder, into=tmp_path / "w.duckdb")
    lines = [line.split(" | ")[:3] for line in documents.table_of_the_8b_shape(pj.open(tmp_path / "w.duckdb"))]
    names = ["| llama.cpp", "| llama.cpp, Q4_K_M", "| llama.cpp, Q8_0"]
    newer = ["| SGLang 0.5.15", "8", "2.2"]
    rest = [[name, at_once, "2.2"] for at_once in ("1", "8") for name in names]
    assert sorted(lines) == sorted([newer, *rest]), "a run that did not know its version is of the same runtime"
    curves, every = (query.load(name, Selection(weights=()), str(tmp_path / "w.duckdb")) for name in ("software_curves", "leaderboard"))
    assert set(what_software_saves_curves.complete(curves)["name"]) == {"llama.cpp", "llama.cpp · Q4_K_M", "llama.cpp · Q8_0"}
    alone = naming.with_label(every.filter(batch_size=1, harness_version="2.2", engine="llama.cpp"))["label"].to_list()
    assert sorted(name.split(" · ")[2] for name in alone) == ["FP16", "Q4_K_M", "Q8_0"]


def answers_beside(costs: float, cards: str = "x", share: float = 0.5) -> pl.DataFrame:
    """200 answers, a share of them beside a busy GPU, where a token costs so many times as much; on card y it costs 1.2 times as much."""
    chance = np.random.default_rng(5)
    tokens, beside = chance.integers(50, 500, 200), np.arange(200) < share * 200
    each = 0.25 * np.where(beside, costs, 1.0) * np.exp(0.02 * chance.standard_normal(200))
    card = np.array(list(cards))[np.arange(200) % len(cards)]
    joules = each * tokens * np.where(card == "y", 1.2, 1.0)
    texts = {
        "setup": "s",
        "calibration": 0.003,
        "run_number": 7,
        "pass_id": "p",
        "search": None,
        "name": "m, loop, chat",
        "harness_version": "2.1",
    }
    names = [f"p{n}" for n in range(200)]
    return pl.DataFrame(texts | {"prompt_id": names, "card": card, "energy_j": joules, "output_tokens": tokens, "beside": beside})


def test_a_busy_neighbour_is_seen_where_it_changes_a_token_and_not_where_it_does_not() -> None:
    (much,) = neighbours.beside_and_alone(answers_beside(1.05)).iter_rows(named=True)
    assert 1.03 < much["ratio_low"] < 1.05 < much["ratio_high"] < 1.07 and (much["alone"], much["beside"]) == (100, 100)
    (none,) = neighbours.beside_and_alone(answers_beside(1.0)).iter_rows(named=True)
    assert none["ratio_low"] < 1 < none["ratio_high"]
    apart = neighbours.beside_and_alone(answers_beside(1.05, "xy"))
    assert apart["card"].to_list() == ["x", "y"] and apart["ratio"].to_list() == pytest.approx([1.05, 1.05], abs=0.02), "never across cards"
    assert neighbours.beside_and_alone(answers_beside(1.05, share=0.02)).is_empty(), "four answers beside a busy GPU are none"


def test_runs_of_other_lengths_are_compared_at_the_same_lengths() -> None:
    """Two runs of one cost, of which one drew longer answers, and a third that takes 5 % more."""
    takes = lambda tokens: 2 + 0.1 * tokens + 1e-5 * tokens**2  # noqa: E731
    short, long = ([40 + step * n for n in range(20)] for step in (20, 90))
    runs = [
        pl.DataFrame({"prompt_id": [f"p{n}" for n in range(20)], "output_tokens": tokens, "energy_j": [times * takes(n) for n in tokens]})
        for tokens, times in ((short, 1.0), (long, 1.0), (short, 1.05))
    ]
    mixed = np.array(short + long)
    each = [repeated.of_length(run, "energy_j", mixed) for run in runs]
    assert each == pytest.approx([sum(map(takes, mixed)) / mixed.sum()] * 2 + [1.05 * each[0]])
    assert repeated.spread_of(each) == pytest.approx(5)
    assert repeated.of_length(runs[0], "energy_j", np.array([600])) == pytest.approx(takes(600) / 600)
    assert repeated.error_of_length(runs[0], mixed) < 1e-6
