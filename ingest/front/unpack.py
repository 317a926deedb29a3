"""The bytes of a file as text: unpacked (gzip, zstd), decoded (UTF-8 with or without a mark, UTF-16), never more than fits in memory."""

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

LARGEST_TEXT = 512 * 1024 * 1024
# A packed file may unpack to so many times its size, or to this many bytes.
MOST_TIMES, ALWAYS_ALLOWED = 500, 64 * 1024 * 1024
START = 4096
PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Unreadable(Exception):
    """A file cannot be loaded at all; the text is one sentence that says why."""


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: Any, size: int, packed: bool) -> None:
        self.stream = stream
        self.size = size
        self.left = min(LARGEST_TEXT, max(ALWAYS_ALLOWED, MOST_TIMES * size)) if packed else LARGEST_TEXT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.stream.read(len(buffer))
        self.left -= len(part)
        if self.left < 0:
            raise Unreadable(f"has {self.size:,} bytes and unpacks to more than may be read: it is not read")
        buffer[: len(part)] = part
        return len(part)


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked. Raises Unreadable for a damaged or too large one, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.peek(4)
        kind = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
        if kind is None and size > LARGEST_TEXT:
            raise Unreadable(f"has {size:,} bytes; a text file may have {LARGEST_TEXT:,}")
        try:
            yield io.BufferedReader(_Bounded(_stream(file, kind), size, packed=kind is not None))
        except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
            raise Unreadable(f"is {kind} that is cut off or damaged") from error
        except OSError as error:
            if kind is None or error.errno is not None:
                raise
            raise Unreadable(f"is {kind} that is cut off or damaged") from error


def _stream(file: io.BufferedReader, kind: str | None) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file)
    return pa.CompressedInputStream(file, kind) if kind else file


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a text show: a mark, or the zero bytes of UTF-16 without one. Else UTF-8."""
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return name
    if len(start) >= 4 and start[1] == start[3] == 0 != start[0]:
        return "utf-16-le"
    return "utf-16-be" if len(start) >= 4 and start[0] == start[2] == 0 != start[1] else "utf-8"


def start_of(path: Path) -> str:
    """The first characters of a file as text. Raises Unreadable, OSError."""
    with unpacked(path) as stream:
        start = stream.read(START)
    return start.decode(encoding_of(start), errors="replace")


def content_of(path: Path) -> bytes:
    """The whole text of a file, as UTF-8 without a mark. Raises Unreadable, OSError."""
    with unpacked(path) as stream:
        content = stream.read()
    encoding = encoding_of(content[:4])
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding.removesuffix('-sig').upper()} text ({place(content, error.start)})") from error
    return content if encoding == "utf-8" else text.encode("utf-8", errors="surrogatepass")


def place(content: bytes, byte: int) -> str:
    """Where a byte is, for people."""
    line = content.count(b"\n", 0, byte) + 1
    return f"line {line:,}, byte {byte:,}"


def lines_of(path: Path, longest: int) -> Iterator[tuple[int, str | None]]:
    """The lines of a text with their numbers from 1, without their ends; None for one that is longer or no text.

    Raises:
        Unreadable: damaged, or too large.
        OSError: the file cannot be read.
    """
    with unpacked(path) as stream:
        encoding = encoding_of(stream.peek(4)[:4])
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        text = io.TextIOWrapper(stream, encoding, errors, newline=None)
        number = 0
        while line := text.readline(longest + 1):
            number += 1
            whole = len(line) <= longest or line.endswith("\n")
            while not line.endswith("\n") and (rest := text.readline(longest)):
                line = rest
                whole = False
            yield number, line.removesuffix("\n") if whole and _is_text(line) else None


def _is_text(line: str) -> bool:
    """Whether a decoded line holds neither bytes that are no UTF-8 nor zero bytes."""
    if line.isascii():
        return "\0" not in line
    return "\0" not in line and "\ufffd" not in line and not any("\udc80" <= letter <= "\udcff" for letter in line)
