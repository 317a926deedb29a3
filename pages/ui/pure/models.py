"""What models are called in the filter: by family and size, spelled in one way, so that what people type finds them."""

import re
from collections import Counter

import polars as pl

SEPARATORS = re.compile(r"[-_\s]+")
SIZE = re.compile(r"\b(\d+(?:\.\d+)?)([bm])\b")
GENERATION = re.compile(r"\b([A-Za-z]{4,})(\d)(?=\s|$)")
RANDOM = "random weights"


def spelled(name: str) -> str:
    """A model's name with spaces between its parts and sizes in capitals: "vicuna-7b" is "vicuna 7B", "qwen3-8b" is "qwen 3 8B"."""
    parted = GENERATION.sub(r"\1 \2", SEPARATORS.sub(" ", name).strip())
    return SIZE.sub(lambda found: found[1] + found[2].upper(), parted)


def squeezed(text: str) -> str:
    """A text without case, spaces, hyphens and underscores: what two spellings of one name share."""
    return SEPARATORS.sub("", text).lower()


def names(options: pl.DataFrame) -> dict[str, str]:
    """Name of each model by its id, families together, small models first. No two models share a name.

    Args:
        options: rows of the query `options`.
    """
    rows = options.filter(pl.col("kind") == "model").sort(
        pl.col("family").str.to_lowercase(), "params_total_b", "label", "value", nulls_last=True
    )
    found = {row["value"]: _name(row) for row in rows.unique("value", keep="first", maintain_order=True).iter_rows(named=True)}
    often = Counter(found.values())
    return {key: name if often[name] == 1 else f"{name} · {key}" for key, name in found.items()}


def _name(row: dict[str, str | bool | float | None]) -> str:
    name, family = spelled(str(row["label"])), str(row["family"])
    is_in_name = family == "other" or squeezed(family) in squeezed(name)
    return " · ".join([*([] if is_in_name else [family]), name, *([RANDOM] if row["is_random"] else [])])
