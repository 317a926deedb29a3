"""Packages that are installed only where they are needed, and the line that installs them."""

import shlex
import sys

# Module → the extra of pyproject.toml that brings it.
EXTRAS = {
    **dict.fromkeys(
        (
            *("torch", "transformers", "accelerate", "fastchat", "zeus", "pynvml"),
            *("gguf", "sentencepiece", "huggingface_hub", "httpx", "psutil"),
        ),
        "bench",
    ),
    "ray": "sweep",
}


def sentence(error: ModuleNotFoundError) -> str | None:
    """What is missing and the line that installs it; None where the module belongs to no extra, which is a fault of ours.

    Args:
        error: from importing a module.
    """
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module)
    if extra is None:
        return None
    return f"The package {module} is not installed. Run: {install(extra)}"


def install(extra: str) -> str:
    """The line that adds an extra to the environment that runs this, in a checkout as after `pip install`."""
    return f"{shlex.quote(sys.executable) if sys.executable else 'python'} -m pip install 'prompt-joules[{extra}]'"
