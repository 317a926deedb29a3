"""Made-up formulas, statements, links and files, each by a seed and a number: the same in every run."""

import csv
import io
import json
import random
from typing import Any
from urllib.parse import urlencode

from prompt_joules.pages.ui import filters

SIGNS = [
    *"+-*/()[]{},.:;=<>!@#%^&|~`'\"\\$?_ \t\n",
    "**",
    "//",
    "\x00",
    "\ufeff",
    "\u200b",
    "＝",
    "٣",
    "é",
    "🔥",
    "\u202e",
    "1e999",
    "0x1",
    "1j",
]
WORDS = [
    "energy_j",
    "prompts",
    "name",
    "paramz",
    "sqrt",
    "log",
    "abs",
    "round",
    "min",
    "max",
    "import",
    "lambda",
    "if",
    "else",
    "and",
    "not",
]
DUNDERS = [
    "__import__('os')",
    "().__class__",
    "energy_j.__class__",
    "eval",
    "exec",
    "open('/etc/passwd')",
    "f'{1}'",
    "[x for x in y]",
    "1 if 1 else 2",
]
KEYS = [
    *filters.MANY,
    *filters.DEFAULTS,
    "search",
    "sql",
    "formula",
    "prompt",
    "view",
    "chart",
    "rows",
    "show",
    "columns",
    "series",
    "results",
]
KEYS += [
    "range_energy_j",
    "limit_latency_s",
    "colour",
    "by",
    "log",
    "axis",
    "cut",
    "compare",
    "setup",
    "a_task",
    "b_task",
    "band",
    "x",
    "y",
]
VALUES = [
    "",
    "A40",
    "chat",
    "pretrained",
    "both",
    "all",
    "true",
    "None",
    "nan",
    "inf",
    "-1",
    "1e400",
    "0",
    "9" * 50,
    "a" * 5_000,
    "../../etc/passwd",
]
VALUES += [
    "<script>",
    "**b**",
    "$x$",
    "=1+1",
    "\x00",
    "\ufeff",
    "%",
    "%00",
    "a,b",
    "“",
    "or",
    " ",
    "\ud800",
    "['a']",
    "{}",
    "1,2",
    "2:1",
    "drop table runs",
]
# Live code that no statement of a visitor may hold.
POISON = [
    "read_text('/etc/passwd')",
    "read_blob('x')",
    "glob('/*')",
    "query('select 1')",
    "query_table('runs')",
    "json_execute_serialized_sql('x')",
    "duckdb_databases()",
    "duckdb_settings()",
    "postgres_query('a', 'b')",
    "pragma_storage_info('runs')",
    "parquet_metadata('x')",
    "main.runs",
    "results.main.runs",
    "information_schema.tables",
    "sqlite_master",
    '"/etc/passwd"',
    "'x.csv'",
]
POISONED_VALUES = [
    "getenv('HOME')",
    "current_setting('x')",
    "getvariable('x')",
    "nextval('s')",
    "pg_sleep(1)",
    "write_log('x')",
    "current_query()",
]
TABLES = [
    "runs",
    "requests",
    "published",
    "results",
    "range(3)",
    "(select 1 as x)",
    "(values (1), (2))",
    "(describe runs)",
    "unnest([1, 2])",
]
EXPRESSIONS = [
    "1",
    "'x'",
    "null",
    "x",
    "energy_j",
    "[1, 2]",
    "{'a': 1}",
    "interval 1 day",
    "date '2020-01-01'",
    "count(*)",
    "now()",
    "'🔥'",
    "1e9",
]


def dice(kind: str, seed: int, number: int) -> random.Random:
    """The chance of one case, the same in every run."""
    return random.Random(f"{kind}-{seed}-{number}")


def formula(chance: random.Random) -> str:
    """Words and signs in a row, a nested expression, or one that a character or two were changed in."""
    if chance.random() < 0.5:
        return "".join(chance.choice([*SIGNS, *WORDS, *DUNDERS, str(chance.randint(-5, 10**9))]) for _ in range(chance.randint(0, 25)))
    text = nested(chance, 0)
    return mutated(text, chance) if chance.random() < 0.5 else text


def nested(chance: random.Random, depth: int) -> str:
    """An expression that is a formula, unless it is too deep."""
    if depth > 6 or chance.random() < 0.3:
        return chance.choice(["energy_j", "prompts", "2", "0", "-1", "1e308", "0.1"])
    shape = chance.choice(["({} {} {})", "{} {} {}", "sqrt({0})", "min({0}, {2})", "-{0}", "round({0})", "log({0})"])
    return shape.format(nested(chance, depth + 1), chance.choice(["+", "-", "*", "/", "**"]), nested(chance, depth + 1))


