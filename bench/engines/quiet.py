"""Keeps the libraries' own bars and repeated warnings off the screen: while a model loads, one line is ours and that is enough.

A download from the hub keeps its bar, because it can take an hour. A warning is shown the first time: it may say that weights are missing.
"""

import contextlib
import logging
from collections.abc import Iterator

import transformers
from huggingface_hub.utils.tqdm import enable_progress_bars
from transformers import modeling_gguf_pytorch_utils as gguf_loading


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Inside, transformers draws no bars of loading or of de-quantizing."""
    had_bars = transformers.utils.logging.is_progress_bar_enabled()
    bar = gguf_loading.tqdm
    transformers.utils.logging.disable_progress_bar()
    enable_progress_bars()  # the line above switches off the hub's bars too
    gguf_loading.tqdm = lambda items, *_, **__: items
    try:
        yield
    finally:
        gguf_loading.tqdm = bar
        if had_bars:
            transformers.utils.logging.enable_progress_bar()


class _Once(logging.Filter):
    """Lets a message through the first time it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is new."""
        text = record.getMessage()
        new = text not in self._seen
        self._seen.add(text)
        return new


def warn_once() -> None:
    """From now on transformers says each warning once."""
    transformers.utils.logging.get_verbosity()  # makes the handler, if nothing has yet
    for handler in logging.getLogger("transformers").handlers:
        if not any(isinstance(seen, _Once) for seen in handler.filters):
            handler.addFilter(_Once())
