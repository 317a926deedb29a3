"""What `bench/record.csv` says of single columns, as SQL.

All names and words in this SQL come from that table, never from a file of results, so nobody can inject any.
"""

from collections.abc import Iterator

from prompt_joules.bench.record import COLUMNS, Column

# The largest double. What is not a number, or infinite, is above it.
LARGEST = 1.7976931348623157e308


def problem() -> str:
    """The branches of a `case` that says what is first wrong with a row, as "column: what": missing, no choice, or out of range."""
    branches = [_branch(f"{column.name} is null", column, "is missing") for column in COLUMNS if column.required]
    branches += [branch for column in COLUMNS for branch in _branches(column)]
    return "\n".join(branches)


def text_bytes() -> str:
    """The bytes of all texts of a row."""
    return " + ".join(f"coalesce(strlen({column.name}), 0)" for column in COLUMNS if column.type == "string")


def _branch(condition: str, column: Column, words: str) -> str:
    said = f"{column.name}: {words}".replace("'", "''")
    return f"when {condition} then '{said}'"


def _branches(column: Column) -> Iterator[str]:
    if column.choices:
        *others, last = column.choices
        listed = ", ".join(f"'{choice}'" for choice in column.choices)
        yield _branch(f"{column.name} not in ({listed})", column, f"must be {', '.join(others)} or {last}")
    if column.type == "list<float32>":
        yield _range(column, f"list_min({column.name})", f"list_max({column.name})", "holds a gap that ")
    elif column.type.startswith("float"):
        yield _range(column, column.name, column.name, "")
    elif column.type.startswith("int") and column.least is not None:
        yield _branch(f"{column.name} < {column.least:g}", column, _too_small(column.least))


def _range(column: Column, smallest: str, largest: str, before: str) -> str:
    """One comparison finds a bad row; what is wrong with it is looked for in bad rows only."""
    limits = [_branch(f"not (isfinite({smallest}) and isfinite({largest}))", column, f"{before}is not a finite number")]
    least, most = -LARGEST, LARGEST
    if column.least is not None:
        least = column.least
        limits.append(_branch(f"{smallest} < {_double(least)}", column, before + _too_small(least)))
    if column.most is not None:
        most, words = column.most
        limits.append(_branch(f"{largest} > {_double(most)}", column, before + words))
    return f"when not ({smallest} >= {_double(least)} and {largest} <= {_double(most)}) then case {' '.join(limits)} end"


def _too_small(least: float) -> str:
    return "is negative" if least == 0 else f"is below {least:g}"


def _double(number: float) -> str:
    return f"{number:.17e}"
