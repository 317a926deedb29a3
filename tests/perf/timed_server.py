"""Streamlit with a clock on the warehouse: `python -m tests.perf.timed_server run …`.

Appends the name and the seconds of every query, one a line, to the file $SQL_TIMES.
"""

import os
import time
from pathlib import Path
from typing import Any

from streamlit.web.cli import main

from prompt_joules.warehouse import query

untimed = query.load


def timed(*arguments: Any, **parameters: Any) -> Any:
    """query.load, timed."""
    began = time.perf_counter()
    try:
        return untimed(*arguments, **parameters)
    finally:
        with Path(os.environ["SQL_TIMES"]).open("a") as file:
            file.write(f"{arguments[0]} {time.perf_counter() - began:.6f}\n")


if __name__ == "__main__":
    query.load = timed
    main()
