"""Which models the compiled engine can run: tiny ones of many architectures say the same as `generate`, or are refused with the reason."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES  # noqa: E402

from prompt_joules.bench.engines.base import Sampling  # noqa: E402
from prompt_joules.bench.engines.compiled.decode import StaticDecoder  # noqa: E402
from prompt_joules.bench.engines.compiled.layers import (  # noqa: E402
    UnsupportedArchitecture,
    check_cache,
    check_window,
    decoder_layers,
)
from prompt_joules.bench.engines.compiled.loops import by_name  # noqa: E402
from prompt_joules.bench.engines.loading import parameters_b  # noqa: E402
from prompt_joules.bench.engines.transformers import require_mask  # noqa: E402
from prompt_joules.bench.errors import EngineUnsuited  # noqa: E402

SHAPE = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
RUN = [
    *("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "qwen2_moe", "olmoe", "phi", "phi3", "starcoder2", "gemma", "olmo"),
    *("olmo2", "stablelm", "cohere", "granite", "smollm3", "glm", "glm4", "ernie4_5", "helium", "nemotron", "seed_oss", "hunyuan_v1_dense"),
    *("apertus", "arcee", "bitnet", "diffllama", "glm4_moe", "flex_olmo", "granitemoe", "jetmoe", "lfm2", "minimax_m2", "nanochat"),
    "phimoe",
]
REFUSED = ["gemma2", "gemma3_text", "exaone4", "gpt_oss", "gpt_neox", "gptj", "gpt2", "opt", "bloom", "jamba", "mamba"]


def tiny(kind: str) -> Any:
    config = AutoConfig.for_model(kind, **SHAPE)
    for name, value in EXPERTS.items():
        if hasattr(config, name):
            setattr(config, name, value)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("loop", ["stacked", "stacked-ahead"])
@pytest.mark.parametrize("kind", RUN)
def test_the_same_tokens_as_generate(kind: str, loop: str) -> None:
    model = tiny(kind)
    decoder_layers(model)
    check_cache(model)
    prompt = torch.randint(1, 100, (9,))
    options = {"do_sample": False, "max_new_tokens": 16, "eos_token_id": None, "pad_token_id": 0}
    expected = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), **options)[0, 9:].tolist()
    decoder = StaticDecoder(model, Sampling(temperature=0), compile_layers=False, loop=by_name(loop))
    assert decoder.generate(prompt[None], torch.ones(1, 9, dtype=torch.long), 16, frozenset(), seed=0).tokens == [expected]


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_run_is_refused_with_the_engine_that_can(kind: str) -> None:
    model = tiny(kind)
    with pytest.raises(UnsupportedArchitecture, match="transformers-eager"):
        decoder_layers(model)


@pytest.mark.parametrize(("kind", "why"), [("flint", "its attention has s_aux"), ("doge", "adds numbers where others have a mask")])
def test_an_attention_with_more_to_it_is_refused(kind: str, why: str) -> None:
    """Sinks (s_aux) were passed over, and other tokens came without an error; numbers in a mask broke every row."""
    if kind not in CONFIG_MAPPING_NAMES:
        pytest.skip(f"transformers {transformers.__version__} has no {kind}")
    model = tiny(kind)
    decoder_layers(model)
    own = model.config._attn_implementation
    with pytest.raises(UnsupportedArchitecture, match=f"{why}.*transformers-eager"):
        check_cache(model)
    assert model.config._attn_implementation == own


def test_a_model_that_breaks_on_two_tokens_is_refused_with_what_it_said() -> None:
    model = tiny("llama")
    model.model.layers[1].self_attn.k_proj = torch.nn.Linear(3, 3)
    with pytest.raises(UnsupportedArchitecture, match=r"RuntimeError: .*transformers-eager"):
        check_cache(model)


def test_a_cache_of_another_shape_is_refused() -> None:
    """Multi-head latent attention keeps keys and values of different widths, which no config of heads and head_dim says."""
    own = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 12, "n_routed_experts": 4}
    shape = {name: value for name, value in SHAPE.items() if name != "head_dim"} | {"num_key_value_heads": 4, "first_k_dense_replace": 3}
    model = transformers.DeepseekV3ForCausalLM(transformers.DeepseekV3Config(**shape, **own)).eval()
    decoder_layers(model)
    with pytest.raises(UnsupportedArchitecture, match="cache of keys and values"):
        check_cache(model)


def test_a_window_that_is_too_short_is_refused_and_one_that_is_long_enough_is_not() -> None:
    model = tiny("mistral")
    model.config.sliding_window = 32
    check_window(model, 32)
    with pytest.raises(UnsupportedArchitecture, match="looks back 32 tokens"):
        check_window(model, 33)
    model.config.sliding_window = None
    check_window(model, 10**6)


def test_a_window_that_is_switched_off_is_no_window() -> None:
    model = tiny("qwen2")
    model.config.sliding_window, model.config.use_sliding_window = 32, False
    check_window(model, 1000)


def test_past_its_window_such_a_model_says_other_things() -> None:
    """Why it is refused: the static buffers would look back further than the model does."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("mistral", **SHAPE, sliding_window=8)).eval()
    prompt = torch.randint(1, 100, (6,))
    options = {"do_sample": False, "max_new_tokens": 30, "eos_token_id": None, "pad_token_id": 0}
    expected = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), **options)[0, 6:].tolist()
    decoder = StaticDecoder(model, Sampling(temperature=0), compile_layers=False)
    got = decoder.generate(prompt[None], torch.ones(1, 6, dtype=torch.long), 30, frozenset(), seed=0).tokens[0]
    assert got != expected


def test_batches_are_refused_for_a_model_that_reads_padding_as_text() -> None:
    require_mask(tiny("llama"), "llama")
    require_mask(tiny("mamba"), "mamba")
    config = AutoConfig.for_model("rwkv", vocab_size=100, hidden_size=32, num_hidden_layers=2, context_length=64)
    with pytest.raises(EngineUnsuited, match="leave --batch-size at 1"):
        require_mask(AutoModelForCausalLM.from_config(config).eval(), "rwkv")


@pytest.mark.parametrize("kind", ["jetmoe", "granitemoe", "mixtral", "qwen3_moe"])
def test_parameters_in_use_are_those_of_the_experts_that_a_token_is_sent_to(kind: str) -> None:
    """Half of the experts: JetMoE and Granite keep theirs under other names."""
    model = tiny(kind)
    total, active = parameters_b(model)
    assert total * 1e9 == sum(weight.numel() for weight in model.parameters())
    of_experts = sum(weight.numel() for weight in model.parameters() if weight.dim() == 3 and weight.shape[0] == 4)
    assert active == pytest.approx(total - of_experts / 2 / 1e9) and of_experts > 0.3e9 * total
