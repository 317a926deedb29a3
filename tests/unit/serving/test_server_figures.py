"""What servers say of themselves, in figures and in their logs, and what is said of a run by them."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from prompt_joules.bench import slo
from prompt_joules.bench.engines import server_facts
from prompt_joules.bench.run.served import not_fed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("llama_kv_cache: size = 72.00 MiB (  4096 cells,  30 layers,  8/8 seqs), K (f16): 36.00 MiB, V (f16): 36.00 MiB", 32768),
        ("llama_kv_cache: size = 72.00 MiB (  4096 cells,  30 layers,  8/1 seqs), K (f16): 36.00 MiB, V (f16): 36.00 MiB", 4096),
        ("sched_reserve: Flash Attention enabled", "Flash Attention"),
        ("llama_context: Flash Attention was auto, set to enabled", "Flash Attention"),
        ("resolve_fused_ops: Flash Attention not supported, set to disabled", "Flash Attention not supported"),
        ("sched_reserve: fused Gated Delta Net (chunked) enabled", None),
    ],
)
def test_what_llama_cpp_prints_of_its_cache_and_attention_is_read(line: str, said: int | str | None, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"main: starting\n{line}\n", encoding="utf-8")
    assert list(server_facts.from_log(tmp_path / "log").values()) == ([] if said is None else [said])


def test_a_server_that_works_on_fewer_than_are_in_flight_is_told() -> None:
    said = not_fed(256, {"running_when_full": 147.2}, 0.93)
    assert said is not None and "147 of 256" in said and "93%" in said
    assert not_fed(256, {"running_when_full": 240.0}, 0.93) is None
    assert not_fed(256, {}, 0.93) is None, "a server without figures"


def test_requests_running_are_averaged_while_as_many_as_wanted_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_facts, "SAMPLED_S", 0.001)
    shown = iter([0, 9, 5, 3, *[1] * 1000])
    fullness = iter([False, True, True, True, False, *[False] * 1000])

    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text=f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running {next(shown)}\n")

    async def watched() -> dict[str, Any]:
        async with httpx.AsyncClient(base_url="http://h/v1/", transport=httpx.MockTransport(answer)) as client:
            figures = server_facts.Metrics(client, lambda: next(fullness))
            async with figures.watched():
                while len(asked) < 8:  # how fast they come is up to the machine
                    await asyncio.sleep(0.001)
            return figures.summary()

    assert asyncio.run(watched())["running_when_full"] == 5.0, "of 9 nothing is known: it was not full before; 3 is read as it ends"


def test_attainment_is_the_share_that_keeps_every_limit() -> None:
    limits = slo.parse("ttft=100ms, tpot=50ms")
    frame = pl.DataFrame(
        {
            "status": ["ok", "ok", "ok", "ok", "failed"],
            "ttft_s": [0.05, 0.2, 0.05, None, 0.01],
            "latency_s": [0.05 + 9 * 0.04, 0.2, 0.05 + 9 * 0.06, 1.0, 0.1],
            "output_tokens": [10, 1, 10, 10, 10],
        }
    )
    assert slo.attainment(frame, limits) == 0.25
    assert slo.attainment(frame.filter(pl.col("status") == "failed"), limits) is None


def test_figures_of_three_servers_are_read_under_one_name() -> None:
    text = "# TYPE llamacpp:tokens_predicted_total counter\nllamacpp:tokens_predicted_total 40\nllamacpp:requests_processing 2\n"
    assert server_facts.parse(text) == {"generation_tokens": 40.0, "running": 2.0}
    text = 'sglang:num_running_reqs{model_name="a"} 3\nsglang:num_running_reqs{model_name="b"} 4\n'
    assert server_facts.parse(text) == {"running": 7.0}


def test_only_the_figures_that_are_kept_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total 9\nvllm:num_requests_running 2\n"
    others = "".join(f"# HELP vllm:h{at} of it\n# TYPE vllm:h{at} gauge\nvllm:h{at} {at}\n" for at in range(300))
    parsed = []
    parser = server_facts.text_string_to_metric_families
    monkeypatch.setattr(server_facts, "text_string_to_metric_families", lambda text: parsed.append(text) or parser(text))
    assert server_facts.parse(others + own + others) == {"generation_tokens": 9.0, "running": 2.0}
    assert parsed == [own]
