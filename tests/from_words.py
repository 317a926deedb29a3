"""Views read back from their words: what a page or the header of a file says of its rows is all that chose them."""

import re
from urllib.parse import unquote

from prompt_joules.pages.ui.pure.narrowings import (
    CALLED,
    NAME_OF,
    NAMES,
    Among,
    Computed,
    Contains,
    Grouped,
    Known,
    Least,
    Narrowing,
    Planned,
    Pooled,
    Sides,
    Within,
)
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import selection as filters
from prompt_joules.warehouse.called import AS_THEY_ARE, Names
from prompt_joules.warehouse.energy_shown import DEFAULT, EVERY
from prompt_joules.warehouse.selection import DEFAULT_WEIGHTS, LABELS, TEXT_FILTERS, VALID_WORDS, WEIGHTS_WORDS, Selection, parts_of

MEASURES = {f"energy as {measure.words}": measure for measure in EVERY}
KEY_OF = {name: key for key, name in NAME_OF.items()}
QUOTED = "“[^“”]*”"


class UnclearWords(Exception):
    """A sentence about filters has a part that no filter says."""


def view_of(words: str) -> View:
    """The view that `View.words` said, whether with commas or, as in the header of a CSV, with semicolons. Raises UnclearWords."""
    selection, others = selection_of(words)
    measures = [MEASURES[part] for part in others if part in MEASURES]
    narrowings = tuple(narrowing_of(part) for part in others if part not in MEASURES)
    return View(selection, narrowings, measures[-1] if measures else DEFAULT)


def selection_of(words: str) -> tuple[Selection, list[str]]:
    """The selection that `Selection.words` said, and the parts of the sentence that no filter says."""
    found: dict[str, tuple[str, ...]] = {}
    batches: tuple[int, ...] = ()
    weights: tuple[str, ...] = DEFAULT_WEIGHTS
    only_valid, others = True, []
    labels = {f"{label} ": TEXT_FILTERS[key] for key, label in LABELS.items()}
    for part in parts_of(words):
        label = next((label for label in labels if part.startswith(label)), None)
        if label:
            field = labels[label]
            found[field] = heard_one_of(part.removeprefix(label), filters.CALLED.get(field, AS_THEY_ARE))
        elif part.startswith("batch size "):
            batches = tuple(int(size) for size in part.removeprefix("batch size ").split(" or "))
        elif part in WEIGHTS_WORDS.values():
            weights = next(kinds for kinds, said_so in WEIGHTS_WORDS.items() if said_so == part)
        elif part in VALID_WORDS.values():
            only_valid = part == VALID_WORDS[True]
        else:
            others.append(part)
    return Selection(**found, batch_sizes=batches, weights=weights, only_valid=only_valid), others


def heard(words: str, names: Names = AS_THEY_ARE) -> str:
    """The value that `selection.said` wrote."""
    if not words.startswith("“"):
        return names.id(words)
    inner = words[1:-1]
    return unquote(inner) if "%" in inner else names.id(inner)


def heard_one_of(words: str, names: Names = AS_THEY_ARE) -> tuple[str, ...]:
    """The values that `selection.one_of` listed."""
    return tuple(heard(part, names) for part in re.split(r" or (?=(?:[^“”]|“[^“”]*”)*$)", words))


def narrowing_of(part: str) -> Narrowing:
    """The narrowing that one part of a view's words says. Raises UnclearWords."""
    for read in (_planned, _pooled, _sides, _grouped, _contains, _computed, _least, _known, _among, _within):
        found: Narrowing | None = read(part)
        if found is not None:
            return found
    raise UnclearWords(f"“{part}” says no filter.")


def _contains(words: str) -> Contains | None:
    found = re.fullmatch(rf"with the words ({QUOTED})", words)
    return Contains(heard(found[1])) if found else None


def _within(words: str) -> Within | None:
    number = r"(-?[\d.]+)"
    found = re.fullmatch(rf"(.+?)(?: (above|at least) {number})?(?:(?: and)? at most {number})?", words)
    if not found or found[1] not in KEY_OF or not (found[3] or found[4]):
        return None
    low, high = (None if text is None else float(text) for text in (found[3], found[4]))
    return Within(KEY_OF[found[1]], low, high, found[2] == "above")


def _known(words: str) -> Known | None:
    found = re.fullmatch(r"with (.+) (above 0|known)", words)
    names = found[1].split(" and ") if found else []
    if not found or not all(name in KEY_OF for name in names):
        return None
    return Known(tuple(KEY_OF[name] for name in names), found[2] == "above 0")


def _among(words: str) -> Among | None:
    column = next((column for column, name in CALLED.items() if words.startswith(f"{name} ")), None)
    if column is None:
        return None
    return Among(column, heard_one_of(words.removeprefix(f"{CALLED[column]} "), NAMES.get(column, AS_THEY_ARE)))


def _least(words: str) -> Least | None:
    name = words.removeprefix("of each model the least ")
    return Least(KEY_OF[name]) if name != words and name in KEY_OF else None


def _computed(words: str) -> Computed | None:
    found = re.fullmatch(rf"with a column ({QUOTED})", words)
    return Computed(heard(found[1])) if found else None


def _pooled(words: str) -> Pooled | None:
    return Pooled() if words == "one row per setup" else None


def _sides(words: str) -> Sides | None:
    sides = rf"from (?:each task to its concise twin|(\w+) ({QUOTED}) to ({QUOTED}))"
    found = re.fullmatch(rf"{sides}(?: where one of them is (.+?))?", words)
    if not found:
        return None
    kind = found[1] or "task"
    names = NAMES.get(kind, AS_THEY_ARE)
    a, b = (heard(found[2], names), heard(found[3], names)) if found[1] else ("", "")
    return Sides(kind, a, b, heard_one_of(found[4], names) if found[4] else ())


def _grouped(words: str) -> Grouped | None:
    by = words.removeprefix("one series per ")
    return Grouped(heard(by)) if by != words else None


def _planned(words: str) -> Planned | None:
    number = r"([\d.]+)"
    day = rf"{number} responses a day(?: of {number} tokens)? at PUE {number}"
    found = re.fullmatch(rf"{day} with {number} ([A-Z]+) and {number} g CO₂e a kWh", words)
    if not found:
        return None
    length = None if found[2] is None else float(found[2])
    return Planned(float(found[1]), float(found[3]), float(found[4]), found[5], float(found[6]), length)
