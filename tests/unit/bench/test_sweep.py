"""`python -m bench sweep`: which cells there are, what is refused before anything runs, resume, failures, and one run per GPU on Ray."""

import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import tyro
from rich.console import Console

from prompt_joules.bench.__main__ import main
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.sweep.cells import BadSweep, Cell, is_finished, run_cell, totals
from prompt_joules.bench.sweep.grid import SweepConfig, estimate_s, print_plan, read_sweep, run_sweep
from tests import factories

GRID = """
out: {out}
common: {{prompts: default, limit: 4, max-new-tokens: 100, text: false}}
grid:
  model:
    - tiny
    - {{model: models/smol, gguf-file: auto, nickname: Smol}}
  engine: [transformers-eager, transformers-compiled]
  batch-size: [1, 8]
skip:
  - {{engine: transformers-eager, batch-size: 8}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(GRID.format(out=tmp_path / "out"))
    return path


def finish(cell: Cell, rows: int = 4) -> int:
    """What a good cell leaves behind; 10 token/s and 2 J/token."""
    folder = cell.config.out / "run-1"
    frame = factories.records(rows, output_tokens=20, latency_s=2.0, energy_j=40.0)
    factories.write(frame, folder / "part-00000.parquet")
    run = {"fingerprint": "f", "identity": {"task": "chat"}, "setup": {}, "prompts": rows, "finished": True, "sessions": []}
    (folder / "run.json").write_text(json.dumps(run))
    return 0


def sweep(file: Path, start) -> tuple[int, str]:  # type: ignore[no-untyped-def]
    console = Console(width=200, record=True, file=io.StringIO())
    status = run_sweep(SweepConfig(file), console, start)
    return status, console.export_text()


def test_cells_of_a_grid(file: Path) -> None:
    cells = read_sweep(file)
    assert [cell.label for cell in cells] == [
        f"{model} {rest}"
        for model in ("tiny", "smol auto Smol")
        for rest in ("transformers-eager 1", "transformers-compiled 1", "transformers-compiled 8")
    ]
    last = cells[-1].config
    assert (last.model, last.gguf_file, last.nickname, last.batch_size, last.limit) == ("models/smol", "auto", "Smol", 8, 4)
    assert not last.text
    assert len({cell.config.out for cell in cells}) == 6
    assert read_sweep(file) == cells, "the same file means the same folders"


def test_a_command_means_the_same_as_the_cell(file: Path) -> None:
    for cell in read_sweep(file):
        assert tyro.cli(RunConfig, args=list(cell.arguments[1:]), config=(tyro.conf.OmitArgPrefixes,)) == cell.config


def test_a_cell_may_have_options_for_its_server(tmp_path: Path) -> None:
    file = tmp_path / "served.yaml"
    file.write_text('grid: {model: [m], engine: [vllm], server_args: ["--max-model-len 4096", "--enforce-eager"]}')
    assert [cell.config.server_args for cell in read_sweep(file)] == ["--max-model-len 4096", "--enforce-eager"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grid: [", "cannot be read"),
        ("[]", "needs a mapping `grid`"),
        ("grid: {}", "cannot be used"),
        ("grid: {model: m}", "list of values"),
        ("grid: {model: []}", "list of values"),
        ("grid: {model: [m]}\ncomon: {}", "unknown: comon"),
        ("grid: {model: [m], temprature: [1]}", "temprature"),
        ("grid: {model: [m], out: [a]}", "'out' is no option"),
        ("grid: {model: [m], temperature: [hot]}", "cannot be used"),
        ("grid: {model: [m], temperature: [-1]}", "--temperature -1"),
        ("grid: {model: [m], concurrency: [2]}", "Leave it out with `skip`"),
        ("grid: {model: [m], task: [sing]}", "'sing'"),
        ("grid: {model: [m]}\nskip: [{model: m}]", "no cell"),
        ("grid: {model: [m], task: [{task: [chat, instruct]}]}\nskip: [{task: [chat, instruct]}]", "no cell"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused_before_it_starts(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(BadSweep, match=words.replace("[", r"\[")) as caught:
        read_sweep(path)
    assert "bad.yaml" in str(caught.value)


def test_missing_file_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sweep", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml" in capsys.readouterr().err


def test_a_failed_cell_does_not_stop_the_rest_and_the_next_command_runs_only_what_is_left(file: Path) -> None:
    started: list[str] = []

    def start(cell: Cell) -> int:
        started.append(cell.label)
        if "compiled 1" not in cell.label:
            return finish(cell)
        return {"tiny": -9, "smol": 2}[cell.label.split()[0]]

    status, said = sweep(file, start)
    assert status == 1 and len(started) == 6
    assert "crashed (-9)" in said and "refused" in said
    assert said.count("done") == 4 and "10.0" in said and "2.000" in said
    started.clear()
    status, said = sweep(file, lambda cell: started.append(cell.label) or finish(cell))
    assert status == 0 and len(started) == 2 and all("compiled 1" in label for label in started)
    assert said.count("finished before") == 4


def test_interrupted_sweep_stops_and_says_how_to_go_on(file: Path) -> None:
    started: list[str] = []
    status, said = sweep(file, lambda cell: started.append(cell.label) or 130)
    assert (status, len(started)) == (130, 1)
    assert "same command again" in said


def test_an_unfinished_run_is_not_a_finished_cell(file: Path) -> None:
    cell = read_sweep(file)[0]
    finish(cell)
    assert is_finished(cell)
    assert not is_finished(replace(cell, config=replace(cell.config, task=("chat", "instruct"))))
    path = cell.config.out / "run-1" / "run.json"
    path.write_text(path.read_text().replace('"finished": true', '"finished": false'))
    assert not is_finished(cell)
    path.write_text("{")
    assert not is_finished(cell)


def test_dry_run_prints_commands_that_can_be_pasted_and_an_estimate(file: Path) -> None:
    cells = read_sweep(file)
    finish(cells[0])
    console = Console(width=60, record=True, file=io.StringIO())
    print_plan(cells, console)
    *commands, estimate = console.export_text().splitlines()
    assert len(commands) == 5 and all(line.startswith("python -m bench run --prompts default --limit 4") for line in commands)
    assert "5 of 6 cells" in estimate and "min" in estimate


def test_estimate_is_by_measured_speed_where_there_is_one(file: Path) -> None:
    cells = read_sweep(file)
    assert estimate_s(cells[0], cells, 1000) == pytest.approx(4 * 100 / 25)
    assert estimate_s(cells[2], cells, 1000) == pytest.approx(4 * 100 / 25 / 8)
    finish(cells[0])
    assert estimate_s(cells[0], cells, 1000) == pytest.approx(4 * 100 / 10)
    assert estimate_s(cells[1], cells, 1000) == pytest.approx(4 * 100 / 25)


def test_totals_leave_failed_rows_out_of_the_sums(file: Path) -> None:
    cell = read_sweep(file)[0]
    finish(cell, rows=3)
    factories.write(factories.frame([factories.failed(index=9)]), cell.config.out / "run-1" / "part-00001.parquet")
    assert totals([cell]) == {"rows": 4, "failed": 1, "tokens": 60, "seconds": 6, "joules": 120, "measured_tokens": 60}


def test_a_cell_is_a_process_and_its_status_comes_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = read_sweep(file)[0]
    for code, expected in (("raise SystemExit(2)", 2), (f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})", -9)):
        monkeypatch.setattr("prompt_joules.bench.sweep.cells.command", lambda cell, code=code: [sys.executable, "-c", code])
        assert run_cell(cell) == expected


def test_a_sweep_that_is_terminated_passes_it_on_and_waits_for_the_cell(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell says that it is ready, ends the sweep's process by SIGTERM, and needs a moment to write what it has."""
    written = tmp_path / "written"
    code = (
        "import os, pathlib, signal, sys, time\n"
        f"def end(*_): time.sleep(0.2); pathlib.Path({str(written)!r}).touch(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr("prompt_joules.bench.sweep.cells.command", lambda cell: [sys.executable, "-c", code])
    before = signal.getsignal(signal.SIGTERM)
    assert run_cell(read_sweep(file)[0]) == 130
    assert written.exists() and signal.getsignal(signal.SIGTERM) is before


def test_a_cell_of_several_runs_is_finished_when_all_are(file: Path) -> None:
    cell = read_sweep(file)[0]
    finish(cell)
    assert is_finished(cell) and not is_finished(replace(cell, config=replace(cell.config, runs=2)))
    whole = json.loads((cell.config.out / "run-1" / "run.json").read_text())
    for seed in (0, 1):
        folder = cell.config.out / f"seed-{seed}"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(whole | {"identity": {"task": "chat", "seed": seed}}))
    assert is_finished(replace(cell, config=replace(cell.config, runs=2)))


