"""carbontracker's log: real runs to the joule, and what its source says of several devices, missing samples and torn ends."""

from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import carbontracker
from tests import warehouses
from tests.together import Loaded, Together

REAL = warehouses.DATA / "real" / "carbontracker"
HEAD = """\
2026-11-29 17:00:09 - carbontracker version 2.4.7
2026-11-29 17:00:09 - The following components were found: {devices}
"""
CPU = "CPU with device(s) Intel(R) Xeon(R) Platinum 8168 CPU @ 2.70GHz."


def epoch(number: int, seconds: str, **watts: str) -> str:
    powers = "".join(f"2026-11-29 17:01:00 - Average power usage (W) for {name}: {said}\n" for name, said in watts.items())
    return f"2026-11-29 17:01:00 - Epoch {number}:\n2026-11-29 17:01:00 - Duration: {seconds}\n{powers}"


LOGS = {
    "several GPUs": HEAD.format(devices=f"GPU with device(s) NVIDIA H100, NVIDIA H100. {CPU}")
    + epoch(1, "0:00:10.00", gpu="[100.0\n 300.0]", cpu="50.0")
    + epoch(2, "0:01:00.50", gpu="200.0", cpu="[50]"),
    "RAPL": HEAD.format(devices="CPU with device(s) cpu:0, dram:0.") + epoch(1, "1:00:00.00", cpu="[30.0 10.0]"),
    "not in every epoch": HEAD.format(devices=f"GPU with device(s) NVIDIA H100. {CPU}")
    + epoch(1, "0:00:10.00", gpu="0", cpu="50.0")
    + epoch(2, "0:00:10.00", gpu="400", cpu="50.0"),
    "torn": HEAD.format(devices=CPU) + epoch(1, "0:00:10.00", cpu="50.0") + "2026-11-29 17:02:00 - Epoch 2:\n2026-11-29 17:02:00 - Dura",
    "no epoch": HEAD.format(devices=CPU),
}
SILENT = ("None", "0.0", "[0.0]", "nan", "[1.0 2.0 3.0]")
LOGS |= {
    said: HEAD.format(devices=CPU)
    + epoch(1, "0:00:10.00", cpu="50.0")
    + epoch(2, "0:00:00.10", cpu=said)
    + epoch(3, "0:00:10.00", cpu="70")
    for said in SILENT
}
TOGETHER = Together()
TOGETHER.file(REAL)
for name, log in LOGS.items():
    TOGETHER.add(name, lambda folder, log=log: (folder / f"{folder.name}_carbontracker.log").write_text(log))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """All logs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("carbontracker"))


def found(logs: Loaded, name: str) -> tuple[int, list[dict[str, Any]], list[tuple[int | None, str | None, str]]]:
    """The status of a log, its runs, and what was refused of it."""
    return logs[name].status, warehouses.rows(logs[name], "from run_totals").to_dicts(), warehouses.rejects(logs[name])


@pytest.mark.parametrize(
    ("name", "seconds", "gpu", "cpu", "model", "epochs"),
    [
        ("sim", 3.0, 720.0, 300.0, "NVIDIA A100", 3),
        ("stopped", 2.01, 482.4, 201.0, "NVIDIA A100", 2),
        ("cpu", 3.0, None, 180.0, None, 3),
    ],
)
def test_real_logs(name: str, seconds: float, gpu: float | None, cpu: float, model: str | None, epochs: int, logs: Loaded) -> None:
    path = REAL / f"{name}_carbontracker.log"
    assert [line.rejected for line in logs[REAL].lines if line.path == str(path)] == [0]
    of_file = f"from run_totals semi join (from ingested_files where path = '{path}') using (file_id)"
    (row,) = warehouses.rows(logs[REAL], of_file).to_dicts()
    assert (row["duration_s"], row["cpu_energy_j"]) == pytest.approx((seconds, cpu)) and row["dram_energy_j"] is None
    assert row["gpu_energy_j"] == (None if gpu is None else pytest.approx(gpu))
    assert (row["gpu_model"], row["num_gpus"], row["task"]) == (model, None if gpu is None else 1, None)
    assert row["harness_version"] == f"carbontracker-2.4.7, mean of sampled power × time, epochs: {epochs}"
    assert str(row["ended_at"]).startswith("2026-11-29 17:00:")


def test_the_total_of_a_real_run_is_that_of_its_other_log_without_pue(logs: Loaded) -> None:
    """One GPU and one CPU: there its own sum is right, but for durations that the log rounds to 10 ms."""
    of_file = "semi join (from ingested_files where path like '%/sim_carbontracker.log') using (file_id)"
    ((joules,),) = warehouses.rows(logs[REAL], f"select gpu_energy_j + cpu_energy_j from run_totals {of_file}").rows()
    said = (REAL / "sim_carbontracker_output.log").read_text().split("Actual consumption")[1]
    kwh = float(said.split("Energy:\t")[1].split(" kWh")[0])
    assert joules == pytest.approx(kwh * 3.6e6 / 1.58, rel=0.01)


def test_a_folder_of_logs_is_read_and_the_other_logs_are_not(logs: Loaded) -> None:
    report = logs[REAL]
    assert report.status == 0 and sorted(Path(line.path).name for line in report.lines) == [
        "cpu_carbontracker.log",
        "sim_carbontracker.log",
        "stopped_carbontracker.log",
    ]


def test_several_gpus(logs: Loaded) -> None:
    """A list is each device's own mean, on several lines where it is long; a number is the mean over the devices."""
    status, (row,), _ = found(logs, "several GPUs")
    assert status == 0 and (row["gpu_model"], row["num_gpus"], row["duration_s"]) == ("NVIDIA H100", 2, 70.5)
    assert (row["gpu_energy_j"], row["cpu_energy_j"]) == pytest.approx((400 * 70.5, 50 * 70.5))


def test_rapl_counts_memory_as_cpu_and_says_so(logs: Loaded) -> None:
    _, (row,), _ = found(logs, "RAPL")
    assert row["cpu_energy_j"] == pytest.approx(144_000) and row["dram_energy_j"] is None
    assert row["harness_version"].endswith("epochs: 1, CPU with memory")


@pytest.mark.parametrize("said", SILENT)
def test_an_epoch_without_a_sample_is_refused_and_adds_nothing(said: str, logs: Loaded) -> None:
    status, (row,), rejects = found(logs, said)
    assert status == 1 and rejects == [(6, None, carbontracker.SILENT)]
    assert (row["cpu_energy_j"], row["duration_s"], row["gpu_energy_j"]) == (1200.0, 20.0, None)


def test_a_component_that_was_not_sampled_in_every_epoch_has_no_energy(logs: Loaded) -> None:
    _, (row,), _ = found(logs, "not in every epoch")
    assert (row["gpu_energy_j"], row["cpu_energy_j"]) == (None, 1000.0)


def test_a_log_that_ends_in_an_epoch_keeps_the_others(logs: Loaded) -> None:
    status, (row,), rejects = found(logs, "torn")
    assert status == 1 and row["duration_s"] == 10.0 and rejects == [(6, None, carbontracker.SILENT)]


def test_a_log_without_an_epoch_is_refused(logs: Loaded) -> None:
    assert found(logs, "no epoch") == (1, [], [(None, None, "holds no epoch that has ended")])
