"""Servers that `bench` starts itself: found, started, described, measured at several concurrencies, stopped."""

import asyncio
import json
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import psutil
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from prompt_joules.bench import LLAMA_CPP_HARNESS_VERSION, errors, slo
from prompt_joules.bench.config import RunConfig, check
from prompt_joules.bench.engines import server_facts, servers
from prompt_joules.bench.engines.servers import RUNTIMES, gguf_of
from prompt_joules.bench.run import deaths, points
from prompt_joules.bench.run.folder import read_run
from prompt_joules.bench.run.served import not_fed, run_served
from tests import warehouses
from tests.fake_runtime import LAST_WORDS
from tests.unit.serving.served import rows

FAKE = shlex.join([sys.executable, "-m", "tests.fake_runtime"])


@pytest.fixture
def vllm(config: RunConfig, recording: Path) -> RunConfig:
    """A run of the fake that takes vLLM's command line."""
    return replace(config, engine="vllm", server_command=FAKE, replay=recording, start_timeout=300.0)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_server_is_started_described_measured_and_stopped(vllm: RunConfig) -> None:
    before = children()
    assert run_served(replace(vllm, server_args="--max-model-len 4096", concurrency=2), Console(quiet=True)) == 0
    assert children() == before
    frame = rows(vllm)
    assert set(frame["status"]) == {"ok"} and set(frame["engine"]) == {"vllm"}
    assert set(frame["dtype"]) == {"float16"} and set(frame["engine_version"]) == {"vllm 9.9"}
    assert set(frame["repetition_penalty"]) == {1.0}
    said = json.loads(frame["environment"][0])["server_setup"]
    assert said["attention_backend"] == "FAKE_ATTN" and said["kv_cache_tokens"] == 12345
    options = said["options"]
    assert options[options.index("--max-model-len") + 1] == "4096"
    assert "--no-enable-prefix-caching" in options and options[options.index("--max-num-seqs") + 1] == "2"


def test_its_own_figures_are_kept_with_the_run(vllm: RunConfig) -> None:
    run_served(vllm, Console(quiet=True))
    (path,) = vllm.out.glob("*/run.json")
    figures = read_run(path.parent).sessions[-1]["books"]["server_metrics"]
    assert figures["generation_tokens"] == 36 and figures["preemptions"] == 3


def test_several_concurrencies_on_one_server_are_runs_of_their_own(vllm: RunConfig) -> None:
    console = Console(record=True, width=200, file=sys.stderr)
    assert run_served(replace(vllm, ramp="1,3", slo="tpot=1s"), console) == 0
    counts = rows(vllm).group_by("run_id").agg(pl.col("concurrency").first(), pl.len()).sort("concurrency")
    assert counts["concurrency"].to_list() == [1, 3] and counts["len"].to_list() == [6, 6]
    said = console.export_text()
    assert said.count("Starting vllm") == 1
    assert "cheapest" in said and "tpot=1s" in said


def test_a_concurrency_above_the_number_of_answers_is_told_and_is_never_the_cheapest(vllm: RunConfig) -> None:
    """Six answers are never more than six at once, whatever was asked: of that level nothing has been measured."""
    console = Console(record=True, width=200, file=sys.stderr)
    assert run_served(replace(vllm, ramp="6,64", slo="tpot=1s"), console) == 0
    said = console.export_text()
    assert said.count("but only 6 answers") == 1 and "64 at once are asked for" in said and "--ramp 64:640" in said
    (six, many) = [line for line in said.splitlines() if "keep it" in line]
    assert "never more than" not in six and "64 at once: never more than 6" in many
    assert "The cheapest that keeps tpot=1s: 6 at once" in said
    folders = sorted(path.parent for path in vllm.out.glob("*/run.json"))
    speeds = [points._point(level, folders, slo.parse("tpot=1s"))["tokens_per_s"] for level in (6, 64)]
    assert speeds[0] == speeds[1], "a speed of six at once"
    assert "No concurrency reached keeps" in points.cheapest([(64, folders)], "tpot=1s")


