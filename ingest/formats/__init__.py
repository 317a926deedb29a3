"""The source formats, one file each. A format is recognised by looking at the content of a file, not at its name."""

from collections.abc import Sequence

from ingest.formats import (
    aiperf,
    codecarbon,
    lm_eval,
    mapped,
    mlenergy_v1,
    mlenergy_v1_prompts,
    mlenergy_v2,
    mlenergy_v3,
    mlenergy_v3_run,
    optimum_benchmark,
    published,
    records,
    run_json,
    vllm_bench,
)
from ingest.formats.base import Format, Head

# In this order: the first that recognises a file reads it, and files load in the order of their formats.
FORMATS: tuple[Format, ...] = (
    records.FORMAT,
    run_json.FORMAT,
    published.FIGURES,
    published.QUALITY,
    mlenergy_v1.BENCHMARK,
    mlenergy_v1.SCORES,
    mlenergy_v1.MODELS,
    mlenergy_v1_prompts.FORMAT,
    mlenergy_v2.FORMAT,
    mlenergy_v3.FORMAT,
    mlenergy_v3.INDEX,
    mlenergy_v3_run.FORMAT,
    lm_eval.FORMAT,
    aiperf.FORMAT,
    aiperf.SUMMARY_FORMAT,
    vllm_bench.FORMAT,
    optimum_benchmark.FORMAT,
    codecarbon.FORMAT,
    mapped.format_of(None),
)
SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")


def formats(mapping: mapped.ColumnMap | None) -> tuple[Format, ...]:
    """All formats; files that none of them knows are read with the mapping, when there is one."""
    return (*FORMATS[:-1], mapped.format_of(mapping))


def recognise(head: Head, candidates: Sequence[Format] = FORMATS) -> Format | None:
    """The format of a file, or None for a foreign one."""
    return next((candidate for candidate in candidates if candidate.recognises(head)), None)
