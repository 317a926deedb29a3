"""The files for people who cite, report, contribute or serve agree with the code and with one another."""

import re
import tomllib
from datetime import date
from importlib import metadata

import yaml

from tests.warehouses import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_is_of_this_version_which_has_a_dated_section() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert {"cff-version", "message", "title", "authors", "date-released"} <= set(citation)
    # Not the word that repositories use (dataset): https://github.com/citation-file-format/citation-file-format, schema 1.2.0.
    assert {reference["type"] for reference in citation["references"]} <= {"data", "article", "software", "report", "website"}
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[:2] == ["Unreleased", f"{PROJECT['version']} ({citation['date-released']:%Y-%m-%d})"]
    assert isinstance(citation["date-released"], date)


def test_no_line_of_the_changelog_stands_twice() -> None:
    """It is merged by union, which keeps both sides."""
    entries = [
        entry.strip() for entry in re.split(r"^- |^## .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:] if entry.strip()
    ]
    twice = {entry for entry in entries if entries.count(entry) > 1}
    assert twice == set()


def test_forms_of_issues_are_whole() -> None:
    forms = [yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")]
    assert len(forms) == 3
    for form in forms:
        assert {"name", "description", "body"} <= set(form)
        assert all(part["type"] in ("textarea", "input", "checkboxes") and part["attributes"]["label"] for part in form["body"])


def test_the_lower_bounds_are_not_above_what_is_pinned() -> None:
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line and not line.startswith("#")
    )
    names = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for text in PROJECT["dependencies"]:
        name, _, bound = text.partition(">=")
        pinned = names[name.partition("[")[0]]
        assert tuple(map(int, bound.split("."))) <= tuple(map(int, re.findall(r"\d+", pinned))), text


def test_the_metadata_says_where_it_runs() -> None:
    classifiers = PROJECT["classifiers"]
    assert [one for one in classifiers if one.startswith("Programming Language :: Python :: 3.")] == [
        "Programming Language :: Python :: 3.11"
    ]
    assert metadata.version("prompt-joules")


def test_the_readme_leads_to_every_guide() -> None:
    readme = (ROOT / "README.md").read_text()
    guides = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert [name for name in guides if f"](docs/{name})" not in readme] == []


def test_the_readme_says_which_package_of_zeus_is_meant() -> None:
    """`pip install zeus-ml` still works and brings the last version under the old name."""
    named = {text.partition(">=")[0] for extra in PROJECT["optional-dependencies"].values() for text in extra}
    assert "zeus" in named and "zeus-ml" not in named
    said = re.search(r"`zeus-ml`.*`zeus` \((\d+\.\d+)\)", (ROOT / "README.md").read_text())
    assert said and f"zeus=={said[1]}." in (ROOT / "constraints.txt").read_text()
