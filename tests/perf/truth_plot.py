"""The picture of the truth test: how far each single window is from the truth of its round.

    python -m tests.perf.truth_plot FILE.json [FILE.json …] --out PICTURE.svg

Takes the files that `python -m tests.perf.truth --out` wrote, one card each.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 394, 56, 16, 90, 44
LIMIT_PERCENT = 2.5
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def deviations(test: dict[str, Any]) -> list[tuple[float, float]]:
    """(response time in s, deviation in percent) of each aligned window."""
    return [
        (part["seconds"], 100 * (value / found["series_j"] - 1))
        for part in test["windows"]
        for found in part["rounds"]
        for value in found["single_j"]["aligned"]
    ]


def place(seconds: float, percent: float) -> tuple[float, float]:
    """Pixels; time is logarithmic from 0.2 to 6 s, what is off the scale stays at its edge."""
    share = math.log(seconds / 0.2) / math.log(6 / 0.2)
    percent = max(-LIMIT_PERCENT, min(LIMIT_PERCENT, percent))
    return LEFT + share * (WIDTH - LEFT - RIGHT), TOP + (LIMIT_PERCENT - percent) / (2 * LIMIT_PERCENT) * (HEIGHT - TOP - BOTTOM)


def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """One line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def axes(times: list[float]) -> list[str]:
    """Grid, aims and words."""
    low, high = place(0.2, 1)[1], place(0.2, -1)[1]
    parts = [f'<rect x="{LEFT}" y="{low:.1f}" width="{WIDTH - LEFT - RIGHT}" height="{high - low:.1f}" fill="#8884" stroke="none"/>']
    for percent in (-2, -1, 0, 1, 2):
        y = place(0.2, percent)[1]
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="#888" stroke-width="{0.5 + (percent == 0)}"/>')
        parts.append(text(LEFT - 6, y + 4, f"{percent:+d} %" if percent else "0", "end"))
    parts += [text(place(seconds, 0)[0], HEIGHT - BOTTOM + 16, f"{seconds:g}") for seconds in times]
    parts.append(text(WIDTH / 2, HEIGHT - 8, "response time (s)"))
    parts.append(text(LEFT, 16, "single window against the same responses in one long window; grey: ±1 %", "start"))
    return parts


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tests = [json.loads(path.read_text(encoding="utf-8")) for path in options.files]
    found = [deviations(test) for test in tests]
    parts = axes(sorted({seconds for points in found for seconds, _ in points}))
    for card, (points, colour) in enumerate(zip(found, COLOURS, strict=False)):
        for index, (seconds, percent) in enumerate(points):
            x, y = place(seconds, percent)
            shift = 11 * (card - (len(found) - 1) / 2) + (index % 5 - 2) * 1.5
            parts.append(f'<circle cx="{x + shift:.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity="0.75"/>')
        name = f"card {card + 1}: " + tests[card]["gpu"]
        parts.append(f'<g fill="{colour}">{text(WIDTH - RIGHT, 34 + 14 * card, name, "end")}</g>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    options.out.write_text("\n".join([head, background, *parts, "</svg>"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
