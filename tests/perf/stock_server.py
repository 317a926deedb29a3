"""Streamlit as `pip install streamlit` makes it, without the extra `performance`: `python -m tests.perf.stock_server run …`.

What the floor of the pages is measured on: uvicorn on the loop of asyncio, files watched.
"""

import sys

from streamlit.web.cli import main

EXTRA = ("uvloop", "httptools", "orjson")

if __name__ == "__main__":
    sys.modules |= dict.fromkeys(EXTRA)  # type: ignore[arg-type]  # None: an import of it fails, as where it is not installed
    sys.argv += ["--server.fileWatcherType", "auto"]
    main()
