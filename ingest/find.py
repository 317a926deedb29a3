"""Which files to load: walk the given paths, recognise formats, hash contents, leave out what was loaded before. Loads nothing."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polars.exceptions import PanicException

from prompt_joules.ingest import zips
from prompt_joules.ingest.formats import FORMATS, recognise
from prompt_joules.ingest.formats.base import Content, Format, Unreadable, broken
from prompt_joules.ingest.front.content import TABLE_ENDINGS, ending, may_hold_results
from prompt_joules.ingest.report import Line, Report
from prompt_joules.warehouse import commands
from prompt_joules.warehouse.errors import ForPeople

Namer = Callable[[Path], str]
Chosen = Callable[[Path], bool]
"""Which of the files under the paths are looked at."""
LINK = "is a link that leads out of its folder and is not followed; name what it points to"


class NoSuchPath(ForPeople):
    """A path on the command line does not exist."""


@dataclass(frozen=True)
class Found:
    """A file whose format is known."""

    path: Path  # the file, where it can be read now
    called: Path  # the file as a person knows it, e.g. inside a zip
    format: Format  # its reader
    sha256: str  # hash of its bytes
    size: int  # bytes
    stamp: tuple[int, int, int]  # see `stamp`, when it was hashed; another one later means that it changed
    model: str | None = None  # what its user said of the model, for results that name none


@dataclass(frozen=True)
class Passed:
    """A file that will not be loaded, and why. `failure` is false for a foreign file that merely lay in a folder."""

    path: Path
    why: str
    failure: bool


def stamp(path: Path) -> tuple[int, int, int]:
    """Size, and the times (ns) at which content and inode changed: the second cannot be set back by whoever wrote the file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def walk(paths: Sequence[str]) -> tuple[list[tuple[Path, bool]], list[Passed]]:
    """Files under the given paths, sorted, each once; true for those named on the command line.

    Hidden files and files with names that hold no results (`may_hold_results`) are not looked at inside folders. A symbolic
    link that leads out of its folder is refused; one to a folder within it is not followed, because what it points to is there.

    Raises:
        NoSuchPath: names the path.
    """
    files: dict[Path, bool] = {}
    passed: list[Passed] = []
    for text in paths:
        root = _plain(Path(text))
        if root.is_dir():
            for path in _inside(root, passed):
                files.setdefault(path, False)
        elif root.exists():
            files[root] = True
        else:
            raise NoSuchPath(f"There is no file or folder {text}.")
    return sorted(files.items()), passed


def _plain(path: Path) -> Path:
    """An absolute path without `..`, so that a file has one name."""
    short = Path(os.path.normpath(path.absolute()))
    # A link before `..` makes the path lead elsewhere than its text says.
    return short if not path.exists() or (short.exists() and short.samefile(path)) else path.resolve()


