"""The row contract: every column of a results file, with its type, unit and meaning.

One row is one prompt answered once. The setup is repeated in every row, so that a lone Parquet file can be read by
anyone. Storage is in base SI units. A value that was not measured is null with a reason beside it, never 0.

This module imports nothing heavy: the ingest reads it on machines that have no torch. A column is added here, with its
unit, or not at all.
"""

from dataclasses import dataclass
from typing import Any, Literal

SCHEMA_VERSION = 3

ColumnType = Literal["int16", "int32", "int64", "float32", "float64", "string", "bool", "timestamp[us, UTC]", "list<float32>"]


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Attributes:
        name: column name in Parquet and in the warehouse.
        type: storage type, as Arrow spells it.
        unit: SI unit, or "" for counts, names and flags.
        meaning: one line for documentation and column help.
        required: a row with null here breaks the contract and is rejected by the ingest.
        setup: the value is the same in every row of a run.
        choices: of a text, the only ones that there are; empty: any.
        least: of a number, the smallest that there is; None: any that is finite.
        most: of a number, the largest that there is, and what is said of a larger one.
    """

    name: str
    type: ColumnType
    unit: str
    meaning: str
    required: bool = False
    setup: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = 0
    most: tuple[float, str] | None = None


def _setup(name: str, type: ColumnType, meaning: str, *, unit: str = "", **rules: Any) -> Column:
    return Column(name, type, unit, meaning, setup=True, **rules)


YEAR = (31_536_000.0, "is more than a year")
GIGAJOULE = (1e9, "is more than a gigajoule, which no answer takes")
MEGAWATT = (1e6, "is more than a megawatt")
PARAMETERS = (1e6, "is in billions, and more than a million of them")


COLUMNS: tuple[Column, ...] = (
    _setup("schema_version", "int16", "version of this contract", required=True),
    _setup("run_id", "string", "time-ordered unique id (UUIDv7) of one run: one model, task, setup and prompt set", required=True),
    _setup(
        "experiment_id",
        "string",
        "whole runs that repeat each other share it: those of one command with --runs, or of several with --experiment",
    ),
    _setup("pass_id", "string", "runs, one a task, whose prompts were answered in turns by one process share it"),
    Column("sequence", "int32", "", "order in which the prompt was executed, from 0", required=True),
    Column("prompt_id", "string", "", "stable id from the prompt set: the key on which two tasks are paired", required=True),
    Column("repetition", "int16", "", "0 unless the run repeats prompts", required=True),
    _setup("prompt_set", "string", "name of the prompt set", required=True),
    _setup("prompt_set_sha256", "string", "hash of the ids and texts of the prompt set"),
    _setup("task", "string", "chat, chat-concise, instruct, instruct-concise, or a user's own", required=True),
    _setup("model_id", "string", "the model as the engine loaded it", required=True),
    _setup("model_name", "string", "short name for people (--nickname)"),
    _setup("model_revision", "string", "commit or file hash of the weights"),
    _setup(
        "weights",
        "string",
        "pretrained, or dummy: random weights, energy per token is real and the text is not",
        required=True,
        choices=("pretrained", "dummy"),
    ),
    _setup(
        "weights_format", "string", "what the weights were loaded from: safetensors, gguf:Q4_1 dequantised, gptq 4-bit kernels, random, ..."
    ),
    _setup("params_total_b", "float64", "parameters, all of them", unit="1e9", most=PARAMETERS),
    _setup("params_active_b", "float64", "parameters used per token; equal to the total for dense models", unit="1e9", most=PARAMETERS),
    _setup("dtype", "string", "number format of the weights, e.g. float16", required=True),
    _setup("engine", "string", "how the model was run, e.g. transformers-eager, transformers-compiled, openai", required=True),
    _setup("engine_version", "string", "version of the engine's package, or of the server"),
    _setup("harness_version", "string", "version of the measuring protocol", required=True),
    _setup("device", "string", "cuda, cpu, mps, or server", required=True),
    _setup("gpu_model", "string", "the GPU's name; null on a CPU"),
    _setup("num_gpus", "int16", "GPUs whose energy is summed; 0 on a CPU", required=True),
    _setup("batch_size", "int16", "prompts per static batch", required=True, least=1),
    _setup(
        "concurrency", "int16", "requests in flight at once; 1 unless a server is measured, null where another tool does not say", least=1
    ),
    _setup("temperature", "float64", "sampling temperature as applied; 0 is greedy"),
    _setup("top_p", "float64", "nucleus sampling as applied; 1 is off"),
    _setup("top_k", "int32", "so many of the likeliest tokens were drawn from, as applied; 0 is off, null is not known"),
    _setup("repetition_penalty", "float64", "as applied; 1 is off"),
    _setup("max_new_tokens", "int32", "longest answer allowed"),
    _setup("seed", "int64", "seed of the sampling and of the order of prompts", least=None),
    _setup("prompt_template", "string", "role template: fastchat:NAME, tokenizer, plain, or server"),
    Column("started_at", "timestamp[us, UTC]", "", "when the response was begun", required=True),
    Column("input_tokens", "int32", "token", "prompt length by the model's own tokenizer, template included"),
    Column("cached_tokens", "int32", "", "prompt tokens that a server took from its cache of prefixes; null where it does not say"),
    Column("output_tokens", "int32", "token", "tokens generated, the stop token included"),
    Column("output_words", "int32", "word", "words in the answer: compares across tokenizers"),
    Column("output_chars", "int32", "character", "characters in the answer: compares across tokenizers"),
    Column("finish_reason", "string", "", "stop, length, or error", choices=("stop", "length", "error")),
    Column("ttft_s", "float64", "s", "time to first token", most=YEAR),
    Column("latency_s", "float64", "s", "whole response, monotonic clock, device synchronized at both ends", most=YEAR),
    Column("itl_s", "list<float32>", "s", "gaps between output tokens; null when switched off", most=YEAR),
    Column("energy_j", "float64", "J", "GPU energy of this response", most=GIGAJOULE),
    Column("energy_error_j", "float64", "J", "half-width: how far the counter's step can be off for this window", most=GIGAJOULE),
    Column(
        "energy_error_edge_j",
        "float64",
        "J",
        "the part of energy_error_j that is this window's own, independent of other windows",
        most=GIGAJOULE,
    ),
    _setup("energy_error_calibration", "float64", "the part of energy_error_j that all rows have in common, relative to energy_j"),
    _setup("energy_source", "string", "how energy_j was obtained: nvml-counter, nvml-power, amd-smi, replay, none, ...", required=True),
    _setup("energy_edges", "string", "how the window's edges meet the counter's steps: plain or aligned; null without a counter"),
    _setup("energy_attribution", "string", "exclusive (alone on the GPU) or shared (a batch or a server: divided by a rule)"),
    Column("energy_reason", "string", "", "why energy_j is null"),
    Column("window_id", "int32", "", "rows that shared one measured window share this number"),
    Column("cpu_energy_j", "float64", "J", "CPU package energy of the window; never added into energy_j", most=GIGAJOULE),
    Column("dram_energy_j", "float64", "J", "memory energy of the window; never added into energy_j", most=GIGAJOULE),
    _setup("cpu_energy_source", "string", "how cpu_energy_j was obtained, or none"),
    _setup("dram_energy_source", "string", "how dram_energy_j was obtained, or none"),
    _setup("host_energy_reason", "string", "why CPU or memory energy is null"),
    _setup("idle_power_w", "float64", "GPU power before the run, same device, model not loaded", unit="W", most=MEGAWATT),
    _setup(
        "active_idle_power_w",
        "float64",
        "GPU power with the model loaded and empty kernels launched without pause: awake, no work",
        unit="W",
        most=MEGAWATT,
    ),
    Column("gpu_temperature_c", "float32", "°C", "hottest GPU at the end of the window", least=None),
    Column("throttled", "bool", "", "the GPU lowered its clocks for heat or power brake during the window"),
    Column("power_capped", "bool", "", "the GPU lowered its clocks to keep to its power limit, at the end of the window"),
    Column(
        "neighbour_power_w",
        "float32",
        "W",
        "power of the busiest other GPU of the host at the end of the window; null where there is none or it is not known",
        most=MEGAWATT,
    ),
    Column("host_load", "float32", "", "tasks running or waiting on the host, mean of the last minute, per processor"),
    Column(
        "warm",
        "bool",
        "",
        "the session's warm-up ended with two answers (of a server: rounds) that agreed; false: no, or there was none",
    ),
    Column("warmup_answers", "int16", "", "answers (rounds of a server) of the session's warm-up"),
    Column(
        "loop_share",
        "float32",
        "",
        "share of the answer in which the same six tokens (words, where tokens are not known) come again and again",
        most=(1.0, "is more than 1"),
    ),
    Column("status", "string", "", "ok or failed", required=True, choices=("ok", "failed")),
    Column("reason", "string", "", "why the row failed"),
    Column("prompt_text", "string", "", "the prompt; left out with --no-text"),
    Column("output_text", "string", "", "the answer; left out with --no-text"),
    _setup("environment", "string", "JSON: driver, power limit, clocks, package versions, host hash"),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}
SETUP_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.setup)


def polars_schema() -> dict[str, Any]:
    """The contract as polars spells it: the type of every column."""
    import polars as pl

    types: dict[ColumnType, Any] = {
        "int16": pl.Int16,
        "int32": pl.Int32,
        "int64": pl.Int64,
        "float32": pl.Float32,
        "float64": pl.Float64,
        "string": pl.String,
        "bool": pl.Boolean,
        "timestamp[us, UTC]": pl.Datetime("us", "UTC"),
        "list<float32>": pl.List(pl.Float32),
    }
    return {column.name: types[column.type] for column in COLUMNS}
