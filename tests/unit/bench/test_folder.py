"""A run's id, fingerprint, run.json and lock."""

import dataclasses
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from prompt_joules.bench import errors
from prompt_joules.bench.files import uuid7
from prompt_joules.bench.run.folder import Run, claimed, find_runs, fingerprint, locked, read_run, require_writable


def test_uuid7_has_version_variant_and_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(uuid7())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_uuid7_sorts_by_time() -> None:
    made = []
    for _ in range(5):
        made.append(uuid7())
        time.sleep(0.002)
    assert made == sorted(made)


def test_fingerprint_ignores_order_and_sees_every_value() -> None:
    assert fingerprint({"a": 1, "b": None}) == fingerprint({"b": None, "a": 1})
    assert len({fingerprint({"a": value}) for value in (1, 2, None, "1", [1], True)}) == 6


def test_run_survives_disk_and_is_found_by_fingerprint(tmp_path: Path) -> None:
    run = Run(tmp_path / uuid7(), "f", {"task": "chat"}, {"seed": 0}, 3, sessions=[{"rows": 1}])
    run.save()
    dataclasses.replace(run, folder=tmp_path / uuid7(), fingerprint="other").save()
    assert read_run(run.folder) == run
    assert find_runs(tmp_path, "f") == [run]


def test_damaged_run_is_passed_over_when_searching_and_named_when_read(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "run.json").write_text('{"run_id":')
    assert find_runs(tmp_path, "f") == []
    with pytest.raises(errors.RunUnreadable, match=r"run\.json"):
        read_run(tmp_path / "x")


def test_lock_keeps_another_process_out_and_goes_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom prompt_joules.bench.run.folder import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(errors.RunInUse), locked(tmp_path):
            pass
        other.kill()
    with locked(tmp_path):
        pass


def test_two_commands_cannot_both_begin_a_run_and_nothing_is_left_of_the_claim(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom prompt_joules.bench.run.folder import claimed\n"
        "with claimed(Path(sys.argv[1]), 'f' * 64): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(errors.RunInUse), claimed(tmp_path, "f" * 64):
            pass
        with claimed(tmp_path, "e" * 64):
            pass
        other.kill()
    assert list(tmp_path.iterdir()), "a killed process leaves its file"
    with claimed(tmp_path, "f" * 64):
        pass
    assert not list(tmp_path.iterdir())


def test_unwritable_results_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.NotWritable, match="--out"):
        require_writable(tmp_path / "file" / "out")
    require_writable(tmp_path / "new" / "deep")
    assert not list((tmp_path / "new" / "deep").iterdir())
