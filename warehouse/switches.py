"""What a public server can switch off, by variables of its environment (docs/security.md)."""

import os

SQL, TEXTS = "PROMPT_JOULES_SQL", "PROMPT_JOULES_TEXTS"
OFF = ("off", "0", "no", "false")


def is_on(variable: str) -> bool:
    """Whether something is switched on: SQL, the box for statements of visitors; TEXTS, the words of prompts and answers."""
    return os.environ.get(variable, "").strip().lower() not in OFF
