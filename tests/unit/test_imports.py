"""Who may import whom: the rules of the architecture, checked on the source of every module, by folder."""

import ast
from collections import deque
from collections.abc import Collection, Iterator
from functools import cache, partial
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = "prompt_joules"
FRONT = {path.stem for path in (ROOT / "pages" / "front").glob("[!_]*.py")}
FOLDERS = ("bench", "ingest", "warehouse", "pages")
ALLOWED = {
    "bench": {"bench"},
    "warehouse": {"warehouse", "bench.record"},
    "ingest": {"ingest", "warehouse", "bench.record", "bench.tasks", "bench.files", "bench.screen", "bench.extras", "bench.interrupt"},
    "pages": {"pages", "warehouse", "bench.run.live"},
    "pages/front": {"bench", "ingest", "warehouse", "pages", *FRONT},
}
HEAVY = {"torch", "transformers", "fastchat", "zeus", "gguf", "accelerate", "ray"}
# What pages are made of apart from Streamlit: frames in; rows, sentences and charts out. They import nothing else of the pages.
PURE = ("pages/ui/of", "pages/ui/pure")


@cache
def modules(folder: str) -> list[Path]:
    """The modules of a folder that its own rule speaks of: those below a folder with a rule of its own are that rule's."""
    others = [ROOT / name for name in ALLOWED if name.startswith(f"{folder}/")]
    return sorted(path for path in (ROOT / folder).rglob("*.py") if not any(path.is_relative_to(other) for other in others))


@cache
def imports(path: Path, *, top_level: bool = False) -> frozenset[str]:
    """Dotted names that a file imports, `from a import b` as a.b. With top_level only what importing it runs. A file is read once for all
    rules."""
    found: set[str] = set()
    for node in statements(path, top_level):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def statements(path: Path, top_level: bool) -> Iterator[ast.stmt]:
    """The statements of a file, with all that stand inside others unless top_level. Nothing is imported inside an expression."""
    left = deque(ast.parse(path.read_text()).body)
    while left:
        node = left.popleft()
        yield node
        if not top_level:
            for _, value in ast.iter_fields(node):
                if isinstance(value, list):
                    parts = [part for part in value if not isinstance(part, ast.expr)]
                    left.extend(part for part in parts if isinstance(part, ast.stmt))
                    left.extend(part for case in parts if isinstance(case, ast.ExceptHandler | ast.match_case) for part in case.body)


def is_under(name: str, prefixes: Collection[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may(folder: str) -> None:
    allowed = {f"{PROJECT}.{name}" for name in ALLOWED[folder]}
    for path in modules(folder):
        ours = {name for name in imports(path) if name.split(".")[0] == PROJECT}
        wrong = {name for name in ours if not is_under(name, allowed)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_nothing_is_imported_by_the_name_of_its_folder() -> None:
    for folder in (*FOLDERS, "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not is_under_any(imports(path), set(FOLDERS)), path


def is_under_any(names: Collection[str], prefixes: Collection[str]) -> bool:
    return any(is_under(name, prefixes) for name in names)


def test_duckdb_is_imported_only_by_warehouse_and_ingest() -> None:
    for package in ("bench", "pages"):
        for path in modules(package):
            assert not any(name.split(".")[0] == "duckdb" for name in imports(path)), path


def test_streamlit_is_imported_only_by_pages() -> None:
    for package in ("bench", "ingest", "warehouse"):
        for path in modules(package):
            assert not any(name.split(".")[0] == "streamlit" for name in imports(path)), path


@pytest.mark.parametrize("folder", PURE)
def test_a_pure_folder_imports_neither_streamlit_nor_what_does(folder: str) -> None:
    pure = {f"{PROJECT}.{name.replace('/', '.')}" for name in PURE}
    for path in modules(folder):
        names = imports(path)
        assert not any(name.split(".")[0] == "streamlit" for name in names), path
        wrong = {name for name in names if is_under(name, {f"{PROJECT}.pages"}) and not is_under(name, pure)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_a_page_has_one_room_and_a_room_one_page() -> None:
    pages = {page.stem for page in (ROOT / "pages").glob("[!_]*.py")}
    rooms = {room.stem for room in (ROOT / "pages" / "ui" / "of").glob("[!_]*.py")}
    assert {room.removesuffix("_charts").removesuffix("_curves") for room in rooms} == pages
    for path in modules("pages"):
        names = imports(path)
        for room in rooms:
            if is_under_any(names, {f"{PROJECT}.pages.ui.of.{room}"}):
                assert path.stem == room.removesuffix("_charts").removesuffix("_curves"), (
                    f"{path.relative_to(ROOT)} uses the room of another page, {room}"
                )


def test_what_one_page_alone_needs_stands_in_its_room() -> None:
    shared = {name_of(path): path for path in (ROOT / "pages" / "ui" / "pure").glob("[!_]*.py")}
    users: dict[str, set[str]] = {name: set() for name in shared}
    for path in modules("pages"):
        for of in map(partial(module_of, shared), imports(path)):
            if of and shared[of] != path:
                users[of].add(path.stem.removesuffix("_charts").removesuffix("_curves") if path.parent.name in ("pages", "of") else "")
    assert not [name for name, pages in users.items() if len(pages) == 1 and pages != {""}]


@pytest.mark.parametrize("package", ["ingest", "warehouse", "pages"])
def test_what_shows_results_needs_no_torch(package: str) -> None:
    for path in modules(package):
        assert not any(name.split(".")[0] in HEAVY for name in imports(path)), path


def test_heavy_packages_are_imported_only_when_used() -> None:
    for path in modules("bench"):
        if "engines" not in path.parts:
            heavy = {name for name in imports(path, top_level=True) if name.split(".")[0] in HEAVY}
            assert not heavy, f"{path.relative_to(ROOT)} imports {sorted(heavy)} at once"


def test_no_modules_import_each_other() -> None:
    """Not in a circle of any length, and not inside functions either. A package hands on what is in its modules, so it may name them."""
    names = {name_of(path): path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"}
    graph = {name: {of for of in map(partial(module_of, names), imports(path)) if of and of != name} for name, path in names.items()}
    assert sum(map(len, graph.values())) > len(graph)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join((PROJECT, *(parts[2:] if parts[:2] == ("pages", "front") else parts)))


def module_of(names: Collection[str], imported: str) -> str | None:
    """The module that something imported is, or stands in."""
    return next((name for name in (imported, imported.rpartition(".")[0]) if name in names), None)


def test_the_walk_sees_modules_and_imports() -> None:
    assert ROOT / "ingest" / "load.py" in modules("ingest")
    assert ROOT / "pages" / "front" / "command.py" not in modules("pages")
    assert all(modules(folder) for folder in PURE)
    assert f"{PROJECT}.bench.tasks.TASKS" in imports(ROOT / "ingest" / "load.py")
    assert is_under(f"{PROJECT}.bench.record.COLUMNS", {f"{PROJECT}.bench.record"})
    assert not is_under(f"{PROJECT}.bench.recorder", {f"{PROJECT}.bench.record"})
    assert not is_under("streamlit", {f"{PROJECT}.warehouse"})


def test_every_page_is_documented() -> None:
    documented = (ROOT / "docs" / "pages.md").read_text()
    for page in (ROOT / "pages").glob("[!_]*.py"):
        assert f"| `{page.stem}` |" in documented or page.stem == "home", page.stem
