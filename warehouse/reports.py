"""Configurations in the words of others: BoAmps reports, the Software Carbon Intensity, a section of a model card, a table in LaTeX.

Only what was measured is said as measured: a configuration whose energy is modelled or missing has no BoAmps report and no SCI.
Sources: BoAmps, https://github.com/Boavizta/BoAmps (model/); SCI, ISO/IEC 21031:2024.
"""

import hashlib
import uuid
from typing import Any

import polars as pl

from prompt_joules.warehouse.export import is_shipped
from prompt_joules.warehouse.packages import slug

J_PER_KWH = 3.6e6
LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def boamps(row: dict[str, Any], country: str | None, version: str, measured: dict[str, Any] | None = None) -> dict[str, Any]:
    """A BoAmps report of one configuration whose energy is known. It is about the answers that have energy, and no others.

    Args:
        row: of the question `leaderboard`, with `energy_j` (J per answer) not null.
        country: where the machine stood; nobody but the person who measured knows.
        version: of this project.
        measured: of the question `measured_answers`, where some of the answers have no energy.
    """
    row = row | (measured or {})
    answers = row["prompts"] or 1  # where the source gives none, the report is about one answer, the mean one
    report = {
        "header": {
            "licensing": row["licence"] or ("Apache-2.0" if is_shipped(row["result_id"]) else None),
            "formatVersion": "0.1",
            "formatVersionSpecificationUri": "https://github.com/Boavizta/BoAmps/tree/main/model",
            "reportId": str(uuid.uuid5(uuid.NAMESPACE_URL, row["result_id"])),
            "reportDatetime": _time(row),
            "reportStatus": "final",
            "publisher": {"name": row["source"], "confidentialityLevel": "public"},
        },
        "task": _boamps_task(row, answers),
        "measures": [_boamps_measure(row, answers, version)],
        "infrastructure": {
            "infraType": "other",
            "components": [{"componentName": row["gpu_model"], "componentType": "gpu", "nbComponent": row["num_gpus"]}],
        },
        "environment": {"country": country} if country else None,
    }
    return {key: _without_nulls(value) for key, value in report.items() if value is not None}


def _boamps_task(row: dict[str, Any], answers: int) -> dict[str, Any]:
    mean = "" if row["prompts"] else ", the mean answer: the source does not say of how many"
    return {
        "taskStage": "inference",
        "taskFamily": "text generation",
        "nbRequest": answers,
        "taskDescription": f"task {row['task']} of Prompt Joules, batch size {row['batch_size'] or 'not known'}{mean}",
        "algorithms": [
            {
                "algorithmType": "llm",
                "foundationModelName": row["model_name"],
                "foundationModelUri": row["model_url"],
                "parametersNumber": row["params_total_b"],
                "framework": row["engine"],
                "quantization": row["dtype"],
            }
        ],
        "dataset": [
            {"dataUsage": use, "dataType": "token", "dataQuantity": None if (mean := row[f"{use}_tokens"]) is None else mean * answers}
            for use in ("input", "output")
        ],
    }


def _boamps_measure(row: dict[str, Any], answers: int, version: str) -> dict[str, Any]:
    """Energy and time of all answers. Latencies of answers given together overlap: their sum is no duration."""
    own = row["origin"] == "measured"
    alone = row["latency_s"] is not None and row["batch_size"] == 1
    return {
        "measurementMethod": f"Prompt Joules {version}" if own else row["source"],
        "version": row["harness_version"],
        "gpuTrackingMode": "energy counter of the driver" if own else None,
        "powerConsumption": row["energy_j"] * answers / J_PER_KWH,
        "measurementDuration": row["latency_s"] * answers if alone else None,
        "measurementDateTime": _time(row),
    }


