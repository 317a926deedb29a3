"""What does a visitor wait for? Every page in a real Chromium, on few and on many prompts, against an app of one small chart.

    python -m tests.perf.pages [--rows 1000000] [--few 10000] [--visits 3] [--visitors 20] [--pages NAME …] [--folder FOLDER]

Times end with the last change on the page: the script is done, every chart is drawn, and nothing moved for 0.4 s (which are not counted).
Changes inside a canvas do not count: a table is drawn as a picture, and its copy for screen readers is made some 0.3 s later.
`cold` is the first visit of an empty browser; `warm` opens the page again; `page` comes to it from Methods by its link; `filter` sets the
filter Task to chat. Before `cold` and `page` the warehouse gets a new time stamp, so that the server has no answer in its cache; `sql` is
the time in queries of that first visit. `kB` is what came over the websocket and from no static file. Medians of `visits`. The floor, an
app of one small chart, is timed in between, once on Streamlit as it is installed (the aims are for that) and once on the server of the app.
Ten million rows (`--rows 10000000`) take about 8 GB of disk and ten minutes to make; they are kept in the folder.
"""

import argparse
import hashlib
import os
import re
import shutil
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from prompt_joules.bench import record
from prompt_joules.ingest import loading
from prompt_joules.pages.ui.site import SECTIONS
from prompt_joules.warehouse import create
from tests.e2e.conftest import installed
from tests.perf import crowd, ingest
from tests.servers import ROOT, Server, served

FOLDER = ROOT / "results" / "perf-pages"
FLOOR = "tests/perf/floor_app.py"
QUIET_MS = 400
LONGEST_MS = 60_000
# Asked at every frame of the browser, the question itself would take a twentieth of its time.
POLLING_MS = 100
# Remembers the last click and the last change of what is on the page; a chart that is drawn anew changes its nodes.
WATCH = """
window.changed = 0; window.clicked = 0;
document.addEventListener('pointerdown', () => { window.clicked = performance.now(); }, true);
new MutationObserver(changes => {
  if (changes.some(change => !change.target.closest?.('canvas'))) window.changed = performance.now();
}).observe(document, {subtree: true, childList: true});
"""
SETTLED = """([title, quiet]) => {
  const state = document.querySelector('[data-testid=stApp]')?.dataset.testScriptState;
  const heading = document.querySelector('h1')?.textContent;
  const drawn = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(c => c.querySelector('svg.marks, canvas'));
  const bare = document.querySelector('[data-testid=stSkeleton], [data-stale=true]');
  return state === 'notRunning' && heading === title && drawn && !bare && window.changed > window.clicked
    && performance.now() - window.changed > quiet ? window.changed : false;
}"""


@dataclass
class Times:
    """Seconds of every visit, by kind of visit; `size` in bytes and `sql` in seconds of first visits."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    filter: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)

    def median(self, kind: str) -> float:
        """The median of one kind; not a number where there was no visit of that kind."""
        values: list[float] = getattr(self, kind)
        return statistics.median(values) if values else float("nan")


class Tab:
    """A tab of a browser that counts what comes from the server."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.bytes = 0
        page.add_init_script(WATCH)
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, frame_: bytes | str) -> None:
        self.bytes += len(frame_)

    def open(self, address: str, title: str) -> float:
        """Go to an address; seconds to the last change."""
        self.page.goto(address, wait_until="commit")
        return self._settled(title) / 1000

    def click(self, target: Callable[[Page], None], title: str) -> float:
        """Do something that ends in a click; seconds from it to the last change."""
        target(self.page)
        return (self._settled(title) - float(self.page.evaluate("window.clicked"))) / 1000

    def _settled(self, title: str) -> float:
        found = self.page.wait_for_function(SETTLED, arg=[title, QUIET_MS], timeout=LONGEST_MS, polling=POLLING_MS)
        return float(found.json_value())


