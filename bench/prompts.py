"""Prompt sets: the shipped default, any JSONL of `{id, prompt}`, and one made from a ShareGPT dump.

A prompt's id is the key on which two tasks are paired, so it is stable and unique within its set. A broken file is
refused with its line. Nothing is repaired or skipped without a word.
"""

import hashlib
import json
import os
import random
import re
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

DEFAULT_PATH = Path(__file__).with_name("default_prompts.jsonl")
FORMAT = 'one JSON object a line, such as {"id": "tides-01", "prompt": "Why are there two tides a day?"}'


class PromptError(Exception):
    """Base of what can be wrong with prompts; the text names file, line and remedy."""


class PromptFileMissing(PromptError):
    """The prompt file is not there or cannot be read."""


class PromptFileEmpty(PromptError):
    """The prompt file holds no prompts."""


class PromptLineBroken(PromptError):
    """A line is not a prompt. Attributes: `path`, and `line` counted from 1."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path}, line {line}: {what}. A prompt file has {FORMAT}")
        self.path, self.line = path, line


class DuplicatePromptId(PromptLineBroken):
    """Two prompts have one id; tasks could not be paired."""


class ShareGptBroken(PromptError):
    """The ShareGPT dump cannot be read, or leaves no prompts."""


@dataclass(frozen=True)
class Prompt:
    """One prompt: a stable id and its text."""

    id: str
    text: str


@dataclass(frozen=True)
class PromptSet:
    """Prompts in the order of their file.

    Attributes:
        name: `default`, or the file's name without its ending.
        sha256: hash of all ids and texts, in order; the same prompts give the same hash whatever the file looks like.
        prompts: at least one.
    """

    name: str
    sha256: str
    prompts: tuple[Prompt, ...]


def load_prompts(name_or_path: str) -> PromptSet:
    """Read a prompt set: `default`, or the path of a JSONL file.

    Blank lines and a byte order mark are passed over, further keys are ignored.

    Raises:
        PromptFileMissing, PromptFileEmpty: no such file, nothing in it.
        PromptLineBroken: a line is not UTF-8, not JSON, has a key missing, of the wrong type or empty, or text that a
            tokenizer or a Parquet file cannot hold (NUL, lone surrogates).
        DuplicatePromptId: names both lines.
    """
    path = DEFAULT_PATH if name_or_path == "default" else Path(name_or_path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PromptFileMissing(
            f"{path}: cannot read prompts ({error.strerror}). Use --prompts default, or a file with {FORMAT}"
        ) from error
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        prompt = _parse_line(path, number, line)
        if prompt.id in lines:
            raise DuplicatePromptId(path, number, f'id "{prompt.id}" was used in line {lines[prompt.id]} already')
        lines[prompt.id] = number
        prompts.append(prompt)
    if not prompts:
        raise PromptFileEmpty(f"{path}: no prompts in this file. It should have {FORMAT}")
    return PromptSet("default" if path == DEFAULT_PATH else path.stem, prompts_sha256(prompts), tuple(prompts))


def prompts_sha256(prompts: list[Prompt]) -> str:
    """Hash of ids and texts in order, in hexadecimal."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(json.dumps([prompt.id, prompt.text]).encode() + b"\n")
    return digest.hexdigest()


def _parse_line(path: Path, number: int, line: bytes) -> Prompt:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PromptLineBroken(path, number, f"not UTF-8 (byte {error.start + 1})") from error
    except ValueError as error:
        raise PromptLineBroken(path, number, f"not JSON ({error})") from error
    except RecursionError as error:
        raise PromptLineBroken(path, number, "JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise PromptLineBroken(path, number, f"a JSON {type(value).__name__}, not an object")
    texts = {}
    for key in ("id", "prompt"):
        if key not in value:
            raise PromptLineBroken(path, number, f'no key "{key}"')
        fault = _text_fault(value[key])
        if fault:
            raise PromptLineBroken(path, number, f'"{key}" {fault}')
        texts[key] = value[key]
    return Prompt(texts["id"], texts["prompt"])


def _text_fault(value: Any) -> str | None:
    """What makes this value unfit to be an id or a prompt; None if it is fit."""
    if not isinstance(value, str):
        return f"is a {type(value).__name__}, not a string"
    if not value.strip():
        return "is empty"
    if "\0" in value:
        return "holds a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half a surrogate pair, which is no character"
    return None


# ShareGPT


@dataclass(frozen=True)
class ShareGptConfig:
    """Make a prompt set from the first human turn of ShareGPT conversations."""

    raw: Annotated[Path, tyro.conf.Positional]
    """The dump: a JSON list of {id, conversations: [{from, value}, ...]}."""
    n: int = 3000
    """How many prompts to draw; all of them if there are fewer."""
    seed: int = 0
    """Seed of the draw: the same dump and seed give the same prompts."""
    out: Path = Path("sharegpt.jsonl")
    """The JSONL file to write; it is replaced when it exists."""


@dataclass(frozen=True)
class Summary:
    """What became of the conversations: counts that add up to `read`.

    Attributes:
        read: conversations in the dump.
        no_human_turn: nobody asked anything, or the entry is no conversation.
        empty: nothing left of the first turn after HTML was turned into text.
        not_english: see `is_english`.
        unusable: NUL or half a surrogate pair in it.
        not_drawn: fit, but left out by the draw.
        written: prompts in the file.
    """

    read: int
    no_human_turn: int
    empty: int
    not_english: int
    unusable: int
    not_drawn: int
    written: int


def convert_sharegpt(config: ShareGptConfig, console: Console | None = None) -> Summary:
    """Write the prompt set and print what was dropped and why.

    Ids are the conversations' own; one that comes again gets `-2`, `-3`, ... in the order of the dump. The file keeps
    the order of the dump and is written whole or not at all.

    Raises:
        ShareGptBroken: the dump cannot be read, or no prompt is left.
    """
    dropped = dict.fromkeys(("no_human_turn", "empty", "not_english", "unusable"), 0)
    kept: list[Prompt] = []
    seen: dict[str, int] = {}
    conversations = _read_dump(config.raw)
    for number, conversation in enumerate(conversations, start=1):
        name = _unique(_conversation_id(conversation, number), seen)
        text = first_human_turn(conversation)
        cleaned = None if text is None else clean_turn(text)
        reason = _why_dropped(cleaned)
        if reason:
            dropped[reason] += 1
        elif cleaned is not None:
            kept.append(Prompt(name, cleaned))
    if not kept:
        raise ShareGptBroken(f"{config.raw}: no usable prompt among {len(conversations)} conversations ({dropped})")
    drawn = sorted(random.Random(config.seed).sample(range(len(kept)), min(max(config.n, 1), len(kept))))
    _write_jsonl(config.out, [kept[index] for index in drawn])
    summary = Summary(len(conversations), **dropped, not_drawn=len(kept) - len(drawn), written=len(drawn))
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in asdict(summary).items())
    (console or Console()).print(f"{config.out}: {counts}", soft_wrap=True)
    return summary


