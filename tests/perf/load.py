"""Many visitors for minutes, while the warehouse is replaced under them: errors, torn pages, memory and the times of pages.

    python -m tests.perf.load                                     # 50 visitors, 5 minutes, the shipped results, an ingest every 20 s
    python -m tests.perf.load --rows 10000000 --folder build/load # beside 10 million made-up prompts

Visitors pause 2 to 6 s between pages, as people do. A page is torn when its parts are of two versions of the warehouse: every ingest brings
a model of its own, which must be among the filters and in the table of the runs, or in neither.

Memory is what `/proc` says of the server's process every 2 s: its resident set (VmRSS, libraries included) and the part of it that no
file holds (RssAnon); child processes of SQL are not in it, nobody asks for SQL here. It is judged after a warm-up, two fifths of the time:
until then visitors open pages that they have not seen, and a session holds what their widgets show.
"""

import argparse
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from prompt_joules.pages.ui import site
from tests import factories, warehouses
from tests.perf import crowd, pages
from tests.servers import ROOT, Server, served

PAGES = [file for entries in site.SECTIONS.values() for file, *_ in entries if file != site.HOME]
MARK = "load-model-"
MARKED = re.compile(r"load[- ]model[- ](\d+)")
COMMON = 0.3
"""How often a visitor goes to the page of the runs, where tearing is looked for."""


@dataclass
class Seen:
    """What all visitors saw.

    Attributes:
        seconds: of each page, by its path.
        errors: what went wrong, in words.
        torn: pages of two versions.
        looked: pages that were looked at for that.
        memory: (seconds since the start, bytes resident, bytes of them that no file holds) of the server.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    torn: int = 0
    looked: int = 0
    memory: list[tuple[float, int, int]] = field(default_factory=list)
    ingests: int = 0


@dataclass
class Marks:
    """The models of this load in the filters and in the first table of a page; None before they came.

    Attributes:
        known: messages that the server sent to this session and may name by their hash later.
    """

    known: dict[str, ForwardMsg]
    filters: set[str] | None = None
    table: set[str] | None = None

    def hear(self, message: ForwardMsg) -> None:
        """Take in a message of the server."""
        if message.hash:
            self.known[message.hash] = message
        message = self.known.get(message.ref_hash, message) if message.HasField("ref_hash") else message
        if message.WhichOneof("type") != "delta":
            return
        element = message.delta.new_element
        if element.WhichOneof("type") == "multiselect" and element.multiselect.label == "Model":
            self.filters = marks_in(element.multiselect.options)
        if element.WhichOneof("type") == "dataframe" and self.table is None:
            table = pa.ipc.open_stream(element.dataframe.arrow_data.data).read_all()
            texts = [column for column in table.columns if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)]
            self.table = marks_in(text for column in texts for text in column.to_pylist())


def marks_in(texts: Iterable[str | None]) -> set[str]:
    """The numbers of the marks that stand in texts. The filter writes names of models with spaces."""
    return {found[1] for text in texts if text and (found := MARKED.search(text))}


def visitor(number: int, address: str, until: float, seen: Seen) -> None:
    """One session that goes from page to page until the time is over."""
    chance = random.Random(number)
    session = crowd.Session()
    known: dict[str, ForwardMsg] = {}
    try:
        with connect(f"{address.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            while time.monotonic() < until:
                time.sleep(chance.uniform(*crowd.THINKING_S))
                page = "runs" if chance.random() < COMMON else chance.choice(["", *PAGES])
                marks = Marks(known)
                seconds = crowd.visit(socket, page, session, marks.hear)
                seen.seconds.setdefault(page or site.HOME, []).append(seconds)
                if page == "runs" and marks.filters is not None and marks.table is not None:
                    seen.looked += 1
                    seen.torn += marks.filters != marks.table
    except Exception as error:  # a visitor whose session broke is counted, not lost
        seen.errors.append(f"{type(error).__name__}: {error}")
    seen.errors.extend(session.errors)


def ingests(folder: Path, warehouse: Path, every: float, until: float, seen: Seen) -> None:
    """Load a new run with a model of its own, again and again, as another process would."""
    while time.monotonic() + every < until:
        time.sleep(every)
        name = f"{MARK}{seen.ingests:03}"
        rows = factories.records(25, f"load-{seen.ingests}", model_id=f"load/{name}", model_name=name)
        factories.write(rows, folder / "in" / f"{name}.parquet")
        command = [sys.executable, "-m", "ingest", str(folder / "in" / f"{name}.parquet"), "--warehouse", str(warehouse)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            seen.errors.append(f"ingest: {done.stdout[-300:]} {done.stderr[-300:]}")
        seen.ingests += 1


def watch(server: Server, until: float, seen: Seen) -> None:
    """Look at the server's memory every few seconds."""
    began = time.monotonic()
    while time.monotonic() < until:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
        resident, own = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))
        seen.memory.append((time.monotonic() - began, resident, own))
        time.sleep(2)


def load(folder: Path, warehouse: Path, visitors: int, seconds: float, every: float) -> Seen:
    """Serve a warehouse to so many visitors for so long, with an ingest every so many seconds."""
    seen = Seen()
    with served(warehouse) as server:
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=visitor, args=(number, server.address, until, seen)) for number in range(visitors)]
        threads.append(threading.Thread(target=ingests, args=(folder, warehouse, every, until, seen)))
        threads.append(threading.Thread(target=watch, args=(server, until, seen)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return seen


def report(seen: Seen, seconds: float) -> None:
    """Print what was seen."""
    everything = sorted(second for found in seen.seconds.values() for second in found)
    print(f"{len(everything)} pages, {seen.ingests} ingests, {seen.torn} torn of {seen.looked} looked at")
    print(f"{len(seen.errors)} errors {seen.errors[:3]}")
    for page, found in sorted(seen.seconds.items()):
        print(f"  {page:22} {len(found):5} pages, median {statistics.median(found):.2f} s, p95 {quantile(sorted(found), 0.95):.2f} s")
    print(
        f"  {'all':22} median {statistics.median(everything):.2f} s, p95 {quantile(everything, 0.95):.2f} s, longest {everything[-1]:.2f} s"
    )
    warm_up, early, late = seconds * 0.4, seconds * 0.6, seconds * 0.8
    print(f"memory of the server after a warm-up of {warm_up:.0f} s, medians:")
    for name, column in (("resident", 1), ("of no file", 2)):
        first = statistics.median(at[column] for at in seen.memory if warm_up < at[0] <= early)
        last = statistics.median(at[column] for at in seen.memory if at[0] > late)
        print(f"  {name:10} {first / 1e6:.0f} MB in the third fifth, {last / 1e6:.0f} MB in the last: {last / first - 1:+.1%} (aim ±5 %)")


def quantile(values: list[float], share: float) -> float:
    """The value below which a share of sorted values lies."""
    return values[min(int(share * len(values)), len(values) - 1)]


def main() -> None:
    """Run the load and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--every", type=float, default=20, help="seconds between two ingests")
    parser.add_argument("--rows", type=int, default=0, help="made-up prompts beside the shipped results")
    parser.add_argument("--folder", type=Path, help="where they are kept; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        warehouse = folder / "load.duckdb"
        warehouse.unlink(missing_ok=True)
        if options.rows:
            shutil.copyfile(pages.make(folder, options.rows), warehouse)
        else:
            warehouses.ingest(warehouses.SHIPPED, into=warehouse)
        report(load(folder, warehouse, options.visitors, options.seconds, options.every), options.seconds)


if __name__ == "__main__":
    main()
