"""python -m tests.simulations [--times N] [--only WORD]: how often each interval holds the truth, as the table of docs/statistics.md."""

import argparse

from tests.simulations.scenarios import LIMITS, SCENARIOS, coverage

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--times", type=int, default=2000, help="measurements a scenario")
parser.add_argument("--only", default="", help="only scenarios whose name has this in it")
given = parser.parse_args()
print("| interval of | holds the truth |\n|---|---|", flush=True)
for name, scenario in {**SCENARIOS, **LIMITS}.items():
    if given.only in name:
        print(f"| {name} | {100 * coverage(scenario, given.times):.1f} % |", flush=True)
