"""Runs on the Hugging Face Hub: the real client against a stand-in, there and back; what is refused, and in which words."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from prompt_joules.bench.record import NAMES
from prompt_joules.ingest import hub
from prompt_joules.ingest.__main__ import main
from tests import factories, fake_hub, warehouses

constants = pytest.importorskip("huggingface_hub.constants", reason="the extra `hub` is not installed")
REPO, RUN, PROMPTS = "people/energy", "run-1", 25


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_hub.Hub]:
    """The stand-in, a token for it, and a cache folder that is empty. Large files go by LFS: the stand-in has no Xet storage."""
    with fake_hub.running() as server:
        move(monkeypatch, server.address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)
        yield server
        assert server.odd == []


def move(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What HF_ENDPOINT does, in a process that has imported the client."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with texts."""
    return made(tmp_path / "results" / RUN, RUN)


def made(folder: Path, run_id: str) -> Path:
    factories.write(factories.records(PROMPTS, run_id), folder / "part-00000.parquet")
    factories.run_json(folder / "run.json", run_id)
    return folder


def test_shipped_runs_come_back_as_they_went(there: fake_hub.Hub, tmp_path: Path) -> None:
    """In processes of their own, told where the Hub is by HF_ENDPOINT. All that a person can see is equal, asked-for texts too."""
    environment = os.environ | {"HF_ENDPOINT": there.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path)}

    def call(*words: str) -> None:
        command = [sys.executable, "-m", "prompt_joules.ingest", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr

    source = min((warehouses.SHIPPED / "measured" / "h200").glob("*/run.json")).parent
    call("publish", f"hf:{REPO}", str(source), "--texts")
    call(f"hf:{REPO}", "--warehouse", "hub.duckdb")
    warehouses.ingest(source, into=tmp_path / "folder.duckdb")
    ours, theirs = (warehouses.content(tmp_path / f"{name}.duckdb") for name in ("hub", "folder"))
    assert ours == theirs and ours["requests"]
    asked = len([words for words in there.asked if "/resolve/" in words])
    assert main([f"hf:{REPO}", "--warehouse", "hub.duckdb"]) == 0
    assert len([words for words in there.asked if "/resolve/" in words]) == asked, "nothing is fetched twice"
    assert main(["check", "--warehouse", "hub.duckdb"]) == 0


def test_the_dataset_has_a_card_and_no_texts(there: fake_hub.Hub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", f"hf:{REPO}", str(run.parent), "--by", "A. Person", "--licence", "CC-BY-4.0", "--private"]) == 0
    dataset = there.datasets[REPO]
    assert dataset.private and f"/commit/{dataset.head}" in capsys.readouterr().out
    files = dataset.commits[dataset.head]
    assert sorted(files) == [".gitattributes", "README.md", f"data/{RUN}/part-00000.parquet", f"data/{RUN}/run.json"]
    _, front, text = files["README.md"].decode().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert (facts["license"], facts["size_categories"]) == ("cc-by-4.0", ["n<1K"])
    assert facts["configs"] == [{"config_name": "default", "data_files": "data/*/*.parquet"}]
    assert [name for name in NAMES if f"\n| `{name}` |" not in text] == []
    assert "Measured by A. Person" in text and f"ingest hf:{REPO}" in text
    assert texts_of(dataset) == 0
    assert main(["publish", f"hf:{REPO}", str(run.parent), "--texts"]) == 0
    assert texts_of(dataset) == 2 * PROMPTS


def texts_of(dataset: fake_hub.Dataset) -> int:
    """How many texts of prompts and answers its rows have."""
    rows = pl.read_parquet(dataset.commits[dataset.head][f"data/{RUN}/part-00000.parquet"])
    return sum(rows[name].count() for name in ("prompt_text", "output_text"))


def test_what_is_published_later_is_put_beside_it(there: fake_hub.Hub, run: Path, tmp_path: Path) -> None:
    assert main(["publish", f"hf:{REPO}", str(run)]) == 0
    first = there.datasets[REPO].head
    assert main(["publish", f"hf:{REPO}", str(made(tmp_path / "results" / "run-2", "run-2"))]) == 0
    files = there.datasets[REPO].commits[there.datasets[REPO].head]
    assert {name.split("/")[1] for name in files if name.startswith("data/")} == {RUN, "run-2"}
    assert "50 prompts in 2 runs" in files["README.md"].decode()
    assert main([f"hf:{REPO}@{first}", "--warehouse", "first.duckdb"]) == 0
    assert warehouses.rows(tmp_path / "first.duckdb", "select count(*) from requests").item() == PROMPTS


def test_a_dataset_that_others_wrote_to_meanwhile_is_left_alone(
    there: fake_hub.Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", f"hf:{REPO}", str(run)]) == 0
    old = hub.state(hub.Address(REPO))
    there.datasets[REPO].commits["f" * 40] = {"README.md": b"mine"}
    monkeypatch.setattr(hub, "state", lambda _: old)
    made(run, "run-1b")
    assert main(["publish", f"hf:{REPO}", str(run)]) == 2
    assert "Somebody else has written to people/energy meanwhile" in capsys.readouterr().err
    assert there.datasets[REPO].head == "f" * 40


@pytest.mark.parametrize("command", [["publish", f"hf:{REPO}", "results"], ["hf:people/private"]])
def test_without_a_token_the_sentence_says_how_to_get_one(
    command: list[str], there: fake_hub.Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.datasets["people/private"] = fake_hub.Dataset(private=True)
    monkeypatch.delenv("HF_TOKEN")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Run `hf auth login`, or set HF_TOKEN." in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hf:people/none"], "There is no dataset people/none on the Hub, or it is private"),
        ([f"hf:{REPO}@v9"], "The dataset people/energy has no revision 'v9'."),
        (["hf:people/empty"], "The dataset hf:people/empty has no file that the ingest reads"),
        (["hf:people"], "'hf:people' names no dataset: write hf:ORGANISATION/NAME"),
        (["hf:people/a--b"], "is no name of a dataset"),
        (["hf:people/outside"], "which lies outside of it: nothing was fetched"),
        (["publish", f"hf:{REPO}@v1", "results"], "Leave out @v1"),
        (["publish", f"hf:{REPO}"], "Name at least one run"),
        (["publish", "hf:people/energy", "nothing"], "There is no Parquet file under nothing"),
    ],
)
def test_a_refusal_is_one_sentence(words: list[str], said: str, there: fake_hub.Hub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there.datasets[REPO] = fake_hub.Dataset()
    there.datasets["people/empty"] = fake_hub.Dataset()
    there.datasets["people/outside"] = fake_hub.Dataset(commits={"1" * 40: {"../../run.json": b"{}"}})
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1


def test_a_token_that_may_not_write_is_a_sentence(
    there: fake_hub.Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.datasets[REPO] = fake_hub.Dataset()
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    assert main(["publish", f"hf:{REPO}", str(run)]) == 2
    assert "it must be allowed to write to people/energy" in capsys.readouterr().err


def test_offline_is_a_sentence_that_says_what_is_here(
    there: fake_hub.Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["publish", f"hf:{REPO}", str(run)]) == 0
    assert main([f"hf:{REPO}", "--warehouse", "one.duckdb"]) == 0
    capsys.readouterr()
    move(monkeypatch, "http://127.0.0.1:9")
    assert main([f"hf:{REPO}"]) == 2
    said = capsys.readouterr().err
    (kept,) = hub.kept_in(hub.Address(REPO)).iterdir()
    assert "The Hugging Face Hub cannot be reached" in said and f"lies in {kept}, which can be loaded as a folder" in said
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main([f"hf:{REPO}"]) == 2
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "cache")
    assert main([f"hf:{REPO}"]) == 2
    assert "lies in" not in capsys.readouterr().err
