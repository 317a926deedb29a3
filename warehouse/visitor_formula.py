"""A visitor's own column: arithmetic on the numbers of a row, e.g. `energy_j / params_total_b`.

The text is parsed, checked node by node against an allow-list, and built into a polars expression. Nothing is evaluated
as Python. An error says what is wrong and at which character.
"""

import ast
import warnings
from collections.abc import Callable, Iterable
from functools import reduce

import polars as pl

LONGEST = 300
FILE = "<formula>"
# Python warns of numbers such as `1if 2`. That warning is for the author of a program, not for the log of the server.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=FILE)
DEEPEST = 40
OPERATORS: dict[type[ast.operator], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
FUNCTIONS: dict[str, Callable[[list[pl.Expr]], pl.Expr]] = {
    "sqrt": lambda given: given[0].sqrt(),
    "log": lambda given: given[0].log(),
    "abs": lambda given: given[0].abs(),
    "round": lambda given: given[0].round(0),
    "min": pl.min_horizontal,
    "max": pl.max_horizontal,
}
MANY = ("min", "max")


class WrongFormula(Exception):
    """The text is no formula; the message says what is wrong and at which character, from 1."""

    def __init__(self, what: str, place: int, text: str) -> None:
        super().__init__(f"{what}, at character {place}: {text[: place - 1]}▸{text[place - 1 :]}")


def parse(text: str, columns: Iterable[str]) -> pl.Expr:
    """The formula as an expression; a result that is not finite (a division by 0, a root of −1) becomes null.

    Args:
        text: numbers, names of columns, + - * / **, brackets, and the FUNCTIONS.
        columns: the names that may be used.

    Raises:
        WrongFormula: what is wrong, and where.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise WrongFormula(f"The formula is longer than {LONGEST} characters", LONGEST, text[:LONGEST])
    try:
        tree = ast.parse(text, FILE, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        place = min(getattr(error, "offset", None) or len(text) + 1, len(text) + 1)
        raise WrongFormula("This is not a formula", max(place, 1), text) from error
    value = _build(tree.body, text, frozenset(columns), 0).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def _build(node: ast.expr, text: str, columns: frozenset[str], depth: int) -> pl.Expr:
    place = len(text.encode()[: node.col_offset].decode()) + 1
    if depth > DEEPEST:
        raise WrongFormula("Too many brackets", place, text)
    match node:
        case ast.Constant(value=bool()):
            raise WrongFormula("Only numbers, columns and functions", place, text)
        case ast.Constant(value=int() | float() as number):
            return pl.lit(_number(number, place, text))
        case ast.Name(id=name) if name in columns:
            return pl.col(name).cast(pl.Float64)
        case ast.Name(id=name):
            raise WrongFormula(f"There is no column {name}", place, text)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_build(inner, text, columns, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _build(inner, text, columns, depth + 1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            sides = (_build(side, text, columns, depth + 1) for side in (left, right))
            return reduce(OPERATORS[type(operator)], sides)
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in FUNCTIONS:
            if not given or (len(given) > 1 and name not in MANY):
                raise WrongFormula(f"{name} takes {'numbers' if name in MANY else 'one number'}", place, text)
            return FUNCTIONS[name]([_build(inner, text, columns, depth + 1) for inner in given])
        case ast.Call(func=ast.Name(id=name)):
            raise WrongFormula(f"There is no function {name}; there are {', '.join(FUNCTIONS)}", place, text)
        case _:
            raise WrongFormula("Only numbers, columns, + - * / **, brackets and functions", place, text)


def _number(number: float, place: int, text: str) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise WrongFormula("This number is too large", place, text) from error
