"""What whoever runs a server can switch off or on, by variables of its environment (docs/security.md)."""

import os
from dataclasses import dataclass

WAREHOUSE = "PROMPT_JOULES_WAREHOUSE"
SQL, TEXTS = "PROMPT_JOULES_SQL", "PROMPT_JOULES_TEXTS"
SERVERS = "PROMPT_JOULES_SERVERS"
METRICS, SIGN_IN = "PROMPT_JOULES_METRICS", "PROMPT_JOULES_SIGN_IN"
ON, OFF = ("on", "1", "yes", "true"), ("off", "0", "no", "false")


@dataclass(frozen=True)
class Variable:
    """A variable of the environment that the programs read."""

    name: str  # as it is set
    values: str  # what it may be
    otherwise: str  # what holds where it is not set
    meaning: str  # one line for the documentation


VARIABLES: tuple[Variable, ...] = (
    Variable(WAREHOUSE, "a file or a lake", "`warehouse.duckdb` in the current folder", "the default of `--warehouse`"),
    Variable(SQL, "on, off", "on", "the box for SQL on the page Export and SQL"),
    Variable(TEXTS, "on, off", "on", "words of prompts and answers on the pages, in downloads and in SQL"),
    Variable(METRICS, "on, off", "off", "`/metrics` for Prometheus"),
    Variable(SIGN_IN, "on, off", "off", "visitors sign in first"),
    Variable(SERVERS, "addresses of model servers of this host", "no such page", "the page Live and the servers that it may ask"),
    Variable("OPENAI_API_KEY", "a key", "none is sent", "sent to the server of `--engine openai`; stored nowhere"),
    Variable("CUDA_VISIBLE_DEVICES", "numbers or names of GPUs", "all GPUs", "which GPUs there are; `cuda:1` is the second of them"),
    Variable("COLUMNS", "a number", "the terminal's; no limit in a pipe", "the width of help and of errors about options, in characters"),
    Variable("MLFLOW_EXPERIMENT_NAME", "a name", "prompt-joules", "the experiment of `--log mlflow`"),
    Variable("WANDB_PROJECT", "a name", "prompt-joules", "the project of `--log wandb`"),
    Variable("OTEL_METRICS_EXPORTER", "console, otlp", "otlp", "where `--log otel` sends; console is standard error"),
)
"""Those of libraries (AWS_…, PG…, HF_…, MLFLOW_…, WANDB_…, OTEL_…, XDG_CACHE_HOME) are theirs to explain; docs/scale.md names what a lake
needs."""


def is_on(variable: str) -> bool:
    """Whether something is on that is on by default: SQL, the box for statements of visitors; TEXTS, the words of prompts and answers.

    Whoever sets it wants it off: a value that cannot be read, such as a slip of the pen, switches it off too.
    """
    return _said(variable) in ("", *ON)


def is_switched_on(variable: str) -> bool:
    """Whether something is on that is off by default: METRICS, figures for Prometheus; SIGN_IN, a page of its own before all others.

    A value that is no switch closes too: visitors sign in, and there are no figures.
    """
    said = _said(variable)
    return said in ON or (variable == SIGN_IN and said not in ("", *OFF))


def fault() -> str | None:
    """What is wrong with the first switch whose value is none; None where all can be read."""
    for name in (SQL, TEXTS, METRICS, SIGN_IN):
        if _said(name) not in ("", *ON, *OFF):
            return f"{name} is {os.environ[name][:60]!r}: it can be on or off."
    return None


def servers() -> str:
    """The servers of this host that the page Live may ask; empty: there is no such page."""
    return os.environ.get(SERVERS, "").strip()


def _said(variable: str) -> str:
    return os.environ.get(variable, "").strip().lower()
