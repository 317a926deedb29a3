"""The source formats, one file each. A format is recognised by looking at the content of a file, not at its name."""

from collections.abc import Sequence

from prompt_joules.ingest.formats import (
    ai_energy_score,
    aiperf,
    aiperf_summary,
    boamps,
    carbontracker,
    codecarbon,
    exported,
    guidellm,
    helm,
    inferencex,
    lighteval,
    llama_bench,
    llama_bench_text,
    llm_perf,
    lm_eval,
    mapped,
    nvidia_smi,
    optimum_benchmark,
    published,
    records,
    run_json,
    sglang_bench,
    vllm_bench,
    vllm_offline,
    vllm_runs,
    zeus_log,
)
from prompt_joules.ingest.formats.base import Content, Format
from prompt_joules.ingest.formats.mlenergy import v1, v1_prompts, v2, v3, v3_run

# In this order: the first that recognises a file reads it, and files load in the order of their formats.
FORMATS: tuple[Format, ...] = (
    records.FORMAT,
    run_json.FORMAT,
    published.FIGURES,
    published.QUALITY,
    v1.BENCHMARK,
    v1.SCORES,
    v1.MODELS,
    v1_prompts.FORMAT,
    v2.FORMAT,
    v3.FORMAT,
    v3.INDEX,
    v3_run.FORMAT,
    lm_eval.FORMAT,
    lighteval.FORMAT,
    helm.FORMAT,
    aiperf.FORMAT,
    aiperf_summary.FORMAT,
    aiperf_summary.GENAI,
    vllm_bench.FORMAT,
    vllm_runs.FORMAT,
    vllm_offline.FORMAT,
    sglang_bench.FORMAT,
    sglang_bench.RUNS,
    guidellm.FORMAT,
    llama_bench.FORMAT,
    llama_bench_text.FORMAT,
    inferencex.FORMAT,
    llm_perf.FORMAT,
    optimum_benchmark.FORMAT,
    ai_energy_score.TABLES,
    ai_energy_score.RUNS,
    codecarbon.FORMAT,
    carbontracker.FORMAT,
    zeus_log.FORMAT,
    nvidia_smi.FORMAT,
    exported.FORMAT,
    boamps.FORMAT,
    mapped.format_of(None),
    mapped.format_of(None, of_figures=True),
)


def formats(mapping: mapped.ColumnMap | None) -> tuple[Format, ...]:
    """All formats; files that none of them knows are read with the mapping, when there is one."""
    return (*FORMATS[:-2], mapped.format_of(mapping), mapped.format_of(mapping, of_figures=True))


def recognise(content: Content, candidates: Sequence[Format] = FORMATS) -> Format | None:
    """The format of a file, or None for a foreign one. Raises Unreadable, OSError."""
    return next((candidate for candidate in candidates if candidate.recognises(content)), None)