def mutated(text: str, chance: random.Random) -> str:
    """A text with a few characters taken out, put in or said twice."""
    for _ in range(chance.randint(1, 4)):
        place = chance.randint(0, len(text))
        cut = chance.randint(0, 3)
        text = text[:place] + chance.choice([*SIGNS, "", text[place : place + 8]]) + text[place + cut :]
    return text


def statement(chance: random.Random, poison: bool) -> str:
    """A SELECT with parts in parts; with poison, live code that must be refused stands somewhere in it."""
    table = chance.choice(POISON) if poison and chance.random() < 0.6 else chance.choice(TABLES)
    value = chance.choice(EXPRESSIONS)
    if poison and table not in POISON:
        value = chance.choice(POISONED_VALUES)
    inner = chance.choice(
        [
            "select {value} from {table}",
            "select * from {table} where {value} is null",
            "select max({value}) over () from {table}",
            "select 1 from {table} order by {value}",
            "select case when {value} is null then 1 end from {table}",
            "select list_transform([1], lambda q: {value}) from {table}",
            "select a.* from {table} a, lateral (select {value} as z) b",
            "select [{value}] from {table} group by all having {value} is not null",
            "select struct_pack(a := {value}) from {table} limit 3",
        ]
    ).format(value=value, table=table)
    for _ in range(chance.randint(0, 3)):
        inner = chance.choice(
            [
                "select * from ({}) s",
                "with w as ({}) select * from w",
                "select (select count(*) from ({}) s)",
                "select 1 where exists ({})",
                "({}) union all (select 1)",
                "select 'from glob(''/*'')' as x from ({}) s -- read_text('/etc/passwd')",
                "select /* query('x') */ 1 from ({}) s",
            ]
        ).format(inner + "\n")
    return inner.upper() if chance.random() < 0.1 and "'" not in inner else inner


def link(chance: random.Random) -> str:
    """The query of an address: keys of the app, values of all kinds."""
    pairs = [
        (chance.choice(KEYS), mutated(chance.choice(VALUES), chance) if chance.random() < 0.5 else chance.choice(VALUES))
        for _ in range(chance.randint(1, 6))
    ]
    return urlencode(pairs, errors="replace")


def spoilt(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, put in, said twice, or the end cut off."""
    for _ in range(chance.randint(1, 5)):
        place = chance.randint(0, len(content))
        new = chance.choice(
            [chance.randbytes(chance.randint(0, 20)), b"\x00", b'"', b"NaN", b"-1", b"1e999", b"\xff\xfe", content[place : place + 40]]
        )
        content = content[:place] + new + (content[place + chance.randint(0, 20) :] if chance.random() < 0.9 else b"")
    return content


def odd(chance: random.Random) -> Any:
    """A value that does not belong where it will stand."""
    return chance.choice(
        [None, True, -1, 0, 1.5, 10**400, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "-7", [], [None], {}, {"a": [1]}]
    )


def odd_inside(content: Any, chance: random.Random) -> Any:
    """JSON with one value replaced, taken away or said twice, wherever it stands."""
    if isinstance(content, dict) and content and chance.random() < 0.9:
        key = chance.choice(list(content))
        changed = odd_inside(content[key], chance)
        return {name: changed if name == key else value for name, value in content.items() if name != key or chance.random() < 0.9}
    if isinstance(content, list) and content and chance.random() < 0.9:
        place = chance.randrange(len(content))
        return [*content[:place], odd_inside(content[place], chance), *content[place + (chance.random() < 0.8) :]]
    return odd(chance)


def odd_values(content: bytes, ending: str, chance: random.Random) -> bytes:
    """A JSON, JSON lines or CSV file that is whole, with odd values in it; other files with bytes changed."""
    try:
        text = content.decode("utf-8-sig")
        if ending == ".json":
            return json.dumps(odd_inside(json.loads(text), chance)).encode()
        if ending == ".jsonl":
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
            return "\n".join(json.dumps(odd_inside(line, chance)) for line in lines).encode()
        if ending == ".csv":
            rows = [[*row] for row in csv.reader(io.StringIO(text))]
            row = chance.choice(rows)
            row[chance.randrange(len(row))] = str(odd(chance)).replace("\ud800", "?")
            out = io.StringIO()
            csv.writer(out).writerows(rows)
            return out.getvalue().encode()
    except (ValueError, IndexError):
        pass
    return spoilt(content, chance)
