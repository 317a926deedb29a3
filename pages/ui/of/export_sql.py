"""Export and SQL: the files of the rows, and the chart of an answer."""

import io
from dataclasses import dataclass

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, theme
from prompt_joules.pages.ui.pure.narrowings import quoted
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import export as exports
from prompt_joules.warehouse import query
from prompt_joules.warehouse.visitor_sql import Answer

EXPORT = (
    "Exactly the rows that the filters of the sidebar choose, all columns, in base units (J, s, W). Each file starts with a header: the "
    "filter in words, its link, the number of rows, their SHA-256, sources, licences and how to cite them."
)
SQL = (
    "One SELECT on this warehouse, whatever the filters of the sidebar: read-only, no files, no network, 10 s, 512 MB, 10,000 rows, 8 MB. "
    "It runs when you press Run. `results` has one row per run of ours and published average, `prompts` one per prompt of our runs."
)
NOT_YET = "Nothing has been asked yet: press Run."
SWITCHED_OFF = "SQL is switched off on this server. The files above hold the rows: DuckDB, Polars or a spreadsheet can ask them."
EXAMPLE = """select model_name, gpu_model, energy_j, energy_per_token_j
from results
where task = 'chat' and batch_size = 1 and weights = 'pretrained'
order by energy_j
limit 20"""
COLUMNS = ("table", "column", "type", "meaning")
# Formats on screen.
KINDS = {"parquet": "Parquet", "csv": "CSV", "json": "JSON", "arrow": "Arrow", "xlsx": "Excel"}
# What can be exported: name on screen → query, what one row is.
EXPORTS = {
    "Results": ("leaderboard", "one row per run of ours and per published average"),
    "Prompts": ("prompts", "one row per prompt answered in a run of ours"),
    "Runs": ("runs", "one row per run of ours"),
}


@dataclass(frozen=True)
class Question:
    """What chose the rows of an answer to SQL: the SQL, and no filter."""

    sql: str

    def words(self) -> str:
        """The SQL in “quotes”, escaped like the value of a filter."""
        return f"SQL {quoted(self.sql)}"

    def to_query(self) -> dict[str, str | list[str]]:
        return {"sql": self.sql}


def file_of(view: View, name: str, kind: str, warehouse: str, link: str | None = None) -> io.BufferedReader:
    """A file of all rows of a view, made part by part.

    Args:
        name: of EXPORTS.
        kind: of KINDS.
        link: the address of the view.
    """
    question, what = EXPORTS[name]
    with query.stream(question, view.selection, warehouse, part_rows=exports.PART_ROWS) as parts:
        return exports.temporary(map(view.rows, parts), kind, view, what, link=link)


def answer(found: Answer) -> str:
    """How many rows the SQL gave."""
    height = found.rows.height
    return f"{height:,} {'row' if height == 1 else 'rows'}{': there are more, only the first are shown' if found.cut else ''}."


MOST_DRAWN = 2000


def two_columns(rows: pl.DataFrame) -> pl.DataFrame | None:
    """What `anything` draws: the first column and the first other column of numbers, not too many rows. None where there is neither."""
    numbers = [name for name in rows.columns[1:] if rows.schema[name].is_numeric()]
    return rows.select(rows.columns[0], numbers[0]).head(MOST_DRAWN) if numbers and not rows.is_empty() else None


def anything(rows: pl.DataFrame) -> theme.Chart:
    """The second column against the first: one point per row.

    Args:
        rows: from `two_columns`.
    """
    first, second = rows.columns
    drawn = rows.select(pl.col(first).alias("x"), pl.col(second).alias("y"))
    base = alt.Chart(drawn)
    if rows.schema[first].is_numeric():
        points = base.mark_point(filled=True, size=50).encode(
            x=alt.X("x:Q", title=first), y=alt.Y("y:Q", title=second), tooltip=["x:Q", "y:Q"]
        )
        return theme.finish(points)
    names = alt.Y("x:N", title=first, sort=None)
    dots = base.mark_point(filled=True, size=60, opacity=0.8).encode(y=names, x=alt.X("y:Q", title=second), tooltip=["x:N", "y:Q"])
    return theme.finish(dots, axes.rows_high(drawn["x"].head(60)))