def test_a_real_sweep_of_two_cells(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from tests.tiny_models import llama

    model = llama(tmp_path / "tiny")
    path = tmp_path / "sweep.yaml"
    common = "prompts: default, limit: 2, max-new-tokens: 4, device: cpu, warmup: 0"
    path.write_text(f"out: {tmp_path / 'out'}\ncommon: {{{common}}}\ngrid: {{model: [{model}, {tmp_path / 'absent'}], task: [chat]}}\n")
    console = Console(width=200, record=True, file=io.StringIO())
    assert run_sweep(SweepConfig(path), console) == 1
    cells = read_sweep(path)
    assert [is_finished(cell) for cell in cells] == [True, False]
    assert totals(cells)["rows"] == 2
    said = console.export_text()
    assert "done" in said and "refused" in said


@pytest.mark.skipif(not find_spec("ray"), reason="needs the sweep extra")
def test_on_ray_no_two_runs_share_a_gpu(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs that Ray only believes in; each cell notes its GPU and when it held it. In a process of its own, as Ray stays in one."""
    log = tmp_path / "log"
    log.mkdir()
    finish(read_sweep(file)[0])
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    code = f"""
import json, os, sys
from pathlib import Path
from rich.console import Console
from prompt_joules.bench.sweep import grid, ray as on_ray
cell = "import os, sys, time; a = time.time(); time.sleep(0.5); b = time.time(); n = sys.argv[1]\\n"
cell += "open({str(log)!r} + '/' + n, 'w').write(' '.join(map(str, (os.environ['CUDA_VISIBLE_DEVICES'], a, b)))); sys.exit(int(n == '3'))"
cells = grid.read_sweep(Path({str(file)!r}))
with on_ray._amdsmi_hidden_if_broken():
    import ray
    ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    outcomes = on_ray.run_on_ray(cells, Console(quiet=True), lambda one: [sys.executable, "-c", cell, str(cells.index(one))])
print(json.dumps([outcome.status for outcome in outcomes]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [None, 0, 0, 1, 0, 0]
    held: dict[str, list[tuple[float, float]]] = {}
    for path in log.iterdir():
        gpu, begun, ended = path.read_text().split()
        held.setdefault(gpu, []).append((float(begun), float(ended)))
    assert set(held) == {"0", "1"}
    for spans in held.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(spans)))


@pytest.mark.skipif(not find_spec("ray"), reason="needs the sweep extra")
def test_a_sweep_on_ray_that_is_terminated_passes_it_on_and_waits_for_the_cells(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cells say that they are at work; the sweep gets SIGTERM; both write what they have, and the waiting ones never begin."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    code = f"""
import os, signal, sys, threading, time
from pathlib import Path
from rich.console import Console
from prompt_joules.bench.sweep import grid, ray as on_ray
cell = '''
import pathlib, signal, sys, time
here = pathlib.Path({str(tmp_path)!r}, sys.argv[1])
def end(*_):
    time.sleep(0.5)
    here.with_suffix(".written").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
here.with_suffix(".begun").touch()
time.sleep(60)
'''
def terminate():
    while len(list(Path({str(tmp_path)!r}).glob("*.begun"))) < 2:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
cells = grid.read_sweep(Path({str(file)!r}))
with on_ray._amdsmi_hidden_if_broken():
    import ray
    ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    threading.Thread(target=terminate, daemon=True).start()
    outcomes = on_ray.run_on_ray(cells, Console(quiet=True), lambda one: [sys.executable, "-c", cell, str(cells.index(one))])
print([outcome.status for outcome in outcomes])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str([130] * 6)
    begun = {path.stem for path in tmp_path.glob("*.begun")}
    assert len(begun) == 2 and {path.stem for path in tmp_path.glob("*.written")} == begun


def test_a_server_is_not_swept_on_ray(tmp_path: Path) -> None:
    path = tmp_path / "served.yaml"
    path.write_text("grid: {model: [m], engine: [openai], base-url: ['http://localhost:1'], concurrency: [1, 8]}")
    with pytest.raises(BadSweep, match="without --ray"):
        run_sweep(SweepConfig(path, ray=True), Console(quiet=True))
