"""The newcomer's path as printed: every code block of README, CONTRIBUTING and docs is run, or stands below with the reason why not.

Commands run in this process, in a folder with small results. Those that need weights, a server or a shared warehouse are read by the
real command line, with all their options, and stop before the work. What can only be looked at (servers, containers, make) names options,
targets, files and variables that there are.
"""

import contextlib
import os
import re
import shlex
import shutil
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml
from streamlit import config

from prompt_joules import command
from prompt_joules.bench.__main__ import main as bench
from prompt_joules.bench.config import RunConfig
from prompt_joules.ingest.__main__ import COMMANDS
from prompt_joules.ingest.__main__ import main as ingest
from prompt_joules.warehouse import commands as warehouse_commands
from prompt_joules.warehouse.switches import VARIABLES
from tests import factories, warehouses
from tests.documents import blocks, commands, languages
from tests.warehouses import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# The beginning of a command → why it is not run here.
NOT_RUN = {
    "make ": "builds environments; CI runs `make test` itself",
    "PROMPT_JOULES_SQL=off PROMPT_JOULES_TEXTS=off make app": "serves until it is stopped; tests/attack/test_listening.py starts it",
    "streamlit run streamlit_app.py": "serves until it is stopped; tests/e2e starts it",
    ".venv-lake/bin/streamlit run": "serves until it is stopped; tests/lake opens the pages on a lake",
    "prompt-joules app": "serves until it is stopped; tests/install starts it",
    "python3 -m venv": "installs packages from the network",
    ". .venv/bin/activate": "belongs to a shell",
    "transformers serve": "needs a GPU; tests/unit/serving/test_real.py starts it on a CPU",
    "prompt-joules measure --device cuda:1": "needs a second GPU",
    "docker ": "there is no Docker here; tests/install/test_deploy.py checks what the images are made of",
    "cp deploy/prompt-joules.service": "belongs to systemd, which does not run here; tests/install/test_deploy.py has the unit read",
    "deploy/offline/": "downloads servers, for a GPU machine; tests/unit/test_offline.py reads the scripts",
    ". /tmp/offline/env.sh": "belongs to a shell of a GPU machine",
    "createuser": "Postgres; tests/lake makes its own",
    "createdb": "Postgres; tests/lake makes its own",
    "python -m ingest results --watch": "goes on until it is stopped; tests/unit/ingest/test_watch.py starts it",
    "python -m ingest publish": "needs the Hub and a token; tests/unit/ingest/test_hub.py tries it with a stand-in",
    "python -m ingest hf:": "needs the Hub; tests/unit/ingest/test_hub.py tries it with a stand-in",
    ".venv-lake/bin/python": "needs the environment of lakes; tests/lake runs it",
}
# The beginning of a command that is read with all its options and stops before the work → why.
ONLY_READ = {
    "prompt-joules bench run": "needs weights from a hub; tests/unit/bench runs small ones",
    "python -m bench run": "needs weights from a hub, or a server; tests/unit/bench and tests/unit/serving run small ones",
    "python -m bench sweep sweep.yaml": "takes minutes; tests/unit/bench/test_sweep.py runs one",
}
# The beginning of a block of another language → why it is not run here.
NOT_ASKED = {
    "rows = (\n    spark.read": "Spark is tried by hand",
    "create role joules_reader": "Postgres; tests/lake has its own reader",
    "call ducklake_merge_adjacent_files": "needs a lake; tests/lake calls it",
    "flowchart LR": "a picture",
    "streamlit_app.py ": "a tree of files; tests/unit/test_documents.py compares it with the files",
}
# What `docs/library.md` supposes to be there.
YOURS = {
    "question": "Why?",
    "search": lambda question: [question],
    "my_agent": lambda question, found=None: "I do not know.",
    "count": lambda text: len(text.split()),
}


def reason(text: str, known: dict[str, str]) -> str | None:
    """Why a command or block is not run, if it is in a list."""
    return next((why for start, why in known.items() if text.startswith(start)), None)


def shell_blocks(path: Path) -> list[tuple[int, str]]:
    return [(line, text) for line, text in blocks(path, "") if reason(text, NOT_ASKED) is None]


