"""Export: the rows of a selection with their provenance."""

import csv
import hashlib
import io
import itertools
import json
import re
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_joules.bench.files import replacing
from prompt_joules.ingest import exporting
from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import export, packages, query, rows_as
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses

HOSTILE = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@sum(A1)", "\t=1", "\r=1", "\n=1")


def sha256_of(rows: pl.DataFrame) -> str:
    """The hash of the rows in their header."""
    return str(export.header_of(rows, Selection(), "rows")["content_sha256"])


def sheet(path: Path, name: str, *, header: bool = True) -> dict[str, list[str | None]]:
    """The cells of a sheet of a workbook as texts, by column; read from its XML."""
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        names = [one.get("name") for one in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{main}sheet")]
        root = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{names.index(name) + 1}.xml"))
    table: list[dict[str, str]] = []
    for row in root.iter(f"{main}row"):
        cells = {re.sub(r"[0-9]", "", cell.get("r", "")): "".join(cell.itertext()) for cell in row.iter(f"{main}c")}
        table.append({column: text for column, text in cells.items() if text})
    letters = list(table[0])
    names_of = table.pop(0) if header else {letter: f"column_{place}" for place, letter in enumerate(letters)}
    return {names_of[letter]: [row.get(letter) for row in table] for letter in letters}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_every_kind_holds_the_same_rows_and_hash(warehouse: Path, tmp_path: Path) -> None:
    expected = query.load("leaderboard", Selection(gpus=("H100",), tasks=("chat",)), str(warehouse))
    headers = []
    for kind in rows_as.KINDS:
        path = tmp_path / f"out.{kind}"
        assert run("export", path, "--gpu", "H100", "--task", "chat", "--warehouse", warehouse) == 0
        match kind:
            case "parquet":
                table = pq.read_table(path)
                rows, header = pl.from_arrow(table), json.loads(table.schema.metadata[b"prompt_joules"])
            case "arrow":
                table = pyarrow.ipc.open_file(path).read_all()
                rows, header = pl.from_arrow(table), json.loads(table.schema.metadata[b"prompt_joules"])
            case "json":
                content = json.loads(path.read_text())
                rows, header = pl.DataFrame(content["rows"]), content["header"]
            case "xlsx":
                rows, about = pl.DataFrame(sheet(path, "rows")), sheet(path, "about", header=False)
                header = {"content_sha256": about["column_1"][about["column_0"].index("content_sha256")]}
            case _:
                rows = pl.read_csv(path) if kind == "csv" else pl.DataFrame(map(json.loads, path.read_text().splitlines()))
                header = json.loads((tmp_path / "out.meta.json").read_text())
        assert isinstance(rows, pl.DataFrame)
        assert rows["energy_j"].cast(pl.Float64).to_list() == expected["energy_j"].to_list()
        assert rows.columns == expected.columns
        headers.append(header)
    assert {header["content_sha256"] for header in headers} == {sha256_of(expected)}
    whole = headers[0]
    assert (whole["rows"], whole["filter"]) == (1, "GPU H100, task chat, pretrained weights, only valid rows")
    assert whole["link"] == "http://localhost:8501/leaderboard?gpu=H100&task=chat"
    assert whole["sources"] == ["Prompt Joules"] and "1 rows" in whole["citation"]


def test_the_hash_knows_every_value() -> None:
    rows = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    hashes = {sha256_of(changed) for changed in (rows, rows.reverse(), rows.head(1), rows.rename({"a": "c"}), rows.fill_null(""))}
    assert len(hashes) == 5


@pytest.mark.parametrize("kind", [kind for kind in rows_as.KINDS if kind != "xlsx"])
@pytest.mark.parametrize("heights", [(3,), (0, 3, 2), (0,)])
def test_rows_in_parts_are_the_rows(kind: str, heights: tuple[int, ...]) -> None:
    parts = [pl.DataFrame({"a": range(height), "b": ["=x"] * height}, schema={"a": pl.Int64, "b": pl.String}) for height in heights]
    out = io.BytesIO()
    header = export.save(iter(parts), out, kind, Selection(), "rows")
    whole = pl.concat(parts)
    assert header == export.header_of(whole, Selection(), "rows")
    content = out.getvalue()
    match kind:
        case "parquet":
            found = pl.read_parquet(content)
        case "arrow":
            found = pl.read_ipc(content)
        case "json":
            found = pl.DataFrame(json.loads(content)["rows"], schema=whole.schema)
        case "jsonl":
            found = pl.read_ndjson(content, schema=whole.schema)
        case _:
            found = pl.read_csv(content, comment_prefix="#", schema=whole.schema).with_columns(pl.col("b").str.strip_prefix("'"))
    assert found.equals(whole)


def test_no_more_than_one_part_is_in_memory() -> None:
    alive: list[weakref.ref[pl.DataFrame]] = []

    def parts() -> Iterator[pl.DataFrame]:
        for _ in range(20):
            part = pl.DataFrame({"a": range(100)})
            alive.append(weakref.ref(part))
            yield part
            del part
            assert sum(known() is not None for known in alive) <= 1

    export.save(parts(), io.BytesIO(), "csv", Selection(), "rows")
    assert len(alive) == 20


def test_an_export_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(target) as out:
        out.write(b"half")
        raise OSError("the disk is full")
    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])


