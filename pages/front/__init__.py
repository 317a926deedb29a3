"""Prompt Joules: what one answer of a language model costs in energy, measured prompt by prompt.

    import prompt_joules as pj

    pj.shipped().leaderboard(gpu="A40", task="chat")    # results as polars frames; pj.open() for your own
    pj.chart.scatter(rows)                              # the app's charts

Names are looked up when they are first used: `import prompt_joules` itself loads neither torch nor Streamlit nor DuckDB.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompt_joules import chart as chart
    from prompt_joules.results import Results as Results
    from prompt_joules.results import open as open
    from prompt_joules.results import shipped as shipped

# Name → the module that has it; a module of its own where both are alike.
_WHERE = {"open": "results", "shipped": "results", "Results": "results", "chart": "chart"}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_WHERE[name]}")
    found = module if name == _WHERE[name] else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
