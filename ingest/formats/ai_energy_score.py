"""AI Energy Score → `published`: the tables of its leaderboard, and what its own benchmark (`ai_energy_benchmarks`) writes.

The leaderboard has a table a task, named after it, with the kWh that GPUs took for 1,000 queries, one at a time, on NVIDIA H100 of
80 GB (https://huggingface.github.io/AIEnergyScore). The benchmark writes Wh of a run, as `benchmark_report.json`, as a CSV with the same
names joined by `_`, and a batch of runs as `master_results.csv`. Its tokens per s count those of prompts, too: they are dropped. Reports
from optimum-benchmark are read by `optimum_benchmark.py`.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source
from prompt_joules.ingest.formats.fields import FACTORS, first_of, measured, number, share
from prompt_joules.ingest.formats.figures import Run, each_run, format_of
from prompt_joules.ingest.formats.foreign import whole

TABLE = {"model", "total_gpu_energy", "energy_score"}
BATCH = {"model_name", "reasoning_state", "gpu_energy_wh", "successful_prompts", "total_completion_tokens"}
FLAT = {"config_model", "energy_gpu_energy_wh", "summary_successful_prompts"}
REPORT = {"config", "summary", "energy", "backend_info", "metrics_metadata"}
SUMMED = (
    *("total_prompts", "successful_prompts", "failed_prompts", "avg_latency_seconds"),
    *("avg_time_to_first_token", "total_prompt_tokens", "total_completion_tokens"),
)
# Its tasks whose input and output are text.
TEXT_TASKS = ("text_generation", "reasoning", "summarization")
QUERIES = 1000
# Classes of models that fit on one GPU, and on which they must be measured.
ON_ONE = ("A", "B")
# Above this share of failed prompts the benchmark itself calls its means skewed.
MOST_FAILED = 0.05
ALONE = {"batch_size": 1, "concurrency": 1, "source": "AI Energy Score", "generation": "ai-energy-score"}


def row_of(run: Mapping[str, Any], task: str) -> Mapping[str, Any] | str:
    """The figure of a line of the leaderboard's table of a task."""
    return ALONE | {
        "published_model_id": run["model"],
        "gpu_model": "NVIDIA H100 80GB HBM3",
        "num_gpus": 1 if str(first_of(run, "class", "Class")).strip().upper() in ON_ONE else 0,
        "task": f"AI Energy Score, {task}",
        "engine": "pytorch",
        "prompts": QUERIES,
        "energy_j": measured(run["total_gpu_energy"], FACTORS["kWh"] / QUERIES),
        "harness_version": "AI Energy Score",
        "url": "https://huggingface.co/spaces/AIEnergyScore/Leaderboard",
    }


def table_of(source: Source, content: Content) -> Iterator[Run | Reject]:
    """The figures of a table; the task is in the name of the file, nowhere else."""
    name = Path(source.name).name.split(".")[0].lower()
    task = next((task for task in TEXT_TASKS if task in name.replace("-", "_")), None)
    if task is None:
        yield Reject(None, "task", f"is {name} by the file's name, not {', '.join(TEXT_TASKS[:-1])} or {TEXT_TASKS[-1]}: no text from text")
        return
    yield from each_run(partial(row_of, task=task), TABLE)(source, content)


def flat(run: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A nested object with its names joined by `_`, as the benchmark's CSV has them; lists as text with commas."""
    found: dict[str, Any] = {}
    for name, value in run.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}_")
        else:
            found[before + name] = ",".join(map(str, value)) if isinstance(value, list) else value
    return found


def run_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a report, or of a line of either CSV."""
    if "model_name" in run:
        reasoning = run.get("reasoning_state")
        task = f"{run.get('task')}{f', reasoning {reasoning}' if reasoning else ''}"
        return of_totals(run, run["model_name"], task, {"engine": "unknown"})
    said = flat(run)
    if not said.keys() >= FLAT:
        return "is no whole report of ai_energy_benchmarks"
    devices = str(said.get("config_device_ids") or "").split(",")
    setup = {"engine": said.get("config_backend") or "unknown", "num_gpus": len([device for device in devices if device.strip()])}
    totals = {name: said.get(f"summary_{name}") for name in SUMMED} | {"gpu_energy_wh": said["energy_gpu_energy_wh"]}
    return of_totals(totals, said["config_model"], f"of {said.get('config_dataset')}", setup)


def of_totals(run: Mapping[str, Any], model: Any, task: str, setup: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The means of a run out of its totals. It answers one prompt after another; its energy is also that of the few that failed."""
    answered, failed = (whole(number(run.get(f"{what}_prompts"))) for what in ("successful", "failed"))
    if not isinstance(answered, int) or answered < 1 or not isinstance(failed, int):
        return f"has no answered prompt{f': {said}' if (said := run.get('error_message')) else ''}"
    if failed > MOST_FAILED * (answered + failed):
        return f"has {failed} prompts of {answered + failed} that failed: their energy cannot be told from that of the answers"
    joules, tokens = measured(run.get("gpu_energy_wh"), FACTORS["Wh"]), number(run.get("total_completion_tokens"))
    latency = measured(first_of(run, "avg_total_time", "avg_latency_seconds"))
    return {
        **ALONE,
        "published_model_id": model,
        "task": f"AI Energy Score, {task}",
        "prompts": answered,
        "energy_j": share(joules, answered),
        "energy_per_token_j": share(joules, tokens),
        "output_tokens": share(tokens, answered),
        "input_tokens": share(run.get("total_prompt_tokens"), answered),
        "latency_s": latency,
        "ttft_s": measured(run.get("avg_time_to_first_token")),
        "throughput_tps": share(share(tokens, answered), latency),
        "harness_version": "ai_energy_benchmarks" + (f", with the energy of {failed} that failed" if failed else ""),
        **setup,
    }


def _recognises(content: Content) -> bool:
    header = set(content.header)
    return header >= BATCH or header >= FLAT or content.keys >= REPORT


TABLES = format_of(
    Facts(
        "ai-energy-score",
        "AI Energy Score: text_generation.csv and other tables of its leaderboard",
        "February 2025 (structure from lines of it that others published)",
    ),
    recognises=lambda content: set(content.header) >= TABLE,
    read=table_of,
)
RUNS = format_of(
    Facts(
        "ai-energy-benchmarks",
        "AI Energy Score's benchmark: benchmark_report.json, its CSV, master_results.csv",
        "October 2025 (structure from its source; the header of a published master_results.csv)",
    ),
    recognises=_recognises,
    read=each_run(run_of),
)
