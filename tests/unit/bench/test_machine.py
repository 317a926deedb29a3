"""What a run notes about its machine: enough to tell hosts and cards apart, nothing that names them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from prompt_joules.bench import machine
from prompt_joules.bench.meter.gpu import NvmlConditions


class NumberedGpu:
    """NVML that knows the number of a GPU and raises on every other question."""

    class NVMLError(Exception):
        pass

    NVML_CLOCK_SM = NVML_CLOCK_MEM = NVML_TEMPERATURE_GPU = 0

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return f"GPU-{handle}"

    def __getattr__(self, name: str) -> object:
        def unknown(*arguments: object) -> object:
            raise self.NVMLError(name)

        return unknown


def test_cards_are_told_apart_without_their_numbers() -> None:
    told = NvmlConditions(["1234", "5678"], NumberedGpu()).snapshot()
    first, second = (str(gpu["card"]) for gpu in told)
    assert first != second and len(first) == 12
    assert "1234" not in first and first == machine.short_hash("GPU-1234")


def test_the_host_is_a_hash_with_its_processor_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (2.345, 1.0, 1.0))
    facts = machine.machine_facts()
    assert facts["load_1m"] == pytest.approx(2.345, abs=0.006)
    assert facts["cpus"] == os.cpu_count()
    assert socket.gethostname() not in str(facts)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux pins processes")
def test_a_pinned_process_counts_the_processors_it_may_use() -> None:
    facts = "print(*(machine.machine_facts()[name] for name in ('cpus', 'cpus_allowed')))"
    program = f"import os; from prompt_joules.bench import machine; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {facts}"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert told == [str(os.cpu_count()), "1"]


def test_a_system_that_says_nothing_leaves_nulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getloadavg")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr("platform.processor", lambda: "")
    assert machine.load_1m() is None and machine.cpus_allowed() is None
    assert machine.cpu_name(tmp_path / "none") is None
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Another\n")
    assert machine.cpu_name(tmp_path / "cpuinfo") == "Some CPU @ 2 GHz"
