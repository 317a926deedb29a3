"""docs/notebook.ipynb as tests read it: its cells, and what it says that they gave."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.warehouses import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@dataclass(frozen=True)
class Cell:
    """A cell of code.

    Attributes:
        source: its code.
        said: its last value as text; "" where it gave none.
        kinds: the MIME types of what it gave.
    """

    source: str
    said: str
    kinds: frozenset[str]

    @property
    def is_frame(self) -> bool:
        """Whether it gave a table."""
        return "text/html" in self.kinds


def cells(path: Path = NOTEBOOK) -> list[Cell]:
    """The cells of code, in order. Raises AssertionError: one of them ended in an error."""
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source, outputs = _text(cell["source"]), cell["outputs"]
            assert all(output["output_type"] != "error" for output in outputs), f"{source}\n{outputs}"
            data: dict[str, Any] = {kind: text for output in outputs for kind, text in output.get("data", {}).items()}
            found.append(Cell(source, _text(data.get("text/plain", "")), frozenset(data)))
    return found


def keep(executed: Path, target: Path) -> None:
    """Copy an executed notebook without what differs each time: the clock of every cell, and the version of Python."""
    whole = json.loads(executed.read_text(encoding="utf-8"))
    whole["metadata"]["language_info"] = {"name": "python"}
    for cell in whole["cells"]:
        cell["metadata"].pop("execution", None)
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
