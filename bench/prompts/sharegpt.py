"""A prompt set out of a ShareGPT dump: the first thing a person asked in each conversation, cleaned and drawn by a seed."""

import csv
import json
import random
import re
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any

import tyro

from prompt_joules.bench import errors, screen
from prompt_joules.bench.files import write_atomically
from prompt_joules.bench.prompts.sets import Prompt, PromptError, text_fault

LARGEST_FOREIGN_SHARE = 0.5
SMALLEST_OTHER_SHARE = 0.12
SHORT_WORDS = 12
_PIECE = re.compile(r".+_(?P<piece>[0-9]{1,6})", re.DOTALL)


class ShareGptBroken(PromptError):
    """The ShareGPT dump cannot be read, or leaves no prompts."""


@dataclass(frozen=True)
class ShareGptConfig:
    """Make a prompt set from the first human turn of ShareGPT conversations."""

    raw: Annotated[Path, tyro.conf.Positional]
    """The dump: a JSON list of {id, conversations: [{from, value}, ...]}, e.g. sg_90k_part1_html_cleaned.json, which was used in 2023."""
    n: int = 3000
    """How many prompts to draw; all of them if there are fewer."""
    seed: int = 0
    """Seed of the draw: the same dump and seed give the same prompts."""
    out: Path = Path("sharegpt.jsonl")
    """The JSONL file to write; it is replaced when it exists."""


@dataclass(frozen=True)
class Summary:
    """What became of the conversations: counts that add up to `read`."""

    read: int  # conversations in the dump
    later_pieces: int  # parts of a conversation after its first, in a dump whose long conversations are split (`id_0`, `id_1`, ...)
    no_human_turn: int  # nobody asked anything, or the entry is no conversation
    empty: int  # nothing left of the first turn after HTML was turned into text
    not_english: int  # see `is_english`
    unusable: int  # NUL or half a surrogate pair in it
    not_drawn: int  # fit, but left out by the draw
    written: int  # prompts in the file


def convert_sharegpt(config: ShareGptConfig) -> Summary:
    """Write the prompt set and print what was dropped and why.

    Ids are the conversations' own; one that comes again gets `-2`, `-3`, ... in the order of the dump. The file keeps
    the order of the dump and is written whole or not at all.

    Raises:
        BadOption: fewer than one prompt is asked for.
        ShareGptBroken: the dump cannot be read, or no prompt is left.
        NotWritable: no place for the set.
    """
    if config.n < 1:
        raise errors.BadOption(f"--n {config.n}", "must be at least 1.")
    dropped = dict.fromkeys(("later_pieces", "no_human_turn", "empty", "not_english", "unusable"), 0)
    kept: list[Prompt] = []
    seen: dict[str, int] = {}
    conversations = _read_dump(config.raw)
    names = [_conversation_id(conversation, number) for number, conversation in enumerate(conversations, start=1)]
    later = _later_pieces(names)
    for name_there, conversation in zip(names, conversations, strict=True):
        name = _unique(name_there, seen)
        if name_there in later:
            dropped["later_pieces"] += 1
            continue
        text = first_human_turn(conversation)
        cleaned = None if text is None else clean_turn(text)
        reason = _why_dropped(cleaned)
        if reason:
            dropped[reason] += 1
        elif cleaned is not None:
            kept.append(Prompt(name, cleaned))
    if not kept:
        raise ShareGptBroken(f"{config.raw}: no usable prompt among {len(conversations)} conversations ({dropped})")
    drawn = sorted(random.Random(config.seed).sample(range(len(kept)), min(config.n, len(kept))))
    _write_jsonl(config.out, [kept[index] for index in drawn])
    summary = Summary(len(conversations), **dropped, not_drawn=len(kept) - len(drawn), written=len(drawn))
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in asdict(summary).items())
    screen.console().print(f"{config.out}: {counts}", soft_wrap=True)
    return summary


