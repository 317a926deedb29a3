"""A stand-in for the Hugging Face Hub: the part of its HTTP API that the real client calls to make, fill and read a dataset.

It keeps files by content and refuses what the Hub refuses: a wrong token, content that is not its hash, a commit on an old parent, a
commit of a large file that was not uploaded. What nobody should ask is a 404 and stands in `odd`.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_stand_in"
Files = dict[str, bytes]


@dataclass
class Dataset:
    """A dataset: its commits in order, each with all its files; `private` needs the token."""

    private: bool = False
    commits: dict[str, Files] = field(default_factory=lambda: {"0" * 40: {".gitattributes": b"*.parquet filter=lfs\n"}})

    @property
    def head(self) -> str:
        """The newest commit."""
        return list(self.commits)[-1]


@dataclass
class Hub:
    """What the stand-in has and was asked.

    Attributes:
        address: where it is.
        datasets: by `organisation/name`.
        large: uploaded files by SHA-256.
        asked: method and path of every request.
        odd: requests that the Hub does not know.
    """

    address: str = ""
    datasets: dict[str, Dataset] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    @property
    def elsewhere(self) -> str:
        """The same by another name: the Hub's large files are on another host, to which the client takes no token."""
        return self.address.replace("127.0.0.1", "localhost")


class Refusal(Exception):
    """An answer that is no success: status, the Hub's code of the error, words."""

    def __init__(self, status: int, code: str = "", words: str = "") -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words


