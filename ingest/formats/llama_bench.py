"""llama.cpp's `llama-bench -o json`, `jsonl`, `csv` or `sql`, and its usual table (`-o md`) → `published`: one figure a test.

A test processes a prompt (pp), generates tokens (tg), or does both (pg), at an empty or a filled context (`@ d`). Tokens per s are those
of a response only where nothing but tokens were generated. llama-bench measures no energy, and neither tokenizes nor samples.

The SQL has all that the CSV has; its statements are read, never run. The table has the type of the model in the place of its name, no GPU,
and tokens per s alone: tests of prompts say nothing that a figure has a place for, and are left out.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import measured, number
from prompt_joules.ingest.formats.figures import Run, format_of, format_of_runs
from prompt_joules.ingest.formats.foreign import is_number, whole
from prompt_joules.ingest.front.table import LONGEST_LINE
from prompt_joules.ingest.front.unpack import lines_of

KEYS = {"build_commit", "model_filename", "n_prompt", "n_gen", "avg_ns"}
NS = 1e-9
OURS = {"source": "llama.cpp", "generation": "llama-bench", "batch_size": 1, "concurrency": 1}
WEIGHTS = re.compile(r"(?:IQ|TQ|Q|BF|F|MXFP)\d\S*(?: - .+)?$")
ALL_LAYERS = 99
MADE = "CREATE TABLE IF NOT EXISTS llama_bench"
INSERTED = re.compile(r"INSERT INTO llama_bench \(([\w, ]+)\) VALUES \((.*)\);\s*")
COLUMNS = {"model", "size", "params", "backend", "test", "t/s"}
GENERATES = re.compile(r"tg(\d+)(?: @ d(\d+))?")
BUILD = re.compile(r"build: (\S+) \((\d+)\)")
# What builds before 4000 wrote in the place of `backends`.
BACKENDS = ("cuda", "vulkan", "kompute", "metal", "sycl", "opencl", "gpu_blas")


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of one test, or why it is none."""
    prompt, generated, depth = (whole(number(run.get(key))) for key in ("n_prompt", "n_gen", "n_depth"))
    name = run.get("model_filename")
    if not isinstance(name, str) or not isinstance(prompt, int) or not isinstance(generated, int) or prompt + generated < 1:
        return "is no test of llama-bench that names a model and its tokens"
    gpu, count = gpus_of(run)
    parts = [f"pp{prompt}" if prompt else "", f"tg{generated}" if generated else ""]
    samples, seconds = run.get("samples_ns"), measured(run.get("avg_ns"), NS)
    return OURS | {
        "published_model_id": re.split(r"[/\\]", name)[-1].removesuffix(".gguf"),
        "gpu_model": gpu,
        "num_gpus": count,
        "task": f"llama-bench {'+'.join(filter(None, parts))}{f' @ d{depth}' if depth else ''}",
        "engine": engine_of(run),
        "dtype": weights_of(run.get("model_type")),
        "prompts": len(samples) if isinstance(samples, list) else None,
        "throughput_tps": measured(run.get("avg_ts")) if not prompt else None,
        "output_tokens": generated or None,
        "input_tokens": prompt or None,
        "latency_s": seconds,
        "tpot_s": seconds / generated if not prompt and is_number(seconds) else None,
        "harness_version": f"llama-bench {whole(number(run.get('build_number'))) or 'unknown'} ({run['build_commit']})",
    }


def gpus_of(run: Mapping[str, Any]) -> tuple[str, int]:
    """Names and number of the GPUs that the build found; one when the model was not split. A build for the CPU alone has none."""
    said = run.get("gpu_info")
    names = [name.strip() for name in said.split(",") if name.strip()] if isinstance(said, str) else []
    if not names:
        alone = backend_of(run) in ("CPU", "BLAS") or ("cuda" in run and not backend_of(run))
        return ("CPU", 0) if alone else ("unknown", 0)
    return " + ".join(sorted(set(names))), 1 if run.get("split_mode") == "none" else len(names)


def backend_of(run: Mapping[str, Any]) -> str:
    """What llama.cpp was built for; empty when it is not said."""
    said = run.get("backends")
    return said if isinstance(said, str) else next((name for name in BACKENDS if run.get(name) in (True, "1")), "")


def engine_of(run: Mapping[str, Any]) -> str:
    """The backend, and how many layers were on the GPU when not all of them."""
    layers = number(run.get("n_gpu_layers"))
    some = f", {layers:g} layers on the GPU" if is_number(layers) and 0 <= layers < ALL_LAYERS and gpus_of(run)[1] else ""
    return f"llama.cpp {backend_of(run)}".strip() + some


def weights_of(model_type: Any) -> str | None:
    """The number format of the weights, at the end of "qwen2 7B Q4_K - Medium"."""
    found = WEIGHTS.search(model_type) if isinstance(model_type, str) else None
    return found[0] if found else None


def _statements(source: Source, content: Content) -> Iterator[Run]:
    for line, text in lines_of(content.path, LONGEST_LINE):
        if text is None or not text.startswith("INSERT"):
            continue
        found = INSERTED.fullmatch(text)
        names = found[1].split(", ") if found else []
        cells = next(csv.reader([found[2]], quotechar="'", skipinitialspace=True), []) if found else []
        run = dict(zip(names, cells, strict=False))
        complete = found is not None and len(names) == len(cells) and run.keys() >= KEYS
        values = figure_of(run) if complete else "is no whole statement of llama-bench"
        yield line, values


def _table(source: Source, content: Content) -> Iterator[Run]:
    lines = [(line, text) for line, text in lines_of(content.path, LONGEST_LINE) if text is not None]
    built = next((found for _, text in lines if (found := BUILD.fullmatch(text.strip()))), None)
    version = f"{built[2] if built and built[2] != '0' else 'unknown'} ({built[1] if built else 'unknown'}), table"
    rows = [(line, [cell.strip() for cell in text.strip().strip("|").split("|")]) for line, text in lines if text.startswith("|")]
    (_, names), *others = rows
    for line, cells in others:
        row = dict(zip(names, cells, strict=False))
        if len(cells) != len(names):
            yield line, f"has {len(cells)} cells, the header has {len(names)}"
        elif (tested := GENERATES.fullmatch(row["test"])) is not None:
            figure = {
                "published_model_id": row["model"],
                "task": f"llama-bench tg{tested[1]}{f' @ d{tested[2]}' if tested[2] else ''}",
                "engine": f"llama.cpp {row['backend']}",
                "dtype": weights_of(row["model"]),
                "output_tokens": tested[1],
                "throughput_tps": number(row["t/s"].split("±")[0].strip()),
                "harness_version": f"llama-bench {version}",
            }
            yield line, OURS | figure


def _is_sql(content: Content) -> bool:
    return bool(content.header) and content.header[0].startswith(MADE)


def _read(source: Source, content: Content) -> Iterator[Run]:
    found = list(_statements(source, content) if _is_sql(content) else _table(source, content))
    if not found:
        raise Unreadable("holds no test that generates tokens")
    return iter(found)


FORMAT = format_of_runs(
    Facts(
        "llama-bench",
        "llama.cpp's llama-bench -o json, jsonl or csv: one test a row",
        "a build of 2026 (real files), builds 1500 to 6500 (structure from its source)",
    ),
    keys=KEYS,
    figure_of=figure_of,
)
TEXT = format_of(
    Facts("llama-bench-text", "llama.cpp's llama-bench -o sql, and its table (-o md)", "a build of 2026 (real files)"),
    recognises=lambda content: _is_sql(content) or set(content.header) >= COLUMNS,
    read=_read,
)
