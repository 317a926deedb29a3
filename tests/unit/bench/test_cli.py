"""The command line of bench: it starts at once, and every fault is one sentence and status 2."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prompt_joules.bench.__main__ import main
from prompt_joules.bench.config import RunConfig, check
from prompt_joules.bench.errors import BadOption
from prompt_joules.bench.run import served
from prompt_joules.bench.tasks import TASKS

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from tests.tiny_models import byte_tokenizer, llama, t5  # noqa: E402


@pytest.fixture(autouse=True)
def one_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--prompts default` is one short prompt, so that these tests are about the command line only."""
    path = tmp_path / "default.jsonl"
    path.write_text(json.dumps({"id": "a", "prompt": "Hello"}))
    monkeypatch.setattr("prompt_joules.bench.prompts.sets.DEFAULT_PATH", path)


def sentence(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What `bench run` says on stderr when it refuses; asserts status 2 and no traceback."""
    assert main(["run", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["prompts", "sharegpt", "--help"]])
def test_help_imports_neither_torch_nor_transformers(arguments: list[str]) -> None:
    code = (
        "import sys, prompt_joules.bench.__main__ as m\n"
        f"try: m.main({arguments!r})\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "heavy = {'torch', 'transformers', 'fastchat', 'zeus', 'polars', 'pynvml'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m bench" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_crash() -> None:
    words = [sys.executable, "-m", "bench", "run", "--help"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_help_names_every_option_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = capsys.readouterr().out
    for name in RunConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu", "--model", "m"], "There is no command rnu. Did you mean run? There are: run, sweep, prompts, devices."),
        (["prompts", "sharegtp"], "There is no command sharegtp. Did you mean sharegpt? There are: sharegpt."),
    ],
)
def test_an_unknown_command_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_what_is_said_of_an_unknown_option_names_the_command_whose_help_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--model", "m", "--limt", "3"], prog="prompt-joules bench")
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "--limit N" in said and "prompt-joules bench run --help" in said
    assert "prompt-joules run" not in said


@pytest.mark.parametrize("option", ["--server-args", "--server_args", "--server-command"])
@pytest.mark.parametrize("value", ["--max-model-len 4096 --quantization fp8", "--enforce-eager", "--seed 3", "-O3", "plain words"])
def test_options_for_a_server_may_stand_in_a_word_of_their_own(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example of `--help`, as a shell hands it on; `--server-args="…"` works as well."""
    given: list[RunConfig] = []
    monkeypatch.setattr(served, "run_served", lambda config: given.append(config) or 0)
    for words in ([option, value], [f"{option}={value}"]):
        assert main(["run", "--model", "m", "--engine", "vllm", "--out", str(tmp_path), *words, "--limit", "3"]) == 0
    assert given[0] == given[1] and given[0].limit == 3
    assert getattr(given[0], option.removeprefix("--").replace("-", "_")) == value


def test_options_for_a_server_that_are_missing_are_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--server-args", "--model", "m"])
    assert "--server-args" in capsys.readouterr().err


def test_task_repeats_and_defaults_to_chat() -> None:
    assert RunConfig("m").tasks == ("chat",)
    assert RunConfig("m", task=("instruct", "chat", "instruct")).tasks == ("instruct", "chat")


def test_unknown_task_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    said = sentence(capsys, "--model", "m", "--task", "chatt")
    assert "'chatt'" in said
    assert all(name in said for name in TASKS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"limit": 0},
        {"max_new_tokens": 0},
        {"repetition_penalty": 0.0},
        {"repetitions": 0},
        {"warmup": -1},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=next(iter(wrong)).replace("_", "-")):
        check(RunConfig("m", **wrong))  # type: ignore[arg-type]


def test_missing_model_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = sentence(capsys, "--model", tmp_path / "absent", "--out", tmp_path / "out", "--device", "cpu")
    assert said.startswith("error: There is no folder") and "absent" in said and "--model" in said


def test_a_model_id_that_cannot_be_had(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = sentence(capsys, "--model", "nobody/absent", "--out", tmp_path / "out", "--device", "cpu")
    assert "nobody/absent" in said and "Hugging Face hub" in said


@pytest.mark.parametrize("length", [0, 5, 3000])
def test_weights_that_end_too_early(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, length: int) -> None:
    shutil.copytree(model, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:length])
    said = sentence(capsys, "--model", tmp_path / "cut", "--out", tmp_path / "out", "--device", "cpu")
    assert "cannot be loaded" in said and "Fetch its files again" in said


@pytest.mark.parametrize("fault", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: you tried")])
def test_weights_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("transformers.LlamaForCausalLM.from_pretrained", full)
    said = sentence(capsys, "--model", model, "--out", tmp_path / "out", "--device", "cpu")
    assert "does not fit the memory of cpu" in said and "--dtype float16" in said


def test_missing_tokenizer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = llama(tmp_path / "bare", tokenizer=False)
    assert "no tokenizer" in sentence(capsys, "--model", folder, "--out", tmp_path / "out", "--device", "cpu")


def test_broken_gguf(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_bytes(b"GGUF" + bytes(100))
    said = sentence(capsys, "--model", tmp_path, "--gguf-file", "auto", "--out", tmp_path / "out", "--device", "cpu")
    assert "cannot be loaded" in said


@pytest.mark.parametrize("names", [[], ["a.gguf", "b.gguf"]])
def test_auto_needs_exactly_one_gguf(capsys: pytest.CaptureFixture[str], tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    said = sentence(capsys, "--model", tmp_path, "--gguf-file", "auto", "--out", tmp_path / "out", "--device", "cpu")
    assert f"{len(names)} GGUF files" in said and "--gguf-file" in said


def test_empty_prompt_file(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    said = sentence(capsys, "--model", model, "--prompts", empty, "--out", tmp_path / "out", "--device", "cpu")
    assert "empty.jsonl" in said


def test_results_folder_below_a_file(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--out" in sentence(capsys, "--model", model, "--out", tmp_path / "file" / "out")


def test_cuda_without_a_gpu(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cpu" in sentence(capsys, "--model", model, "--out", tmp_path, "--device", "cuda")


def test_a_model_that_cannot_be_compiled_is_refused_before_the_first_prompt(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = sentence(
        capsys, "--model", t5(tmp_path / "tiny-t5"), "--engine", "transformers-compiled", "--device", "cpu", "--out", tmp_path / "out"
    )
    assert "'tiny-t5' cannot be measured with this engine" in said and "--engine transformers-eager" in said
    assert not list((tmp_path / "out").iterdir())


def test_a_model_that_looks_back_less_far_than_prompt_and_answer_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Mistral's way: a window in the config and nothing else that says so."""
    from transformers import MistralConfig, MistralForCausalLM

    shape = {"vocab_size": 258, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(**shape, num_key_value_heads=2, sliding_window=64, eos_token_id=1, pad_token_id=0, bos_token_id=None)
    MistralForCausalLM(config).save_pretrained(tmp_path / "windowed")
    byte_tokenizer().save_pretrained(tmp_path / "windowed")
    options = ["--engine", "transformers-compiled", "--device", "cpu", "--limit", "1", "--out", tmp_path / "out"]
    said = sentence(capsys, "--model", tmp_path / "windowed", *options)
    assert "looks back 64 tokens" in said and "--engine transformers-eager" in said
    assert not list((tmp_path / "out").iterdir())


def test_broken_recording_is_refused(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "trace.json"
    broken.write_text(json.dumps({"gpu_models": []}))
    assert "trace.json" in sentence(capsys, "--model", model, "--out", tmp_path, "--device", "cpu", "--replay", broken)