def test_a_run_that_an_earlier_version_began_has_its_point(vllm: RunConfig, tmp_path: Path) -> None:
    """Parts of one run differ by a column that came later."""
    run_served(vllm, Console(quiet=True))
    (part,) = vllm.out.glob("*/part-*.parquet")
    before, frame = points.cheapest([(1, [part.parent])], "tpot=1s"), pl.read_parquet(part)
    frame.head(2).drop("stream_end_s").write_parquet(part)
    frame.tail(-2).write_parquet(part.with_name("part-00001.parquet"))
    assert points.cheapest([(1, [part.parent])], "tpot=1s") == before
    rows_of = [pl.read_parquet(path).height for path in sorted(part.parent.glob("part-*.parquet"))]
    assert rows_of == [2, 4] and run_served(vllm, Console(quiet=True)) == 0
    assert warehouses.ingest(vllm.out, into=tmp_path / "w.duckdb").status == 0
    kept = warehouses.rows(tmp_path / "w.duckdb", "select stream_end_s is null as lacks from requests order by sequence")
    assert kept["lacks"].to_list() == [True] * 2 + [False] * 4


def test_a_concurrency_can_ask_its_own_number_of_prompts(vllm: RunConfig) -> None:
    assert run_served(replace(vllm, ramp="1:2, 3:10"), Console(quiet=True)) == 0
    found = rows(vllm).group_by("concurrency").agg(pl.len(), pl.col("prompt_id", "repetition").n_unique())
    (few,), (more,) = found.filter(concurrency=1).rows(), found.filter(concurrency=3).rows()
    assert few == (1, 2, 2, 1)
    assert more == (3, 12, 6, 2), "ten of a set of six: each twice, with another draw"


def test_what_ended_at_once_is_told_with_its_last_words(vllm: RunConfig) -> None:
    with pytest.raises(errors.ServerDidNotStart, match="no kernel image"):
        run_served(replace(vllm, model="it-dies"), Console(quiet=True))


@pytest.mark.parametrize("ramp", [None, "2"])
def test_a_server_that_dies_in_the_middle_says_its_last_words_and_the_same_command_goes_on(
    vllm: RunConfig, tmp_path: Path, ramp: str | None
) -> None:
    """Nothing that it had in hand is called a failure of the prompt."""
    before = children()
    asked = replace(vllm, model=f"dies-once-{tmp_path / 'mark'}", ramp=ramp, concurrency=None if ramp else 2)
    with pytest.raises(errors.ServerDied, match=rf"status 7 .* same command again(?s:.*){LAST_WORDS}"):
        run_served(asked, Console(quiet=True))
    assert children() == before
    first = rows(vllm)
    assert set(first["status"]) == {"ok"} and 1 <= first.height <= 3
    assert run_served(asked, Console(quiet=True)) == 0
    whole_run = rows(vllm)
    assert whole_run["run_id"].n_unique() == 1 and set(whole_run["status"]) == {"ok"}
    assert sorted(whole_run["prompt_id"]) == [f"p{n}" for n in range(6)]


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_prompt_that_ends_its_server_is_a_failed_row_after_two_deaths(vllm: RunConfig, at_once: int) -> None:
    """The third server answers all the others: the prompts that were in hand with it are not blamed."""
    asked = replace(vllm, model="poisoned-2?", concurrency=at_once)
    for _ in range(deaths.MOST_DEATHS):
        with pytest.raises(errors.ServerDied):
            run_served(asked, Console(quiet=True))
        assert set(rows(vllm)["status"]) <= {"ok"}
    assert run_served(asked, Console(quiet=True)) == 0
    found = rows(vllm)
    assert sorted(found["prompt_id"]) == [f"p{n}" for n in range(6)] and found["run_id"].n_unique() == 1
    (killer,) = found.filter(pl.col("status") == "failed").iter_rows(named=True)
    assert killer["prompt_id"] == "p2" and killer["reason"].startswith("the server ended 2 times") and killer["energy_j"] is None
    (path,) = vllm.out.glob("*/run.json")
    run = read_run(path.parent)
    in_hand = [session["books"]["server"]["in_hand"] for session in run.sessions]
    assert run.finished and ["p2", 0] in in_hand[0] and in_hand[1:] == [[["p2", 0]], []], "alone at the second death"
    alone = {name for name, _ in in_hand[0]} - {"p2"}
    assert set(found.filter(pl.col("reason") == deaths.ASKED_ALONE)["prompt_id"]) == alone