def every(language: str) -> list[tuple[Path, int, str]]:
    return [(path, line, textwrap.dedent(text)) for path in DOCUMENTS for line, text in blocks(path, language)]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands of the guides suppose to be there, small: results, shipped figures, a warehouse of both, a table of a lab."""
    folder = tmp_path_factory.mktemp("desk")
    factories.write(factories.records(30), folder / "results" / "run-1" / "part-00000.parquet")
    factories.run_json(folder / "results" / "run-1" / "run.json")
    factories.write(factories.records(3, "run-2", task="chat-concise"), folder / "results" / "run-2" / "part-00000.parquet")
    factories.run_json(folder / "results" / "run-2" / "run.json", "run-2")
    shutil.copytree(warehouses.SHIPPED / "published" / "mlenergy_v3", folder / "warehouse" / "data")
    shutil.copytree(warehouses.SHIPPED / "published" / "mlenergy_v1", folder / "V1_FOLDER")
    (folder / "lab.yaml").write_text(next(text for _, _, text in every("yaml") if "columns:" in text))
    (folder / "sweep.yaml").write_text(next(text for _, _, text in every("yaml") if "grid:" in text))
    pl.DataFrame({"question": ["q"], "n_out": [7], "latency_ms": [2000.0], "joules": [9.0], "when": ["2026-01-05T12:00:00Z"]}).write_csv(
        folder / "lab.csv"
    )
    shutil.copy(ROOT / "tests" / "data" / "real" / "sglang_bench" / "detail.jsonl", folder / "sglang.jsonl")
    (folder / "x.py").write_text("print('measured')\n")
    (folder / "models").symlink_to(ROOT / "models")
    warehouses.ingest(folder / "results", folder / "warehouse" / "data", into=folder / "warehouse.duckdb")
    return folder


@pytest.fixture
def desk(stand_in: Path, tmp_path: Path, visited_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it as the current folder, of a user who may set environment variables."""
    shutil.copytree(stand_in, tmp_path / "desk", symlinks=True)
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path / "desk")
    os.environ["XDG_CACHE_HOME"] = str(visited_cache)
    yield tmp_path / "desk"
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configurations of `bench run` that were read; nothing is measured, no cell begins, trackers need not be there."""
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    read: list[RunConfig] = []
    monkeypatch.setattr("prompt_joules.bench.config._check_trackers", lambda config: None)
    monkeypatch.setattr("prompt_joules.bench.run.local.run_benchmark", lambda config: read.append(config) or 0)
    monkeypatch.setattr("prompt_joules.bench.run.served.run_served", lambda config: read.append(config) or 0)
    monkeypatch.setattr("prompt_joules.bench.sweep.grid.run_cell", lambda cell: read.append(cell.config) or 0)
    return read


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "python -m bench": bench,
    "python -m ingest": ingest,
    "prompt-joules": command.main,
}


def carry_out(text: str, read: list[RunConfig]) -> None:
    """Run one command of a shell; a difference between what it needs and what a list says fails."""
    if reason(text, NOT_RUN):
        return
    if text.startswith("export "):
        os.environ.update(word.partition("=")[::2] for word in shlex.split(text)[1:])
        return
    start = next((name for name in PROGRAMS if text.startswith(name + " ")), None)
    assert start is not None, f"`{text}`: nothing here can run it, and no list says why not"
    before = len(read)
    status = PROGRAMS[start]([word for word in shlex.split(text.removeprefix(start)) if word != "…"])
    # `rejects` says with status 1 that there is something to see.
    assert status == 0 or (status == 1 and " rejects " in text), f"`{text}` ends with status {status}"
    only_read = reason(text, ONLY_READ) is not None and "--dry-run" not in text
    assert (len(read) > before) == only_read, f"`{text}`: ONLY_READ and the command differ about whether it measures"


def filled(text: str) -> str:
    """A command with something in the place of words that stand for something."""
    return text.replace("python -m bench run … ", "python -m bench run --model org/x --task chat ")


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if shell_blocks(path)], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_guide_does_what_it_says(
    path: Path, desk: Path, no_work: list[RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_commands, "SHIPPED", desk / "warehouse" / "data")
    for _, block in shell_blocks(path):
        for text in commands(block):
            os.environ.pop("PROMPT_JOULES_WAREHOUSE", None)
            carry_out(filled(text), no_work)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if blocks(path, "python")], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_python_runs(path: Path, desk: Path) -> None:
    names: dict[str, object] = dict(YOURS)
    for line, code in blocks(path, "python"):
        if reason(code, NOT_ASKED) is None:
            exec(compile("\n" * line + code, str(path.relative_to(ROOT)), "exec"), names)
    if path.name == "library.md":
        assert (desk / "energy.html").stat().st_size > 1000
        assert pl.read_parquet(desk / "results" / "*" / "part-*.parquet", missing_columns="insert").height == 36


def test_every_block_of_sql_gives_rows(desk: Path, shipped_warehouse: Path) -> None:
    for path, line, text in every("sql"):
        if reason(text, NOT_ASKED) is None:
            rows = warehouses.rows(shipped_warehouse, text) if " from results where" in text.replace("\n", " ") else duckdb.sql(text).pl()
            assert rows.height > 0, f"{path.relative_to(ROOT)}, line {line}"


def test_every_block_of_settings_is_whole() -> None:
    assert all(tomllib.loads(text) for _, _, text in every("toml"))
    assert all(yaml.safe_load(text) for _, _, text in every("yaml"))


def test_no_block_is_of_a_language_that_nothing_runs() -> None:
    assert {language for path in DOCUMENTS for language in languages(path)} <= {"", "python", "sql", "toml", "yaml", "mermaid", "text"}


def helped(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `--help` of one of our commands says."""
    capsys.readouterr()
    with contextlib.suppress(SystemExit):
        command.main([*words, "--help"])
    return capsys.readouterr().out


