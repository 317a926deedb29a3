"""`python -m bench sweep FILE.yaml`: every combination of a grid, each as a command of its own, `python -m bench run …`.

Each cell has a folder under `out`; a cell whose runs are all finished is not run again. One machine without Ray runs the cells in order;
see `ray.py`.
"""

import hashlib
import itertools
import json
import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from prompt_joules.bench import errors, screen
from prompt_joules.bench.config import RunConfig, check, with_their_values
from prompt_joules.bench.prompts.sets import load_prompts
from prompt_joules.bench.sweep.cells import BadSweep, Cell, Outcome, is_finished, run_cell, totals

ASSUMED_TOKENS_PER_S = 25.0
"""Speed of one answer where nothing was measured yet: the 2023 loop on an A40."""
_OPTIONS = {field.name for field in fields(RunConfig)}
_SET_BY_SWEEP = ("out", "again")
_KEYS = {"out", "common", "grid", "skip"}


@dataclass(frozen=True)
class SweepConfig:
    """Measure every combination of a grid of options. The same command again goes on with what is left."""

    file: tyro.conf.Positional[Path]
    """YAML: `grid` (option: list of values), and if wanted `common` (options of all), `skip`, `out`. See docs/engines.md."""

    dry_run: bool = False
    """Print the commands and an estimate of the time, and run nothing."""

    ray: bool = False
    """Spread the cells over the GPUs of a Ray cluster, one run per GPU at a time. Needs the extra `sweep`."""


