"""Small inputs of many tests, loaded by one ingest: it takes half a second of CPU, however few rows it loads.

    TOGETHER = Together()

    @TOGETHER.of
    def torn(folder: Path) -> None:
        (folder / "torn.csv").write_text("…")

    @pytest.fixture(scope="module")
    def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
        return TOGETHER.loaded(tmp_path_factory.mktemp("together"))

    def test_a_torn_table(loaded: Loaded) -> None:
        part = loaded[torn]
        assert part.status == 1 and warehouses.rows(part, "from published").is_empty()

A test sees what came of its own files and nothing else: `warehouses.rows` shows of each table the rows of these files. Two inputs may not
have the same bytes or name the same run, as neither may within a warehouse.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from prompt_joules.ingest import loading
from prompt_joules.ingest.report import Line, Report

Make = Callable[[Path], object]
OF_FILES = ("requests", "published", "quality", "run_totals", "run_notes")
OF_RUNS = ("runs", "run_summary")
PLACE = "results.main"


@dataclass(frozen=True)
class Part:
    """What came of the files of one test: their warehouse, and the lines of the report, with the paths of files in their folder."""

    path: Path
    roots: tuple[Path, ...]
    lines: tuple[Line, ...]

    @property
    def status(self) -> int:
        """What an ingest of these files alone would have ended with."""
        return Report(list(self.lines)).status

    def show(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables that this connection sees those of this part."""
        known = connection.execute("select path from ingested_files union select path from rejects").fetchall()
        names = [path for (path,) in known]
        paths = [name for name in names if any((self.path.parent / name).is_relative_to(root) for root in self.roots)]
        connection.execute("create temp table my_paths as select unnest($1::varchar[]) as path", [paths])
        connection.execute("create temp table my_files as select file_id from ingested_files semi join my_paths using (path)")
        files = "semi join my_files using (file_id)"
        runs = f"select run_id from {PLACE}.requests {files}"
        results = f"select result_id from {PLACE}.published {files} union select 'run:' || run_id from {PLACE}.requests {files}"
        of = dict.fromkeys(OF_FILES, files) | dict.fromkeys(OF_RUNS, f"semi join ({runs}) using (run_id)")
        of |= dict.fromkeys(("rejects", "ingested_files"), "semi join my_paths using (path)")
        of["results"] = f"semi join ({results}) using (result_id)"
        for table, mine in of.items():
            connection.execute(f"create temp view {table} as from {PLACE}.{table} {mine}")


class Loaded:
    """A warehouse of all inputs of a file of tests."""

    def __init__(self, parts: dict[str, Part]) -> None:
        self.parts = parts

    def __getitem__(self, key: object) -> Part:
        return self.parts[_name(key)]


def _name(key: object) -> str:
    return key.__name__ if callable(key) else str(key)


class Together:
    """The inputs of a file of tests, by name: functions that write them, or files and folders that are there."""

    def __init__(self) -> None:
        self.makers: dict[str, Make] = {}
        self.there: dict[str, tuple[Path, ...]] = {}

    def of(self, make: Make) -> Make:
        """An input that is called as the function that writes it into an empty folder."""
        return self.add(_name(make), make)

    def add(self, name: object, make: Make) -> Make:
        """An input of another name."""
        assert str(name) not in {*self.makers, *self.there}
        self.makers[str(name)] = make
        return make

    def file(self, *paths: Path) -> str:
        """An input that is there; its name is that of the first path."""
        assert str(paths[0]) not in {*self.makers, *self.there}
        self.there[str(paths[0])] = paths
        return str(paths[0])

    def loaded(self, folder: Path, model: str | None = None) -> Loaded:
        """Write all inputs into folders of their own under a folder, and load them."""
        roots = dict(self.there)
        for place, (name, make) in enumerate(self.makers.items()):
            roots[name] = (folder / f"{place:03}",)
            roots[name][0].mkdir()
            make(roots[name][0])
        _require_different(roots)
        path = folder / "w.duckdb"
        report = loading.ingest([str(root) for each in roots.values() for root in each], str(path), model=model)
        return Loaded({name: Part(path, each, tuple(_lines(report.lines, folder, each))) for name, each in roots.items()})


def _require_different(roots: dict[str, tuple[Path, ...]]) -> None:
    """Files of one content are one file to the ingest: of two inputs only the first would have rows."""
    seen: dict[str, str] = {}
    for name, each in roots.items():
        files = (path for root in each for path in (root, *root.rglob("*")) if path.is_file() and path.stat().st_size)
        for digest in {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}:
            assert seen.setdefault(digest, name) == name, f"{name} and {seen[digest]} have a file of the same bytes"


def _lines(lines: Sequence[Line], folder: Path, roots: Sequence[Path]) -> Iterator[Line]:
    for line in lines:
        for root in roots:
            if (path := folder / line.path).is_relative_to(root):
                yield replace(line, path=str(path.relative_to(root) if root.is_relative_to(folder) else path))
