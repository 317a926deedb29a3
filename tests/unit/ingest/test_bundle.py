"""Runs as a zip: what is refused, what is in it, and that anybody's ingest loads it as the folder that it was."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml

from prompt_joules.ingest import bundle
from prompt_joules.ingest.__main__ import main
from tests import factories, warehouses

RUN, PROMPTS = "run-1", 25


def rewrite(folder: Path, **values: object) -> None:
    """Give a column of a run another value in every row."""
    path = folder / "part-00000.parquet"
    rows = pl.read_parquet(path)
    factories.write(rows.with_columns(pl.lit(value, dtype=rows.schema[name]).alias(name) for name, value in values.items()), path)


def a_run(place: Path) -> Path:
    """A run with texts."""
    folder = place / "results" / RUN
    factories.write(factories.records(PROMPTS), folder / "part-00000.parquet")
    factories.run_json(folder / "run.json")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """It in a folder of the test's own."""
    return a_run(tmp_path)


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a run as a zip, which no test changes."""
    folder = tmp_path_factory.mktemp("zipped")
    a_run(folder)
    return bundle.bundle([str(folder / "results")], str(folder / "run.zip"), by="A. Person")[1]


@pytest.fixture
def made(zipped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    (tmp_path / "in").mkdir()
    return Path(shutil.copyfile(zipped, tmp_path / "in" / "run.zip"))


def test_a_bundle_is_loaded_as_the_folder_was_but_for_texts(run: Path, made: Path, tmp_path: Path) -> None:
    report = warehouses.ingest(made.parent, into=tmp_path / "zip.duckdb")
    assert [line.path for line in report.lines] == [f"in/run.zip/{RUN}/{name}" for name in ("part-00000.parquet", "run.json")]
    warehouses.ingest(run, into=tmp_path / "folder.duckdb")
    ours, theirs = (warehouses.rows(tmp_path / f"{name}.duckdb", "from requests order by sequence") for name in ("zip", "folder"))
    texts = ["prompt_text", "output_text"]
    assert theirs.select(texts).null_count().row(0) == (0, 0)
    assert ours.select(texts).null_count().row(0) == (PROMPTS, PROMPTS)
    kept = pl.exclude(*texts, "file_id", "run_number")
    assert ours.select(kept).equals(theirs.select(kept))
    again = warehouses.ingest(made, into=tmp_path / "zip.duckdb")
    assert {line.state for line in again.lines} == {"known"} and not again.changed


def test_a_card_says_what_is_in_it(made: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        _, front, text = archive.read(bundle.CARD).decode().split("---\n", 2)
    facts = yaml.safe_load(front)
    rows = factories.records(PROMPTS)
    (said,) = facts["runs"]
    assert (facts["measured_by"], facts["licence"], said["run_id"], said["prompts"]) == ("A. Person", "Apache-2.0", RUN, PROMPTS)
    assert said["energy_j"] == pytest.approx(rows["energy_j"].mean())
    assert said["energy_per_token_j"] == pytest.approx(rows["energy_j"].sum() / rows["output_tokens"].sum())
    assert "| SmolLM2-135M-Instruct | H100 | chat | transformers-eager | 1 | 25 |" in text
    assert rows["prompt_text"][0] not in text


def test_the_same_results_make_the_same_bytes(run: Path, made: Path, tmp_path: Path) -> None:
    again = bundle.bundle([str(run)], str(tmp_path / "again.zip"), by="A. Person")[1]
    assert again is not None and again.read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda run: rewrite(run, throttled=True), "is not valid (no-valid-rows, throttled"),
        (lambda run: factories.run_json(run / "run.json", finished=False), "is unfinished"),
        (lambda run: factories.run_json(run / "run.json", ratio=1.03), "is not valid (balance"),
        (lambda run: (run / "run.json").unlink(), "no balance"),
        (lambda run: rewrite(run, latency_s=-1.0), "part-00000.parquet, row 1: "),
        (lambda run: (run / "part-00000.parquet").write_bytes(b"PAR1, but no more"), "is no Parquet file"),
        (shutil.rmtree, "There is no Parquet file under"),
    ],
)
def test_what_nobody_should_compare_is_not_bundled(
    run: Path, fault: Callable[[Path], object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault(run)
    assert main(["bundle", str(run.parent), "--out", str(tmp_path / "out.zip")]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_an_unfinished_run_is_bundled_with_the_one_that_went_on_from_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factories.run_json(run / "run.json", finished=False)
    other = run.parent / "run-2"
    factories.write(factories.records(PROMPTS, run_id="run-2"), other / "part-00000.parquet")
    noted = factories.run_json(other / "run.json", "run-2")
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"after": [RUN]}))
    assert main(["bundle", str(run), "--out", str(tmp_path / "out.zip")]) == 2
    assert "name the folder of the run that went on too" in capsys.readouterr().err
    assert main(["bundle", str(run), str(other), "--out", str(tmp_path / "out.zip")]) == 0
    assert "2 runs, without texts" in capsys.readouterr().out
    (tmp_path / "alone").mkdir()
    alone = (tmp_path / "out.zip").rename(tmp_path / "alone" / "out.zip")
    for place in (alone, alone.parent):
        assert main(["bundle", "--check", str(place)]) == 0, "also where it looks into the zip"


def test_the_command_writes_a_zip_and_checks_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", str(run)]) == 0
    name = f"SmolLM2-135M-Instruct-H100-{RUN}.zip"
    assert f"{name}: 1 run, without texts" in capsys.readouterr().out
    assert main(["bundle", "--check", name]) == 0
    assert "│ valid" in capsys.readouterr().out
    assert main(["bundle"]) == 2


def test_check_looks_into_zips(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warehouse = tmp_path / "w.duckdb"
    warehouses.ingest(made, into=warehouse)
    words = ["check", "--warehouse", str(warehouse)]
    assert main(words) == 0
    assert "2 of 2 files" in capsys.readouterr().out
    with zipfile.ZipFile(made) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(f"{RUN}/run.json", content[f"{RUN}/run.json"] + b"\n")
    assert main(words) == 1
    assert {"missing", "changed"} <= set(capsys.readouterr().out.split())
    made.unlink()
    assert main(words) == 1
    assert "changed" not in capsys.readouterr().out


def test_bad_zips_cost_themselves_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    factories.write(factories.records(3), folder / "a.parquet")
    (folder / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.writestr("cat.jpg", b"\xff\xd8")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.csv", b"0" * 80_000_000)
    with zipfile.ZipFile(folder / "torn-inside.zip", "w") as archive:
        archive.writestr("a.json", b'{"task": 1, "configurations": 2}')
    bytes_of = bytearray((folder / "torn-inside.zip").read_bytes())
    bytes_of[bytes_of.index(b"task")] ^= 1
    (folder / "torn-inside.zip").write_bytes(bytes_of)
    report = warehouses.ingest(folder, into=tmp_path / "w.duckdb")
    told = {Path(line.path).name: (line.state, line.why) for line in report.lines}
    assert told["a.parquet"][0] == "loaded"
    assert told["photos.zip"] == ("foreign", "is a zip without results")
    assert told["torn.zip"] == told["torn-inside.zip"] == ("unreadable", "is a zip that is cut off or damaged")
    assert told["bomb.zip"][0] == "unreadable" and "unpacks to 1 files of 80,000,000 bytes" in told["bomb.zip"][1]
    assert report.status == 1


def test_a_member_of_a_zip_that_would_lie_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    factories.write(factories.records(3), tmp_path / "a.parquet")
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name in ("../../outside.parquet", str(tmp_path / "b.parquet"), ".hidden/c.parquet", "sub/inside.parquet"):
            archive.write(tmp_path / "a.parquet", name)
        archive.infolist()[1].filename = str(tmp_path / "b.parquet")
    report = warehouses.ingest(tmp_path / "odd.zip", into=tmp_path / "sub" / "w.duckdb")
    assert [Path(line.path).name for line in report.lines if line.accepted] == ["inside.parquet"]
    assert {path.name for path in tmp_path.rglob("*.parquet")} == {"a.parquet"}