def read_sweep(path: Path) -> list[Cell]:
    """The cells of a sweep file, in order: the first axis of the grid changes slowest.

    A value of an axis that is a mapping sets several options at once. A cell that has all the pairs of an entry of `skip` is left out.

    Raises:
        BadSweep: the file, an option, a value or a combination cannot be used. Nothing has run then.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise BadSweep(f"{path}: cannot be read: {why}") from error
    if not isinstance(content, dict) or not isinstance(content.get("grid"), dict):
        raise BadSweep(f"{path}: needs a mapping `grid`, from options to lists of values.")
    if unknown := sorted(map(str, content.keys() - _KEYS)):
        raise BadSweep(f"{path}: unknown: {', '.join(unknown)}. A sweep has {', '.join(sorted(_KEYS))}.")
    common = _options(path, content.get("common") or {})
    skips = [_options(path, entry) for entry in content.get("skip") or []]
    out = Path(str(content.get("out") or "results/sweep"))
    cells = [_cell(path, common | own, own, out) for own in _combinations(path, content["grid"]) if not _skipped(common | own, skips)]
    if not cells:
        raise BadSweep(f"{path}: the grid has no cell.")
    return list({cell.config.out: cell for cell in cells}.values())


def _combinations(path: Path, grid: dict[Any, Any]) -> Iterable[dict[str, Any]]:
    axes: list[list[dict[str, Any]]] = []
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise BadSweep(f"{path}: grid: {name}: needs a list of values.")
        axes.append([_options(path, value if isinstance(value, dict) else {name: value}) for value in values])
    for combination in itertools.product(*axes):
        yield {key: value for part in combination for key, value in part.items()}


def _options(path: Path, given: Any) -> dict[str, Any]:
    """Options by the names of RunConfig. Raises BadSweep."""
    if not isinstance(given, dict):
        raise BadSweep(f"{path}: {given!r}: needs a mapping from options to values.")
    named = {str(key).replace("-", "_"): value for key, value in given.items()}
    for name, value in named.items():
        if name not in _OPTIONS or name in _SET_BY_SWEEP:
            raise BadSweep(f"{path}: {name!r} is no option of `python -m bench run` that a sweep can set.")
        if not isinstance(value, (str, int, float, type(None))) and not (name == "task" and isinstance(value, list)):
            raise BadSweep(f"{path}: {name}: {value!r} is no single value.")
    return named


def _skipped(options: dict[str, Any], skips: list[dict[str, Any]]) -> bool:
    return any(entry and all(key in options and options[key] == value for key, value in entry.items()) for entry in skips)


def _cell(path: Path, options: dict[str, Any], own: dict[str, Any], out: Path) -> Cell:
    arguments = ["run", *itertools.chain.from_iterable(_arguments(name, value) for name, value in options.items() if value is not None)]
    label = " ".join(_short(value) for value in own.values() if value is not None)
    digest = hashlib.sha256(json.dumps(sorted(arguments)).encode()).hexdigest()[:10]
    slug = re.sub(r"[^A-Za-z0-9.-]+", "_", label)[:80].strip("_.")
    arguments += ["--out", str(out / f"{slug}-{digest}")]
    try:
        with screen.unbroken():
            config = tyro.cli(RunConfig, args=with_their_values(arguments[1:]), config=(tyro.conf.OmitArgPrefixes,))
        check(config)
    except SystemExit as error:
        raise BadSweep(f"{path}: the cell `{label}` has a value that cannot be used; see above.") from error
    except errors.BenchError as error:
        raise BadSweep(f"{path}: the cell `{label}`: {error} Leave it out with `skip`.") from error
    return Cell(label, config, tuple(arguments))


def _arguments(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    return [word for item in (value if isinstance(value, list) else [value]) for word in (option, str(item))]


def _short(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.rstrip("/").rsplit("/", 1)[-1]


def estimate_s(cell: Cell, cells: Sequence[Cell], prompts: int) -> float:
    """How long a cell may take if every answer is as long as allowed, s.

    The speed of one answer is that of cells already measured with the same model, engine and batch, else ASSUMED_TOKENS_PER_S.
    """
    config = cell.config

    def setup(of: RunConfig) -> tuple[object, ...]:
        return of.model, of.engine, of.batch_size, of.in_flight

    known = totals(other for other in cells if setup(other.config) == setup(config))
    speed = known["tokens"] / known["seconds"] if known["seconds"] else ASSUMED_TOKENS_PER_S
    left = max(prompts - config.skip, 0)
    answers = (min(config.limit, left) if config.limit else left) * config.repetitions * config.runs * len(config.tasks)
    return answers * config.max_new_tokens / speed / max(config.batch_size, config.in_flight)


def run_sweep(config: SweepConfig, console: Console | None = None, start: Callable[[Cell], int] | None = None) -> int:
    """Run the cells that are not finished, and print a table of all.

    Args:
        config: what was asked for.
        console: where words go; standard error unless given.
        start: runs a cell and gives its exit status; replaced in tests.

    Returns:
        0: every cell is finished. 1: a cell failed (the others have run). 130: interrupted.

    Raises:
        BadSweep, MissingPackage.
    """
    console = console or screen.console(stderr=True)
    cells = read_sweep(config.file)
    if config.dry_run:
        print_plan(cells, screen.console())
        return 0
    if config.ray:
        from prompt_joules.bench.sweep.ray import run_on_ray

        outcomes = run_on_ray(cells, console)
    else:
        outcomes = _run_in_order(cells, console, start or run_cell)
    console.print(summary(outcomes))
    if any(outcome.status == 130 for outcome in outcomes):
        console.print("Interrupted. Run the same command again to go on.")
        return 130
    return int(any(outcome.status for outcome in outcomes))


def _run_in_order(cells: Sequence[Cell], console: Console, start: Callable[[Cell], int]) -> list[Outcome]:
    outcomes = []
    for place, cell in enumerate(cells, 1):
        if is_finished(cell):
            outcomes.append(Outcome(cell, None, 0.0))
            continue
        console.print(f"[{place}/{len(cells)}] {cell.label}", markup=False, highlight=False)
        begun_s = time.monotonic()
        outcomes.append(Outcome(cell, start(cell), time.monotonic() - begun_s))
        if outcomes[-1].status == 130:
            break
    return outcomes


def print_plan(cells: Sequence[Cell], console: Console) -> None:
    """The commands, one a line, as they can be pasted, and an estimate."""
    left = [cell for cell in cells if not is_finished(cell)]
    for cell in left:
        console.print(shlex.join(["python", "-m", "bench", *cell.arguments]), soft_wrap=True, markup=False, highlight=False)
    sizes = {name: len(load_prompts(name).prompts) for name in {cell.config.prompts for cell in left}}
    seconds = sum(estimate_s(cell, cells, sizes[cell.config.prompts]) for cell in left)
    console.print(
        f"{len(left)} of {len(cells)} cells to run, at most about {_duration(seconds)} one after another if every answer is as long as "
        f"allowed (measured speeds where there are any, else {ASSUMED_TOKENS_PER_S:g} token/s; loading is not counted).",
        soft_wrap=True,
        highlight=False,
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"


def summary(outcomes: Sequence[Outcome]) -> Table:
    """One line a cell; ratios are of sums."""
    table = Table("cell", "status", "rows", "failed", "token/s", "J/token")
    for outcome in outcomes:
        sums = totals([outcome.cell])
        speed = f"{sums['tokens'] / sums['seconds']:.1f}" if sums["seconds"] else "–"
        cost = f"{sums['joules'] / sums['measured_tokens']:.3f}" if sums["measured_tokens"] else "–"
        table.add_row(outcome.cell.label, outcome.words, f"{sums['rows']:.0f}", f"{sums['failed']:.0f}", speed, cost)
    return table
