"""Scores of lm-eval."""

import json
from pathlib import Path
from typing import Any

import duckdb

from prompt_joules.warehouse import create
from tests import warehouses

DATA = warehouses.DATA


def test_lm_eval(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "lm_eval", into=warehouse).status == 0
    columns = "benchmark, metric, score, stderr, fewshot, version, source"
    assert warehouses.rows(warehouse, f"select {columns} from quality order by all").rows() == [
        ("arc_challenge", "acc", 25.0, 1.0, 25, "1.0", "lm-eval 0.4.13"),
        ("arc_challenge", "acc_norm", 30.0, None, 25, "1.0", "lm-eval 0.4.13"),
        ("gsm8k", "exact_match (flexible-extract)", 60.0, 5.0, 5, "3.0", "lm-eval 0.4.13"),
        ("gsm8k", "exact_match (strict-match)", 50.0, 5.0, 5, "3.0", "lm-eval 0.4.13"),
        ("wikitext", "word_perplexity", 12.5, None, 0, "2.0", "lm-eval 0.4.13"),
    ]
    assert warehouses.rows(warehouse, "select arc from model_quality").item() == 30.0


def test_the_scores_of_a_model_are_by_one_source(warehouse: Path) -> None:
    """Not by the first name of each score: a mean over two harnesses is one of nothing."""
    connection = duckdb.connect(str(warehouse))
    create.empty(connection)

    def chosen(*scores: tuple[str, str | None, float, int | None, str | None, str, int]) -> tuple[Any, ...]:
        connection.execute("delete from quality")
        for benchmark, metric, score, fewshot, version, source, file in scores:
            row = ["m", benchmark, metric, score, None, fewshot, version, source, file]
            connection.execute(f"insert into quality values ({', '.join('?' * len(row))})", row)
        found = connection.execute("select arc, hellaswag, truthfulqa, quality_source, quality_sources from model_quality").fetchone()
        assert found is not None
        return found

    published = [
        (name, None, score, None, None, "ML.ENERGY v1", 1) for name, score in (("arc", 50.0), ("hellaswag", 60.0), ("truthfulqa", 70.0))
    ]
    arc = ("arc_challenge", "acc_norm", 30.0, 25, "1.0", "A harness", 2)
    assert chosen(*published, arc) == (50.0, 60.0, 70.0, "ML.ENERGY v1", 2), "the source with most of the scores"
    assert chosen(published[0], arc) == (30.0, None, None, "A harness", 2), "of as many the one that was loaded last"
    limited = (*arc[:5], "A harness, limit 100", 9)
    assert chosen(published[0], limited)[3] == "ML.ENERGY v1", "one that took all samples"
    zero, newer, older = (
        ("arc_challenge", "acc_norm", score, shots, version, "A harness", 3)
        for score, shots, version in ((1.0, 0, "9"), (2.0, 25, "10"), (3.0, 25, "9"))
    )
    assert chosen(zero, older, newer)[0] == 2.0, "the usual examples, then the newest version, 10 after 9"
    assert chosen(arc, ("arc_challenge", "acc", 99.0, 25, "1.0", "A harness", 3))[0] == 30.0, "the metric of the leaderboard alone"
    again = (*arc[:2], 31.0, *arc[3:6], 7)
    assert chosen(arc, again)[0] == 31.0, "the file that was loaded last"
    connection.close()


def test_a_score_of_lm_eval_that_is_no_number_is_refused(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "lm_eval" / "results_tiny.json").read_text())
    content["results"]["arc_challenge"]["acc,none"] = "good"
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path / "results.json", into=warehouse).status == 1
    assert warehouses.rejects(warehouse) == [(1, "score", "is not a number")]


def test_two_evaluations_with_other_scores_are_both_kept(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "lm_eval" / "results_tiny.json").read_text())
    for name, score in (("a", 0.3), ("b", 0.4)):
        content["results"] = {"arc_challenge": {"acc_norm,none": score}}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    warehouses.ingest(tmp_path, into=warehouse)
    assert warehouses.rows(warehouse, "select score from quality order by score")["score"].to_list() == [30.0, 40.0]


def test_the_real_lm_eval_results(warehouse: Path) -> None:
    assert warehouses.ingest(warehouses.shared("exports/lm_eval"), into=warehouse).status == 0
    scores = warehouses.rows(warehouse, "select model_id, metric, score, fewshot from quality order by metric").rows()
    model = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert scores == [(model, "acc", 75.0, 0), (model, "acc_norm", 50.0, 0)]


def test_samples_that_were_chosen_are_a_part_of_a_task(tmp_path: Path, warehouse: Path) -> None:
    """`--samples` stands in no configuration, only in the counts."""
    content = {
        "results": {"a": {"acc,none": 0.5}, "b": {"acc,none": 0.25}, "both": {"acc,none": 0.375}},
        "versions": {"a": 1, "b": 1},
        "config": {"model_args": "pretrained=org/M", "limit": None},
        "n-samples": {"a": {"original": 100, "effective": 50}, "b": {"original": 100, "effective": 100}},
        "lm_eval_version": "0.4.13",
    }
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select benchmark, source from quality order by all").rows() == [
        ("a", "lm-eval 0.4.13, 50 of 100 samples"),
        ("b", "lm-eval 0.4.13"),
        ("both", "lm-eval 0.4.13, part of the samples"),
    ]
