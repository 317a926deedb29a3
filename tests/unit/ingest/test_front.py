"""What is in a file, whatever its encoding, compression and dialect; and that a bad line costs one line."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from prompt_joules.ingest import find
from prompt_joules.ingest.front.content import Content, ending
from prompt_joules.ingest.front.table import LINE
from prompt_joules.ingest.front.unpack import Unreadable
from tests import warehouses

TEXT = "name,joules\r\nä,1.5\r\nb,2\r\n"
ROWS = [{LINE: 2, "name": "ä", "joules": "1.5"}, {LINE: 3, "name": "b", "joules": "2"}]
ENCODINGS = {
    "plain": TEXT.encode(),
    "mark": TEXT.encode("utf-8-sig"),
    "utf-16 with a mark": TEXT.encode("utf-16"),
    "utf-16 of Windows": TEXT.replace("ä", "a").encode("utf-16-le"),
    "utf-16 the other way": TEXT.replace("ä", "a").encode("utf-16-be"),
    "gzip": gzip.compress(TEXT.encode()),
    "gzip in parts": gzip.compress(TEXT[:20].encode()) + gzip.compress(TEXT[20:].encode()),
    "gzip of utf-16": gzip.compress(TEXT.encode("utf-16")),
    "zstd": pa.Codec("zstd").compress(TEXT.encode(), asbytes=True),
    "old Mac": TEXT.replace("\r\n", "\r").encode(),
    "semicolon": TEXT.replace(",", ";").encode(),
    "tab": TEXT.replace(",", "\t").encode(),
    "bar": TEXT.replace(",", "|").encode(),
    "quoted header": TEXT.replace("name,joules", '"name","joules"').encode(),
    "spaced header": TEXT.replace("name,joules", " name , joules ").encode(),
    "all quoted": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in TEXT.split()).encode(),
}


def content(tmp_path: Path, text: bytes | str, name: str = "file.csv") -> Content:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Content.of(path)


@pytest.mark.parametrize("kind", sorted(ENCODINGS))
def test_one_table_in_many_forms(kind: str, tmp_path: Path) -> None:
    found = content(tmp_path, ENCODINGS[kind])
    assert (found.kind, found.header, found.problem) == ("table", ("name", "joules"), None)
    table = found.table()
    assert table.rejects == []
    assert [row | {"name": row["name"].replace("a", "ä")} for row in table.cells.to_dicts()] == ROWS


@pytest.mark.parametrize("kind", ["mark", "utf-16 with a mark", "gzip", "zstd"])
def test_one_json_in_many_forms(kind: str, tmp_path: Path) -> None:
    text = json.dumps({"a": "ä", "b": [1, {"c": 2}]}, ensure_ascii=False, indent=1)
    encoded = {
        "mark": text.encode("utf-8-sig"),
        "utf-16 with a mark": text.encode("utf-16"),
        "gzip": gzip.compress(text.encode()),
        "zstd": pa.Codec("zstd").compress(text.encode(), asbytes=True),
    }
    found = content(tmp_path, encoded[kind], "file.json")
    assert (found.kind, found.keys, found.problem) == ("document", {"a", "b"}, None)
    assert found.json == {"a": "ä", "b": [1, {"c": 2}]}


def test_lines_that_are_no_row(tmp_path: Path) -> None:
    """A short line, a long one, one with a byte of another encoding, one whose quote is not closed: each costs itself."""
    text = b'# a comment\n\na,b\n1,2\n3\n4,5,6\n\n7,\xe9\n"8,9\n10,"one\ntwo"\n,\n11,12,\n'
    table = content(tmp_path, text).table()
    assert table.cells.rows() == [(4, "1", "2"), (10, "10", "one\ntwo"), (13, "11", "12")]
    assert [(reject.row, reject.reason[:24]) for reject in table.rejects] == [
        (5, "has 1 cells, the header "),
        (6, "has 3 cells, the header "),
        (8, "is no row of a table: it"),
        (9, "is no row of a table: a "),
    ]


def test_a_line_without_end_costs_itself(tmp_path: Path) -> None:
    table = content(tmp_path, "a,b\n1," + "x" * 3_000_000 + "\n3,4\n").table()
    assert table.cells.rows() == [(3, "3", "4")]
    assert [reject.row for reject in table.rejects] == [2]


def test_two_columns_of_one_name_are_said(tmp_path: Path) -> None:
    table = content(tmp_path, "a,b,a\n1,2,3\n").table()
    assert (table.cells.rows(), table.doubled) == ([(2, "1", "2")], {"a"})


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", '{"a": [1,\n 2,]}', "is no whole JSON: trailing comma in array (line 2, byte 13)"),
        ("a.json", '{"a": 1', "is no whole JSON: it is cut off (line 1, byte 7)"),
        ("a.json", "hello", "is no whole JSON: Expecting value (line 1, column 1)"),
        ("a.json", "// said\n{}", "is no whole JSON: Expecting value (line 1, column 1)"),
        ("a.json", '{"a": NaN', "is no whole JSON: Expecting ',' delimiter (line 1, column 10)"),
        ("a.json", '{"a": "\xe9"}'.encode("latin-1"), "is not UTF-8 text (line 1, byte 7)"),
        ("a.json.gz", gzip.compress(b"{}" * 100, mtime=0)[:-9], "is gzip that is cut off or damaged"),
        ("a.csv.gz", b"\x1f\x8b" + b"nothing of the kind", "is gzip that is cut off or damaged"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd" + b"nothing of the kind", "is zstd that is cut off or damaged"),
        ("a.csv", "\u0000\u0001binary".encode() * 9, "is no text: line 1 has zero bytes, is not UTF-8 or is too long"),
        ("a.json", "42", None),
        ("a.json", '{"a": NaN}', None),
        ("a.json", '{"a": "\\ud800"}', None),
        ("a.jsonl", '{"a": 1}\n{"a":', None),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(name: str, text: bytes | str, problem: str | None, tmp_path: Path) -> None:
    assert content(tmp_path, text, name).problem == problem


def test_json_one_object_a_line(tmp_path: Path) -> None:
    found = content(tmp_path, '{"a": "x\u2028y"}\n\n{"a": 2}\n[3]\n{"a":', "file.json")
    assert (found.kind, found.keys) == ("lines", {"a"})
    assert list(found.objects()) == [(1, {"a": "x\u2028y"}), (3, {"a": 2}), (4, None), (5, None)]


def test_a_list_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    found = content(tmp_path, '[{"a": 1},\n{"a": 2}, 3, {"a"', "file.json")
    assert (found.kind, found.is_list, found.keys) == ("document", True, {"a"})
    assert list(found.objects()) == [(1, {"a": 1}), (2, {"a": 2}), (3, None), (4, None)]
    assert found.problem == "is no whole JSON: it is cut off (line 2, byte 28)"


def test_a_file_that_unpacks_to_too_much(tmp_path: Path) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 400_000_000))
    found = content(tmp_path, gzip.decompress(bomb), "bomb.csv.gz")
    with pytest.raises(Unreadable, match="unpacks to more"):
        found.table()


HOSTILE = """
import resource, sys
from pathlib import Path
from prompt_joules.ingest import find
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
passed = find.look(Path(sys.argv[1]), False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, type(passed).__name__)
"""


@pytest.mark.parametrize(
    ("name", "start", "part", "end"), [("one.csv", b"a,b\n", b"1,", b""), ("lists.json", b'{"a":[[1]', b",[1,2]", b"]}")]
)
def test_memory_of_hostile_files(name: str, start: bytes, part: bytes, end: bytes, tmp_path: Path) -> None:
    """A CSV of one line of 200 MB costs next to nothing; a JSON of 60 MB of small lists costs its bytes, not its values."""
    size = 200_000_000 if name.endswith("csv") else 60_000_000
    (tmp_path / name).write_bytes(start + part * (size // len(part)) + end)
    said = subprocess.run([sys.executable, "-c", HOSTILE, str(tmp_path / name)], capture_output=True, text=True, check=True).stdout
    grown, kind = said.split()
    assert kind == "Passed"
    assert int(grown) * 1024 < (50_000_000 if name.endswith("csv") else 4 * size)


def test_a_large_json_with_infinity_is_read(tmp_path: Path) -> None:
    """SGLang writes the rate of a run without one as Infinity, and its runs with details are large."""
    text = json.dumps({"request_rate": float("inf"), "generated_texts": ["word " * 4_000_000]})
    assert content(tmp_path, text, "run.jsonl").keys == {"request_rate", "generated_texts"}


RECOGNISED = """
import resource, sys
from pathlib import Path
from tests import warehouses
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
line, = warehouses.ingest(Path(sys.argv[1]), into=Path(sys.argv[1]).parent / "w.duckdb").lines
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, line.state, line.why, sep="|")
"""


def test_memory_of_a_recognised_hostile_json(tmp_path: Path) -> None:
    """Millions of empty lists where a run of vLLM should have its gaps: counted before they are made, and refused."""
    head = '{"model_id":"m","num_prompts":1,"input_lens":[1],"output_lens":[1],"ttfts":[0.1],"errors":[""],"itls":['
    (tmp_path / "r.json").write_text(head + "[]," * 15_000_000 + "[]]}")
    words = [sys.executable, "-c", RECOGNISED, str(tmp_path / "r.json")]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=warehouses.ROOT).stdout.strip()
    grown, state, why = said.split("|")
    assert (state, why[:6]) == ("unreadable", "holds ")
    assert int(grown) * 1024 < 700_000_000


def test_the_ending_of_a_packed_file_is_that_of_what_is_in_it() -> None:
    assert [ending(Path(name)) for name in ("a.csv", "a.CSV.GZ", "a.b.json.zst", "a.gz", "a")] == [".csv", ".csv", ".json", "", ""]


def test_a_file_has_one_name_whatever_the_path_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b")
    walked, passed = find.walk([str(tmp_path / "a" / ".." / "b"), str(tmp_path / "b" / "x.csv"), str(tmp_path / "a" / "link" / ".." / "b")])
    assert walked == [(tmp_path / "b" / "x.csv", True)]
    assert passed == []


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "self.csv").symlink_to("self.csv")
    (tmp_path / "folder").symlink_to("folder")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    walked, passed = find.walk([str(tmp_path)])
    looked = [find.look(path, named) for path, named in walked]
    why = {item.path.name: item.why for item in [*looked, *passed] if isinstance(item, find.Passed)}
    assert why["self.csv"] in ("is a link that leads to itself", "is not a regular file")
    assert set(why) >= {"self.csv", "x.csv"}
