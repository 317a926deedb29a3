"""Methods: its texts, which stand in `methods.md`, and the table of numbers, which comes from METRICS; no number is defined here."""

import re
from datetime import date
from pathlib import Path

import polars as pl

from prompt_joules.warehouse import create
from prompt_joules.warehouse.metrics import METRICS

# The address of each section and what it is called.
SECTIONS = {
    "setup": "Setup",
    "questions": "Questions",
    "tasks": "Tasks",
    "numbers": "Numbers",
    "limits": "What these numbers do not say",
    "licences": "Licences",
    "citation": "Citation",
}


def parts(text: str, mark: str) -> dict[str, str]:
    """The parts of a text in Markdown by their headings.

    Args:
        mark: of the headings: # or ##.
    """
    _, *rest = re.split(rf"^{mark} (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True))


TEXTS = parts(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"), "#")
QUESTIONS = parts(TEXTS["Questions"], "##")


def text(anchor: str) -> str:
    """The text of a section, with the version and today's date."""
    said = TEXTS[SECTIONS[anchor]]
    return said.replace("{version}", create.project_version()).replace("{day}", f"{date.today():%Y-%m-%d}")


def numbers() -> pl.DataFrame:
    """Every number of METRICS as a row: title, unit, meaning, which way is better, formula, column, source."""
    columns = ["number", "meaning", "better", "formula", "column", "source"]
    rows = [(metric.title, metric.meaning, metric.better or "", metric.formula, metric.key, metric.source) for metric in METRICS.values()]
    return pl.DataFrame(rows, schema=columns, orient="row")
