"""What whoever runs the server can watch: a line in the log for each page, figures for Prometheus, and whether the warehouse can be read.

    /healthz   200 {"status": "ok"} when the warehouse has just been read; 503 with the kind of fault when not. Streamlit's own
               /_stcore/health says ok without any warehouse.
    /metrics   only with PROMPT_JOULES_METRICS=on: pages and statements of visitors by outcome, with their times; the warehouse's age.

A line names the page, its time, how it ended and a piece of the session's number: neither who asked nor what was filtered.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

from prompt_joules.warehouse import connect, errors, query, switches, visitor_sql

LOG = logging.getLogger("prompt_joules.access")
# How long a warehouse may take to answer before it counts as not readable: a mount that hangs never does.
LONGEST_LOOK = 5.0
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PAGES = Histogram("prompt_joules_page_seconds", "Scripts of pages, from start to end.", ["page", "outcome"], buckets=SECONDS)
STATEMENTS = Histogram(
    "prompt_joules_sql_seconds", "Statements of visitors, the wait for their turn included.", ["outcome"], buckets=SECONDS
)
READABLE = Gauge("prompt_joules_warehouse_readable", "1 when the warehouse was read at this scrape, else 0.")
CHANGED = Gauge("prompt_joules_warehouse_changed_seconds", "When the file of the warehouse last changed, as Unix time; 0 for a lake.")
# What an exception says of how a page or a statement ended; another one is an error.
OUTCOMES: dict[type[BaseException], str] = {StopException: "stopped", RerunException: "again", visitor_sql.RefusedSql: "refused"}


@dataclass
class Run:
    """One run of a page's script."""

    # Ok; stopped, by the page or because the visitor asked for something else; again, the script starts anew; no-warehouse; error.
    outcome: str = "ok"


def ready() -> None:
    """Let lines of the log go to standard error, unless somebody has said where they go."""
    if not LOG.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
        LOG.propagate = False


@contextmanager
def page(name: str) -> Iterator[Run]:
    """Watch the script of a page."""
    run, began = Run(), time.perf_counter()
    try:
        yield run
    except BaseException as error:
        run.outcome = OUTCOMES.get(type(error), "error")
        raise
    finally:
        seconds = time.perf_counter() - began
        PAGES.labels(name, run.outcome).observe(seconds)
        context = get_script_run_ctx(suppress_warning=True)
        LOG.info("page=%s seconds=%.3f outcome=%s session=%s", name, seconds, run.outcome, context.session_id[:8] if context else "-")


@contextmanager
def statement() -> Iterator[None]:
    """Watch a statement of a visitor. Its text is not logged."""
    outcome, began = "answered", time.perf_counter()
    try:
        yield
    except BaseException as error:
        outcome = OUTCOMES.get(type(error), "error")
        raise
    finally:
        STATEMENTS.labels(outcome).observe(time.perf_counter() - began)


async def health(_: Request) -> Response:
    """Whether the warehouse can be read right now. What exactly is wrong stands in the pages and the log, not here."""
    fault = await _fault()
    return JSONResponse({"status": "ok"}) if fault is None else JSONResponse({"status": "fault", "fault": fault}, status_code=503)


async def metrics(_: Request) -> Response:
    """Figures for Prometheus, or nothing where nobody switched them on."""
    if not switches.is_switched_on(switches.METRICS):
        return Response(status_code=404)
    READABLE.set(await _fault() is None)
    return Response(await asyncio.to_thread(generate_latest), media_type=CONTENT_TYPE_LATEST)


async def _fault() -> str | None:
    try:
        return await asyncio.wait_for(asyncio.to_thread(_look), LONGEST_LOOK)
    except TimeoutError:
        return "NoAnswer"


def _look() -> str | None:
    """The kind of what is wrong with the warehouse; None when it was read."""
    path = connect.default_warehouse()
    try:
        _, changed = connect.version(path)
        query.load("meta", None, path)
    except errors.WarehouseError as error:
        return type(error).__name__
    CHANGED.set(0 if connect.place_of(path).shared else changed / 1e9)
    return None


ROUTES = (Route("/healthz", health), Route("/metrics", metrics))
