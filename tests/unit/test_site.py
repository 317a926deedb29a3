"""The pages of docs as a site: the navigation has each once, links to parts of a page lead there, what is made from code is up to date.

`make docs` builds the site with MkDocs, which the suite does not need; it fails for every link that leads nowhere.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prompt_joules.warehouse.switches import VARIABLES
from tests import reference
from tests.warehouses import ROOT

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
DOCUMENTS = sorted((ROOT / "docs").glob("**/*.md"))
FOLDERS = ("bench", "ingest", "warehouse", "pages")
# Variables that only a library or the machine gives a meaning to.
OTHERS = {"HOME", "PYTHONPATH"}


def pages(nav: Any) -> Iterator[str]:
    """The pages that a navigation leads to."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(entry)


def made_pages() -> dict[str, str]:
    """Files of the checkout that docs/site.py makes pages of: file → page."""
    tree = ast.parse((ROOT / "docs" / "site.py").read_text())
    (value,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES")
    found: dict[str, str] = ast.literal_eval(value)
    return found


def anchor(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w\s-]", "", re.sub(r"\]\([^)]*\)", "", heading)).strip().lower().replace(" ", "-")


def test_the_navigation_or_the_table_of_formats_has_every_page_once() -> None:
    named, made = list(pages(SITE["nav"])), made_pages()
    named += set(re.findall(r"\(\.\./(formats/\w+\.md)\)", reference.formats()))
    assert sorted(named) == sorted(
        [*(str(path.relative_to(ROOT / "docs")) for path in DOCUMENTS), *(page for page in made.values() if page.endswith(".md"))]
    )
    assert [source for source in made if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_a_part_of_a_page_lead_there(path: Path) -> None:
    for target, part in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", path.read_text()):
        if "://" not in target:
            whole = (path.parent / target).read_text() if target else path.read_text()
            assert part in {anchor(line.lstrip("#")) for line in whole.splitlines() if line.startswith("#")}, f"{target}#{part}"


def test_every_variable_that_is_read_is_in_the_reference() -> None:
    source = "\n".join(path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    read = set(re.findall(r"PROMPT_JOULES_[A-Z_]+", source)) | set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", source))
    assert read - OTHERS == {variable.name for variable in VARIABLES}


def test_nothing_of_the_site_comes_from_another_host() -> None:
    assert SITE["theme"]["font"] is False
    added = [*SITE.get("extra_css", ()), *SITE.get("extra_javascript", ())]
    assert [name for name in added if not (ROOT / "docs" / name).exists()] == []
