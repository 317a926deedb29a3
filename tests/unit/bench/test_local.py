"""Whole runs with tiny random models: rows, order, seeds, joules of a replayed counter."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")


from prompt_joules.bench import record  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.errors import BadOption  # noqa: E402
from prompt_joules.bench.run import local  # noqa: E402
from prompt_joules.bench.run.folder import read_run  # noqa: E402
from tests.timed_meter import assert_power, timed  # noqa: E402
from tests.tiny_models import llama, t5  # noqa: E402
from tests.unit.bench.tiny_runs import PROMPTS, rows, run  # noqa: E402


def test_rows_of_two_tasks(config: RunConfig) -> None:
    assert run(replace(config, task=("chat", "instruct"), nickname="Tiny", repetitions=2)) == 0
    frame = rows(config)
    assert frame.columns == list(record.NAMES)
    assert frame.height == 16
    assert frame["run_id"].n_unique() == 2
    for name in (column.name for column in record.COLUMNS if column.required):
        assert frame[name].null_count() == 0, name
    for _, part in frame.group_by("run_id"):
        assert part["sequence"].to_list() == list(range(8))
        assert set(part.select("prompt_id", "repetition").rows()) == {(key, n) for key in PROMPTS for n in (0, 1)}
        assert all(part[name].n_unique() == 1 for name in record.SETUP_NAMES)
    assert set(frame["prompt_template"]) == {"tokenizer"}
    assert set(frame["status"]) == {"ok"}


def test_times_and_tokens_agree(config: RunConfig) -> None:
    run(config)
    for row in rows(config).iter_rows(named=True):
        assert row["output_tokens"] == 6 or row["finish_reason"] == "stop"
        assert len(row["itl_s"]) == row["output_tokens"] - 1
        assert 0 < row["ttft_s"] <= row["ttft_s"] + sum(row["itl_s"]) <= row["latency_s"] + 1e-5
        assert row["output_chars"] == len(row["output_text"])


def test_input_tokens_are_those_of_the_rendered_text(config: RunConfig) -> None:
    from prompt_joules.bench.tasks import TASKS

    run(config)
    text = f"<system>{TASKS['chat'].system}<user>{PROMPTS['tea']}<assistant>"
    (row,) = rows(config).filter(pl.col("prompt_id") == "tea").iter_rows(named=True)
    assert row["input_tokens"] == len(text.encode())
    assert row["prompt_text"] == PROMPTS["tea"]


def test_energy_without_a_counter_is_null_with_a_reason(config: RunConfig) -> None:
    run(config)
    frame = rows(config)
    assert frame["energy_j"].null_count() == frame.height
    assert all("CPU" in reason for reason in frame["energy_reason"])
    assert set(frame["energy_source"]) == {"none"}


def test_energy_of_a_replayed_counter(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter of 100 W that steps every 5 ms: joules are 100 times the seconds of each window."""
    monkeypatch.setattr(local, "IDLE_SECONDS", 1.0)
    meters = timed(monkeypatch, local)
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(20000)]]}))
    asked = replace(config, replay=trace, max_new_tokens=200, dummy_weights=True, idle=True, limit=3)
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame["energy_source"]) == {"replay"}
    assert set(frame["gpu_model"]) == {"Replayed GPU"}
    for row in frame.iter_rows(named=True):
        assert row["energy_j"] >= 100 * row["latency_s"] - row["energy_error_j"], "the whole answer is in the window"
    assert_power(100, zip(meters[-1].spans()[-3:], frame["energy_j"], frame["energy_error_j"], strict=True))
    assert frame["idle_power_w"][0] == pytest.approx(100, rel=0.02)
    (path,) = config.out.glob("*/run.json")
    (session,) = read_run(path.parent).sessions
    assert session["books"]["windows_j"] == pytest.approx(frame["energy_j"].sum())
    assert session["books"]["ratio"] == pytest.approx(1, abs=0.02)


