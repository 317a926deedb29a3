"""carbontracker's log: real runs to the joule, and what its source says of several devices, missing samples and torn ends."""

from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import carbontracker
from tests import warehouses

REAL = warehouses.DATA / "real" / "carbontracker"
HEAD = """\
2026-11-29 17:00:09 - carbontracker version 2.4.7
2026-11-29 17:00:09 - The following components were found: {devices}
"""
CPU = "CPU with device(s) Intel(R) Xeon(R) Platinum 8168 CPU @ 2.70GHz."


def epoch(number: int, seconds: str, **watts: str) -> str:
    powers = "".join(f"2026-11-29 17:01:00 - Average power usage (W) for {name}: {said}\n" for name, said in watts.items())
    return f"2026-11-29 17:01:00 - Epoch {number}:\n2026-11-29 17:01:00 - Duration: {seconds}\n{powers}"


def loaded(folder: Path, text: str) -> tuple[int, list[dict[str, Any]], list[tuple[int | None, str | None, str]]]:
    (folder / "a_carbontracker.log").write_text(text)
    status = warehouses.ingest(folder / "a_carbontracker.log", into=folder / "w.duckdb").status
    return status, warehouses.rows(folder / "w.duckdb", "from run_totals").to_dicts(), warehouses.rejects(folder / "w.duckdb")


@pytest.mark.parametrize(
    ("name", "seconds", "gpu", "cpu", "model", "epochs"),
    [
        ("sim", 3.0, 720.0, 300.0, "NVIDIA A100", 3),
        ("stopped", 2.01, 482.4, 201.0, "NVIDIA A100", 2),
        ("cpu", 3.0, None, 180.0, None, 3),
    ],
)
def test_real_logs(name: str, seconds: float, gpu: float | None, cpu: float, model: str | None, epochs: int, tmp_path: Path) -> None:
    assert warehouses.ingest(REAL / f"{name}_carbontracker.log", into=tmp_path / "w.duckdb").status == 0
    (row,) = warehouses.rows(tmp_path / "w.duckdb", "from run_totals").to_dicts()
    assert (row["duration_s"], row["cpu_energy_j"]) == pytest.approx((seconds, cpu)) and row["dram_energy_j"] is None
    assert row["gpu_energy_j"] == (None if gpu is None else pytest.approx(gpu))
    assert (row["gpu_model"], row["num_gpus"], row["task"]) == (model, None if gpu is None else 1, None)
    assert row["harness_version"] == f"carbontracker-2.4.7, mean of sampled power × time, epochs: {epochs}"
    assert str(row["ended_at"]).startswith("2026-11-29 17:00:")


def test_the_total_of_a_real_run_is_that_of_its_other_log_without_pue(tmp_path: Path) -> None:
    """One GPU and one CPU: there its own sum is right, but for durations that the log rounds to 10 ms."""
    warehouses.ingest(REAL / "sim_carbontracker.log", into=tmp_path / "w.duckdb")
    ((joules,),) = warehouses.rows(tmp_path / "w.duckdb", "select gpu_energy_j + cpu_energy_j from run_totals").rows()
    said = (REAL / "sim_carbontracker_output.log").read_text().split("Actual consumption")[1]
    kwh = float(said.split("Energy:\t")[1].split(" kWh")[0])
    assert joules == pytest.approx(kwh * 3.6e6 / 1.58, rel=0.01)


def test_a_folder_of_logs_is_read_and_the_other_logs_are_not(tmp_path: Path) -> None:
    report = warehouses.ingest(REAL, into=tmp_path / "w.duckdb")
    assert report.status == 0 and sorted(Path(line.path).name for line in report.lines) == [
        "cpu_carbontracker.log",
        "sim_carbontracker.log",
        "stopped_carbontracker.log",
    ]


def test_several_gpus(tmp_path: Path) -> None:
    """A list is each device's own mean, on several lines where it is long; a number is the mean over the devices."""
    devices = f"GPU with device(s) NVIDIA H100, NVIDIA H100. {CPU}"
    text = (
        HEAD.format(devices=devices)
        + epoch(1, "0:00:10.00", gpu="[100.0\n 300.0]", cpu="50.0")
        + epoch(2, "0:01:00.50", gpu="200.0", cpu="[50]")
    )
    status, (row,), _ = loaded(tmp_path, text)
    assert status == 0 and (row["gpu_model"], row["num_gpus"], row["duration_s"]) == ("NVIDIA H100", 2, 70.5)
    assert (row["gpu_energy_j"], row["cpu_energy_j"]) == pytest.approx((400 * 70.5, 50 * 70.5))


def test_rapl_counts_memory_as_cpu_and_says_so(tmp_path: Path) -> None:
    text = HEAD.format(devices="CPU with device(s) cpu:0, dram:0.") + epoch(1, "1:00:00.00", cpu="[30.0 10.0]")
    _, (row,), _ = loaded(tmp_path, text)
    assert row["cpu_energy_j"] == pytest.approx(144_000) and row["dram_energy_j"] is None
    assert row["harness_version"].endswith("epochs: 1, CPU with memory")


@pytest.mark.parametrize("said", ["None", "0.0", "[0.0]", "nan", "[1.0 2.0 3.0]"])
def test_an_epoch_without_a_sample_is_refused_and_adds_nothing(said: str, tmp_path: Path) -> None:
    text = (
        HEAD.format(devices=CPU) + epoch(1, "0:00:10.00", cpu="50.0") + epoch(2, "0:00:00.10", cpu=said) + epoch(3, "0:00:10.00", cpu="70")
    )
    status, (row,), rejects = loaded(tmp_path, text)
    assert status == 1 and rejects == [(6, None, carbontracker.SILENT)]
    assert (row["cpu_energy_j"], row["duration_s"], row["gpu_energy_j"]) == (1200.0, 20.0, None)


def test_a_component_that_was_not_sampled_in_every_epoch_has_no_energy(tmp_path: Path) -> None:
    devices = f"GPU with device(s) NVIDIA H100. {CPU}"
    text = HEAD.format(devices=devices) + epoch(1, "0:00:10.00", gpu="0", cpu="50.0") + epoch(2, "0:00:10.00", gpu="400", cpu="50.0")
    _, (row,), _ = loaded(tmp_path, text)
    assert (row["gpu_energy_j"], row["cpu_energy_j"]) == (None, 1000.0)


def test_a_log_that_ends_in_an_epoch_keeps_the_others(tmp_path: Path) -> None:
    text = HEAD.format(devices=CPU) + epoch(1, "0:00:10.00", cpu="50.0") + "2026-11-29 17:02:00 - Epoch 2:\n2026-11-29 17:02:00 - Dura"
    status, (row,), rejects = loaded(tmp_path, text)
    assert status == 1 and row["duration_s"] == 10.0 and rejects == [(6, None, carbontracker.SILENT)]


def test_a_log_without_an_epoch_is_refused(tmp_path: Path) -> None:
    assert loaded(tmp_path, HEAD.format(devices=CPU)) == (1, [], [(None, None, "holds no epoch that has ended")])
