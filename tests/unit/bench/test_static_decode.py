"""The static decoder says the same as `model.generate`, compiled or not, alone or in a left-padded batch."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

import transformers  # noqa: E402

from prompt_joules.bench.engines.base import Sampling  # noqa: E402
from prompt_joules.bench.engines.compiled.buffers import lengths  # noqa: E402
from prompt_joules.bench.engines.compiled.decode import StaticDecoder, choose  # noqa: E402
from prompt_joules.bench.engines.compiled.layers import UnsupportedArchitecture  # noqa: E402

SHAPE = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
}
GREEDY = Sampling(temperature=0)


def tiny(kind: str) -> Any:
    torch.manual_seed(0)
    names = {"llama": "Llama", "qwen3": "Qwen3"}
    config, model = (getattr(transformers, f"{names[kind]}{part}") for part in ("Config", "ForCausalLM"))
    return model(config(**SHAPE)).eval()


def reference(model: Any, prompt: Any, tokens: int, **options: Any) -> list[int]:
    model.set_attn_implementation("sdpa")
    out = model.generate(
        prompt[None],
        attention_mask=torch.ones_like(prompt[None]),
        do_sample=False,
        max_new_tokens=tokens,
        eos_token_id=None,
        pad_token_id=0,
        **options,
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("compiled", [False, True])
def test_greedy_tokens_equal_generate(kind: str, compiled: bool) -> None:
    model = tiny(kind)
    prompt = torch.randint(0, 100, (9,))
    expected = reference(model, prompt, 30)
    decoder = StaticDecoder(model, GREEDY, compile_layers=compiled)
    decoded = decoder.generate(prompt[None], torch.ones(1, 9, dtype=torch.long), 30, frozenset(), seed=0)
    assert decoded.tokens == [expected]
    assert decoded.finish == ["length"]
    assert len(decoded.stamps_s) == 30
    assert decoded.stamps_s == sorted(decoded.stamps_s)


def test_all_layers_share_one_compiled_graph() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    decoder = StaticDecoder(tiny("llama"), GREEDY, compile_layers=True)
    prompt = torch.randint(0, 100, (1, 9))
    decoder.generate(prompt, torch.ones_like(prompt), 5, frozenset(), seed=0)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_a_step_reads_no_more_of_the_buffers_than_its_length_asks() -> None:
    assert lengths(64) == [64]
    assert lengths(256) == [256]
    assert lengths(2560) == [256, 512, 1024, 2048, 2560]
    decoder = StaticDecoder(tiny("llama"), GREEDY, compile_layers=False)
    decoder.size(1000)
    buffers = decoder._reserve(1, 1000)
    assert [buffers.step_for(tokens).length for tokens in (1, 256, 257, 512, 1000)] == [256, 256, 512, 512, 1024]
    for step in buffers.steps:
        for part, whole in zip(step.layers, buffers.layers, strict=True):
            assert part.keys.shape[2] == step.visible.shape[3] == step.length
            assert part.keys.data_ptr() == whole.keys.data_ptr(), "a part of the buffer, not a copy"


@pytest.mark.parametrize("compiled", [False, True])
def test_an_answer_that_grows_past_a_length_of_the_steps_equals_generate(compiled: bool) -> None:
    model = tiny("llama")
    short, long = torch.randint(1, 100, (230,)), torch.randint(1, 100, (250,))
    expected = [reference(model, short, 20), reference(model, long, 20)]
    padded = torch.zeros(2, 250, dtype=torch.long)
    padded[0, 20:], padded[1] = short, long
    mask = torch.ones_like(padded)
    mask[0, :20] = 0
    decoder = StaticDecoder(model, GREEDY, compile_layers=compiled)
    decoder.size(500)
    for _ in range(2):
        assert decoder.generate(padded, mask, 20, frozenset(), seed=0).tokens == expected
    (alone,) = decoder.generate(long[None], torch.ones(1, 250, dtype=torch.long), 20, frozenset(), seed=0).tokens
    assert alone == expected[1], "what a longer answer left in the buffers is not seen"


def test_buffers_are_made_once_for_a_size_and_never_doubled() -> None:
    decoder = StaticDecoder(tiny("llama"), GREEDY, compile_layers=False)
    decoder.size(100)
    assert decoder.room == 128
    for length in (5, 9, 70, 100):
        prompt = torch.randint(0, 100, (1, length))
        decoder.generate(prompt, torch.ones_like(prompt), 20, frozenset(), seed=0)
    assert (decoder.room, decoder.builds) == (128, 1)
    decoder.prepare(2, 120)
    assert (decoder.room, decoder.builds) == (128, 2), "another batch size has buffers of its own"
    decoder.prepare(1, 129)
    assert (decoder.room, decoder.builds) == (192, 3)


def test_a_left_padded_batch_equals_its_requests_alone() -> None:
    model = tiny("llama")
    short, long = torch.randint(1, 100, (4,)), torch.randint(1, 100, (9,))
    expected = [reference(model, short, 20), reference(model, long, 20)]
    padded = torch.zeros(2, 9, dtype=torch.long)
    padded[0, 5:], padded[1] = short, long
    mask = torch.tensor([[0] * 5 + [1] * 4, [1] * 9])
    decoded = StaticDecoder(model, GREEDY).generate(padded, mask, 20, frozenset(), seed=0)
    assert decoded.tokens == expected


def test_what_stands_in_padding_is_not_penalised() -> None:
    model = tiny("llama")
    sampling = Sampling(temperature=0, repetition_penalty=1.3)
    short, long = torch.tensor([0, 7, 0, 9]), torch.randint(1, 100, (9,))
    short_alone = StaticDecoder(model, sampling).generate(short[None], torch.ones(1, 4, dtype=torch.long), 20, frozenset(), seed=0).tokens
    for padding in (0, 50):
        padded = torch.full((2, 9), padding)
        padded[0, 5:], padded[1] = short, long
        mask = torch.tensor([[0] * 5 + [1] * 4, [1] * 9])
        decoder = StaticDecoder(model, sampling)
        decoder.generate(padded, mask, 1, frozenset(), seed=0)
        seen = decoder._held[2].seen
        assert seen is not None and seen[0].nonzero().flatten().tolist() == sorted({0, 7, 9, *_drawn_after(decoder)})
        assert decoder.generate(padded, mask, 20, frozenset(), seed=0).tokens[0] == short_alone[0]


def _drawn_after(decoder: StaticDecoder) -> list[int]:
    return [int(decoder._held[2].drawn[0])]


def test_each_request_of_a_batch_stops_on_its_own() -> None:
    model = tiny("llama")
    short, long = torch.randint(1, 100, (9,)), torch.randint(1, 100, (9,))
    expected = [reference(model, short, 20), reference(model, long, 20)]
    stop = expected[0][3]
    decoded = StaticDecoder(model, GREEDY).generate(
        torch.stack([short, long]), torch.ones(2, 9, dtype=torch.long), 20, frozenset({stop}), seed=0
    )
    for tokens, whole, finish in zip(decoded.tokens, expected, decoded.finish, strict=True):
        cut = whole.index(stop) + 1 if stop in whole else len(whole)
        assert tokens == whole[:cut]
        assert finish == ("stop" if stop in whole else "length")


def test_repetition_penalty_equals_generate() -> None:
    model = tiny("llama")
    prompt = torch.randint(0, 100, (9,))
    expected = reference(model, prompt, 30, repetition_penalty=1.3)
    decoder = StaticDecoder(model, Sampling(temperature=0, repetition_penalty=1.3))
    decoded = decoder.generate(prompt[None], torch.ones(1, 9, dtype=torch.long), 30, frozenset(), seed=0)
    assert decoded.tokens == [expected]
    assert expected != reference(model, prompt, 30)


def test_a_stop_text_ends_the_answer() -> None:
    model = tiny("llama")
    prompt = torch.randint(0, 100, (1, 9))
    decoded = StaticDecoder(model, GREEDY).generate(
        prompt, torch.ones_like(prompt), 20, frozenset(), seed=0, should_stop=lambda tokens: len(tokens) == 4
    )
    assert len(decoded.tokens[0]) == 4
    assert decoded.finish == ["stop"]


def test_the_seed_decides_the_draw() -> None:
    decoder = StaticDecoder(tiny("llama"), Sampling(temperature=1.0))
    prompt = torch.randint(0, 100, (1, 9))
    first, again, other = (decoder.generate(prompt, torch.ones_like(prompt), 20, frozenset(), seed=seed).tokens for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_draws_follow_the_multinomial() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0]).repeat(40_000, 1)
    counts = torch.bincount(choose(logits, Sampling(temperature=0.7), None), minlength=4) / 40_000
    assert torch.allclose(counts, (logits[0] / 0.7).softmax(-1), atol=0.01)


@pytest.mark.parametrize("temperature", [0, 0.7])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_one_logit_that_is_no_number_spoils_its_row_alone(temperature: float, bad: float) -> None:
    logits = torch.zeros(3, 50)
    logits[1, 7] = bad
    logits[2, :49] = float("-inf")
    drawn = choose(logits, Sampling(temperature=temperature), None).tolist()
    assert drawn[0] in range(50) and drawn[1:] == [-1, 49], "a logit of minus infinity is a token that cannot come"


def test_top_p_and_top_k_cut_the_tail() -> None:
    torch.manual_seed(0)
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(5_000, 1)
    nucleus = choose(logits, Sampling(temperature=1.0, top_p=0.7), None)
    best = choose(logits, Sampling(temperature=1.0, top_k=3), None)
    assert set(nucleus.tolist()) == {0, 1}
    assert set(best.tolist()) == {0, 1, 2}


def test_logits_that_are_not_finite_are_an_error_not_a_token() -> None:
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    prompt = torch.randint(0, 100, (1, 9))
    decoded = StaticDecoder(model, Sampling()).generate(prompt, torch.ones_like(prompt), 5, frozenset(), seed=0)
    assert decoded.tokens == [[]]
    assert decoded.finish == ["error"]


def test_sliding_windows_and_encoder_decoders_are_refused_with_the_engine_that_can() -> None:
    sliding = transformers.MistralForCausalLM(transformers.MistralConfig(**SHAPE, sliding_window=8, layer_types=["sliding_attention"] * 5))
    encoder = transformers.T5ForConditionalGeneration(
        transformers.T5Config(vocab_size=100, d_model=32, d_ff=32, num_layers=1, num_heads=2, d_kv=16)
    )
    for model in (sliding, encoder):
        with pytest.raises(UnsupportedArchitecture, match="transformers-eager"):
            StaticDecoder(model, GREEDY)
