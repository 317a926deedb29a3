"""Export and check: the rows of a selection with their provenance, and a warehouse compared with its files."""

import csv
import hashlib
import io
import json
import re
import shutil
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import polars as pl
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import export, packages, query, reports, rows_as
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses

HOSTILE = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@sum(A1)", "\t=1", "\r=1", "\n=1")


def sha256_of(rows: pl.DataFrame) -> str:
    """The hash of the rows in their header."""
    return str(export.header_of(rows, Selection(), "rows")["content_sha256"])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and a warehouse of them."""
    folder = tmp_path_factory.mktemp("export")
    factories.write(factories.records(25), folder / "results" / "a.parquet")
    factories.write(factories.records(25, "run-2", task="chat-concise"), folder / "results" / "b.parquet")
    warehouses.ingest(folder / "results", warehouses.SHIPPED / "published" / "mlenergy_v1", into=folder / "w.duckdb")
    return folder


@pytest.fixture
def warehouse(loaded: Path, tmp_path: Path) -> Path:
    """A copy of it, with its runs."""
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return tmp_path / "w.duckdb"


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
    with pytest.raises(OSError, match="full"), export.replacing(target) as out:
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


def test_boamps_reports_what_was_measured(warehouse: Path, tmp_path: Path) -> None:
    assert run("export", tmp_path / "reports", "--as", "boamps", "--country", "France", "--gpu", "H100", "--warehouse", warehouse) == 0
    (report,) = [
        found
        for path in (tmp_path / "reports").iterdir()
        if "task chat of" in (found := json.loads(path.read_text()))["task"]["taskDescription"]
    ]
    rows = factories.records(25)
    assert report["task"]["nbRequest"] == 25
    assert report["measures"][0]["powerConsumption"] == pytest.approx(rows["energy_j"].sum() / 3.6e6)
    assert report["measures"][0]["measurementDuration"] == pytest.approx(rows["latency_s"].sum())
    assert report["infrastructure"]["components"][0] == {"componentName": "H100", "componentType": "gpu", "nbComponent": 1}
    assert report["environment"] == {"country": "France"}
    # What the schema of BoAmps requires.
    assert {"task", "measures", "infrastructure"} <= set(report)
    assert {"taskStage", "taskFamily", "algorithms", "dataset"} <= set(report["task"])


def test_boamps_says_of_other_peoples_figures_only_what_they_say() -> None:
    names = (
        "model_name model_url params_total_b engine dtype input_tokens output_tokens harness_version started_at clock licence num_gpus "
        "prompts"
    )
    row = dict.fromkeys(names.split()) | {
        "result_id": "published:x",
        "origin": "published",
        "source": "X",
        "task": "chat",
        "gpu_model": "H100",
    }
    report = reports.boamps(row | {"energy_j": 3.6e6, "latency_s": 2.0, "batch_size": 1}, None, "0.2.0")
    assert "licensing" not in report["header"] and "gpuTrackingMode" not in report["measures"][0]
    assert (report["task"]["nbRequest"], report["measures"][0]["powerConsumption"]) == (1, 1.0)
    assert "mean answer" in report["task"]["taskDescription"]
    assert report["infrastructure"]["components"] == [{"componentName": "H100", "componentType": "gpu"}]


def test_the_time_of_a_file_is_no_time_of_a_measurement(warehouse: Path) -> None:
    row = query.load("leaderboard", Selection(), str(warehouse)).filter(pl.col("started_at").is_not_null()).row(0, named=True)
    assert reports.boamps(row, None, "0.2.0")["measures"][0]["measurementDateTime"] == f"{row['started_at']:%Y-%m-%d %H:%M:%S}"
    report = reports.boamps(row | {"clock": "time of the file"}, None, "0.2.0")
    assert "measurementDateTime" not in report["measures"][0] and "reportDatetime" not in report["header"]


def test_the_carbon_intensity_is_known_or_null_with_the_reason(warehouse: Path, tmp_path: Path) -> None:
    words = ("export", tmp_path / "sci.json", "--as", "sci", "--gpu", "H100", "--task", "chat", "--warehouse", warehouse)
    assert run(*words, "--carbon-intensity", 50) == 0
    (row,) = json.loads((tmp_path / "sci.json").read_text())
    assert row["sci_g"] is None and "--embodied" in row["reason"] and "--carbon" not in row["reason"]
    assert run(*words, "--carbon-intensity", 50, "--embodied", 0.25) == 0
    (row,) = json.loads((tmp_path / "sci.json").read_text())
    assert row["sci_g"] == pytest.approx(factories.records(25)["energy_j"].mean() / 3.6e6 * 50 + 0.25)
    assert (row["reason"], row["energy_boundary"]) == (None, "GPU")


def test_a_modelled_energy_is_marked_in_tables() -> None:
    row = {"model_name": "a_b|c", "gpu_model": "H100", "num_gpus": 2, "task": "chat", "engine": "vllm", "batch_size": 8, "energy_j": None}
    row |= {"estimated_energy_j": 12.5, "energy_per_token_j": 0.1, "output_tokens": 125.0, "prompts": None}
    rows = pl.DataFrame([row])
    assert r"| a_b\|c | 2×H100 | chat | vllm | 8 | ≈ 12.5 | 0.1 | 125 |  |" in reports.model_card(rows, "cited")
    assert r"a\_b|c & 2$\times$H100 & chat & vllm & 8 & $\approx$ 12.5 & 0.1 & 125 \\" in reports.latex(rows, "cited")
    assert reports.sci({**row, "result_id": "x"}, 1.0, 1.0)["reason"] == "the energy was not measured"


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


def test_a_filter_without_a_file_is_told_where_the_file_stands(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--warehouse", warehouse, "--gpu", "NOPE") == 2
    said = capsys.readouterr().err
    assert "'NOPE' was read as the file to write" in said and "export rows.csv --gpu H100" in said


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


def test_a_sound_warehouse_passes(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--warehouse", warehouse) == 0
    assert "4 of 4 files" in " ".join(capsys.readouterr().out.split())


def test_a_shipped_warehouse_passes(tmp_path: Path, shipped_warehouse: Path) -> None:
    shutil.copyfile(shipped_warehouse, tmp_path / "w.duckdb")
    warehouses.ingest(warehouses.DATA, into=tmp_path / "w.duckdb")
    assert run("check", "--warehouse", tmp_path / "w.duckdb") == 0


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (lambda folder: (folder / "results" / "a.parquet").unlink(), "missing"),
        (lambda folder: factories.write(factories.records(24), folder / "results" / "a.parquet"), "changed"),
    ],
)
def test_a_file_that_is_not_what_it_was(warehouse: Path, damage: object, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(damage)
    damage(warehouse.parent)
    assert run("check", "--warehouse", warehouse) == 1
    shown = capsys.readouterr().out
    assert state in shown and "a.parquet" in shown and "b.parquet" not in shown


@pytest.mark.parametrize(
    "sql",
    [
        "delete from requests where sequence = 3 and run_id = 'run-1'",
        "insert into requests from requests limit 1",
        "insert into published from (select * replace (result_id || 'x' as result_id) from published limit 1)",
        "update requests set file_id = 99 where sequence = 3",
        "insert into rejects select file_id, path, 1, 'x', 'y' from ingested_files limit 1",
    ],
)
def test_rows_that_do_not_add_up(warehouse: Path, sql: str) -> None:
    connection = duckdb.connect(str(warehouse))
    connection.execute(sql)
    connection.close()
    assert run("check", "--warehouse", warehouse) == 1


def test_rejects_are_counted_filtered_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factories.write(factories.records(60, energy_j=-1.0), tmp_path / "in" / "bad.parquet")
    factories.write(factories.records(3, "run-2", latency_s=-1.0), tmp_path / "in" / "worse.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    warehouse = ["--warehouse", tmp_path / "w.duckdb"]
    assert run("rejects", *warehouse) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "│ 60 │" in shown and "… and 13 more" in shown
    assert run("rejects", "--file", "worse", *warehouse) == 1
    assert "bad.parquet" not in capsys.readouterr().out
    assert run("rejects", "--file", "none such", *warehouse) == 0
    assert run("rejects", "--out", tmp_path / "rejects.csv", *warehouse) == 1
    assert pl.read_csv(tmp_path / "rejects.csv").height == 63
