"""Prompt Joules: what one answer of a language model costs in energy, measured prompt by prompt.

    import prompt_joules as pj

    pj.shipped().leaderboard(gpu="A40", task="chat")    # results as polars frames; pj.open() for your own
    pj.chart.scatter(rows)                              # the app's charts
    with pj.Meter("cuda:0") as meter: ...               # joules of your own code; also pj.measured and pj.record

Names are looked up when they are first used: `import prompt_joules` itself loads neither torch nor Streamlit nor DuckDB.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompt_joules import chart as chart
    from prompt_joules.bench.meter.windows import Meter as Meter
    from prompt_joules.bench.meter.windows import Window as Window
    from prompt_joules.bench.meter.windows import measured as measured
    from prompt_joules.bench.run.own import record as record
    from prompt_joules.bench.run.own_answers import Answer as Answer
    from prompt_joules.results import Results as Results
    from prompt_joules.results import open as open
    from prompt_joules.results import shipped as shipped

# Name → the module that has it, and what it is called there ("" is the module itself).
_WHERE = {
    "open": ("results", "open"),
    "shipped": ("results", "shipped"),
    "Results": ("results", "Results"),
    "chart": ("chart", ""),
    "Meter": ("bench.meter.windows", "Meter"),
    "Window": ("bench.meter.windows", "Window"),
    "measured": ("bench.meter.windows", "measured"),
    "record": ("bench.run.own", "record"),
    "Answer": ("bench.run.own_answers", "Answer"),
}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    where, called = _WHERE[name]
    module = importlib.import_module(f"{__name__}.{where}")
    found = getattr(module, called) if called else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
