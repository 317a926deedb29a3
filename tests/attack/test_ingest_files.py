"""Files and folders that an ingest cannot read: each costs itself alone, is named, and is forgotten once it can be read."""

import io
import os
import random
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from prompt_joules.ingest import zips
from prompt_joules.ingest.front.unpack import Unreadable
from tests import factories, warehouses
from tests.attack.test_warehouse_files import as_ordinary_user

METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
INGEST = """
import sys
from prompt_joules.ingest.__main__ import main
main([sys.argv[1] + "/in/a.parquet", "--warehouse", sys.argv[1] + "/first.duckdb"])
drop()
print("CODE", main([sys.argv[1] + "/in", "--warehouse", sys.argv[1] + "/to/w.duckdb"]), flush=True)
"""


def damaged_zip(chance: random.Random) -> bytes:
    """A zip of any method with one to four bytes changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", chance.choice(METHODS)) as archive:
        for name in ("a/run.json", "b.csv", "ü/x.parquet"):
            archive.writestr(name, name * chance.randint(1, 50))
    content = bytearray(stream.getvalue())
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(len(content))] = chance.choice([0, 255, chance.randrange(256)])
    return bytes(content)


def test_a_damaged_zip_is_a_named_error_whatever_unpacks_it(tmp_path: Path) -> None:
    """Python's zipfile lets errors of zlib, of LZMA, of text and of lists through."""
    path, named = tmp_path / "x.zip", 0
    for number in range(120):
        path.write_bytes(damaged_zip(random.Random(number)))
        try:
            with zips.unpacking() as unpacked:
                unpacked.files(path)
        except (Unreadable, OSError):
            named += 1
    assert 60 < named < 120


def a_directory(entries: int, told: int) -> bytes:
    """A zip that is all directory, of so many files without bytes; its end says that there are `told`."""
    entry = b"PK\x01\x02" + bytes([20, 3, 20, 0]) + bytes(20) + struct.pack("<H", 5) + bytes(16) + b"a.csv"
    return entry * entries + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, len(entry) * entries, 0, 0)


@pytest.mark.parametrize(
    ("most", "told", "words"), [("MOST_FILES", 99, "more than 50 files"), ("MOST_OF_DIRECTORY", 5, "directory of 5,049")]
)
def test_a_directory_that_is_too_large_is_refused_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str, told: int, words: str
) -> None:
    """Whatever the end of the zip says of it: `zipfile` does not look at that number either."""
    path = tmp_path / "x.zip"
    path.write_bytes(a_directory(99, told))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 99
    monkeypatch.setattr(zips, most, 50)
    kept: list[object] = []
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *words: kept.append(words))
    with pytest.raises(Unreadable, match=words), zips.unpacking() as unpacked:
        unpacked.files(path)
    assert kept == []


def test_what_was_refused_is_forgotten_once_it_can_be_read(tmp_path: Path) -> None:
    """A zip that is mended, and a link out of the folder that became a folder."""
    folder, warehouse = tmp_path / "in", tmp_path / "w.duckdb"
    factories.write(factories.records(3), folder / "a.parquet")
    factories.write(factories.records(4, "run-2"), tmp_path / "elsewhere" / "b.parquet")
    (folder / "late.zip").write_bytes(b"PK\x03\x04 and no more")
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    warehouses.ingest(folder, into=warehouse)
    assert len(warehouses.rejects(warehouse)) == 2
    (folder / "late.zip").unlink()
    with zipfile.ZipFile(folder / "late.zip", "w") as archive:
        archive.write(tmp_path / "elsewhere" / "b.parquet", "b.parquet")
    (folder / "sub").unlink()
    factories.write(factories.records(5, "run-3"), folder / "sub" / "c.parquet")
    warehouses.ingest(folder, into=warehouse)
    assert warehouses.rejects(warehouse) == []
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 12


@pytest.mark.skipif(sys.platform != "linux", reason="other systems make no such names")
def test_a_name_that_is_no_text_costs_itself_alone(tmp_path: Path) -> None:
    factories.write(factories.records(3), tmp_path / "in" / "a.parquet")
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.parquet")).write_bytes(b"PAR1")
    report = warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    assert sorted((line.state, line.why) for line in report.lines) == [
        ("loaded", ""),
        ("unreadable", "has a name that is not UTF-8: rename it"),
    ]
    assert len(warehouses.rejects(tmp_path / "w.duckdb")) == 1


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions are of another kind here")
def test_a_closed_file_and_a_closed_folder_are_named_and_the_others_load(entered: Path) -> None:
    for name in ("a", "b", "sub/c"):
        factories.write(factories.records(5, f"run-{name[-1]}"), entered / "in" / f"{name}.parquet")
    (entered / "to").mkdir()
    (entered / "to").chmod(0o777)
    (entered / "in").chmod(0o755)
    (entered / "in" / "a.parquet").chmod(0o644)
    (entered / "in" / "b.parquet").chmod(0)
    (entered / "in" / "sub").chmod(0)
    done = as_ordinary_user(INGEST, str(entered))
    told = done.stdout + done.stderr
    (entered / "in" / "sub").chmod(0o755)
    assert "CODE 1" in done.stdout and "Traceback" not in told, told
    assert warehouses.rows(entered / "to" / "w.duckdb", "select count(*) from requests").item() == 5
    refused = dict(warehouses.rows(entered / "to" / "w.duckdb", "select path, reason from rejects").rows())
    assert {Path(path).name: why for path, why in refused.items()} == dict.fromkeys(
        ("b.parquet", "sub"), "cannot be read (Permission denied)"
    )
