"""Datasets of the Hugging Face Hub, through the Hub's own client: from where the ingest fetches runs, and to where `publish` sends them.

Tokens, proxies, mirrors and being offline are the client's affair (HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE).
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from prompt_joules.bench import extras, screen
from prompt_joules.bench.screen import ERR
from prompt_joules.ingest import zips
from prompt_joules.ingest.front.content import ENDINGS, PACKED_ENDINGS, ending
from prompt_joules.warehouse import create
from prompt_joules.warehouse.errors import ForPeople

PREFIX = "hf:"
KIND = "dataset"
LOGIN = "Run `hf auth login`, or set HF_TOKEN."
_ADDRESS = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@(\S+))?", re.ASCII)
_READ = [f"*{end}{packed}" for end in ENDINGS for packed in ("", *PACKED_ENDINGS)] + [f"*{zips.ENDING}"]


class HubError(ForPeople):
    """The Hub cannot be asked, or says no; the text says what to do."""


@dataclass(frozen=True)
class Address:
    """A dataset on the Hub."""

    repo: str  # `organisation/name`
    revision: str | None = None  # a branch, a tag or a commit; None means the newest state

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def address(text: str) -> Address:
    """The dataset that a text names. Raises HubError."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise HubError(f"{text!r} names no dataset: write hf:ORGANISATION/NAME, or hf:ORGANISATION/NAME@REVISION.")
    return Address(found[1], found[2])


def kept_in(where: Address) -> Path:
    """The folder of the fetched states of a dataset, in the user's cache."""
    import platformdirs  # only where a data set is fetched: on Unix it needs what other systems lack

    return platformdirs.user_cache_path("prompt-joules") / "hub" / where.repo


def fetch(where: Address) -> Path:
    """Fetch the files of a dataset that the ingest may read. What was fetched before is not fetched again.

    Returns:
        A folder in the user's cache, one for each commit; it stays, because the warehouse is made of its files.

    Raises:
        HubError: no client, no network, no such dataset or revision, no right to read it, nothing in it that the ingest reads.
        OSError: the cache cannot be written.
    """
    with client(where) as api:
        info = api.dataset_info(where.repo, revision=where.revision, files_metadata=True)
        files = {file.rfilename: file.size or 0 for file in info.siblings or () if ending(Path(file.rfilename)) in (*ENDINGS, zips.ENDING)}
        _refuse(where, files)
        folder = kept_in(where) / str(info.sha)
        if not screen.is_quiet():
            ERR.print(f"Fetching {len(files):,} files ({sum(files.values()):,} bytes) of {where.repo} at {info.sha[:12]} into {folder} …")
        api.snapshot_download(where.repo, repo_type=KIND, revision=info.sha, local_dir=folder, allow_patterns=_READ)
    return folder


def _refuse(where: Address, files: dict[str, int]) -> None:
    """Raise HubError for a dataset that is not fetched: nothing to read, more than anybody means, names that lead elsewhere."""
    if not files:
        raise HubError(f"The dataset {where} has no file that the ingest reads ({', '.join(ENDINGS)} or {zips.ENDING}).")
    total = sum(files.values())
    if total > zips.MOST_BYTES or len(files) > zips.MOST_FILES:
        raise HubError(f"The dataset {where} has {len(files):,} files of {total:,} bytes: fetch it yourself, and name the folders to load.")
    outside = next((name for name in files if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts), None)
    if outside is not None:
        raise HubError(f"The dataset {where} has a file called {outside!r}, which lies outside of it: nothing was fetched.")


def state(where: Address) -> Path | None:
    """A folder with the files of a dataset as it is now, called after its newest commit; None where there is no such dataset, or nothing in
    it yet. Raises as `fetch`."""
    with client(where) as api:
        try:
            info = api.dataset_info(where.repo)
        except _errors().RepositoryNotFoundError as error:
            if isinstance(error, _errors().GatedRepoError):
                raise
            return None
        if not any(ending(Path(file.rfilename)) in ENDINGS for file in info.siblings or ()):
            return None
    return fetch(Address(where.repo, info.sha))


