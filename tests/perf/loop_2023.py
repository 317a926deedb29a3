"""How much of the energy is the loop? The 2023 leaderboard's kind of loop against our two engines: same model, same
card, one run.

    python -m tests.perf.loop_2023 MODEL_FOLDER --gguf-file FILE [--tokens 128] [--repeats 3]

The 2023 loop is written anew from its description: forward in eager mode with a growing cache, scores through
transformers' processors, a draw from the multinomial that the host waits for, and the whole answer decoded to text on
the CPU at every second step.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any


def loop_2023(model: Any, tokenizer: Any, input_ids: Any, tokens: int) -> None:
    """One answer of `tokens` tokens, the way it was generated in 2023."""
    import torch
    from transformers import LogitsProcessorList, TemperatureLogitsWarper

    processors = LogitsProcessorList([TemperatureLogitsWarper(0.7)])
    output_ids = input_ids[0].tolist()
    cache, current = None, input_ids
    with torch.inference_mode():
        for step in range(tokens):
            out = model(current, use_cache=True, past_key_values=cache)
            cache = out.past_key_values
            scores = processors(torch.as_tensor([output_ids], device=input_ids.device), out.logits[:, -1, :])[0]
            token = int(torch.multinomial(torch.softmax(scores, dim=-1), num_samples=1))
            output_ids.append(token)
            current = torch.as_tensor([[token]], device=input_ids.device)
            if step % 2 == 0 or step == tokens - 1:
                tokenizer.decode(output_ids[input_ids.shape[1] :], skip_special_tokens=True)


def measure(name: str, work: Callable[[], None], meter: Any, tokens: int, repeats: int) -> dict[str, Any]:
    """token/s and J/token of `repeats` answers in one window, after one that is not counted."""
    import torch

    work()
    torch.cuda.synchronize()
    meter.begin()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    elapsed_s = time.perf_counter() - start
    energy_j = meter.end().energy_j
    total = tokens * repeats
    return {
        "loop": name,
        "tokens_per_s": total / elapsed_s,
        "j_per_token": energy_j / total,
        "mean_w": energy_j / elapsed_s,
    }


def main() -> None:
    """Print one line a loop and the ratios against the 2023 loop."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from prompt_joules.bench.engines.base import Sampling
    from prompt_joules.bench.engines.compiled.decode import StaticDecoder
    from prompt_joules.bench.meter.opening import open_meter

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--gguf-file")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    source = {"gguf_file": options.gguf_file} if options.gguf_file else {}
    tokenizer = AutoTokenizer.from_pretrained(options.model, **source)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float16, **source).to("cuda").eval()
    ids = tokenizer("Explain to a child why the sky is blue and why sunsets are red.", return_tensors="pt").input_ids.to("cuda")
    mask = torch.ones_like(ids)
    meter = open_meter("cuda", "aligned")
    tokens = options.tokens
    eager = {"do_sample": True, "temperature": 0.7, "top_k": 0, "max_new_tokens": tokens, "min_new_tokens": tokens}
    rows = [
        measure("2023", lambda: loop_2023(model, tokenizer, ids, tokens), meter, tokens, options.repeats),
        measure(
            "eager",
            lambda: model.generate(ids, attention_mask=mask, pad_token_id=0, **eager),
            meter,
            tokens,
            options.repeats,
        ),
    ]
    decoder = StaticDecoder(model, Sampling())
    rows.append(measure("compiled", lambda: decoder.generate(ids, mask, tokens, frozenset(), 0), meter, tokens, options.repeats))
    for row in rows:
        speed, saved = row["tokens_per_s"] / rows[0]["tokens_per_s"], rows[0]["j_per_token"] / row["j_per_token"]
        figures = f"{row['tokens_per_s']:7.1f} token/s  {row['j_per_token']:6.3f} J/token  {row['mean_w']:5.0f} W"
        print(f"{row['loop']:9s} {figures}  {speed:5.2f}× the speed, {saved:.2f}× fewer joules", flush=True)


if __name__ == "__main__":
    main()