def sci(row: dict[str, Any], carbon_g_per_kwh: float | None, embodied_g: float | None) -> dict[str, Any]:
    """The Software Carbon Intensity of one configuration, per answer: SCI = (E × I + M) per R.

    Args:
        row: of the question `leaderboard`.
        carbon_g_per_kwh: I, of the electricity that was used, in gCO2eq/kWh; null where nobody says it.
        embodied_g: M, embodied emissions of the hardware for one answer, in gCO2eq.

    Returns:
        E in kWh and J, I, M, R, `sci_g` in gCO2eq per answer, and `reason` where that is null. E is that of the GPU: host, cooling and
        network are not in it.
    """
    kwh = None if row["energy_j"] is None else row["energy_j"] / J_PER_KWH
    missing = [
        why
        for value, why in (
            (kwh, "the energy was not measured"),
            (carbon_g_per_kwh, "the carbon intensity of the electricity is not known: --carbon-intensity"),
            (embodied_g, "the embodied emissions per answer are not known: --embodied"),
        )
        if value is None
    ]
    known = kwh is not None and carbon_g_per_kwh is not None and embodied_g is not None
    return {
        "result_id": row["result_id"],
        "model": row["model_name"],
        "gpu": row["gpu_model"],
        "task": row["task"],
        "functional_unit": "one answer",
        "energy_j": row["energy_j"],
        "energy_kwh": kwh,
        "energy_boundary": "GPU",
        "carbon_intensity_g_per_kwh": carbon_g_per_kwh,
        "embodied_g": embodied_g,
        "sci_g": kwh * carbon_g_per_kwh + embodied_g if known else None,  # type: ignore[operator]
        "reason": "; ".join(missing) or None,
    }


def model_card(rows: pl.DataFrame, citation: str) -> str:
    """A section for a model card (Markdown): one line per configuration. A modelled energy is marked."""
    lines = [
        "## Energy per answer",
        "",
        "| model | GPU | task | engine | batch | J per answer | J/token | tokens per answer | prompts |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows.iter_rows(named=True):
        names = (row["model_name"], _gpus(row), row["task"], row["engine"], str(row["batch_size"] or ""))
        cells = [*(str(name or "").replace("|", "\\|") for name in names), _joules(row), _number(row["energy_per_token_j"])]
        lines.append("| " + " | ".join([*cells, _number(row["output_tokens"]), str(row["prompts"] or "")]) + " |")
    notes = "Energy is that of the GPU. ≈ is modelled by its source and was not measured; an empty cell is not known."
    return "\n".join([*lines, "", f"{notes} {citation}", ""])


def latex(rows: pl.DataFrame, citation: str) -> str:
    """A table (booktabs): one line per configuration. A modelled energy is marked."""
    lines = [
        f"% {citation}".replace("\n", " "),
        r"\begin{tabular}{llllrrrr}",
        r"\toprule",
        r"Model & GPU & Task & Engine & Batch & J/answer & J/token & Tokens \\",
        r"\midrule",
    ]
    for row in rows.iter_rows(named=True):
        names = (row["model_name"], _gpus(row), row["task"], row["engine"], row["batch_size"])
        joules = _joules(row).replace("≈ ", r"$\approx$ ")
        cells = [*(_for_latex(name) for name in names), joules, _number(row["energy_per_token_j"]), _number(row["output_tokens"])]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def file_name(result_id: str) -> str:
    """A name for the file of one configuration: what its name says, and eight digits that no other has."""
    return f"{slug(result_id, 80)}-{hashlib.sha256(result_id.encode()).hexdigest()[:8]}.json"


def _gpus(row: dict[str, Any]) -> str:
    count = row["num_gpus"] or 1
    return f"{count}×{row['gpu_model']}" if count > 1 else str(row["gpu_model"] or "CPU")


def _joules(row: dict[str, Any]) -> str:
    if row["energy_j"] is not None:
        return _number(row["energy_j"])
    return f"≈ {_number(row['estimated_energy_j'])}" if row["estimated_energy_j"] is not None else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def _for_latex(value: object) -> str:
    text = "" if value is None else str(value).replace("×", "\0")
    return "".join(LATEX.get(letter, letter) for letter in text).replace("\0", r"$\times$")


def _time(row: dict[str, Any]) -> str | None:
    """When a run began, without a zone as BoAmps wants it; null where only the time of its file is known."""
    known = row["started_at"] is not None and row["clock"] != "time of the file"
    return f"{row['started_at']:%Y-%m-%d %H:%M:%S}" if known else None


def _without_nulls(value: Any) -> Any:
    """The same without keys whose value is null: the schema has no null."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