def not_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a command that is not run names, and nothing here has: options, targets of make, files of deploy/, extras, variables."""
    ours = words[: words.index("--")] if "--" in words else words
    options = [word.partition("=")[0] for word in ours if word.startswith("--")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    missing = [name for word in words for name in re.findall(r"^\.\[(\w+)\]$", word) if name not in extras]
    missing += [word for word in words if word.startswith("deploy/") and not (ROOT / word).exists()]
    variables = {word.partition("=")[0] for word in words if word.startswith("PROMPT_JOULES_")}
    missing += sorted(variables - {variable.name for variable in VARIABLES})
    if "make" in words:
        makefile, named = (ROOT / "Makefile").read_text(), [word.partition("=")[0] for word in words[words.index("make") + 1 :]]
        return [*missing, *(name for name in named if not re.search(rf"^{name} *[:?]", makefile, re.MULTILINE))]
    if words[:2] == ["prompt-joules", "app"] or words[0].endswith("streamlit"):
        return [*missing, *(word for word in options if word.removeprefix("--") not in config.get_config_options())]
    if words[1:3] == ["-m", "ingest"]:
        program = ["ingest", words[3]] if words[3] in COMMANDS else ["ingest"]
    elif words[0] == "prompt-joules":
        program = words[1:2]
    else:
        return missing
    said = helped(program, capsys)
    return [*missing, *(word for word in options if not re.search(rf"{word}\b", said))]


def test_commands_that_are_not_run_name_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    printed = [(path, text) for path in DOCUMENTS for _, block in shell_blocks(path) for text in commands(block) if reason(text, NOT_RUN)]
    assert len(printed) > 20
    assert [(path.name, text, not_there(shlex.split(text), capsys)) for path, text in printed if not_there(shlex.split(text), capsys)] == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("make tset", ["tset"]),
        ("make app HOTS=0.0.0.0", ["HOTS"]),
        ("python -m ingest results --wacht", ["--wacht"]),
        (".venv-lake/bin/python -m ingest export h.csv --gpus H100", ["--gpus"]),
        ("prompt-joules measure --devise cuda:1 -- ./serve.sh --port 1", ["--devise"]),
        ("prompt-joules app --server.baseUrlPaht energy", ["--server.baseUrlPaht"]),
        ("docker build -f deploy/Dockerfile.old .", ["deploy/Dockerfile.old"]),
        ("pip install '.[bnch]'", ["bnch"]),
        ("PROMPT_JOULES_SLQ=off make app", ["PROMPT_JOULES_SLQ"]),
    ],
)
def test_a_slip_in_a_command_that_is_not_run_is_found(text: str, missing: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert not_there(shlex.split(text), capsys) == missing


def test_the_lists_name_only_what_is_printed() -> None:
    lines = [filled(text) for path in DOCUMENTS for _, block in shell_blocks(path) for text in commands(block)]
    unused = {start for start in (*NOT_RUN, *ONLY_READ) if not any(line.startswith(start) for line in lines)}
    printed = [text for language in ("", "python", "sql", "mermaid") for _, _, text in every(language)]
    unused |= {start for start in NOT_ASKED if not any(text.startswith(start) for text in printed)}
    assert unused == set()
