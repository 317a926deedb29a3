"""A GPU machine without network: what `deploy/offline/thin.py` leaves of a CUDA library, and commands that end in time."""

import importlib.util
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests import warehouses

OFFLINE = warehouses.ROOT / "deploy/offline"
# A kernel of FlashAttention 3 for head dimension 64 with values of 512, as vLLM 0.22.1 has it.
OF_512 = (
    "_ZN7cutlass13device_kernelIN5flash20enable_sm90_or_laterINS1_16FlashAttnFwdSm90INS1_25CollectiveMainloopFwdSm90ILi2EN4cute5tupleIJNS5_1CILi1EEE"
    "S8_S8_EEENS6_IJNS7_ILi64EEESA_SA_EEELi512ENS_6half_tEfNS_4arch4Sm90ELb0ELb0ELb0ELb1ELb0ELb0ELb0ELb0ELb0ELb0ELb0ELb0ENS_10bfloat16_tELi1EEENS1_"
    "21CollectiveEpilogueFwdINS6_IJSA_NS7_ILi512EEESA_EEES9_SC_SE_Li256ELb1ELb0ELb0ELb0ELi1EEENS1_36VarlenDynamicPersistentTileSchedulerILi64ELi64"
    "ELi256ELi32ELb0ELb0ELb1ELb0ELb0ELb1EEEEEEEEEvNT_6ParamsE"
)
OF_64 = OF_512.replace("ELi512ENS_6half_tE", "ELi64ENS_6half_tE", 1)
CAPPED = OF_64.replace("4Sm90ELb0ELb0ELb0E", "4Sm90ELb0ELb0ELb1E", 1)


@pytest.fixture(scope="module")
def thin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("thin", OFFLINE / "thin.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(kind: int, arch: int, payload: bytes) -> bytes:
    """One piece of code, as .nv_fatbin has it."""
    return struct.pack("<HHIQ", kind, 0x101, 64, len(payload)) + bytes(12) + struct.pack("<I", arch) + bytes(32) + payload


def group(*entries: bytes) -> bytes:
    """The pieces of one source file, with their header."""
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def of(name: str) -> bytes:
    """Machine code that holds a kernel of this name."""
    return b"\x7fELF\0" + name.encode() + bytes(8 - (len(name) + 5) % 8)


@pytest.mark.skipif(not shutil.which("c++filt"), reason="c++filt of binutils is not installed")
def test_only_code_of_one_architecture_and_of_wanted_kernels_is_left(
    thin: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ptx, other, plain = b"ptx of 80", b"code of 80", of("_ZN5flash7combineEv")
    data = b"head" * 4 + group(entry(1, 80, ptx), entry(2, 80, other), entry(2, 90, plain)) + bytes(16)
    data += group(entry(2, 90, of(OF_64))) + group(entry(2, 90, of(OF_512))) + group(entry(2, 90, of(CAPPED)))
    library = tmp_path / "library.so"
    library.write_bytes(data)
    monkeypatch.setattr(thin, "sections", lambda path: [(16, len(data))])
    sizes = [len(ptx), len(other), len(plain), *(len(of(name)) for name in (OF_64, OF_512, CAPPED))]

    assert thin.thin(library, 90, [], "half_t") == (sum(sizes), sum(sizes) - len(other))
    before, after = thin.thin(library, 90, [64, 128], "half_t")
    left = library.read_bytes()
    assert (before, after) == (sum(sizes), len(ptx) + len(plain) + len(of(OF_64)))
    assert len(left) == len(data), "nothing moves"
    assert ptx in left and plain in left and of(OF_64) in left, "what is no kernel of FlashAttention stays: vLLM needs its combine"
    assert other not in left and of(OF_512) not in left and of(CAPPED) not in left


@pytest.mark.parametrize("script", ["pack.sh", "unpack.sh", "until.sh"])
def test_scripts_are_whole(script: str) -> None:
    assert subprocess.run(["bash", "-n", OFFLINE / script], check=False, capture_output=True, text=True).stderr == ""


def test_commands_end_in_time_with_a_ctrl_c_first(tmp_path: Path) -> None:
    """The second line has a limit of its own, which Ctrl-C tells it of; the next runs all the same, and all end before the time is up."""
    waits = "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(print('rows written'))); time.sleep(60)"
    (tmp_path / "commands").write_text(f'echo one\n1: exec {sys.executable} -c "{waits}"\n\necho three; false\n')
    began = time.monotonic()
    subprocess.run(["bash", OFFLINE / "until.sh", "28", "commands", "logs"], cwd=tmp_path, check=True)
    assert time.monotonic() - began < 25
    said = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert (said["1.txt"], said["2.txt"], said["4.txt"]) == ("one\n", "rows written\n", "three\n")
    assert [line.split(" ", 1)[1] for line in said["all.txt"].splitlines() if "ended" in line] == [
        "1 ended with 0",
        "2 ended with 124",
        "4 ended with 1",
    ]
