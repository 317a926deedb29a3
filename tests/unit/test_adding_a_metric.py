"""A new metric is a line of `metrics.csv` and a line of SQL: all else follows. A second place that had to be edited would fail here."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.warehouse.metrics import METRICS
from tests import factories
from tests.warehouses import ROOT

LINES = (
    "tokens_per_word,Tokens a word,token/word,token/word,1,lower,2,both,,output_words,output_tokens / output_words,,Pieces of a word.",
    "measured_share,With energy,,,1,higher,2,results,,,measured / ok,,Share of the answers whose energy was measured.",
)
# File of warehouse/definitions → the line behind which one is added, and the line.
OF_ONE_PROMPT = {
    "metrics.sql": ("    ratio(energy_j, output_tokens) as energy_per_token_j,", "ratio(output_tokens, output_words) as tokens_per_word,")
}
OF_A_RESULT = {
    "results.sql": (
        "    over['ttft_s'].mean as ttft_s,",
        "over['tokens_per_word'].mean as tokens_per_word, ratio(runs.measured, runs.ok) as measured_share,",
    )
}
# What a person then sees, and what programs get.
PROGRAM = """
import json, sys
from pathlib import Path
import polars as pl
import prompt_joules
from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import export, query
from tests import reference
from tests.app.conftest import open_app
folder = Path(sys.argv[1])
warehouse = str(folder / "w.duckdb")
export.shipped_runs = lambda: set()
status = [main([str(folder / "rows"), "--warehouse", warehouse])]
for rows in ("leaderboard", "prompts"):
    status.append(main(["export", str(folder / f"{rows}.parquet"), "--rows", rows, "--warehouse", warehouse]))
results = prompt_joules.open(warehouse)
comments = {row["column"]: row["meaning"] for row in results.columns().to_dicts() if row["table"] == "results"}
page = open_app("distributions")
page.selectbox(key="metric").select("Tokens a word (token/word)").run()
found = {
    "status": status,
    "percentiles": results.distribution("tokens_per_word").select("prompts", "mean", "p50").rows(),
    "leaderboard": pl.read_parquet(folder / "leaderboard.parquet").select("tokens_per_word", "measured_share").rows(),
    "prompts": pl.read_parquet(folder / "prompts.parquet")["tokens_per_word"].to_list(),
    "kept": results.sql("select mean from run_summary where metric = 'tokens_per_word'").rows(),
    "comment": comments["measured_share"],
    "drawn": [page.selectbox(key="metric").value, len(page.exception), len(page.get("vega_lite_chart"))],
    "documented": "`measured_share`" in reference.metrics(),
}
(folder / "found.json").write_text(json.dumps(found))
"""


def project(folder: Path, lines: Iterable[str], definitions: dict[str, tuple[str, str]]) -> Path:
    """The package with more lines in `metrics.csv` and in files of `warehouse/definitions`; all else is the real one."""
    package, warehouse = folder / "prompt_joules", folder / "prompt_joules" / "warehouse"
    shutil.copytree(ROOT / "warehouse", warehouse, ignore=shutil.ignore_patterns("data", "__pycache__"))
    for name in ("bench", "ingest", "pages"):
        (package / name).symlink_to(ROOT / name)
    for module in (ROOT / "pages" / "front").glob("*.py"):
        (package / module.name).symlink_to(module)
    with (warehouse / "metrics.csv").open("a", encoding="utf-8") as table:
        table.writelines(f"{line}\n" for line in lines)
    for name, (behind, line) in definitions.items():
        path = warehouse / "definitions" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(f"{behind}\n") == 1
        path.write_text(text.replace(f"{behind}\n", f"{behind}\n    {line}\n"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = project(tmp_path_factory.mktemp("metric"), LINES, OF_ONE_PROMPT | OF_A_RESULT)
    rows = factories.records(30).with_columns(
        output_tokens=pl.lit(90, pl.Int32),
        output_words=pl.lit(60, pl.Int32),
        energy_j=pl.when(pl.col("sequence") > 5).then("energy_j"),
        energy_reason=pl.when(pl.col("sequence") <= 5).then(pl.lit("lost")),
    )
    factories.write(rows, folder / "rows" / "run-1" / "part-00000.parquet")
    environment = {"PYTHONPATH": f"{folder}:{ROOT}", "PROMPT_JOULES_WAREHOUSE": str(folder / "w.duckdb"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder], check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return said


def test_a_metric_of_one_prompt_is_a_line_of_the_table_and_a_line_of_sql(found: dict[str, Any]) -> None:
    assert found["status"] == [0, 0, 0]
    assert found["prompts"] == [1.5] * 30
    assert found["percentiles"] == [[30, 1.5, 1.5]]
    assert found["kept"] == [[1.5]]
    assert found["drawn"] == ["Tokens a word (token/word)", 0, 1]


def test_a_metric_of_a_configuration_is_a_line_of_the_table_and_a_line_of_sql(found: dict[str, Any]) -> None:
    assert found["leaderboard"] == [[1.5, 0.8]]
    assert found["comment"] == "measured / ok. Share of the answers whose energy was measured."
    assert found["documented"]


def test_every_column_of_the_table_is_in_use() -> None:
    ratios = {key: metric.divisor for key, metric in METRICS.items() if metric.divisor}
    assert ratios == {"energy_per_token_j": "output_tokens", "throughput_tps": "latency_s", "power_w": "latency_s"}
    by_length = {key for key, metric in METRICS.items() if metric.follows_length}
    assert by_length == {"energy_j", "output_tokens", "latency_s", "energy_per_word_j"}