def _read_dump(path: Path) -> list[Any]:
    try:
        dump = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ShareGptBroken(f"{path}: cannot read the ShareGPT dump ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ShareGptBroken(f"{path}: not a JSON file in UTF-8 ({error})") from error
    if not isinstance(dump, list):
        raise ShareGptBroken(f"{path}: a ShareGPT dump is a JSON list of conversations, this is a {type(dump).__name__}")
    return dump


def _conversation_id(conversation: Any, number: int) -> str:
    name = conversation.get("id") if isinstance(conversation, dict) else None
    return f"conversation-{number}" if text_fault(name) else str(name)


def _later_pieces(names: list[str]) -> set[str]:
    """Names of pieces that begin in the middle of a conversation. A dump is split where most names end in the number of a piece."""
    pieces = {name: int(found["piece"]) for name in names if (found := _PIECE.fullmatch(name))}
    return {name for name, piece in pieces.items() if piece} if 2 * sum(name in pieces for name in names) > len(names) else set()


def _unique(name: str, seen: dict[str, int]) -> str:
    """The name, or with the first free suffix if it was used; `seen` remembers."""
    candidate, count = name, seen.get(name, 0)
    while candidate in seen:
        count += 1
        candidate = f"{name}-{count}"
    seen[name] = max(count, 1)
    seen.setdefault(candidate, 1)
    return candidate


def _why_dropped(text: str | None) -> str | None:
    if text is None:
        return "no_human_turn"
    if not text.strip():
        return "empty"
    if text_fault(text):
        return "unusable"
    return None if is_english(text) else "not_english"


with (Path(__file__).parent / "small_words.csv").open(encoding="utf-8", newline="") as lines:
    _OTHERS = {row["language"]: frozenset(row["words"].split()) for row in csv.DictReader(lines)}
_ENGLISH = _OTHERS.pop("English")
_OTHER_WORDS = {name: frozenset(word for word in words if len(word) > 1 or word > "z") - _ENGLISH for name, words in _OTHERS.items()}


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


def first_human_turn(conversation: Any) -> str | None:
    """The first thing a person said, as it stands in the dump; None if the entry has no such turn."""
    turns = conversation.get("conversations") if isinstance(conversation, dict) else None
    for turn in turns if isinstance(turns, list) else []:
        if isinstance(turn, dict) and turn.get("from") in ("human", "user") and isinstance(turn.get("value"), str):
            return str(turn["value"])
    return None


def clean_turn(text: str) -> str:
    """A turn as its author typed it: HTML to text, or the converter's escapes undone.

    A turn that is HTML as a whole (it begins with a block tag and ends with a tag) is turned into text. Any other was
    plain or has been through a Markdown converter, which writes every `_` and `*` with a backslash: `DCE\\_ID`. Those
    backslashes are taken off outside of fenced code; `\\\\_` becomes `\\_`, as typed. Tags inside such a turn are left
    alone: they are somebody's code.
    """
    stripped = text.strip()
    if _HTML_START.match(stripped) and stripped.endswith(">"):
        return html_to_text(stripped)
    pieces = re.split(r"(```.*?(?:```|\Z))", stripped, flags=re.DOTALL)
    return "".join(piece if piece.startswith("```") else re.sub(r"\\([_*])", r"\1", piece) for piece in pieces)


_HTML_START = re.compile(r"<(?:div|p|pre|ul|ol|h[1-6]|table|blockquote)\b[^>]*>", re.IGNORECASE)
_BLOCK_TAGS = "p div pre ul ol li table tr blockquote h1 h2 h3 h4 h5 h6 br hr section article"
_BLOCKS = frozenset(_BLOCK_TAGS.split())


class _TextOnly(HTMLParser):
    """Collects the text of HTML; blocks begin on a new line, code keeps its layout, scripts and styles are left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._layout_kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag == "pre":
            self.parts.append("\n```\n")
            self._layout_kept += 1
        elif tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("script", "style")))
        if tag == "pre":
            self.parts.append("\n```\n")
            self._layout_kept = max(0, self._layout_kept - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data if self._layout_kept else re.sub(r"[ \t]*\n[ \t]*", " ", data))


def html_to_text(html: str) -> str:
    """The text of an HTML fragment: one block a line, `pre` as fenced code, entities resolved."""
    parser = _TextOnly()
    parser.feed(html)
    parser.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(parser.parts)).strip()


def _write_jsonl(path: Path, prompts: list[Prompt]) -> None:
    """Write beside, then rename: the file is there whole or not at all. Raises NotWritable."""
    lines = "".join(json.dumps({"id": prompt.id, "prompt": prompt.text}, ensure_ascii=False) + "\n" for prompt in prompts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lines.encode())
    except OSError as error:
        raise errors.NotWritable(path.parent, error.strerror or str(error)) from error