def test_same_seed_same_answers_other_seed_other_answers(config: RunConfig) -> None:
    for seed, again in ((0, False), (0, True), (1, False)):
        run(replace(config, seed=seed, again=again))
    runs = [part.sort("prompt_id")["output_text"].to_list() for part in rows(config).partition_by("run_id", maintain_order=True)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_answers_do_not_depend_on_the_other_prompts(config: RunConfig) -> None:
    run(config)
    run(replace(config, limit=2))
    first, second = (dict(part.select("prompt_id", "output_text").rows()) for part in rows(config).partition_by("run_id"))
    assert len(second) == 2
    assert second.items() <= first.items()


def test_parts_of_a_set_are_the_set(config: RunConfig) -> None:
    run(config)
    run(replace(config, limit=2))
    run(replace(config, skip=2))
    whole, first, rest = rows(config).partition_by("run_id", maintain_order=True)
    assert first["prompt_id"].len() == 2 and not set(first["prompt_id"]) & set(rest["prompt_id"])
    columns = "prompt_id", "output_text", "prompt_set_sha256"
    assert pl.concat([first, rest]).select(columns).sort("prompt_id").equals(whole.select(columns).sort("prompt_id"))
    for skip, says in ((whole.height, f"leaves nothing: .* has {whole.height} prompts"), (-1, "must be at least 0")):
        with pytest.raises(BadOption, match=says):
            run(replace(config, skip=skip))


def test_no_text_leaves_the_counts(config: RunConfig) -> None:
    run(replace(config, text=False))
    frame = rows(config)
    assert frame["prompt_text"].null_count() == frame["output_text"].null_count() == frame.height
    assert frame["output_chars"].null_count() == 0


def test_greedy_answers_do_not_depend_on_the_seed(config: RunConfig) -> None:
    for seed in (0, 1):
        run(replace(config, seed=seed, temperature=0.0))
    runs = [part.sort("prompt_id")["output_text"].to_list() for part in rows(config).partition_by("run_id")]
    assert runs[0] == runs[1]


def test_encoder_decoder_does_not_count_the_start_token(config: RunConfig, tmp_path: Path) -> None:
    run(replace(config, model=str(t5(tmp_path / "t5")), temperature=0.0, repetition_penalty=1.5))
    frame = rows(config)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["prompt_template"]) == {"plain"}
    for row in frame.iter_rows(named=True):
        assert row["output_tokens"] == 6 or row["finish_reason"] == "stop"
        assert len(row["itl_s"]) == row["output_tokens"] - 1


def test_context_too_long_is_a_failed_row_and_nothing_is_cut(config: RunConfig, tmp_path: Path) -> None:
    short = llama(tmp_path / "short", positions=240)
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"id": "long", "prompt": "x" * 300}) + "\n" + json.dumps({"id": "short", "prompt": "x"}))
    assert run(replace(config, model=str(short), prompts=str(long))) == 0
    by_id = {row["prompt_id"]: row for row in rows(config).iter_rows(named=True)}
    assert by_id["short"]["status"] == "ok"
    assert by_id["long"]["status"] == "failed"
    assert "context too long" in by_id["long"]["reason"] and "240" in by_id["long"]["reason"]
    assert by_id["long"]["output_tokens"] is None and by_id["long"]["finish_reason"] == "error"


def test_finished_run_is_not_repeated_unless_asked(config: RunConfig) -> None:
    for again, expected in ((False, 4), (False, 4), (True, 8)):
        assert run(replace(config, again=again)) == 0
        assert rows(config).height == expected


@pytest.mark.parametrize("change", [{"seed": 1}, {"max_new_tokens": 5}, {"limit": 2}, {"top_k": 3}, {"dtype": "bfloat16"}])
def test_other_setup_is_another_run(config: RunConfig, change: dict[str, Any]) -> None:
    run(config)
    run(replace(config, **change))
    assert rows(config)["run_id"].n_unique() == 2


def test_dummy_weights_from_a_config_file_have_the_length_asked(config: RunConfig, model: Path) -> None:
    asked = replace(config, model=str(model / "config.json"), dummy_weights=True, dummy_prompt_tokens=17, max_new_tokens=9)
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame["weights"]) == {"dummy"}
    assert set(frame["input_tokens"]) == {17}
    assert set(frame["output_tokens"]) == {9}
    assert frame["output_text"].null_count() == frame["prompt_template"].null_count() == 4


def test_parameters_are_counted(config: RunConfig) -> None:
    from transformers import AutoModelForCausalLM

    run(config)
    count = sum(weight.numel() for weight in AutoModelForCausalLM.from_pretrained(config.model).parameters())
    assert rows(config)["params_total_b"][0] * 1e9 == pytest.approx(count)
    assert rows(config)["params_active_b"][0] * 1e9 == pytest.approx(count)
