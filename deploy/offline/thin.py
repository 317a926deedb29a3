"""Make a CUDA library small: `python thin.py LIBRARY … --arch 90 [--head-dims 64 128 --element half_t]`, in place.

Libraries of PyPI hold each kernel for every GPU. The machine code of other architectures is overwritten with zeros, which compress to
nothing; PTX stays. With `--head-dims` so do FlashAttention 3's kernels of other head dimensions or element types and those with soft caps;
kernels of another kind stay. Addresses do not move, so the library loads as before; a kernel that is gone fails with "device kernel image
is invalid".

Source: the layout of .nv_fatbin as `cuobjdump` reads it (16 bytes of header; an entry has its kind, its sizes and its architecture).
"""

import argparse
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

MAGIC, ZSTD, MACHINE_CODE = b"\x50\xed\x55\xba", b"\x28\xb5\x2f\xfd", 2
KERNEL = re.compile(rb"(?<=\0)_ZN[A-Za-z0-9_]*FlashAttnFwdSm90[A-Za-z0-9_]*")
FORWARD = re.compile(
    r"CollectiveMainloopFwdSm90<\d+, cute::tuple<[^>]*>[^>]*>[^>]*> >, cute::tuple<cute::C<\d+>, cute::C<\d+>, cute::C<(\d+)> >, "
    r"(\d+), cutlass::(\w+), float, cutlass::arch::Sm90, \w+, \w+, (\w+),"
)
"""Head dimension of keys and of values, element type, and whether scores have a soft cap."""


def entries(data: bytes | bytearray, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each piece of code of a section: its kind, its architecture, and where its payload begins and ends."""
    at = begin
    while at < end - 16:
        if data[at : at + 4] != MAGIC:
            at += 8
            continue
        header, size = struct.unpack_from("<HQ", data, at + 6)
        entry, stop = at + header, at + header + size
        while entry < stop:
            kind, _, own_header, payload = struct.unpack_from("<HHIQ", data, entry)
            (arch,) = struct.unpack_from("<I", data, entry + 28)
            yield kind, arch, entry + own_header, entry + own_header + payload
            entry += own_header + payload
        at = stop


def sections(library: Path) -> list[tuple[int, int]]:
    """Where the sections with GPU code begin and end in the file."""
    table = subprocess.run(["readelf", "--section-headers", "--wide", library], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"\] (?:\.nv_fatbin|__nv_relfatbin) +\S+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", table)
    return [(int(offset, 16), int(offset, 16) + int(size, 16)) for offset, size in found]


def plain(payload: bytes) -> bytes:
    """Machine code as an ELF file: nvcc compresses some with zstd."""
    if payload[:4] != ZSTD:
        return payload
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(payload)


def is_wanted(payload: bytes, head_dims: list[int], element: str) -> bool:
    """Whether it holds a kernel that is wanted, or none of FlashAttention's."""
    names = sorted({name.decode() for name in KERNEL.findall(plain(payload))})
    if not names:
        return True
    words = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return any(
        (int(keys), values, type_, cap) in {(dim, str(dim), element, "false") for dim in head_dims}
        for keys, values, type_, cap in FORWARD.findall(words)
    )


def thin(library: Path, arch: int, head_dims: list[int], element: str) -> tuple[int, int]:
    """Overwrite what is not wanted. Returns the bytes of GPU code before and after."""
    data, before, after = bytearray(library.read_bytes()), 0, 0
    for begin, end in sections(library):
        for kind, of, first, last in entries(data, begin, end):
            wanted = kind != MACHINE_CODE or (of == arch and (not head_dims or is_wanted(bytes(data[first:last]), head_dims, element)))
            before, after = before + last - first, after + wanted * (last - first)
            if not wanted:
                data[first:last] = bytes(last - first)
    library.write_bytes(data)
    return before, after


def main() -> None:
    """Thin each library and say what is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", type=Path, nargs="+", metavar="LIBRARY")
    parser.add_argument("--arch", type=int, required=True, help="90: H100 and H200")
    parser.add_argument("--head-dims", type=int, nargs="*", default=[])
    parser.add_argument("--element", default="half_t")
    options = parser.parse_args()
    for library in options.libraries:
        before, after = thin(library, options.arch, options.head_dims, options.element)
        print(f"{library.name}: {before / 1e6:.0f} MB of GPU code, {after / 1e6:.0f} MB kept")


if __name__ == "__main__":
    main()