def _inside(root: Path, passed: list[Passed]) -> list[Path]:
    found = []
    real_root = root.resolve()

    def closed(error: OSError) -> None:
        passed.append(Passed(Path(error.filename), f"cannot be read ({error.strerror or error})", failure=True))

    for folder, folders, names in os.walk(root, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [path for name in folders if (path := Path(folder) / name).is_symlink()]
        passed += [Passed(path, why, failure=True) for path in links if (why := _leads_out(path, real_root))]
        for name in names:
            path = Path(folder) / name
            if name.startswith(".") or not (may_hold_results(path) or ending(path) == zips.ENDING):
                continue
            if (told := os.fsencode(path).decode("utf-8", "replace")) != str(path):
                passed.append(Passed(Path(told), "has a name that is not UTF-8: rename it", failure=True))
                continue
            if why := _leads_out(path, real_root):
                passed.append(Passed(path, why, failure=True))
            else:
                found.append(path)
    return found


def _leads_out(path: Path, root: Path) -> str | None:
    """Why a link is not followed; None for what lies below the root."""
    try:
        return None if path.resolve().is_relative_to(root) else LINK
    except (OSError, RuntimeError):
        return "is a link that leads to itself"


def look(path: Path, named: bool, formats: Sequence[Format] = FORMATS) -> Found | Passed:
    """Recognise and hash one file; never raises for a bad file."""
    try:
        if not path.is_file():
            return Passed(path, "is not a regular file", failure=True)
        before = stamp(path)
        content = Content.of(path)
        if content.size == 0:
            return Passed(path, "is empty", failure=True)
        reader = recognise(content, formats)
        return Found(path, path, reader, zips.sha256(path), content.size, before) if reader else _passed(content, named)
    except Unreadable as error:
        return Passed(path, str(error), failure=True)
    except OSError as error:
        return Passed(path, f"cannot be read ({error.strerror or error})", failure=True)
    except (Exception, PanicException) as error:
        return Passed(path, broken(error), failure=True)


def _passed(content: Content, named: bool) -> Passed:
    """A file that no format knows: damaged, or foreign."""
    if content.problem is not None:
        return Passed(content.path, content.problem, failure=True)
    is_named = named or ending(content.path) == ".parquet"
    why = f"is of no format that Prompt Joules reads ({commands.INGEST} formats lists them)"
    mapping = "; --map FILE says what the columns of a table are (docs/formats/mapped.md)"
    return Passed(content.path, why + (mapping if is_named and ending(content.path) in TABLE_ENDINGS else ""), failure=is_named)


def everything(_: Path) -> bool:
    """Leave no file out."""
    return True


def survey(
    paths: Sequence[str], candidates: Sequence[Format], unpacked: zips.Unpacked, chosen: Chosen = everything, model: str | None = None
) -> tuple[list[Found], list[Passed]]:
    """Files under the paths whose format is known, and those that are passed over. Raises NoSuchPath.

    Args:
        paths: files, folders and zips.
        candidates: formats.
        unpacked: where the files of zips are put.
        chosen: which files and zips are looked at; the others are not in the answer.
        model: that of results that name none.
    """
    walked, passed = walk(paths)
    walked, passed = [item for item in walked if chosen(item[0])], [item for item in passed if chosen(item.path)]
    walked, passed = _with_zips(walked, passed, unpacked)
    looked = [look(path, named, candidates) for path, named in walked]
    found = [replace(item, called=unpacked.called(item.path), model=model) for item in looked if isinstance(item, Found)]
    return found, passed + [replace(item, path=unpacked.called(item.path)) for item in looked if isinstance(item, Passed)]


def _with_zips(
    walked: Sequence[tuple[Path, bool]], passed: list[Passed], unpacked: zips.Unpacked
) -> tuple[list[tuple[Path, bool]], list[Passed]]:
    """The same files, those of zips in the place of the zips."""
    files: list[tuple[Path, bool]] = []
    for path, named in walked:
        if path.suffix.lower() != zips.ENDING or not path.is_file():
            files.append((path, named))
            continue
        try:
            inside = unpacked.files(path)
        except Unreadable as error:
            passed.append(Passed(path, str(error), failure=True))
        except OSError as error:
            passed.append(Passed(path, f"cannot be read ({error.strerror or error})", failure=True))
        else:
            files += [(file, False) for file in inside]
            if not inside:
                passed.append(Passed(path, "is a zip without results", failure=named))
    return files, passed


def names_of(found: Sequence[Found], passed: Sequence[Passed], name: Namer) -> set[str]:
    """How the warehouse calls all files of a survey, and the folders and zips that they lie in: they could be read."""
    paths = {*(item.called for item in found), *(item.path for item in passed)}
    return {name(path) for path in paths.union(*(path.parents for path in paths))}


def pick_news(found: Sequence[Found], known: dict[str, str], name: Namer, report: Report) -> list[Found]:
    """Files whose content is new, each content once. The others are reported as known."""
    news = []
    seen = dict(known)
    for item in found:
        if item.sha256 in seen:
            other, called = seen[item.sha256], name(item.called)
            why = "loaded before" if other == called else f"same content as {other}"
            report.lines.append(Line(called, item.format.name, "known", why=why))
        else:
            seen[item.sha256] = name(item.called)
            news.append(item)
    return news


def passed_line(item: Passed, name: Namer) -> Line:
    """The line of the report for a file that will not be loaded."""
    return Line(name(item.path), "", "unreadable" if item.failure else "foreign", why=item.why)
