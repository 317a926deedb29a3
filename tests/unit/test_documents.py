"""What people read: lines that fit, a tree that is whole, links that lead somewhere, logs where logs belong,
and a reference that is what the code says."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from prompt_joules.ingest.formats.base import Format
from prompt_joules.pages.ui import site
from tests import reference
from tests.documents import blocks, languages
from tests.warehouses import ROOT

LONGEST = 160
MOST_WORDS = 8
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "warehouse/data/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
FOLDERS = ("bench", "ingest", "warehouse", "pages")
ENDINGS = (".py", ".sql", ".js", ".csv", ".jsonl")
# Folders of which the tree names the folder alone: a file a question, a file a page, data.
WHOLE = ("warehouse/queries", "warehouse/data", "pages/ui/of", "bench/shapes")
FORMATS = ROOT / "ingest" / "formats"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_no_line_is_too_long_to_read(path: Path) -> None:
    """Rows of tables may be longer, where a cell cannot be broken; nothing else may."""
    long = [number for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > LONGEST and not line.startswith("|")]
    assert not long, f"{named(path)}, lines {long}: longer than {LONGEST} characters"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_a_row_of_a_table_is_one_line(path: Path) -> None:
    code = [range(begun, begun + text.count("\n") + 1) for language in languages(path) for begun, text in blocks(path, language)]
    lines = enumerate(path.read_text().splitlines(), 1)
    broken = [number for number, line in lines if line[:2] == "| " and line.rstrip()[-1] != "|" and not any(number in one for one in code)]
    assert not broken, f"{named(path)}, lines {broken}: a row of a table that does not end with |"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not missing


def tree() -> dict[str, str]:
    """The files and folders that docs/architecture.md names, each with its words."""
    text = blocks(ROOT / "docs" / "architecture.md", "")[-1][1]
    found: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        name, _, words = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        above = above[:depth]
        path = "/".join([*above, name.rstrip("/")])
        if words:
            found[path] = words.strip()
        if name.endswith("/"):
            above.append(name.rstrip("/"))
    return found


def modules_with_formats() -> Iterator[str]:
    """The modules with a format: each registers itself, and its page and the list of formats name it."""
    for path in FORMATS.rglob("[!_]*.py"):
        name = ".".join(("prompt_joules", *path.relative_to(ROOT).with_suffix("").parts))
        if any(isinstance(value, Format) for value in vars(importlib.import_module(name)).values()):
            yield named(path)


def test_the_tree_names_every_module_and_nothing_else() -> None:
    modules = {
        named(path)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in ENDINGS and path.name != "__init__.py" and not any(named(path).startswith(f"{whole}/") for whole in WHOLE)
    }
    modules -= {*modules_with_formats(), *(f"pages/{row['page']}.py" for row in site.PAGES)}
    told = set(tree())
    assert modules - told == set(), "docs/architecture.md does not name these"
    assert {path for path in told if not (ROOT / path).exists()} == set(), "these are gone"


def test_the_tree_has_a_few_words_a_file() -> None:
    assert {path: words for path, words in tree().items() if len(words.split()) > MOST_WORDS} == {}


def test_every_folder_of_the_package_is_in_the_rules_of_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert all(f"| `{folder}/` |" in text for folder in FOLDERS)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name not in ("log.md", "CHANGELOG.md")], ids=named)
def test_dated_measurements_stand_in_the_log(path: Path) -> None:
    """A page says how things are. What was, before a change, and what a change brought, is in docs/log.md."""
    begins = r"(?:Before (?:that|this|the|pages|it)\b|Until (?:protocol )?\d|These questions are faster since\b)"
    before = re.findall(rf"^{begins}.*", path.read_text(), re.MULTILINE)
    assert not before


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_reference_is_what_the_code_says(page: str) -> None:
    kept = (reference.FOLDER / f"{page}.md").read_text()
    assert kept == reference.MADE + reference.PAGES[page](), (
        "docs/reference is older than the code: run `python -m tests.reference` and commit what it writes"
    )


def test_the_list_of_questions_is_that_of_the_tests() -> None:
    """The table of docs/pages.md: question, test, acts."""
    found = []
    for test in ast.parse((ROOT / "tests" / "e2e" / "test_questions.py").read_text()).body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            mark = next(mark for mark in test.decorator_list if isinstance(mark, ast.Call))
            question, acts = (ast.literal_eval(given) for given in (mark.args[0], mark.keywords[0].value))
            found.append(f"| {question} | `{test.name}` | {acts} |")
    assert len(found) == 14
    table = "\n".join(["| question | test | acts |", "|---|---|---|", *found, ""])
    assert f"\n\n{table}\n" in (ROOT / "docs" / "pages.md").read_text(), f"docs/pages.md must have:\n{table}"