def test_a_server_that_answers_no_more_but_runs_is_named_by_its_address(vllm: RunConfig) -> None:
    with (
        pytest.raises(errors.ServerLost, match=r"http://127.0.0.1:\d+/v1 does not answer"),
        servers.started(vllm, lambda _: None) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(servers, "_DYING_S", 0.01)
        raise errors.ServerLost(server.base_url, "no connection")


def test_weights_that_our_readers_do_not_know_are_unknown_and_no_fault(tmp_path: Path) -> None:
    """A damaged file, or one newer than the reader: the server that reads it is the judge."""
    pytest.importorskip("gguf", reason="needs the bench extra: make test installs it")
    for content in (b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 40, b"no such file"):
        (tmp_path / "m.gguf").write_bytes(content)
        facts = server_facts.weights_of(RunConfig(str(tmp_path), engine="llama.cpp"))
        assert facts == {"dtype": "unknown", "weights_format": "gguf:unknown kernels"}
    for content in (
        b"",
        b"\x05",
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (7).to_bytes(8, "little") + b'{"a":1}',
    ):
        (tmp_path / "m.safetensors").write_bytes(content)
        assert server_facts.safetensors_params(tmp_path) is None


def test_what_never_answers_is_stopped_after_the_time_allowed(vllm: RunConfig) -> None:
    before = children()
    with pytest.raises(errors.ServerDidNotStart, match=r"within 1 s .--start-timeout"):
        run_served(replace(vllm, model="it-hangs", start_timeout=1.0), Console(quiet=True))
    assert children() == before


def test_a_runtime_that_is_not_there_says_how_to_get_it(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in RUNTIMES:
        with pytest.raises(errors.MissingRuntime, match="--server-command"):
            run_served(replace(config, engine=name, model=str(make_gguf(config.out))), Console(quiet=True))  # type: ignore[arg-type]


def test_a_server_listens_where_there_is_room_for_a_second_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        held = taken.getsockname()[1]
        monkeypatch.setattr(servers, "PORTS", range(held, held + 1))
        with pytest.raises(errors.BadOption, match=f"no port from {held} to {held} is free"):
            servers._free_port()
    monkeypatch.undo()
    assert all(servers._free_port() + 10_000 < 65_536 for _ in range(20)), "SGLang takes the port 10,000 above too"


def make_gguf(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "m.gguf"
    path.touch()
    return path


def test_the_gguf_of_a_folder_is_found_or_asked_for(tmp_path: Path) -> None:
    config = RunConfig(str(tmp_path), engine="llama.cpp")
    with pytest.raises(errors.BadOption, match="holds 0 GGUF"):
        gguf_of(config)
    path = make_gguf(tmp_path)
    assert gguf_of(config) == path == gguf_of(replace(config, model=str(path)))
    (tmp_path / "n.gguf").touch()
    with pytest.raises(errors.BadOption, match="--gguf-file"):
        gguf_of(config)
    assert gguf_of(replace(config, gguf_file="n.gguf")).name == "n.gguf"
    for wrong in ({"gguf_file": "o.gguf"}, {"model": str(tmp_path / "o.gguf")}):
        with pytest.raises(errors.BadOption, match=r"there is no file .*o\.gguf"):
            gguf_of(replace(config, **wrong))  # type: ignore[arg-type]


def test_a_command_that_was_named_and_is_not_there_is_said_to_be_that(vllm: RunConfig, tmp_path: Path) -> None:
    """Not that the server is not installed, with the advice to name its command."""
    with pytest.raises(errors.BadOption, match=r"--server-command.*nothing cannot be started: No such file"):
        run_served(replace(vllm, server_command=str(tmp_path / "nothing")), Console(quiet=True))


def write_gguf(folder: Path, tensors: dict[str, int], file_type: str | None) -> Path:
    """A GGUF file of one matrix of so many rows for each format, with 256 columns; the bytes are zeros, which no reader minds."""
    gguf = pytest.importorskip("gguf", reason="needs the bench extra: make test installs it")
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama")
    if file_type is not None:
        writer.add_file_type(gguf.LlamaFileType[file_type])
    for number, (name, height) in enumerate(tensors.items()):
        kind = gguf.GGMLQuantizationType[name]
        width, size = gguf.GGML_QUANT_SIZES[kind]
        shape = (height, 256 // width * size)
        writer.add_tensor(f"blk.{number}.attn_q.weight", np.zeros(shape, np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "m.gguf"


@pytest.mark.parametrize(
    ("tensors", "file_type", "dtype", "form"),
    [
        ({"F16": 8, "F32": 1}, "MOSTLY_F16", "float16", "gguf:F16 kernels"),
        ({"BF16": 8, "F32": 1}, "MOSTLY_BF16", "bfloat16", "gguf:BF16 kernels"),
        ({"Q8_0": 8, "F32": 1}, "MOSTLY_Q8_0", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q4_K": 8, "Q6_K": 3, "F32": 1}, "MOSTLY_Q4_K_M", "Q4_K_M", "gguf:Q4_K_M kernels"),
        ({"Q5_0": 8, "Q6_K": 3}, "MOSTLY_Q4_K_M", "Q4_K_M", "gguf:Q4_K_M kernels, mostly Q5_0"),
        ({"Q8_0": 8, "F32": 1}, "MOSTLY_F16", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q8_0": 8, "F32": 1}, "GUESSED", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q4_K": 8, "Q6_K": 3}, None, "Q4_K", "gguf:Q4_K kernels"),
    ],
)
def test_a_gguf_file_is_called_by_its_tensors_and_a_mixture_by_its_name(
    tensors: dict[str, int], file_type: str | None, dtype: str, form: str, tmp_path: Path
) -> None:
    """16 bits are called as everywhere, so that a page that compares runtimes in 16 bits has llama.cpp too."""
    path = write_gguf(tmp_path / "a", tensors, file_type)
    facts = server_facts.weights_of(RunConfig(str(path), engine="llama.cpp"))
    assert (facts["dtype"], facts["weights_format"]) == (dtype, form)
    assert facts["params_total_b"] == sum(tensors.values()) * 256 / 1e9


def test_weights_split_over_files_are_found_by_the_first_and_counted_whole(tmp_path: Path) -> None:
    first = write_gguf(tmp_path / "a", {"Q8_0": 8}, "MOSTLY_Q8_0").rename(tmp_path / "a" / "big-00001-of-00002.gguf")
    config = RunConfig(str(first.parent), engine="llama.cpp")
    assert server_facts.weights_of(config) == {"dtype": "unknown", "weights_format": "gguf:unknown kernels"}, "the second is not there"
    write_gguf(tmp_path / "b", {"Q8_0": 3}, "MOSTLY_Q8_0").rename(first.with_name("big-00002-of-00002.gguf"))
    assert gguf_of(config) == first and servers.short_name(str(first)) == "big"
    facts = server_facts.weights_of(config)
    assert facts["params_total_b"] == 11 * 256 / 1e9 and facts["weights_format"] == "gguf:Q8_0 kernels"


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


def test_files_of_one_name_and_other_weights_are_runs_of_their_own(config: RunConfig, recording: Path, tmp_path: Path) -> None:
    """The model's name is that of the file, its options have no folders: only what the file holds tells these runs apart."""
    asked = replace(config, engine="llama.cpp", server_command=FAKE, replay=recording, start_timeout=300.0, dummy_weights=True)
    for name, tensors in {"gf16": {"F16": 8}, "gq8": {"Q8_0": 8}, "gq4": {"Q4_K": 8, "Q6_K": 1}}.items():
        path = write_gguf(tmp_path / name, tensors, None)
        for _ in range(2):
            assert run_served(replace(asked, model=str(path)), Console(quiet=True)) == 0
    found = rows(config).group_by("run_id").agg(pl.col("dtype", "weights_format", "model_id", "weights").first(), pl.len()).sort("dtype")
    assert found["dtype"].to_list() == ["Q4_K", "Q8_0", "float16"] and set(found["len"]) == {6}
    assert set(found["model_id"]) == {"m"} and set(found["weights"]) == {"dummy"}
    options = json.loads(rows(config)["environment"][0])["server_setup"]["options"]
    assert options[options.index("--cache-ram") + 1] == "0", "no copies of prompts that nobody asks for"
    assert set(rows(config)["harness_version"]) == {LLAMA_CPP_HARNESS_VERSION}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"base_url": "http://h"}, "base-url"),
        ({"ramp": "1,x"}, "whole numbers"),
        ({"ramp": "0"}, "from 1"),
        ({"ramp": "4:0"}, "at least 1"),
        ({"ramp": "4:x"}, "whole numbers"),
        ({"ramp": "1,2", "concurrency": 3}, "ramp"),
        ({"slo": "tpot=fast"}, "slo"),
        ({"server_args": "--x 'y"}, "server-args.*No closing quotation"),
        ({"server_command": '"vllm serve'}, "server-command.*No closing quotation"),
        ({"batch_size": 4}, "concurrency"),
        ({"gguf_file": "auto"}, "gguf-file"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(errors.BadOption, match=word):
        check(RunConfig("m", engine="vllm", **options))  # type: ignore[arg-type]


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


def test_the_parameters_of_random_weights_are_those_of_the_shape(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from tests.tiny_models import llama

    folder = llama(tmp_path / "tiny")
    counted = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    for file in folder.glob("*.safetensors"):
        file.unlink()
    assert (
        server_facts.weights_of(RunConfig(str(folder), engine="vllm", dummy_weights=True))["params_total_b"]
        == counted["params_total_b"]
        > 0
    )
    assert server_facts.shape_facts(str(tmp_path / "nothing")) == {}


@pytest.mark.parametrize(
    ("words", "method"),
    [
        ("--quantization fp8", "fp8"),
        ("--max-model-len 4096 --quantization=FP8 --kv-cache-dtype fp8", "fp8"),
        ("-q awq_marlin", "awq_marlin"),
        ("--quantization none", None),
        ("--kv-cache-dtype fp8", None),
        ("", None),
    ],
)
def test_weights_that_the_server_quantises_are_not_called_float16(words: str, method: str | None, tmp_path: Path) -> None:
    facts = server_facts.weights_of(RunConfig(str(tmp_path), engine="vllm", server_args=words))
    assert facts["dtype"] == (method or "float16")
    assert facts.get("weights_format") == (None if method is None else f"weights, {method} kernels")


def test_a_quantised_checkpoint_names_its_method_and_counts_by_shape(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from tests.tiny_models import llama

    folder = llama(tmp_path / "tiny")
    plain = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "awq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    facts = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    assert (facts["dtype"], facts["weights_format"]) == ("awq-4bit", "awq 4-bit kernels")
    assert facts["params_total_b"] == plain["params_total_b"]
    random = server_facts.weights_of(RunConfig(str(folder), engine="vllm", dummy_weights=True))
    assert (random["dtype"], random["weights_format"]) == ("awq-4bit", "random, awq 4-bit kernels")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_bench_leaves_no_server_behind() -> None:
    """SIGKILL runs no clean-up of ours."""
    program = (
        "import os, signal, sys\n"
        "from prompt_joules.bench.engines import servers\n"
        "child = servers._launch([sys.executable, '-c', 'import time; time.sleep(600)'], sys.stderr.fileno(), servers.RUNTIMES['vllm'])\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert killed.returncode == -signal.SIGKILL
    server = int(killed.stdout)
    try:
        psutil.wait_procs([psutil.Process(server)], timeout=60)
        alive = psutil.Process(server).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    assert not alive
