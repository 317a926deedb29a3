"""What whoever runs a server can switch off or on, by variables of its environment (docs/security.md)."""

import os

SQL, TEXTS = "PROMPT_JOULES_SQL", "PROMPT_JOULES_TEXTS"
SERVERS = "PROMPT_JOULES_SERVERS"
METRICS, SIGN_IN = "PROMPT_JOULES_METRICS", "PROMPT_JOULES_SIGN_IN"
ON, OFF = ("on", "1", "yes", "true"), ("off", "0", "no", "false")


def is_on(variable: str) -> bool:
    """Whether something is on that is on by default: SQL, the box for statements of visitors; TEXTS, the words of prompts and answers."""
    return _said(variable) not in OFF


def is_switched_on(variable: str) -> bool:
    """Whether something is on that is off by default: METRICS, figures for Prometheus; SIGN_IN, a page of its own before all others."""
    return _said(variable) in ON


def servers() -> str:
    """The servers of this host that the page Live may ask; empty: there is no such page."""
    return os.environ.get(SERVERS, "").strip()


def _said(variable: str) -> str:
    return os.environ.get(variable, "").strip().lower()
