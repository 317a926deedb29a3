"""Stacked projections say what plain ones say; the choice among loops is by what was metered."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

import transformers  # noqa: E402

from prompt_joules.bench import errors  # noqa: E402
from prompt_joules.bench.config import RunConfig, check  # noqa: E402
from prompt_joules.bench.engines.compiled.attention import ALONE  # noqa: E402
from prompt_joules.bench.engines.compiled.loops import LOOPS, STACKED, Trial, by_name, choose, engine_name, tune  # noqa: E402
from prompt_joules.bench.engines.compiled.stacked import Part, stack, unstack  # noqa: E402
from prompt_joules.bench.run import tuning  # noqa: E402
from prompt_joules.bench.run.local import run_benchmark  # noqa: E402

SHAPE = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
KINDS = {
    "llama": "Llama",
    "qwen2, with biases": "Qwen2",
    "qwen3": "Qwen3",
}


def tiny(kind: str) -> Any:
    torch.manual_seed(0)
    config, model = (getattr(transformers, f"{KINDS[kind]}{part}") for part in ("Config", "ForCausalLM"))
    return model(config(**SHAPE)).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_stacking_changes_no_number(kind: str) -> None:
    model, prompt = tiny(kind), torch.randint(0, 100, (2, 11))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    with torch.inference_mode():
        before = model(prompt).logits
        assert stack(model.model.layers) == 6
        stacked = model(prompt).logits
        unstack(model.model.layers)
        after = model(prompt).logits
    torch.testing.assert_close(stacked, before)
    assert torch.equal(after, before)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert not any(isinstance(module, Part) for module in model.modules())


def test_parts_are_views_of_one_matrix_and_nothing_is_held_between_steps() -> None:
    model = tiny("llama")
    stack(model.model.layers)
    attention = model.model.layers[0].self_attn
    storage = {part.weight.untyped_storage().data_ptr() for part in (attention.q_proj, attention.k_proj, attention.v_proj)}
    assert len(storage) == 1
    with torch.inference_mode():
        model(torch.zeros(1, 3, dtype=torch.long))
    assert all(module._stacked.product is None for module in model.modules() if isinstance(module, Part))


def test_a_projection_that_is_not_plain_is_left_alone() -> None:
    model = tiny("llama")
    model.model.layers[0].self_attn.k_proj = torch.nn.Sequential(model.model.layers[0].self_attn.k_proj)
    assert stack(model.model.layers) == 5


TRIALS = (
    Trial("searched", 205.0, 3.4, 0.01),
    Trial("compiled", 176.0, 2.67, 0.01),
    Trial("stacked", 197.0, 2.60, 0.01),
    Trial("graph", None, reason="out of memory"),
)


def test_the_fastest_is_not_the_most_frugal() -> None:
    assert choose(TRIALS, "speed", 0.05).loop == "searched"
    assert choose(TRIALS, "energy", 0.05).loop == "stacked"
    assert choose(TRIALS, "energy", 0.0).loop == "searched"


def test_what_cannot_be_tuned_says_why() -> None:
    with pytest.raises(errors.CannotTune, match="graph: out of memory"):
        choose(TRIALS[3:], "speed", 0.05)
    with pytest.raises(errors.CannotTune, match="no GPU here"):
        choose([Trial("compiled", 10.0, reason="no GPU here")], "energy", 0.05)


def test_every_loop_is_tried_and_kept_and_stacking_comes_last() -> None:
    tried: list[str] = []

    def attempt(loop: Any) -> Trial:
        tried.append(loop.name)
        return Trial(loop.name, 100.0, 1.0 + (loop is not STACKED))

    said: list[str] = []
    found = tune(attempt, "energy", 0.05, said.append)
    assert found["loop"] == "stacked"
    assert [trial["loop"] for trial in found["trials"]] == tried == [loop.name for loop in LOOPS]
    assert [by_name(name).stacked for name in tried] == sorted(by_name(name).stacked for name in tried)
    assert len(said) == len(LOOPS)
    tried.clear()
    tune(attempt, "energy", 0.05, said.append, batch=8)
    assert tried == [loop.name for loop in LOOPS if loop.alone == ALONE], "in a batch the others are like one of these"


def measured(model: Path, out: Path, **options: Any) -> pl.DataFrame:
    """Rows of a run of the compiled engine on a constant 100 W."""
    trace = out.with_suffix(".json")
    trace.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(40000)]]}))
    asked = RunConfig(
        str(model), engine="transformers-compiled", out=out, device="cpu", max_new_tokens=6, warmup=0, limit=2, replay=trace, **options
    )
    assert run_benchmark(asked, Console(quiet=True)) == 0
    return pl.concat([pl.read_parquet(path) for path in sorted(out.glob("*/part-*.parquet"))])


def test_a_loop_is_an_engine_of_its_own(model: Path, tmp_path: Path) -> None:
    assert set(measured(model, tmp_path / "usual")["engine"]) == {"transformers-compiled:stacked-ahead-split"}
    assert set(measured(model, tmp_path / "batches", batch_size=2)["engine"]) == {"transformers-compiled"}, "there `stacked` is the usual"
    assert set(measured(model, tmp_path / "stacked", loop="stacked")["engine"]) == {"transformers-compiled"}
    rows = measured(model, tmp_path / "graph", loop="graph")
    assert set(rows["engine"]) == {"transformers-compiled:graph"}
    assert json.loads(rows["environment"][0])["loop"] == {"loop": "graph"}


def test_tuning_keeps_its_trials_with_the_rows_and_runs_the_chosen_loop(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "TRIAL_S", 0.05)
    rows = measured(model, tmp_path / "tuned", tune="energy", tune_loss=0.5)
    kept = json.loads(rows["environment"][0])["loop"]
    trials = {trial["loop"]: trial for trial in kept["trials"]}
    assert set(trials) == {loop.name for loop in LOOPS}
    assert all(trial["energy_per_token_j"] > 0 and trial["tokens_per_s"] > 0 for trial in trials.values())
    fastest = max(trial["tokens_per_s"] for trial in trials.values())
    enough = [trial for trial in trials.values() if trial["tokens_per_s"] >= 0.5 * fastest]
    assert kept["loop"] == min(enough, key=lambda trial: trial["energy_per_token_j"])["loop"]
    assert set(rows["engine"]) == {engine_name(kept["loop"])}


def test_the_usual_loop_by_its_name_is_the_same_run(model: Path, tmp_path: Path) -> None:
    rows = measured(model, tmp_path / "runs")
    assert measured(model, tmp_path / "runs", loop="stacked-ahead-split").equals(rows), "the second command finds nothing to do"


def test_loops_are_for_the_compiled_engine_alone() -> None:
    with pytest.raises(errors.BadOption, match="--loop"):
        check(RunConfig("m", loop="stacked"))
    with pytest.raises(errors.BadOption, match="transformers-compiled"):
        check(RunConfig("m", tune="energy"))
    with pytest.raises(errors.BadOption, match="tune-loss"):
        check(RunConfig("m", engine="transformers-compiled", tune="energy", tune_loss=1.0))