def _read_dump(path: Path) -> list[Any]:
    try:
        dump = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ShareGptBroken(f"{path}: cannot read the ShareGPT dump ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ShareGptBroken(f"{path}: not a JSON file in UTF-8 ({error})") from error
    if not isinstance(dump, list):
        raise ShareGptBroken(f"{path}: a ShareGPT dump is a JSON list of conversations, this is a {type(dump).__name__}")
    return dump


def _conversation_id(conversation: Any, number: int) -> str:
    name = conversation.get("id") if isinstance(conversation, dict) else None
    return f"conversation-{number}" if _text_fault(name) else str(name)


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
    if _text_fault(text):
        return "unusable"
    return None if is_english(text) else "not_english"


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


_ENGLISH_WORDS = (
    "the of and to is are was what how why who when where which with this that these you your i my me we"
    " our for from in on it its as at by be have has do does can could would should will not but if or a"
    " an please write give make create explain about into than then there their they he she his her hi"
    " hello act want need using use list following"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_OTHERS = {
    "German": "der die das und ist nicht ich du wir ein eine einen mit für auf wie kannst bitte dass auch von zu"
    " dem den es dir mir mein kann schreibe über hallo sind oder wenn werden",
    "French": "le la les des une est et je tu vous nous pour dans que qui avec sur pas ce cette comment bonjour"
    " peux moi mon sont être du au aux écris sans mais",
    "Spanish": "el la los las una es y que de en para por con como cómo no yo tú hola qué puedes mi su está estás"
    " del al escribe pero más quiero",
    "Portuguese": "o os uma é e que de em para por com como não eu você olá qual meu sua está do da dos das ao faça"
    " escreva mas mais quero um",
    "Italian": "il lo gli una è e che di per con come non io ciao puoi mio sono della del nel alla dei scrivi anche più questo cosa un",
    "Dutch": "de het een en is niet ik je wij met voor op hoe kun wat van dat zijn naar ook maar schrijf graag mijn aan",
    "Scandinavian": "om den og er ikke jeg du det en et på som til av med hvordan kan vad är inte jag och att för"
    " ett hur skriv hej hei min",
    "Polish": "i nie jest się na z do że jak co to czy napisz dla w ja mnie proszę są po jest oraz",
    "Turkish": "ve bir bu için ile ne nasıl mı mi ben sen bana yaz olarak çok daha gibi var olan merhaba",
    "Indonesian": "yang dan di untuk dengan ini itu saya apa bagaimana adalah tidak dari buatkan kamu akan pada bisa",
    "Romanian": "și este nu eu tu pentru cu ce cum care în la de un o sunt din mai scrie să",
    "Finnish": "ja on ei minä sinä mitä miten että se kuin olen tämä voit kirjoita mutta tai ovat",
    "Hungarian": "és a az nem hogy van egy mi én te ez kérlek írj meg mint vagy is",
    "Czech": "a je se na v že jak co to ne pro s já ty jsem prosím napiš jsou ale nebo",
    "Vietnamese": "và là của tôi bạn cho không những một các với có được như thế nào hãy viết về trong",
}
_OTHER_WORDS = {
    name: frozenset(word for word in words.split() if len(word) > 1 or word > "z") - _ENGLISH for name, words in _OTHERS.items()
}
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


def _write_jsonl(path: Path, prompts: list[Prompt]) -> None:
    """Write beside, then rename: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            for prompt in prompts:
                file.write(json.dumps({"id": prompt.id, "prompt": prompt.text}, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
