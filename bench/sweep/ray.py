"""A sweep over the GPUs of a Ray cluster: one run per GPU at a time, so that runs never share a device.

Ray gives each cell one GPU through CUDA_VISIBLE_DEVICES, which the cell's process and its meter both obey. Where the cluster has no GPU, a
cell takes all CPU cores of a machine. The machines must have this project installed and see the same `out` folder.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from prompt_joules.bench import errors
from prompt_joules.bench.config import SERVED
from prompt_joules.bench.interrupt import Interrupt
from prompt_joules.bench.sweep.cells import INTERRUPTED, BadSweep, Cell, Outcome, command, is_finished

_KEPT = 4000
_LOOK_S = 0.5


def run_on_ray(cells: Sequence[Cell], console: Console) -> list[Outcome]:
    """Run what is not finished; outcomes in the order of the cells.

    Ctrl-C and SIGTERM are passed on to the cells, on whatever machine they run; each writes what it has and ends.

    Raises:
        MissingPackage: Ray is not installed. BadSweep: a cell measures a server, which uses all GPUs of its host.
    """
    if any(cell.config.engine in SERVED for cell in cells):
        raise BadSweep("A server's energy is that of all GPUs of its host: sweep over servers without --ray.")
    with _amdsmi_hidden_if_broken():
        try:
            import ray
        except ImportError as error:
            raise errors.MissingPackage("ray", "sweep") from error
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        return _run_on(ray, cells, console)


@contextlib.contextmanager
def _amdsmi_hidden_if_broken() -> Iterator[None]:
    """Let Ray, and the processes that it starts here, find no `amdsmi` where there is one that cannot be loaded.

    Zeus installs amdsmi. Without AMD's driver library its import fails with a KeyError, and Ray 2.60 survives only an ImportError.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import amdsmi  # noqa: F401
    except ImportError:
        yield
        return
    except Exception:  # whatever a broken package raises
        with tempfile.TemporaryDirectory(prefix="no-amdsmi-") as folder:
            (Path(folder) / "amdsmi.py").write_text('raise ImportError("amdsmi cannot be loaded on this machine")\n', encoding="utf-8")
            before = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
            sys.path.insert(0, folder)
            try:
                yield
            finally:
                sys.path.remove(folder)
                os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
        return
    yield


def _run_on(ray: Any, cells: Sequence[Cell], console: Console) -> list[Outcome]:
    gpus = ray.cluster_resources().get("GPU", 0)
    cores = max(node["Resources"].get("CPU", 1) for node in ray.nodes())
    needs = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": cores}
    stop_request = ray.remote(num_cpus=0)(_StopRequest).remote()
    task = ray.remote(max_retries=0, **needs)(_run_here)
    waiting = {task.remote(command(cell), stop_request): (place, cell) for place, cell in enumerate(cells) if not is_finished(cell)}
    outcomes = {place: Outcome(cell, None, 0.0) for place, cell in enumerate(cells) if is_finished(cell)}
    console.print(f"{len(waiting)} cells on {gpus:g} GPUs ({needs} each)", highlight=False)
    with Interrupt(console) as stop:
        while waiting:
            if stop.requested:
                stop_request.make.remote()
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=_LOOK_S)
            for one in ready:
                place, cell = waiting.pop(one)
                outcomes[place] = _outcome(ray, one, cell, console)
    return [outcomes[place] for place in sorted(outcomes)]


def _outcome(ray: Any, ready: Any, cell: Cell, console: Console) -> Outcome:
    try:
        status, seconds, said = ray.get(ready)
    except ray.exceptions.RayError as error:  # the machine or the worker is gone
        status, seconds, said = -1, 0.0, str(error)[-_KEPT:]
    outcome = Outcome(cell, status, seconds)
    console.print(f"{cell.label}: {outcome.words}", markup=False, highlight=False)
    if status and said:
        console.print(said, markup=False, highlight=False)
    return outcome


class _StopRequest:
    """Whether the sweep was asked to end: an actor, so that every machine of the cluster can ask."""

    def __init__(self) -> None:
        self._made = False

    def make(self) -> None:
        self._made = True

    def is_made(self) -> bool:
        return self._made


def _run_here(words: list[str], stop_request: Any) -> tuple[int, float, str]:
    """On the machine that Ray chose: exit status, seconds, and the end of what the command said.

    When the sweep is asked to end, the command gets SIGTERM and the time that it needs; it does not begin after that.
    """
    import ray

    begun_s = time.monotonic()
    asked = ray.get(stop_request.is_made.remote())
    if asked:
        return INTERRUPTED, 0.0, ""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace") as process:
        while True:
            try:
                said, _ = process.communicate(timeout=_LOOK_S)
                break
            except subprocess.TimeoutExpired:
                if not asked and ray.get(stop_request.is_made.remote()):
                    asked = True
                    process.terminate()
    return INTERRUPTED if asked else process.returncode, time.monotonic() - begun_s, said[-_KEPT:]
