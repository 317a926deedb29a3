"""Zips of results: while an ingest runs their files lie in a temporary folder; the warehouse calls them ARCHIVE.zip/NAME."""

import contextlib
import hashlib
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prompt_joules.ingest.front.content import may_hold_results
from prompt_joules.ingest.front.unpack import ALWAYS_ALLOWED, MOST_TIMES, Unreadable

ENDING = ".zip"
MOST_FILES = 100_000
MOST_BYTES = 64 * 1024**3
MOST_OF_DIRECTORY = 64 * 1024**2
"""Bytes of a zip's directory, which `zipfile` reads at once: 100,000 files with long names have 20 MB."""
DAMAGED = "is a zip that is cut off or damaged"
# A file in the directory of a zip (PKWARE's APPNOTE 4.3.12): its sign, its bytes, and where the lengths of what follows stand in them.
ENTRY, ENTRY_SIZE, ENTRY_MORE = b"PK\x01\x02", 46, 28


class _Bounded(io.BufferedReader):
    """A zip's bytes for `zipfile`, which reads the directory at once and keeps each entry: so it is looked through as it is read.

    How many files the end of a zip says that there are does not matter: it may lie.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_OF_DIRECTORY:
            raise Unreadable(f"has a directory of {size:,} bytes: it is not read")
        content = super().read(size)
        count = place = 0
        while content.startswith(ENTRY, place) and len(content) >= place + ENTRY_SIZE:
            count += 1
            if count > MOST_FILES:
                raise Unreadable(f"has more than {MOST_FILES:,} files: it is not read")
            place += ENTRY_SIZE + sum(struct.unpack_from("<3H", content, place + ENTRY_MORE))
        return content


@dataclass
class Unpacked:
    """The zips that were unpacked for one ingest."""

    folder: Path  # a temporary folder with a folder for each
    archives: dict[Path, Path] = field(default_factory=dict)  # folder → the zip

    def files(self, archive: Path) -> list[Path]:
        """Unpack the files of a zip that an ingest looks at, sorted.

        Raises:
            Unreadable: damaged, locked by a password, or larger than anybody means it to be.
            OSError: it cannot be read, or there is no space for its files.
        """
        into = self.folder / str(len(self.archives))
        self.archives[into] = archive
        with _opened(archive) as opened:
            members = [member for member in opened.infolist() if is_looked_at(member)]
            _refuse_large(members, archive.stat().st_size)
            return sorted(Path(opened.extract(member, into)) for member in members)

    def called(self, path: Path) -> Path:
        """The path as a person knows it: inside its zip."""
        for folder, archive in self.archives.items():
            if path.is_relative_to(folder):
                return archive / path.relative_to(folder)
        return path


@contextlib.contextmanager
def unpacking() -> Iterator[Unpacked]:
    """A place for the files of zips; they are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="prompt-joules-zip-") as folder:
        yield Unpacked(Path(folder))


def is_looked_at(member: zipfile.ZipInfo) -> bool:
    """Whether a member may hold results: no folder, nothing hidden or outside, an ending that a format has."""
    path = Path(member.filename)
    return (
        not member.is_dir() and not path.is_absolute() and not any(part.startswith(".") for part in path.parts) and may_hold_results(path)
    )


def exists(path: Path) -> bool:
    """Whether there is such a file, or such a file in a zip."""
    if path.exists():
        return True
    archive = _archive_of(path)
    if archive is None:
        return False
    with contextlib.suppress(Unreadable, OSError), _opened(archive) as opened:
        return path.relative_to(archive).as_posix() in opened.namelist()
    return False


def sha256(path: Path) -> str:
    """Hash of a file's bytes, also of one in a zip, as 64 hexadecimal digits. Raises OSError."""
    archive = None if path.exists() else _archive_of(path)
    if archive is None:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    try:
        with _opened(archive) as opened, opened.open(path.relative_to(archive).as_posix()) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed wants more of it than is used
    except (Unreadable, KeyError) as error:
        raise OSError(str(error)) from error


def _archive_of(path: Path) -> Path | None:
    return next((parent for parent in path.parents if parent.suffix.lower() == ENDING and parent.is_file()), None)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A zip. Raises Unreadable, OSError."""
    try:
        with _Bounded(io.FileIO(archive)) as file, zipfile.ZipFile(file) as opened:
            yield opened
    except (Unreadable, OSError):
        raise
    except NotImplementedError as error:
        raise Unreadable("is a zip of a kind that Python cannot unpack") from error
    except RuntimeError as error:
        raise Unreadable("is a zip that is locked by a password") from error
    except Exception as error:  # of a damaged zip, `zipfile` and what unpacks it raise at least seven kinds
        raise Unreadable(DAMAGED) from error


def _refuse_large(members: list[zipfile.ZipInfo], size: int) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or total > min(MOST_BYTES, max(ALWAYS_ALLOWED, MOST_TIMES * size)):
        raise Unreadable(f"has {size:,} bytes and unpacks to {len(members):,} files of {total:,} bytes: it is not read")
