"""Charts on the page: each is made once for the same frames, and sent as it was made.

Altair takes longer to make a chart and to check it than the rest of a script takes. What it makes depends on its arguments alone, so a
finished chart is kept by the content of its frames, whatever filters and file they came from. Tests check that charts are valid.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import altair
import polars as pl
import streamlit as st

from prompt_joules.pages.ui.pure import theme


@dataclass(frozen=True)
class Drawn:
    """A chart ready for the browser."""

    spec: str  # its Vega-Lite specification as JSON, without data
    data: dict[str, bytes]  # each of its frames as an Arrow stream, by the name that the specification has for it
    selections: tuple[str, ...]  # the names of the selections that a visitor can make


def of(make: Callable[..., theme.Chart], *arguments: object) -> Drawn:
    """The chart that a function makes of these arguments, made anew only where it is not known.

    Args:
        make: a function of a page's own charts, or of `pure/charts.py`.
        arguments: frames, texts, numbers, and lists or dicts of them.
    """
    drawn: Drawn = _made(make, arguments)
    return drawn


def show(drawn: Drawn, alt: str, key: str | None = None) -> Any:
    """Put a chart on the page. With a `key` what is selected in it runs the page again, and is returned.

    Args:
        alt: what the chart shows, in words.
    """
    spec = json.loads(drawn.spec) | {"datasets": drawn.data}
    if key is None:
        return st.vega_lite_chart(spec, alt=alt)
    return st.vega_lite_chart(spec, alt=alt, key=key, on_select="rerun", selection_mode=drawn.selections)


def forget() -> None:
    """Make every chart anew when it is asked for again."""
    _made.clear()


def fingerprint(rows: pl.DataFrame) -> bytes:
    """A hash of all values and columns. Streamlit's own hash looks only at the first and the last few rows of a frame."""
    return hashlib.sha256(_arrow(rows)).digest()


def _name(make: FunctionType) -> str:
    return f"{make.__module__}.{make.__qualname__}"


@st.cache_data(max_entries=256, max_size="32MB", show_spinner=False, hash_funcs={pl.DataFrame: fingerprint, FunctionType: _name})
def _made(make: Callable[..., theme.Chart], arguments: tuple[object, ...]) -> Drawn:
    return finished(make(*arguments))


def finished(chart: theme.Chart) -> Drawn:
    """A chart as the browser gets it. This changes the chart: its frames become names.

    Args:
        chart: every encoding of which says its type.
    """
    data = {}
    for part in _parts(chart):
        if isinstance(part.data, pl.DataFrame):
            stream = _arrow(part.data)
            name = hashlib.sha256(stream).hexdigest()[:16]
            data[name] = stream
            part.data = altair.NamedData(name)
    return Drawn(json.dumps(chart.to_dict(validate=False)), data, tuple(theme.selections(chart)))


def _parts(chart: theme.Chart) -> Iterator[theme.Chart]:
    yield chart
    for layer in getattr(chart, "layer", ()):
        yield from _parts(layer)


def _arrow(rows: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
    return stream.getvalue()
