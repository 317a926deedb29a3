"""InferenceX (InferenceMAX before): `agg_*.json`, one result or a list of them → `published`.

It samples the power of every GPU board during the benchmark and integrates it; the energy is that of all GPUs, over the answered requests.
Before it wrote J per request it had the mean of the samples: J per token alone. Times are s, throughputs those of one GPU.
"""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Facts
from prompt_joules.ingest.formats.fields import at, measured, positive, share, taken
from prompt_joules.ingest.formats.figures import each_run, format_of
from prompt_joules.ingest.formats.foreign import is_number

KEYS = {"hw", "conc", "model", "framework", "precision"}
# Results of its two kinds: prompts of one length, and sessions of agents.
FIXED, SESSIONS = "tput_per_gpu", "request_metrics"
OF_FIXED = {
    "latency_s": at("mean_e2el", unit="s"),
    "ttft_s": at("mean_ttft", unit="s"),
    "tpot_s": at("mean_tpot", unit="s"),
    "itl_p50_s": at("median_itl", unit="s"),
    "itl_p99_s": at("p99_itl", unit="s"),
}
OF_SESSIONS = {
    "prompts": at("num_requests_successful"),
    "throughput_tps": at("request_metrics.throughput.output.tokens_per_second", unit="tokens/s"),
    "output_tokens": at("request_metrics.tokens.output_actual.mean", unit="tokens"),
    "input_tokens": at("request_metrics.tokens.input.mean", unit="tokens"),
    "latency_s": at("request_metrics.latency.e2el.mean", unit="s"),
    "ttft_s": at("request_metrics.latency.ttft.mean", unit="s"),
    "tpot_s": at("request_metrics.latency.tpot.mean", unit="s"),
    "itl_p50_s": at("request_metrics.latency.itl.p50", unit="s"),
}
INTEGRATED, MEAN = "sampled board power, integrated", "mean of sampled board power"


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of one result, or why it is none."""
    gpus, serving = gpus_of(run)
    if not is_result(run) or not isinstance(run["model"], str) or not gpus:
        return "is no result of InferenceX that names a model and its GPUs"
    valid = run.get("power_valid", 1) in (1, True)
    energy, token = (measured(run.get(f"joules_per_{what}")) if valid else None for what in ("successful_query", "output_token"))
    power = measured(run.get("avg_total_gpu_power_w")) if valid else None
    one: Any = measured(run.get("avg_power_w")) if valid else None
    method = "" if token is None else f", {MEAN if energy is None else INTEGRATED}"
    return {
        "source": "InferenceX",
        "generation": "inferencex",
        "published_model_id": run["model"],
        "gpu_model": hardware_of(run),
        "num_gpus": gpus,
        "parallelism": parallelism_of(run),
        "task": task_of(run),
        "engine": engine_of(run),
        "dtype": run["precision"],
        "batch_size": run["conc"],
        "concurrency": run["conc"],
        "energy_j": energy,
        "energy_per_token_j": token,
        **(taken(OF_SESSIONS, run) if SESSIONS in run else of_fixed(run, serving, energy, token)),
        "power_w": one * gpus if power is None and is_number(one) else power,
        "harness_version": f"inferencex{method}",
    }


def is_result(run: Mapping[str, Any]) -> bool:
    """Whether an object is a result of either kind."""
    return run.keys() >= KEYS and (FIXED in run or isinstance(run.get(SESSIONS), Mapping))


def of_fixed(run: Mapping[str, Any], serving: int, energy: Any, token: Any) -> dict[str, Any]:
    """Times and lengths of prompts of one length; the lengths are those by which InferenceX divided the energy."""
    rate: Any = run.get("output_tput_per_gpu")
    lengths = {"output_tokens": share(energy, token), "input_tokens": share(energy, run.get("joules_per_input_token"))}
    return taken(OF_FIXED, run) | lengths | {"throughput_tps": rate * serving if is_number(rate) else rate}


def hardware_of(run: Mapping[str, Any]) -> str:
    """The GPUs as others spell them: "cluster:h100-dgxc" is H100-DGXC."""
    said = [run.get(key) for key in ("prefill_hw", "decode_hw") if run.get(key)] or [run["hw"]]
    return " + ".join(sorted({str(name).removeprefix("cluster:").upper() for name in said}))


def task_of(run: Mapping[str, Any]) -> str:
    """The kind of its prompts: how long they were asked to be, or where they came from."""
    if run.get("isl"):
        return f"inferencex {run['isl']}/{run.get('osl')}"
    return f"inferencex {run['scenario_type']}" if run.get("scenario_type") else "inferencex"


def _counts(run: Mapping[str, Any], *names: str) -> list[int]:
    """Whole numbers of a result; 1 for one that older versions did not write."""
    return [positive(run.get(name, 1), 100_000) or 0 for name in names]


def gpus_of(run: Mapping[str, Any]) -> tuple[int, int]:
    """All GPUs, and those over which the output throughput was divided: of several nodes the ones that decode."""
    if run.get("is_multinode") is True:
        prefill, decode = _counts(run, "num_prefill_gpu", "num_decode_gpu")
        return prefill + decode, decode or prefill
    spread, stages, context = _counts(run, "tp", "pp", "pcp_size")
    return spread * stages * context, spread * stages * context


def parallelism_of(run: Mapping[str, Any]) -> str:
    """How the model was spread: tp, pp, ep, and attention by data; of several nodes prefill and decode apart."""
    said = []
    for role in ("prefill_", "decode_") if run.get("is_multinode") is True else ("",):
        parts = [f"{name}{run[role + name]}" for name in ("tp", "pp", "ep") if is_number(run.get(role + name)) and run[role + name] > 1]
        parts += ["dp-attention"] if str(run.get(f"{role}dp_attention")).lower() == "true" else []
        said.append(f"{role.replace('_', ' ')}{' '.join(parts) or 'tp1'}")
    return ", ".join(said)


def engine_of(run: Mapping[str, Any]) -> str:
    """The framework, with speculative decoding and split serving where they were on."""
    guesses = run.get("spec_decoding") or run.get("mtp")
    parts = [f", {guesses}" if guesses not in (None, "", "none", "off") else "", ", disaggregated" if run.get("disagg") is True else ""]
    return f"{run['framework']}{''.join(parts)}"


FORMAT = format_of(
    Facts(
        "inferencex",
        "InferenceX agg_*.json: results of its sweeps, with sampled GPU energy",
        "October 2025 to August 2026 (structure from its source)",
    ),
    recognises=lambda content: content.keys >= KEYS and bool(content.keys & {FIXED, SESSIONS}),
    read=each_run(figure_of, KEYS),
)
