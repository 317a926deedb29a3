"""Is a prompt English? Told by its small words, without a model."""

import csv
import re
from pathlib import Path


def _small_words() -> dict[str, frozenset[str]]:
    """The small words of each language in `small_words.csv`."""
    with (Path(__file__).parent / "small_words.csv").open(encoding="utf-8", newline="") as lines:
        return {row["language"]: frozenset(row["words"].split()) for row in csv.DictReader(lines)}


_OTHERS = _small_words()
_ENGLISH = _OTHERS.pop("English")
_OTHER_WORDS = {name: frozenset(word for word in words if len(word) > 1 or word > "z") - _ENGLISH for name, words in _OTHERS.items()}
LARGEST_FOREIGN_SHARE = 0.5
SMALLEST_OTHER_SHARE = 0.12
SHORT_WORDS = 12


def is_english(text: str) -> bool:
    """Whether a prompt is mostly English, told by its small words; when in doubt, it is kept.

    Not English: more than half of its letters are of no Latin alphabet; or the small words of one other language
    outnumber the English ones, are 12 % of all words or more, and are of three kinds (two in a text of up to 12 words).
    Fenced code is left out. Other code has small words of no language and is kept, as are names, formulas and lists; a
    classifier trained on prose drops them. A short greeting without small words can slip through.
    """
    prose = re.sub(r"```.*?(?:```|\Z)", " ", text, flags=re.DOTALL)
    letters = [character for character in prose if character.isalpha()]
    foreign = sum(character > "\u024f" and not "\u1e00" <= character <= "\u1eff" for character in letters)
    if letters and foreign / len(letters) > LARGEST_FOREIGN_SHARE:
        return False
    words = re.findall(r"\b[^\W\d_]+\b", prose.lower())
    english = sum(word in _ENGLISH for word in words)
    kinds_needed = 2 if len(words) <= SHORT_WORDS else 3
    for small in _OTHER_WORDS.values():
        found = [word for word in words if word in small]
        if len(found) > max(english, SMALLEST_OTHER_SHARE * len(words)) and len(set(found)) >= kinds_needed:
            return False
    return True