@contextmanager
def running() -> Iterator[Hub]:
    """A stand-in on a free port of 127.0.0.1 until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    # Method and pattern of the path → name of the method that answers.
    ROUTES = (
        ("GET", r"/api/datasets/(?P<repo>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?", "info"),
        ("GET", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)", "tree"),
        ("GET", r"/api/agent-harnesses", "harnesses"),
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate"),
        ("POST", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/preupload/main", "preupload"),
        ("POST", r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", "upload"),
        ("POST", r"/verify/(?P<oid>[0-9a-f]{64})", "verify"),
        ("POST", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/commit/main", "commit"),
        ("(?:HEAD|GET)", r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
        ("(?:HEAD|GET)", r"/storage/(?P<oid>[0-9a-f]{64})", "stored"),
    )

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append(f"{self.command} {path}")
        try:
            for method, pattern, name in self.ROUTES:
                if re.fullmatch(method, self.command) and (found := re.fullmatch(pattern, path)):
                    getattr(self, name)(**found.groupdict())
                    return
            self.hub.odd.append(f"{self.command} {path}")
            raise Refusal(404, words="no such page")
        except Refusal as no:
            self._send(no.status, json.dumps({"error": no.words}).encode(), {"X-Error-Code": no.code, "X-Error-Message": no.words})

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, answer: Any) -> None:
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _dataset(self, repo: str, *, write: bool = False) -> Dataset:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        dataset = self.hub.datasets.get(repo)
        if dataset is None or (dataset.private and not known):
            raise Refusal(404 if known else 401, "RepoNotFound", "Repository not found")
        if write and not known:
            raise Refusal(403, words="You need write access")
        return dataset

    def _files(self, repo: str, revision: str | None) -> tuple[str, Files]:
        dataset = self._dataset(repo)
        commit = dataset.head if revision in (None, "main") else str(revision)
        if commit not in dataset.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, dataset.commits[commit]

    def info(self, repo: str, revision: str | None) -> None:
        commit, files = self._files(repo, revision)
        siblings = [{"rfilename": name} | ({"size": len(data)} if "blobs=" in self.path else {}) for name, data in files.items()]
        self._json({"id": repo, "sha": commit, "private": self.hub.datasets[repo].private, "siblings": siblings, "tags": []})

    def tree(self, repo: str, revision: str) -> None:
        _, files = self._files(repo, revision)
        self._json([self._entry(name, data) for name, data in files.items()])

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": _git_id(data)}
        if _is_large(name):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    def harnesses(self) -> None:
        """What the client asks once a day for its own statistics, and does well without."""
        raise Refusal(404)

    def create(self) -> None:
        asked = json.loads(self.body)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, words="Invalid username or password.")
        if asked["type"] != "dataset":
            raise Refusal(400, words="only datasets here")
        repo = f"{asked['organization']}/{asked['name']}"
        there = repo in self.hub.datasets
        self.hub.datasets.setdefault(repo, Dataset(private=asked.get("visibility") == "private"))
        answer = json.dumps({"url": f"{self.hub.address}/datasets/{repo}", "id": repo}).encode()
        self._send(409 if there else 200, answer, {"Content-Type": "application/json"})

    def validate(self) -> None:
        asked = json.loads(self.body)
        front = yaml.safe_load(asked["content"].split("---\n")[1])
        wrong = [] if isinstance(front, dict) and front["license"].islower() and asked["repoType"] == "dataset" else [{"message": "bad"}]
        self._send(400 if wrong else 200, json.dumps({"errors": wrong, "warnings": []}).encode(), {"Content-Type": "application/json"})

    def preupload(self, repo: str) -> None:
        dataset = self._dataset(repo, write=True)
        files = []
        for one in json.loads(self.body)["files"]:
            there = dataset.commits[dataset.head].get(one["path"])
            oid = there and (hashlib.sha256(there).hexdigest() if _is_large(one["path"]) else _git_id(there))
            mode = "lfs" if _is_large(one["path"]) else "regular"
            files.append({"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": files})

    def batch(self, repo: str) -> None:
        self._dataset(repo, write=True)
        asked = json.loads(self.body)
        assert asked["operation"] == "upload" and asked["hash_algo"] == "sha256"
        self._json({"transfer": "basic", "objects": [self._object(one) for one in asked["objects"]]})

    def _object(self, one: dict[str, Any]) -> dict[str, Any]:
        if one["oid"] in self.hub.large:
            return one
        links = {"upload": f"{self.hub.address}/storage/{one['oid']}", "verify": f"{self.hub.address}/verify/{one['oid']}"}
        return one | {"actions": {name: {"href": link} for name, link in links.items()}}

    def upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refusal(400, words="content is not its hash")
        self.hub.large[oid] = self.body
        self._send(200, b"")

    def verify(self, oid: str) -> None:
        asked = json.loads(self.body)
        if asked != {"oid": oid, "size": len(self.hub.large.get(oid, b""))}:
            raise Refusal(422, words="not what was uploaded")
        self._json({})

    def commit(self, repo: str) -> None:
        dataset = self._dataset(repo, write=True)
        assert self.headers["Content-Type"] == "application/x-ndjson"
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        assert header["key"] == "header" and header["value"]["summary"]
        if header["value"].get("parentCommit", dataset.head) != dataset.head:
            raise Refusal(412, words="A commit has happened since.")
        files = dict(dataset.commits[dataset.head])
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile" if value["oid"] in self.hub.large:
                    files[value["path"]] = self.hub.large[value["oid"]]
                case _:
                    raise Refusal(400, words=f"cannot do {operation['key']}")
        commit = hashlib.sha1(repr((len(dataset.commits), sorted(files.items()))).encode()).hexdigest()
        dataset.commits[commit] = files
        self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.address}/datasets/{repo}/commit/{commit}"})

    def resolve(self, repo: str, revision: str, path: str) -> None:
        commit, files = self._files(repo, revision)
        if path not in files:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        data = files[path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_id(data)}"'}
        if not _is_large(path):
            self._send(200, data, headers)
            return
        oid = hashlib.sha256(data).hexdigest()
        linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data)), "Location": f"{self.hub.elsewhere}/storage/{oid}"}
        self._send(302, b"", headers | linked)

    def stored(self, oid: str) -> None:
        if "Authorization" in self.headers:
            raise Refusal(400, words="a token went to a host that is not the Hub's")
        self._send(200, self.hub.large[oid], {"ETag": f'"{oid}"'})


def _is_large(path: str) -> bool:
    """Whether the Hub keeps such a file by its hash, outside of git."""
    return path.endswith(".parquet")


def _git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