def test_the_app_gets_a_file_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with export.temporary([pl.DataFrame({"a": [1]})], "csv", Selection(), "rows") as file:
        assert list(tmp_path.iterdir()) == []
        assert file.read().endswith(b"a\n1\n")


def test_prompts_are_exported_row_by_row(warehouse: Path, tmp_path: Path) -> None:
    assert run("export", tmp_path / "p.parquet", "--rows", "prompts", "--task", "chat-concise", "--warehouse", warehouse) == 0
    rows = pl.read_parquet(tmp_path / "p.parquet")
    assert rows["energy_j"].to_list() == factories.records(25, "run-2")["energy_j"].to_list()


def test_an_export_of_nothing_says_why(warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--gpu", "H100", "--source", "ML.ENERGY v1", "--warehouse", warehouse)
    assert run("export", tmp_path / "none.csv", *words) == 0
    assert "Nothing matches: GPU H100, source ML.ENERGY v1, pretrained weights, only valid rows." in capsys.readouterr().out
    assert run("export", tmp_path / "none.tex", "--as", "latex", *words) == 2
    assert "No configuration has a measured energy" in capsys.readouterr().err


def test_a_filter_that_nothing_has_says_what_there_is(warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", tmp_path / "none.csv", "--gpu", "A4O", "--warehouse", warehouse) == 2
    said = capsys.readouterr().err
    assert "There are no results with gpu 'A4O'. Did you mean A40?" in said and "There are: A100, A40, H100, V100." in said
    assert not (tmp_path / "none.csv").exists()
    assert run("export", tmp_path / "some.csv", "--gpu", "a40", "--model", "vicuna-7b", "--warehouse", warehouse) == 0
    assert pl.read_csv(tmp_path / "some.csv")["model_name"].unique().to_list() == ["vicuna-7B"]


def test_a_csv_is_plain_with_what_must_be_known_beside_it(warehouse: Path, tmp_path: Path) -> None:
    import pandas as pd

    plain, commented = tmp_path / "plain.csv", tmp_path / "commented.csv"
    assert run("export", plain, "--warehouse", warehouse, "--app", "https://joules.example.org/leaderboard") == 0
    assert run("export", commented, "--header", "--warehouse", warehouse) == 0
    rows = pl.read_csv(plain, infer_schema_length=None)
    assert pd.read_csv(plain).shape == rows.shape
    assert pl.read_csv(commented, comment_prefix="#", infer_schema_length=None).equals(rows)
    about = json.loads((tmp_path / "plain.meta.json").read_text())
    assert (about["file"], about["rows"], about["link"]) == ("plain.csv", rows.height, "https://joules.example.org/leaderboard")
    assert {"filter", "content_sha256", "licences", "citation"} <= set(about)
    assert [column["name"] for column in about["columns"]] == rows.columns
    assert [column["unit"] for column in about["columns"] if column["name"] == "energy_per_token_j"] == ["J/token"]
    assert not (tmp_path / "commented.meta.json").exists()


@pytest.mark.parametrize("kind", ["datapackage", "croissant"])
def test_a_folder_with_a_descriptor(warehouse: Path, tmp_path: Path, kind: str) -> None:
    assert run("export", tmp_path / "out", "--format", kind, "--warehouse", warehouse) == 0
    facts = json.loads((tmp_path / "out" / f"{kind}.json").read_text())
    (file,) = facts["resources"] if kind == "datapackage" else facts["distribution"]
    content = (tmp_path / "out" / "leaderboard.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.get("sha256", file.get("hash", "").removeprefix("sha256:"))
    names = pl.read_csv(content, infer_schema_length=None).columns
    fields = file["schema"]["fields"] if kind == "datapackage" else facts["recordSet"][0]["field"]
    assert [one["name"] for one in fields] == names
    kinds = {one["name"]: one.get("type", one.get("dataType")) for one in fields}
    assert (kinds["energy_j"], kinds["prompts"]) == (("number", "integer") if kind == "datapackage" else ("sc:Float", "sc:Integer"))


def test_a_version_is_three_numbers_for_croissant() -> None:
    header = export.header_of(pl.DataFrame({"a": [1]}), Selection(), "rows") | {"version": "0.3rc1+local"}
    assert packages.croissant("a", "a.csv", "0" * 64, 1, header, [])["version"] == "0.3.1"


def test_a_sheet_runs_nothing_and_says_what_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pl.DataFrame({"a": ["=1+1", "http://x.example", None], "b": [1.5, float("inf"), -2.0], "c": [[1], [2, 3], None]})
    content = export.write(rows, export.header_of(rows, Selection(), "rows"), "xlsx")
    (tmp_path / "a.xlsx").write_bytes(content)
    assert sheet(tmp_path / "a.xlsx", "rows") == {
        "a": ["=1+1", "http://x.example", None],
        "b": ["1.5", "inf", "-2"],
        "c": ["1", "2|3", None],
    }
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml") and b"hyperlink" not in book.read("xl/worksheets/sheet1.xml")
    with pytest.raises(rows_as.DoesNotFit, match="Row 1, column a: a cell of Excel holds 32,767 signs"):
        export.write(pl.DataFrame({"a": ["x" * 40_000]}), {}, "xlsx")
    monkeypatch.setattr(rows_as, "SHEET_ROWS", 3)
    with pytest.raises(rows_as.DoesNotFit, match="A sheet of Excel has 3 rows"):
        export.write(rows, {}, "xlsx")


def test_licences_are_named(warehouse: Path, tmp_path: Path) -> None:
    run("export", tmp_path / "all.json", "--warehouse", warehouse)
    header = json.loads((tmp_path / "all.json").read_text())["header"]
    assert header["licences"] == ["Apache-2.0 repository; research preview, non-commercial", export.OWN_LICENCE]
    assert header["sources"] == ["ML.ENERGY v1", "Prompt Joules"]


def test_results_of_runs_that_ship_say_their_licence(shipped_warehouse: Path) -> None:
    own = warehouses.rows(shipped_warehouse, "select distinct licence from results where origin = 'measured'")
    assert own["licence"].to_list() == [export.SHIPPED_LICENCE]
    rows = query.load("leaderboard", Selection(), str(shipped_warehouse)).filter(pl.col("origin") == "measured").drop("result_id")
    assert export.header_of(rows, Selection(), "rows")["licences"] == [export.SHIPPED_LICENCE], "the column and the header say the same"


def test_rows_of_runs_that_ship_are_under_the_licence_of_the_project() -> None:
    shipped = min(export.shipped_runs())
    for column, own in (("run_id", shipped), ("result_id", f"run:{shipped}")):
        for rows, licences in (
            ([own], [export.SHIPPED_LICENCE]),
            ([own, "somebody"], [export.SHIPPED_LICENCE, export.OWN_LICENCE]),
            (["somebody", None], [export.OWN_LICENCE]),
        ):
            facts = export.Facts()
            facts.add(pl.DataFrame({column: rows, "licence": pl.Series([None] * len(rows), dtype=pl.String)}))
            assert facts.header(Selection(), "rows")["licences"] == licences
    facts = export.Facts()
    facts.add(pl.DataFrame({"run_id": [shipped], "licence": ["MIT"]}))
    assert facts.header(Selection(), "rows")["licences"] == ["MIT"], "a licence of its own counts"


def test_a_filter_that_keeps_nothing_says_what_there_is(warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    for kind, words in itertools.product(
        ("model", "gpu", "task", "engine", "source", "batch"),
        ("--{} NOPE", "--{}=NOPE", "--{} NOPE --quiet", f"{tmp_path}/x --{{}} NOPE", f"--{{}} NOPE {tmp_path}/x.csv"),
    ):
        assert run("export", "--warehouse", warehouse, *words.format(kind).split()) == 2
        said = capsys.readouterr().err
        assert f"There are no results with {kind} 'NOPE'. There are: " in said, words
    assert sorted(tmp_path.iterdir()) == before


def test_an_export_without_a_file_is_told_where_it_stands(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--gpu", "A40"), ("--gpu=A40", "--quiet")):
        assert run("export", "--warehouse", warehouse, *words) == 2
        assert "Name the file to write, and name it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("--gpu A40 H100 rows.csv", "rows.csv --gpu A40 H100"),
        ("--format datapackage --gpu A40 folder", "folder --format datapackage --gpu A40"),
        ("--gpu A40 H100", "--gpu A40 H100"),
        ("rows.csv --model tiny.csv", "rows.csv --model tiny.csv"),
        ("--warehouse w.duckdb --gpu=A40 rows.csv", "rows.csv --warehouse w.duckdb --gpu A40"),
        ("--gpu A40 --warehouse rows.csv", "--gpu A40 --warehouse rows.csv"),
    ],
)
def test_the_file_may_stand_behind_a_filter(words: str, read: str) -> None:
    assert exporting.file_first(words.split()) == read.split()


def test_an_unknown_ending_is_a_sentence(warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", tmp_path / "out.xml", "--warehouse", warehouse) == 2
    assert "There is no export as 'xml'" in capsys.readouterr().err
    assert list(tmp_path.glob("*xml*")) == []


@settings(max_examples=40)
@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=5), st.sampled_from(HOSTILE))
def test_no_cell_of_a_csv_is_a_formula(texts: list[str], model: str) -> None:
    rows = pl.DataFrame(
        {"name": texts, "change": [-1.5] * len(texts), "tags": [[text] for text in texts]}, schema_overrides={"name": pl.String}
    )
    if not texts:
        rows = rows.with_columns(pl.col("tags").cast(pl.List(pl.String)))
    selection = Selection(models=(f'x",{model}', f"y\n{model}"))
    text = export.write(rows, export.header_of(rows, selection, "rows"), "csv").decode()
    lines = list(csv.reader(io.StringIO(text, newline="")))
    head = [line for line in lines if line and line[0].startswith("#")]
    assert len(head) >= 9
    assert all(len(line) == 1 for line in head[:9])
    for line in lines[9:]:
        for place, cell in enumerate(line):
            assert place == 1 or cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")
    if texts:
        assert lines[10][1] == "-1.5"
