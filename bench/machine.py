"""Which machine this is and how busy it was, for the `environment` column. Small models are bound by the host, so it is in their joules."""

import hashlib
import os
import platform
import socket
from pathlib import Path

CPU_NAMES = Path("/proc/cpuinfo")


def machine_facts() -> dict[str, object]:
    """The host's name as a hash, its processor, how many of them, and how many tasks were running or waiting (mean of the last minute).

    `cpus` are the host's; `cpus_allowed` those that this process, and a server that it starts, may run on.
    In containers the name may be the same on different machines; the hash of a GPU's number, which the meter adds, tells cards apart.
    """
    return {
        "host": short_hash(socket.gethostname()),
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "cpus_allowed": cpus_allowed(),
        "load_1m": load_1m(),
    }


def short_hash(text: str) -> str:
    """Twelve hexadecimal digits that tell things apart and reveal nothing else about them."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cpu_name(names: Path = CPU_NAMES) -> str | None:
    """What the processor is called, by Linux or by Python; None where neither knows."""
    try:
        lines = names.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None) or platform.processor() or None


def cpus_allowed() -> int | None:
    """How many processors this process may run on (`taskset`, the cpuset of a container); None where the system cannot say.

    A share of processors' time, as `docker run --cpus` sets it, is not counted: it names no processors.
    """
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None


def load_1m() -> float | None:
    """Tasks running or waiting, mean of the last minute; None where the system does not count them."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def host_load() -> float | None:
    """The same per processor: 1 is as many tasks as processors."""
    load = load_1m()
    return None if load is None else load / (os.cpu_count() or 1)