def send(where: Address, folder: Path, message: str, *, private: bool, parent: str | None) -> str:
    """Make the dataset if there is none, and put the files of a folder into it by one commit.

    Args:
        where: the dataset.
        folder: its files are put where they lie in it; others in the dataset stay.
        message: of the commit.
        private: whether nobody else sees it, where it is made.
        parent: the commit that this one must follow; None: any.

    Returns:
        The address of the commit.

    Raises:
        HubError: no token, no right to write, or somebody else has written meanwhile.
    """
    with client(where) as api:
        from huggingface_hub import get_token

        if get_token() is None:
            raise HubError(f"There is no token of the Hugging Face Hub here, which writing needs. {LOGIN}")
        api.create_repo(where.repo, repo_type=KIND, private=private or None, exist_ok=True)
        done = api.create_commit(where.repo, _additions(folder), commit_message=message, repo_type=KIND, parent_commit=parent)
    return str(done.commit_url)


def _additions(folder: Path) -> list[Any]:
    """Every file of a folder, to be put where it lies in it."""
    from huggingface_hub import CommitOperationAdd

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [CommitOperationAdd(path_in_repo=path.relative_to(folder).as_posix(), path_or_fileobj=path) for path in files]


@contextlib.contextmanager
def client(where: Address) -> Iterator[Any]:
    """The Hub's client; what it raises about the dataset becomes a HubError of one sentence."""
    try:
        import huggingface_hub
        from huggingface_hub import utils
    except ModuleNotFoundError as error:
        raise HubError(f"The package huggingface_hub is not installed. Run: {extras.install('hub')}") from error
    if screen.is_quiet() or not sys.stderr.isatty():
        utils.disable_progress_bars()
    known = _errors()
    try:
        yield huggingface_hub.HfApi(library_name="prompt-joules", library_version=create.project_version())
    except known.HFValidationError as error:
        raise HubError(f"{where.repo!r} is no name of a dataset: {str(error).rstrip('.')}.") from error
    except known.HfHubHTTPError as error:
        raise HubError(_refusal(where, error)) from error
    except ValueError as error:  # the Hub or the client refuses what is sent, e.g. for an unknown licence
        raise HubError(f"The Hub refuses what was sent to {where.repo}: {' '.join(str(error).split())}") from error
    except (known.OfflineModeIsEnabled, known.HTTPError, known.LocalEntryNotFoundError, RuntimeError) as error:
        raise HubError(_unreachable(where, error)) from error


def _errors() -> Any:
    """The client's errors. `HTTPError` among them is that of the HTTP library below it, whichever it is."""
    from huggingface_hub import errors

    return errors


def _refusal(where: Address, error: Any) -> str:
    """What the Hub said no to."""
    known, status = _errors(), error.response.status_code
    if isinstance(error, known.GatedRepoError):
        return f"The dataset {where} is open only to those who were granted access: ask for it on its page, then log in. {LOGIN}"
    if isinstance(error, known.RevisionNotFoundError):
        return f"The dataset {where.repo} has no revision {where.revision!r}."
    if isinstance(error, known.RepositoryNotFoundError):
        return f"There is no dataset {where.repo} on the Hub, or it is private and you are not logged in. {LOGIN}"
    if status in (401, 403):
        return f"The Hub refuses this to your token ({error.server_message or status}): it must be allowed to write to {where.repo}."
    if status == 412:
        return f"Somebody else has written to {where.repo} meanwhile: run the same command again."
    return f"The Hub answered {status} for {where}: {error.server_message or 'it said no more'}. Try again later."


def _unreachable(where: Address, error: Exception) -> str:
    """No network, and what of the dataset is here all the same."""
    offline = "HF_HUB_OFFLINE is set" if isinstance(error, _errors().OfflineModeIsEnabled) else (str(error).splitlines() or [""])[0]
    kept = sorted(kept_in(where).glob("*"), key=lambda path: path.stat().st_mtime)
    here = f" What was fetched before lies in {kept[-1]}, which can be loaded as a folder." if kept else ""
    return f"The Hugging Face Hub cannot be reached ({offline or type(error).__name__}).{here}"
