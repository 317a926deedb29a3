"""What a visitor's SQL may name: an allow-list over the statement as DuckDB's own parser reads it.

Refused is whatever is not known here: a kind of node, a table, a function. It does not matter how the text spells a thing, because only the
tree counts: `'post' || 'gres_query'` is a text in it, and `query(…)` a table function that is on no list.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from prompt_joules.warehouse import create
from prompt_joules.warehouse import visitor_sql_functions as functions

Node = dict[str, Any]

EXPRESSIONS = """
BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA LAMBDA_REF OPERATOR POSITIONAL_REFERENCE STAR SUBQUERY
TYPE WINDOW
""".split()  # noqa: SIM905
"""The field `class` of a node that is an expression."""
PARTS = """
SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE DISTINCT_MODIFIER ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER
ORDER_DEFAULT ASCENDING DESCENDING EMPTY SUBQUERY JOIN EXPRESSION_LIST PIVOT
""".split()  # noqa: SIM905
"""The field `type` of a node that is no expression and names nothing by itself."""
MACRO = re.compile(r"^create macro (\w+)\(([^)]*)\)\s+as( table)?", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEEPEST = 400
"""How far a statement may be nested; DuckDB's own limit is 1,000 expressions."""
OUT_OF_MEMORY = "The statement needed more memory than one may have: ask for less, or aggregate."


class RefusedSql(Exception):
    """The text was not run, or did not finish; the message says why and where."""


@dataclass(frozen=True)
class Names:
    """What is there to be asked."""

    tables: frozenset[str]  # tables and views of the warehouse
    macros: frozenset[str]  # its own functions in an expression, in lower case
    table_macros: frozenset[str]  # its own functions after FROM, in lower case
    taken: frozenset[str]  # tables and views of DuckDB itself: no part of a statement may borrow their names


def names(connection: duckdb.DuckDBPyConnection) -> Names:
    """What the warehouse that is the connection's database offers. Its functions stand in `definitions`; to list DuckDB's takes 0.1 s."""
    macros = [found for path in create.SOURCES for found in MACRO.findall(path.read_text(encoding="utf-8"))]
    internal = connection.execute("select lower(view_name) from duckdb_views() where internal").fetchall()
    return Names(
        frozenset(str(row[0]).lower() for row in connection.execute("show tables").fetchall()),
        frozenset(name for name, _, of_rows in macros if not of_rows),
        frozenset(name for name, _, of_rows in macros if of_rows),
        frozenset(name for (name,) in internal),
    )


def tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    """The one SELECT of a text as DuckDB parses it.

    Raises:
        RefusedSql: it does not parse, is several statements or none, or is no SELECT.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RefusedSql(f"One statement at a time; there are {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedSql("Only SELECT: the warehouse is read, never changed.")
    ((text,),) = connection.execute("select json_serialize_sql($sql)", {"sql": sql}).fetchall()
    try:
        parsed = json.loads(text)
    except RecursionError as error:
        raise RefusedSql("The statement is nested too deeply.") from error
    if parsed["error"]:
        raise RefusedSql(f"This cannot be looked at before it runs, so it does not ({parsed['error_message']}). Write it as a SELECT.")
    (statement,) = parsed["statements"]
    found: Node = statement["node"]
    return found


def check(root: Node, known: Names) -> None:
    """Raise RefusedSql unless every node of the statement is of a known kind and names only what may be asked."""
    ctes = _ctes(root, known)
    waiting: list[tuple[Any, int]] = [(root, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise RefusedSql("The statement is nested too deeply.")
        if isinstance(value, dict):
            value = _checked(value, known, ctes)
        elif not isinstance(value, list):
            continue
        waiting += [(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)]


def _ctes(root: Node, known: Names) -> frozenset[str]:
    """The names that parts of the statement give themselves (WITH).

    One that is used outside the part that it holds for must not reach anything else: so it is a plain name, and none of DuckDB's own.
    """
    found = set()
    for node in _dicts(root):
        entries = node["cte_map"]["map"] if "cte_map" in node else []
        for name in [entry["key"] for entry in entries] + ([node["cte_name"]] if "cte_name" in node else []):
            if not NAME.fullmatch(name) or name.lower() in known.taken:
                raise RefusedSql(f"WITH cannot be used with the name {name}: choose another one of letters, digits and _.")
            found.add(name.lower())
    return frozenset(found)


def _dicts(root: Node) -> Iterator[Node]:
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _checked(node: Node, known: Names, ctes: frozenset[str]) -> Node | list[Any]:
    """The node itself, or what of it is still to be looked at. Raises RefusedSql."""
    if "class" in node:
        return _expression(node, known)
    kind = node.get("type")
    match kind:
        case "BASE_TABLE":
            _table(node, known, ctes)
        case "TABLE_FUNCTION":
            called = node["function"]
            if called.get("class") != "FUNCTION":
                raise RefusedSql("After FROM stands something that is neither a table nor a function.")
            _function(called, functions.TABLES | known.table_macros)
            return [value for key, value in node.items() if key != "function"] + list(called.values())
        case "SHOW_REF":
            if node.get("query") is None:
                raise RefusedSql("Of such statements only DESCRIBE and SUMMARIZE are answered; the page lists all tables and columns.")
        case str() if kind not in PARTS and not kind.endswith("_TYPE_INFO"):
            raise RefusedSql(f"This part of SQL is not answered here: {kind.lower().replace('_', ' ')}.")
    return node


def _expression(node: Node, known: Names) -> Node:
    kind = node["class"]
    if kind == "PARAMETER":
        raise RefusedSql("There are no parameters to fill in: write the value itself.")
    if kind not in EXPRESSIONS:
        raise RefusedSql(f"This part of SQL is not answered here: {str(kind).lower().replace('_', ' ')}.")
    if kind in ("FUNCTION", "WINDOW"):
        _function(node, functions.SCALARS | known.macros)
    return node


def _function(node: Node, allowed: frozenset[str]) -> None:
    name = node["function_name"]
    elsewhere = (node.get("schema") or "main") != "main" or (node.get("catalog") or "system") != "system"
    if elsewhere or name.lower() not in allowed:
        raise RefusedSql(f"The function {name} cannot be used here: only those that compute from the rows of the warehouse can.")


def _table(node: Node, known: Names, ctes: frozenset[str]) -> None:
    name = node["table_name"]
    if node.get("catalog_name") or node.get("schema_name"):
        raise RefusedSql(f"Write {name} alone, without the schema or database before it.")
    if node.get("at_clause"):
        raise RefusedSql("Only the warehouse as it is now can be asked, not as it was.")
    if name.lower() not in known.tables | ctes:
        raise RefusedSql(f"There is no table or view {name}. There are: {', '.join(sorted(known.tables))}.")
