"""Known weaknesses of the pinned packages, as pip-audit finds them: `python -m tests.weaknesses PIP_AUDIT FILE …`.

Exit status 1: a package has one. A package of which the index knows nothing is counted, and with `--complete` it fails, too: no answer is
no good news.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Audit:
    """What pip-audit says of one file of pinned packages.

    Attributes:
        weaknesses: a sentence for each package that has some.
        answered: packages of which the index knows.
        unanswered: packages of which it does not.
        reason: why there is no answer; empty if there is one for every package.
    """

    weaknesses: tuple[str, ...]
    answered: int
    unanswered: int
    reason: str = ""


def read(report: str, errors: str = "") -> Audit:
    """Read pip-audit's report (`--format json`) and what it wrote beside it."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit((), 0, 0, " ".join(errors.split("\n")[-2:]).strip() or "pip-audit wrote no report")
    skipped = [str(package["skip_reason"]) for package in packages if "skip_reason" in package]
    weak = tuple(_sentence(package) for package in packages if package.get("vulns"))
    return Audit(weak, len(packages) - len(skipped), len(skipped), skipped[0] if skipped else "")


def _sentence(package: dict[str, Any]) -> str:
    found = [f"{one['id']} (mended in {', '.join(one.get('fix_versions') or ['no version yet'])})" for one in package["vulns"]]
    return f"{package['name']} {package['version']}: {'; '.join(found)}"


def status(audits: Sequence[Audit], *, complete: bool = False) -> int:
    """The exit status of several files."""
    return int(any(audit.weaknesses or (complete and audit.reason) for audit in audits))


def main(words: Sequence[str] | None = None) -> int:
    """Ask for each file, and say what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pip_audit")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--complete", action="store_true", help="fail where a package got no answer")
    options = parser.parse_args(words)
    audits = []
    for file in options.files:
        command = [options.pip_audit, "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "-r", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        audits.append(audit := read(done.stdout, done.stderr))
        for weakness in audit.weaknesses:
            print(f"{file}: {weakness}")
        beside = f", {audit.unanswered} without an answer ({audit.reason})" if audit.reason else ""
        print(f"{file}: {audit.answered} packages looked up, {len(audit.weaknesses)} with known weaknesses{beside}")
    return status(audits, complete=options.complete)


if __name__ == "__main__":
    sys.exit(main())
