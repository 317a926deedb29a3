"""llama.cpp's `llama-bench -o json`, `jsonl` or `csv` → `published`: one figure a test.

A test processes a prompt (pp), generates tokens (tg), or does both (pg), at an empty or a filled context (`@ d`). Tokens per s are those
of a response only where nothing but tokens were generated. llama-bench measures no energy, and neither tokenizes nor samples.
"""

import re
from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Facts
from prompt_joules.ingest.formats.fields import measured, number
from prompt_joules.ingest.formats.figures import format_of_runs
from prompt_joules.ingest.formats.foreign import is_number, whole

KEYS = {"build_commit", "model_filename", "n_prompt", "n_gen", "avg_ns"}
NS = 1e-9
OURS = {"source": "llama.cpp", "generation": "llama-bench", "batch_size": 1, "concurrency": 1}
WEIGHTS = re.compile(r"(?:IQ|TQ|Q|BF|F|MXFP)\d\S*(?: - .+)?$")
ALL_LAYERS = 99
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


FORMAT = format_of_runs(
    Facts(
        "llama-bench",
        "llama.cpp's llama-bench -o json, jsonl or csv: one test a row",
        "a build of 2026 (real files), builds 1500 to 6500 (structure from its source)",
    ),
    keys=KEYS,
    figure_of=figure_of,
)
