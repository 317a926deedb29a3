"""`prompt-joules completion`: the scripts in real shells."""

import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from prompt_joules import command, completion
from prompt_joules.bench.config import RunConfig
from prompt_joules.ingest.__main__ import COMMANDS


@pytest.fixture(scope="module")
def found() -> list[completion.Command]:
    return completion.explored(command.main)


@pytest.fixture(scope="module")
def bash(found: list[completion.Command], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash, in a folder with files."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "results").mkdir()
    (folder / "script").write_text(completion.bash(found))
    return folder / "script"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("prompt-joules ingest --wa", {"--watch", "--warehouse"}),
        ("prompt-joules ingest --wat", {"--watch"}),
        ("prompt-joules in", {"ingest"}),
        ("prompt-joules ingest res", {"results"}),
        ("prompt-joules bench run --engine v", {"vllm"}),
        ("prompt-joules bench run --metrics-", {"--metrics-port", "--metrics-host"}),
        ("prompt-joules bench prompts sh", {"sharegpt"}),
        ("prompt-joules export --as mod", {"model-card"}),
        ("prompt-joules completion z", {"zsh"}),
        ("prompt-joules measure -- res", {"results"}),
    ],
)
def test_bash_completes(line: str, offered: set[str], bash: Path) -> None:
    words = line.split()
    ask = f"source ./script; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _prompt_joules; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", ask], cwd=bash.parent, capture_output=True, text=True, check=True, timeout=180)
    assert set(done.stdout.split()) == offered and done.stderr == ""


def test_it_knows_every_command_and_option(found: list[completion.Command]) -> None:
    by_name = {one.words: one for one in found}
    assert set(by_name[()].commands) == set(command.PROGRAMS)
    assert set(by_name["ingest",].commands) == set(COMMANDS) <= {words[-1] for words in by_name if words}
    options = {f"--{field.name.replace('_', '-')}" for field in fields(RunConfig)}
    assert {option.replace("--no-", "--") for option in by_name["bench", "run"].options} >= options
    assert all(meaning for one in found for meaning in one.options.values())


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_command_prints_a_script_that_the_shell_reads(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    assert command.main(["completion", shell]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    done = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes(found: list[completion.Command], tmp_path: Path) -> None:
    (tmp_path / "script").write_text(completion.fish(found))
    ask = "source ./script; complete -C 'prompt-joules ingest --wat'; complete -C 'prompt-joules bench run --engine vl'"
    done = subprocess.run(["fish", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=180)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["--watch", "vllm"]
