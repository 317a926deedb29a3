"""carbontracker: the log of a run (`…_carbontracker.log`), text of epochs → `run_totals`, one row a log.

It knows neither prompts nor tokens, so its row is a total and never an average. An epoch has a duration and the mean of sampled power of
GPU and CPU; energy is their product, summed over the epochs that have both. Its other log (`…_output.log`) holds one kWh for all
components together, with a fixed PUE: no column of ours would be true.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from prompt_joules.ingest.formats import totals
from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source
from prompt_joules.ingest.formats.foreign import run_name
from prompt_joules.ingest.front.table import LONGEST_LINE
from prompt_joules.ingest.front.unpack import lines_of

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) - (.*)")
VERSION = re.compile(r"carbontracker version (\S+)")
DEVICES = re.compile(r"(GPU|CPU) with device\(s\) (.*?)\.(?= (?:GPU|CPU) with device|$)")
EPOCH = re.compile(r"Epoch \d+:")
DURATION = re.compile(r"Duration: (\d{1,9}):(\d\d):(\d\d?(?:\.\d+)?)")
POWER = re.compile(r"Average power usage \(W\) for (gpu|cpu): (\[[\d. e+-]*\]|\d[\d.e+-]*)")
SILENT = "is an epoch without its duration or without a sample of power"
WHEN = "%Y-%m-%d %H:%M:%S"


@dataclass
class Epoch:
    """One epoch: its line, its seconds, and the mean power (W) by component, of all its devices together."""

    line: int
    seconds: float | None = None
    watts: dict[str, float] = field(default_factory=dict)


def entries_of(content: Content) -> Iterator[tuple[int, str, str]]:
    """The entries of a log, each with its line and its time; a long list of numbers goes on in the next lines."""
    waiting: tuple[int, str, str] | None = None
    for number, text in lines_of(content.path, LONGEST_LINE):
        found = LINE.fullmatch(text or "")
        if found is None:
            waiting = waiting and (*waiting[:2], f"{waiting[2]} {(text or '').strip()}")
            continue
        if waiting:
            yield waiting
        waiting = number, found[1], found[2].strip()
    if waiting:
        yield waiting


def power_of(said: str, devices: int) -> float | None:
    """The power of all devices in W; None when none was sampled, which is written as 0 too, or not for every device.

    A list has a mean for each device. A number is the mean over samples and devices (since 2.4), of one device in effect.
    """
    try:
        values = [float(part) for part in said.strip("[]").split()]
    except ValueError:
        return None
    watts = sum(values) if said.startswith("[") and len(values) == devices else values[0] * devices if len(values) == 1 else 0.0
    return watts if 0.0 < watts < 1e9 else None


@dataclass
class Log:
    """What a log says: the version, when its last entry was written, names of devices by component, epochs."""

    version: str = "unknown"
    ended: str = ""
    devices: dict[str, list[str]] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)

    def take(self, number: int, said: str) -> None:
        """Note one entry, the text of a line."""
        if (found := VERSION.fullmatch(said)) is not None:
            self.version = found[1]
        elif said.startswith("The following components were found:"):
            self.devices = {kind.lower(): names.split(", ") for kind, names in DEVICES.findall(said)}
        elif EPOCH.fullmatch(said):
            self.epochs.append(Epoch(number))
        elif self.epochs and (found := DURATION.fullmatch(said)) is not None:
            self.epochs[-1].seconds = float(found[1]) * 3600 + float(found[2]) * 60 + float(found[3])
        elif self.epochs and (found := POWER.fullmatch(said)) is not None:
            watts = power_of(found[2], len(self.devices.get(found[1], [""])))
            self.epochs[-1].watts |= {} if watts is None else {found[1]: watts}


def totals_of(source: Source, content: Content) -> totals.Totals:
    """The row of `run_totals` that a log stands for, and its epochs that say no energy."""
    log = Log()
    for number, log.ended, said in entries_of(content):
        log.take(number, said)
    told = [epoch for epoch in log.epochs if epoch.seconds and epoch.watts]
    rejects = [Reject(epoch.line, None, SILENT) for epoch in log.epochs if not (epoch.seconds and epoch.watts)]
    if not told:
        return pl.DataFrame(schema=totals.SCHEMA), rejects or [Reject(None, None, "holds no epoch that has ended")]
    gpus = log.devices.get("gpu", [])
    memory = ", CPU with memory" if any(name.startswith("dram") for name in log.devices.get("cpu", [])) else ""
    row = {
        "source": "carbontracker",
        "run_id": run_name("carbontracker", source),
        "ended_at": _time(log.ended),
        "duration_s": sum(epoch.seconds or 0.0 for epoch in told),
        "gpu_energy_j": energy_of(told, "gpu"),
        "cpu_energy_j": energy_of(told, "cpu"),
        "gpu_model": " + ".join(sorted(set(gpus))) or None,
        "num_gpus": len(gpus) or None,
        "harness_version": f"carbontracker-{log.version}, mean of sampled power × time, epochs: {len(told)}{memory}",
    }
    return pl.DataFrame([row]), rejects


def energy_of(epochs: list[Epoch], component: str) -> float | None:
    """The energy of a component in J; None when an epoch has none of it, because a part is not the whole."""
    joules = [epoch.watts[component] * (epoch.seconds or 0.0) for epoch in epochs if component in epoch.watts]
    return sum(joules) if len(joules) == len(epochs) else None


def _time(said: str | None) -> datetime | None:
    try:
        return datetime.strptime(said or "", WHEN)
    except ValueError:
        return None


def _recognises(content: Content) -> bool:
    found = LINE.fullmatch(content.header[0]) if content.kind == "table" and content.header else None
    return found is not None and VERSION.fullmatch(found[2]) is not None


FORMAT = totals.format_of(
    Facts(
        "carbontracker",
        "carbontracker's log of a run (…_carbontracker.log): energy out of sampled power",
        "2.4.7 (real files, with its simulated GPU and CPU, and on a CPU), several GPUs (structure from its source)",
    ),
    recognises=_recognises,
    totals_of=totals_of,
)
