"""A warehouse in which every free text tries to be something else: HTML, Markdown, a script, a formula, LaTeX, a directive of Streamlit."""

from pathlib import Path

import polars as pl

from prompt_joules.ingest import loading
from tests import factories

BOLD = "**hostilebold**"
LINK = "[hostilelink](http://hostile.example)"
COLOUR = ":red[hostilecolour]"
LATEX = "$hostile_x$"
ICON = ":material/skull:"
SCRIPT = "<script>alert('hostile')</script>"
IMAGE = "<img src=x onerror=alert('hostile')>"
# What must not stand unescaped in any text that Markdown reads.
MARKUP = (BOLD, LINK, COLOUR, LATEX, ICON, SCRIPT, IMAGE)
RIGHT_TO_LEFT = "\u202eمرحبا שלום"
EMOJI = "👩🏽‍🔬🔥"
FORMULA = "=1+1"
LONG = "x" * 10_000
NAME = f"{FORMULA} {IMAGE} {BOLD} {COLOUR} {LATEX} {EMOJI} {RIGHT_TO_LEFT}"
PROMPT = f"{FORMULA}\n# hostile heading\n{SCRIPT} {LINK} {COLOUR} {LATEX} {ICON} {EMOJI} {RIGHT_TO_LEFT}"
TASK = f"task {LATEX} {LINK}"
MODEL_ID = "hostile/=1+1 <b>"
PROMPT_ID = f"{FORMULA} {BOLD} {LATEX}"


def rows() -> pl.DataFrame:
    """A hostile model on two tasks; a name of 10,000 characters; hostile reasons for a run without energy and for a failed prompt."""
    model = {"model_id": MODEL_ID, "model_name": NAME, "gpu_model": f"GPU {COLOUR} {IMAGE}", "engine": f"engine {BOLD}", "prompt_set": LINK}
    texts = {"prompt_text": PROMPT, "output_text": f"{LONG} {SCRIPT}"}
    none = {
        "energy_j": None,
        "energy_error_j": None,
        "energy_source": "none",
        "energy_edges": None,
        "idle_power_w": None,
        "active_idle_power_w": None,
        "energy_reason": f"{SCRIPT} {LATEX} {BOLD}",
    }

    def run(name: str, **changes: object) -> list[dict[str, object]]:
        answered = [factories.record(name, index, **{**model, **texts, **changes}) for index in range(12)]
        answered[0] |= {"prompt_id": PROMPT_ID}
        answered[1] |= {"prompt_text": LONG}
        return answered

    failed = factories.failed("hostile-chat", 12, **{**model, **texts, "reason": f"{IMAGE} {BOLD} {LATEX}"})
    made = [*run("hostile-chat"), failed, *run("hostile-concise", task="chat-concise"), *run("hostile-task", task=TASK)]
    long = run("hostile-long", model_id="hostile/long", model_name=LONG)
    return factories.frame([*made, *long, *run("hostile-blind", model_id="hostile/blind", model_name=f"blind {NAME}", **none)])


def make(folder: Path) -> Path:
    """Ingest the hostile rows, and nothing else, into a new warehouse; one file is refused and has a hostile name."""
    for (run_id,), run in rows().partition_by("run_id", as_dict=True).items():
        factories.write(run, folder / "results" / str(run_id) / "part-00000.parquet")
    (folder / "results" / f"{BOLD} {LATEX} <b>.csv").write_text("=1+1\n")
    path = folder / "hostile.duckdb"
    loading.ingest([str(folder / "results")], str(path))
    return path
