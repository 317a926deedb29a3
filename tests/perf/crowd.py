"""Many visitors at once: real sessions over Streamlit's own websocket, without browsers, which would be the slowest part on one machine."""

import random
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

LONGEST_S = 60.0
THINKING_S = (2.0, 6.0)


@dataclass
class Session:
    """What one visitor saw: seconds of each page from the click to the end of the script, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def walk(address: str, pages: list[str], session: Session, thinking: random.Random | None) -> None:
    """Open a session and go through the pages; between two of them the visitor thinks for a while.

    Args:
        address: of the server.
        pages: their paths, in order.
        session: filled as the walk goes on.
        thinking: draws the pauses; None for none.
    """
    try:
        with connect(f"{address.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            for page in pages:
                if thinking:
                    time.sleep(thinking.uniform(*THINKING_S))
                session.seconds.append(visit(socket, page, session))
    except Exception as error:  # a visitor whose session broke is counted, not lost
        session.errors.append(f"{type(error).__name__}: {error}")


def visit(socket: ClientConnection, page: str, session: Session, hear: Callable[[ForwardMsg], None] = lambda _: None) -> float:
    """Open a page in a session; seconds until its script has ended.

    Args:
        hear: gets every message of the server.
    """
    message = BackMsg()
    message.rerun_script.page_name = page
    began = time.perf_counter()
    socket.send(message.SerializeToString())
    while True:
        found = ForwardMsg.FromString(socket.recv(timeout=LONGEST_S))  # type: ignore[arg-type]
        kind = found.WhichOneof("type")
        hear(found)
        if kind == "delta" and found.delta.new_element.WhichOneof("type") == "exception":
            session.errors.append(found.delta.new_element.exception.message)
        if kind == "script_finished" and found.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return time.perf_counter() - began
        if kind == "script_finished" and found.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            session.errors.append("the script did not compile")


def crowd(address: str, pages: list[str], visitors: int, thinking: bool) -> list[Session]:
    """So many visitors at once, each with the pages in an order of its own."""
    sessions, threads = [], []
    for number in range(visitors):
        chance = random.Random(number)
        session = Session()
        order = chance.sample(pages, len(pages))
        sessions.append(session)
        threads.append(threading.Thread(target=walk, args=(address, order, session, chance if thinking else None)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sessions


def report(name: str, address: str, pages: list[str], visitors: int) -> None:
    """Print the median page of one visitor and of many: with pauses of 2 to 6 s as people make them, and without any.

    One process of Python draws one page at a time, so visitors who never pause each wait for all others: as many times the work of a
    page as there are visitors. The same lines for the floor show Streamlit's own share.
    """
    crowd(address, pages, 1, thinking=False)
    alone = statistics.median(crowd(address, pages, 1, thinking=False)[0].seconds)
    print(f"{name}: one visitor, server's part of a page: median {alone:.3f} s")
    for thinking, words in ((True, "who pause 2 to 6 s between pages"), (False, "who never pause")):
        sessions = crowd(address, pages, visitors, thinking)
        seconds = [second for session in sessions for second in session.seconds]
        errors = [error for session in sessions for error in session.errors]
        middle = statistics.median(seconds)
        aim = f"{middle / alone:.1f}× one visitor" + (" (aim 3)" if thinking else "")
        print(f"{name}: {visitors} visitors {words}: median {middle:.3f} s, {aim}; {len(seconds)} pages, {len(errors)} errors {errors[:2]}")
