"""Streams as servers really send them: line ends, cached tokens, parts as lists, errors without a stream."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from starlette.responses import JSONResponse, Response

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.answer_stream import AnswerStream, RequestFailed
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.openai import request_body
from prompt_joules.bench.tasks import TASKS
from tests.fake_server import event, stream, whole
from tests.unit.serving.served import measured

PLAIN = Sampling(0.7, 1.0, 0, 1.0, 20)


def read(*blocks: bytes) -> AnswerStream:
    found = AnswerStream()
    for block in (*blocks, b"\n"):
        found.feed(block)
    return found


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_only_cr_and_lf_end_a_line(config: RunConfig, odd: str) -> None:
    text = f"one{odd}two "
    raw = event("MARK").replace("MARK", text if ord(odd) >= 0x20 else json.dumps(text)[1:-1])
    end = event(finish="stop", usage=(7, 2))
    frame = measured(replace(config, limit=1), lambda body, n: stream([raw, end]))
    assert frame["status"].to_list() == ["ok"]
    assert frame["output_text"][0].startswith(text)


def test_lines_end_at_cr_lf_or_both_wherever_the_blocks_are_cut() -> None:
    body = "".join(whole(3)).encode()
    expected = read(body).answer()
    for ends in (b"\r\n", b"\r"):
        changed = body.replace(b"\n", ends)
        for cut in range(1, len(changed), 7):
            assert read(changed[:cut], changed[cut:]).answer().text == expected.text


def test_raw_separators_inside_json_are_text() -> None:
    found = read('data: {"choices": [{"delta": {"content": "a\u2028b\u0085c"}, "finish_reason": "stop"}]}\n'.encode())
    assert found.answer().text == "a\u2028b\x85c"


def test_parts_of_a_list_are_text() -> None:
    found = read(b'data: {"choices": [{"delta": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}, "finish_reason": "stop"}]}\n')
    assert found.answer().text == "ab"


def test_cached_tokens_and_fingerprint_are_read() -> None:
    found = read(
        b'data: {"system_fingerprint": "b123", "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n',
        b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}}\n',
    )
    answer = found.answer()
    assert (answer.cached_tokens, answer.fingerprint) == (8, "b123")


def test_an_error_with_status_200_keeps_the_servers_words(config: RunConfig) -> None:
    said: Response = JSONResponse({"error": {"message": "model overloaded by mice"}})
    frame = measured(replace(config, limit=1), lambda body, n: said)
    assert "model overloaded by mice" in frame["reason"][0]


def test_a_stream_without_end_is_still_told() -> None:
    with pytest.raises(RequestFailed, match="without a finish reason"):
        read(b": keep-alive\n\n").answer()


@pytest.mark.parametrize(
    ("dialect", "off", "on"),
    [
        (None, {}, {"top_k": 5, "repetition_penalty": 1.1}),
        ("vllm", {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0}, {"top_k": 5, "repetition_penalty": 1.1}),
        ("llama.cpp", {"top_k": 0, "repeat_penalty": 1.0, "min_p": 0.0}, {"top_k": 5, "repeat_penalty": 1.1}),
    ],
)
def test_a_known_server_is_told_what_is_off(dialect: str | None, off: dict[str, float], on: dict[str, float]) -> None:
    def sent(sampling: Sampling) -> dict[str, object]:
        return request_body("m", TASKS["chat"], "Hi", 1, sampling, dialect=dialect)

    assert sent(PLAIN).items() >= off.items()
    assert ("repetition_penalty" in sent(PLAIN)) == (dialect == "vllm")
    assert sent(replace(PLAIN, top_k=5, repetition_penalty=1.1)).items() >= on.items()


def test_a_prompt_out_of_the_cache_has_a_verdict(config: RunConfig, tmp_path: Path) -> None:
    from tests import warehouses

    def usage(n: int) -> str:
        counts = {"prompt_tokens": 7, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5 if n == 0 else 0}}
        return f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n"

    frame = measured(config, lambda body, n: stream([*whole(3, usage=False)[:-1], usage(n)]))
    assert sorted(frame["cached_tokens"].to_list()) == [0, 0, 0, 0, 0, 5]
    assert warehouses.ingest(config.out, into=tmp_path / "w.duckdb").status == 0
    found = warehouses.rows(tmp_path / "w.duckdb", "select cached_tokens from requests where list_contains(reasons, 'cached-prompt')")
    assert found["cached_tokens"].to_list() == [5]


def test_a_late_done_is_kept_beside_the_latency(config: RunConfig) -> None:
    """The latency ends with the last text; what the server does before its [DONE] is in `stream_end_s` alone."""
    *words, done = whole(3, finish="length")

    async def late(event: int) -> None:
        await asyncio.sleep(0.3 if event == len(words) else 0)

    frame = measured(replace(config, limit=1), lambda body, n: stream([*words, done], before=late))
    (row,) = frame.iter_rows(named=True)
    assert 0 < row["ttft_s"] <= row["latency_s"] < row["stream_end_s"] - 0.25
    assert sum(row["itl_s"]) <= row["latency_s"]


def test_a_stream_without_done_has_no_end(config: RunConfig, tmp_path: Path) -> None:
    from tests import warehouses

    frame = measured(config, lambda body, n: stream(whole(3)[:-1] if n % 2 else whole(3)))
    assert set(frame["status"]) == {"ok"} and frame["latency_s"].null_count() == 0
    assert frame["stream_end_s"].null_count() == 3
    ended = frame.drop_nulls("stream_end_s")
    assert (ended["stream_end_s"] >= ended["latency_s"]).all()
    assert warehouses.ingest(config.out, into=tmp_path / "w.duckdb").status == 0
    kept = warehouses.rows(tmp_path / "w.duckdb", "select stream_end_s from requests order by sequence")
    assert kept["stream_end_s"].to_list() == frame["stream_end_s"].to_list()
