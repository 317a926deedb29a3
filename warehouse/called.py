"""What people call engines and prompt sets, and back. Sentences and headers of files have names; filters, links and rows have ids."""

import re
from collections.abc import Callable
from dataclasses import dataclass

ENGINES = {"transformers-eager": "Eager", "transformers-compiled": "Compiled", "vllm": "vLLM", "sglang": "SGLang"}
# What begins the id of a variant of an engine, and what names it: `transformers-compiled:searched` is "Compiled (searched)".
VARIANTS = {f"{engine}:": ENGINES[engine] for engine in ("transformers-eager", "transformers-compiled")}
PROMPT_SETS = {"default": "built-in prompts", "sharegpt-200": "200 of ShareGPT", "sharegpt": "ShareGPT"}
VARIANT = re.compile(r"(Eager|Compiled) \((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Names:
    """What values of one kind are called, and which value a name means; without names each is called what it is."""

    name: Callable[[str], str] = str
    id: Callable[[str], str] = str


def engine(name: str) -> str:
    """An engine as people call it; others keep their names.

    Args:
        name: its id, as filters and rows have it.
    """
    for prefix, said in VARIANTS.items():
        if name.startswith(prefix):
            return f"{said} ({name.removeprefix(prefix)})"
    return ENGINES.get(name, name)


def engine_id(name: str) -> str:
    """The id of the engine that people call so."""
    variant = VARIANT.fullmatch(name)
    if variant:
        return next(prefix for prefix, said in VARIANTS.items() if said == variant[1]) + variant[2]
    return next((key for key, said in ENGINES.items() if said == name), name)


def prompt_set_id(name: str) -> str:
    """The id of the prompt set that people call so; others keep their names."""
    return next((key for key, said in PROMPT_SETS.items() if said == name), name)


OF_ENGINES, AS_THEY_ARE = Names(engine, engine_id), Names()
OF_PROMPT_SETS = Names(lambda name: PROMPT_SETS.get(name, name), prompt_set_id)
