"""Nothing makes the server stand still: no Python runs in the threads of polars.

A function inside an expression (`map_elements`, `map_batches`, …) runs in polars' own threads, which wait for Python's lock; `to_pandas`
holds that lock while it waits for those threads. Two visitors on a machine of two cores were enough, and the server never answered again.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

INSIDE = {"map_elements", "map_batches", "map_groups", "map_rows", "rolling_map", "map_columns", "cum_fold", "fold", "cum_reduce"}
FOLDERS = ("pages", "warehouse", "ingest")
# Both in one process, in a loop: with a function inside an expression it stops within seconds.
TOGETHER = """
import sys, threading
import polars as pl
from prompt_joules.pages.ui.pure import shape
rows = pl.DataFrame({"x": [float(number) for number in range(3_000)], "y": ["a", "b", "c"] * 1_000})
rows = pl.concat([rows] * 4, rechunk=False)
def worded():
    for _ in range(60):
        if sys.argv[1] == "inside":
            rows.lazy().group_by("y").agg(pl.col("x").map_elements(lambda x: f"{x}", return_dtype=pl.String)).collect()
        else:
            rows.with_columns(shape.each(rows["x"], lambda x: f"{x}", pl.String).alias("z"))
def shown():
    for _ in range(400):
        rows.to_pandas()
threads = [threading.Thread(target=does) for does in (worded, shown) * 4]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_stands_inside_an_expression(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        called = {
            (node.func.attr, node.lineno)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        wrong = [(name, line) for name, line in called if name in INSIDE]
        assert not wrong, f"{path.relative_to(ROOT)}: {wrong}; use shape.each, which runs in the thread that asks"


def test_words_for_values_and_tables_for_streamlit_go_together(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER, "each"], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "done\n", done.stderr
