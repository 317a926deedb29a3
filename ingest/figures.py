"""Write published figures in the form in which they ship: figures.csv and quality.csv, rows in a fixed order.

They are read back out of a warehouse made of the source files alone: what ships is what this ingest understands.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from prompt_joules.bench.files import replacing
from prompt_joules.ingest import loading
from prompt_joules.ingest.formats.published import FIGURES_SCHEMA, QUALITY_SCHEMA
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import commands, connect
from prompt_joules.warehouse.errors import ForPeople


class NoFigures(ForPeople):
    """The paths hold no published figure, or a file of them cannot be loaded whole."""


def write(paths: Sequence[str], out: str) -> list[tuple[Path, int]]:
    """Write the figures and the scores of some source files; a file that would be empty is not written.

    Returns:
        The files written, each with its number of rows.

    Raises:
        NoFigures: no figures, or a file was refused in part.
    """
    with tempfile.TemporaryDirectory() as folder:
        warehouse = str(Path(folder) / "published.duckdb")
        report = loading.ingest(paths, warehouse, rebuild=True)
        if report.status:
            raise NoFigures(f"Some of {', '.join(paths)} cannot be loaded whole; {commands.INGEST} says what.")
        with connect.once(warehouse) as connection:
            figures = connection.sql(statement("publish_figures")).pl()
            scores = connection.sql(statement("publish_quality")).pl()
    if figures.is_empty():
        raise NoFigures(f"There are no published figures in {', '.join(paths)}.")
    Path(out).mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows, schema in (("figures", figures, FIGURES_SCHEMA), ("quality", scores, QUALITY_SCHEMA)):
        path = Path(out) / f"{name}.csv"
        if rows.is_empty():
            path.unlink(missing_ok=True)
            continue
        with replacing(path) as file_of_rows:
            rows.select(list(schema)).write_csv(file_of_rows)
        written.append((path, rows.height))
    return written