@dataclass(frozen=True)
class Site:
    """A server with its warehouse and the file of its query times."""

    server: Server
    warehouse: Path
    times: Path

    def forget(self) -> None:
        """A new time stamp: the server's cache holds nothing for the file as it is now."""
        os.utime(self.warehouse)

    def sql_s(self) -> float:
        """Seconds in queries since the last call."""
        text = self.times.read_text() if self.times.exists() else ""
        self.times.unlink(missing_ok=True)
        return sum(float(line.split()[1]) for line in text.splitlines())

    def peak_gib(self) -> float:
        """The most memory that the server has held."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 2**20


def key() -> str:
    """Of a warehouse that is kept: it changes with generator and schema, and not with their comments or line ends."""
    sql = (re.sub(r"-- .*", "", file.read_text(encoding="utf-8")).split() for file in (ingest.SQL / "made_rows.sql", *create.SOURCES))
    columns = [(column.name, column.type, column.required, column.setup) for column in record.COLUMNS]
    return hashlib.sha256(repr(([*sql], columns)).encode()).hexdigest()[:8]


def make(folder: Path, rows: int) -> Path:
    """The published tables and `rows` made-up prompts in a warehouse; kept from run to run while generator and schema stay the same."""
    generator = key()
    path = folder / f"warehouse-{rows}-{generator}.duckdb"
    if path.exists():
        return path
    made = folder / f"rows-{rows}-{generator}"
    files = [ROOT / "warehouse" / "data", *ingest.make(made, rows)]
    unfinished = path.with_suffix(".part")
    loaded = loading.ingest([str(file) for file in files], str(unfinished), rebuild=True, say=print)
    assert loaded.status == 0, [line for line in loaded.lines if line.state not in ("loaded", "unchanged")]
    shutil.rmtree(made)
    return unfinished.rename(path)


@contextmanager
def site(warehouse: Path, folder: Path, entry: str = "streamlit_app.py", program: str = "timed_server") -> Iterator[Site]:
    """A server whose queries are timed, or another program of this folder."""
    times = folder / f"sql-{warehouse.stem}-{Path(entry).stem}.txt"
    times.unlink(missing_ok=True)
    with served(warehouse, entry, ("-m", f"tests.perf.{program}"), {"SQL_TIMES": str(times)}) as server:
        yield Site(server, warehouse, times)


def choose_chat(page: Page) -> None:
    """Set the filter Task to chat: the first list of that name."""
    # A list closes again when a click has to scroll to it.
    box = page.get_by_role("combobox", name="Task").first
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(QUIET_MS)
    box.click()
    page.get_by_role("option", name="chat", exact=True).click()


def visit(browser: Browser, place: Site, path: str, question: str, times: Times) -> None:
    """One visitor: opens a page with an empty browser, opens it again, comes from another page, sets a filter."""
    address = f"{place.server.address}/{path}"
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    place.forget()
    place.sql_s()
    tab = Tab(context.new_page())
    times.cold.append(tab.open(address, question))
    times.sql.append(place.sql_s())
    times.size.append(tab.bytes)
    times.warm.append(tab.open(address, question))
    if path and path != "methods":
        place.forget()
        tab.open(f"{place.server.address}/methods", "How was it measured?")
        label = next(title for entries in SECTIONS.values() for file, title, _ in entries if file == path)
        sidebar = "section[data-testid=stSidebar]"
        times.page.append(tab.click(lambda page: page.locator(sidebar).get_by_role("link", name=label, exact=True).click(), question))
    times.filter.append(tab.click(choose_chat, question))
    context.close()


def report(few: dict[str, Times], many: dict[str, Times], floor: Times, same_server: Times) -> None:
    """Print a line a page, with verdicts on the aims.

    Args:
        floor: of the app of one small chart on Streamlit as it is installed.
        same_server: of that app on the server of ours.
    """
    aims = {
        "cold": ("≤ 1.3× floor", 1.3 * floor.median("cold")),
        "warm": ("≤ 2× floor", 2 * floor.median("warm")),
        "page": ("≤ 0.7 s", 0.7),
        "filter": ("≤ 0.7 s", 0.7),
        "size": ("≤ 1 MB", 1e6),
    }
    for words, times in (("Streamlit as installed", floor), ("our server", same_server)):
        print(
            f"floor, {words}: cold {times.median('cold'):.2f} s, warm {times.median('warm'):.2f} s, filter {times.median('filter'):.2f} s"
        )
    print(f"aims: {', '.join(f'{kind} {words}' for kind, (words, _) in aims.items())}, ten thousand to many rows: cold at most 0.5 s more")
    print(f"{'page':22}" + "".join(f"{f'{kind} few':>12}{f'{kind} many':>13}" for kind in ("cold", "warm", "page", "filter", "sql", "kB")))
    for name, heavy in many.items():
        cells = ""
        for kind in ("cold", "warm", "page", "filter", "sql"):
            cells += f"{few[name].median(kind):12.2f}{heavy.median(kind):12.2f}{_mark(kind, heavy, aims)}"
        cells += f"{few[name].median('size') / 1000:12.0f}{heavy.median('size') / 1000:12.0f}{_mark('size', heavy, aims)}"
        more = heavy.median("cold") - few[name].median("cold")
        print(f"{name:22}{cells}  {more:+.2f} s{'' if more <= 0.5 else ' ✗'}")
    print("✗ misses its aim")


def _mark(kind: str, times: Times, aims: dict[str, tuple[str, float]]) -> str:
    return "✗" if kind in aims and times.median(kind) > aims[kind][1] else " "


def main(arguments: list[str] | None = None) -> None:
    """Make the warehouses, visit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--pages", nargs="*", help="only these pages")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    questions = {file: question for entries in SECTIONS.values() for file, _, question in entries}
    wanted = options.pages or list(questions)
    files = [make(options.folder, rows) for rows in (options.few, options.rows)]
    with sync_playwright() as playwright, ExitStack() as open_:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or installed(), args=["--no-sandbox"])
        floors = [
            (open_.enter_context(site(files[0], options.folder, FLOOR, program)), Times()) for program in ("stock_server", "timed_server")
        ]
        sites = [open_.enter_context(site(file, options.folder)) for file in files]
        few, many = ({name: Times() for name in wanted} for _ in files)
        for _ in range(options.visits):
            for name in wanted:
                for place, times in floors:
                    visit(browser, place, "", "Floor", times)
                for place, found in zip(sites, (few, many), strict=True):
                    visit(browser, place, name, questions[name], found[name])
        browser.close()
        print(f"{options.few:,} and {options.rows:,} prompts, {os.cpu_count()} cores, medians of {options.visits}")
        report(few, many, *(times for _, times in floors))
        print(f"peak memory of the server: {sites[0].peak_gib():.2f} and {sites[1].peak_gib():.2f} GiB (aim 1.5)")
        crowd.report("floor", floors[1][0].server.address, [""] * len(wanted), options.visitors)
        for rows, place in zip((options.few, options.rows), sites, strict=True):
            crowd.report(f"{rows:,} prompts", place.server.address, wanted, options.visitors)
        print(f"peak memory of the server after the crowd: {sites[1].peak_gib():.2f} GiB (aim 1.5)")


if __name__ == "__main__":
    main()
