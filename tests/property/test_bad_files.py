"""Files that hypothesis spoils: the ingest never stops, the good file beside them loads whole, every loaded row is accounted for."""

import functools
import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prompt_joules.ingest import reading
from tests import factories, warehouses

GOOD = 5
# An ingest costs more than a file, so every example has many. The first example of hypothesis is the plainest that there is.
FEW = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
FILES_AT_ONCE = st.integers(9, 11)
FILES = sorted(path for path in warehouses.DATA.rglob("*") if path.suffix in (".json", ".jsonl", ".csv"))
JSONS = [
    path
    for path in FILES
    if path.suffix == ".json" and path.read_text(encoding="utf-8-sig").rstrip().endswith(("}", "]")) and "v1_prompts/b" not in str(path)
]
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just("\ud800"),
    st.just(10**400),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@functools.cache
def whole_parquet(place: int) -> bytes:
    """A run of its own for each place among the files of an example: of two files of one run the second would be refused as known."""
    return parquet(factories.records(8, f"spoilt-{place}"))


def parquet(rows: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    rows.write_parquet(out)
    return out.getvalue()


def ingest_beside_a_good_file(spoilt_files: list[tuple[bytes, Path]]) -> None:
    """Load spoilt bytes, each in a copy of the folder of the file that they were, together with a good run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (content, like) in enumerate(spoilt_files):
            place = folder / "in" / str(number) / "chat" / "a" / "b"
            place.mkdir(parents=True)
            for sibling in like.parent.glob("*"):
                if sibling.is_file() and sibling != like and like.is_relative_to(warehouses.DATA):
                    (place / sibling.name).write_bytes(sibling.read_bytes())
            (place / like.name).write_bytes(content)
        factories.write(factories.records(GOOD, "good"), folder / "in" / "good.parquet")
        report = warehouses.ingest(folder / "in", into=folder / "w.duckdb")
        assert report.changed
        assert warehouses.rows(folder / "w.duckdb", "select count(*) from requests where run_id = 'good'").item() == GOOD
        assert [verdict for verdict in reading.check(str(folder / "w.duckdb")) if verdict.state != "ok"] == []
        numbers = warehouses.rows(
            folder / "w.duckdb",
            "select energy_j, latency_s, ttft_s from requests union all select energy_j, latency_s, ttft_s from published",
        )
        values = [value for row in numbers.rows() for value in row if value is not None]
        assert all(math.isfinite(value) and value >= 0 for value in values)


def spoilt(content: bytes, data: st.DataObject) -> bytes:
    """Bytes changed, cut out, put in, or the end cut off."""
    place = data.draw(st.integers(0, len(content) - 1), "place")
    length = data.draw(st.integers(0, 40), "length")
    new = data.draw(st.binary(max_size=40), "new bytes")
    changed = content[:place] + new + content[place + length :]
    return changed if data.draw(st.booleans(), "to the end") else changed[: place + len(new)]


@FEW
@given(st.data())
def test_a_spoilt_parquet(data: st.DataObject) -> None:
    count = data.draw(FILES_AT_ONCE)
    ingest_beside_a_good_file([(spoilt(whole_parquet(place), data), Path("part.parquet")) for place in range(count)])


@FEW
@given(st.data())
def test_a_spoilt_text_file(data: st.DataObject) -> None:
    paths = data.draw(st.lists(st.sampled_from(FILES), min_size=7, max_size=9, unique=True), "files")
    ingest_beside_a_good_file([(spoilt(path.read_bytes(), data), path) for path in paths])


def replace_somewhere(content: Any, data: st.DataObject) -> Any:
    """The same JSON with one value anywhere inside replaced, or a key left out."""
    if isinstance(content, dict) and content and data.draw(st.booleans(), "deeper"):
        key = data.draw(st.sampled_from(sorted(content)), "key")
        if data.draw(st.integers(0, 4), "leave out") == 0:
            return {name: value for name, value in content.items() if name != key}
        return content | {key: replace_somewhere(content[key], data)}
    if isinstance(content, list) and content and data.draw(st.booleans(), "deeper"):
        place = data.draw(st.integers(0, len(content) - 1), "place")
        return [*content[:place], replace_somewhere(content[place], data), *content[place + 1 :]]
    return data.draw(ODD, "value")


@settings(FEW, max_examples=5)
@given(st.data())
def test_a_json_with_an_odd_value(data: st.DataObject) -> None:
    paths = data.draw(st.lists(st.sampled_from(JSONS), min_size=11, max_size=13, unique=True), "files")
    contents = [replace_somewhere(json.loads(path.read_text(encoding="utf-8-sig")), data) for path in paths]
    ingest_beside_a_good_file([(json.dumps(content).encode(), path) for content, path in zip(contents, paths, strict=True)])


VALUES: dict[str, pl.Expr] = {
    "text": pl.lit("1"),
    "int64": pl.lit(1, pl.Int64),
    "float64": pl.lit(1.0),
    "bool": pl.lit(True),
    "date": pl.lit("2026-01-05").str.to_date(),
    "list": pl.lit([1.0], pl.List(pl.Float64)),
    "null": pl.lit(None),
    "categorical": pl.lit("x").cast(pl.Categorical),
    "decimal": pl.lit(1).cast(pl.Decimal(20, 3)),
}


@FEW
@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(factories.SCHEMA)), st.sampled_from(sorted(VALUES)), max_size=4), min_size=9, max_size=11
    )
)
def test_columns_of_other_types(files: list[dict[str, str]]) -> None:
    """Files whose columns have other types are loaded or refused, by rows or as a whole."""
    changed = [
        factories.records(4, f"other-{number}").with_columns(VALUES[kind].alias(name) for name, kind in changes.items())
        for number, changes in enumerate(files)
    ]
    ingest_beside_a_good_file([(parquet(rows), Path("part.parquet")) for rows in changed])
