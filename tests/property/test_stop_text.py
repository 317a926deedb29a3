"""An answer ends at the same token whether its tail is decoded after every token or only after those that can end a stop string."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from prompt_joules.bench.engines.stops import StopText, joins_texts

PIECES = ("#", "##", "a#", "#b", "User", "\nUs", "er", ":", " :", "x", " ", "\n", "é", "😀")
WORDS = ("#", "##", "▁##", "a#", "#b", "User", "\nUs", "er", ":", "▁:", "▁", "x", "é")
BYTES = ("<0x23>", "<0x3A>", "<0xC3>", "<0xA9>", "<0x0A>", "<0xF0>")
SPECIAL = ("</s>", "<|user|>")
STRINGS = ("###", "\nUser:", "é", "</s>", "#b", ":", "😀", "x ", "r: ")


def byte_level() -> Any:
    """Bytes, and longer tokens of bytes, parts of characters among them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    longer = [level.pre_tokenize_str(piece)[0][0] for piece in PIECES]
    cut = [token[:2] for token in longer if len(token) > 2]
    made = Tokenizer(models.BPE(vocab={token: place for place, token in enumerate(dict.fromkeys([*longer, *cut, *alphabet]))}, merges=[]))
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, additional_special_tokens=list(SPECIAL))


def sentencepiece() -> Any:
    """As Llama's: a word's space is a part of the token, an unknown character is bytes."""
    made = Tokenizer(models.BPE(vocab={token: place for place, token in enumerate([*WORDS, *BYTES])}, merges=[], byte_fallback=True))
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, additional_special_tokens=list(SPECIAL))


TOKENIZERS = {"byte level": byte_level(), "sentencepiece": sentencepiece()}


def ends_at(stops: Any, tokens: list[int]) -> int | None:
    return next((count for count in range(1, len(tokens) + 1) if stops(tokens[:count])), None)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
def test_the_answer_ends_at_the_same_token(kind: str, data: st.DataObject) -> None:
    tokenizer = TOKENIZERS[kind]
    likely = st.integers(0, len(WORDS) + len(BYTES) - 1) | st.integers(0, len(tokenizer) - 1)
    tokens = data.draw(st.lists(likely, max_size=30))
    stops = StopText(tokenizer, tuple(data.draw(st.lists(st.sampled_from(STRINGS), min_size=1, max_size=2))))
    assert joins_texts(tokenizer)
    assert ends_at(stops, tokens) == ends_at(stops.decoding, tokens)


class Counted:
    """A tokenizer that counts its decodings of more than one token."""

    def __init__(self, tokenizer: Any) -> None:
        self.tails = 0
        self._own = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def decode(self, tokens: list[int], **options: Any) -> str:
        self.tails += len(tokens) > 1
        return str(self._own.decode(tokens, **options))


def test_a_tail_without_the_last_character_of_a_string_is_not_decoded() -> None:
    tokenizer = Counted(TOKENIZERS["byte level"])
    ids = tokenizer.convert_tokens_to_ids
    tokens = [ids(token) for token in ("x", "User", "#", "x", "er", "##", "#")]
    assert ends_at(StopText(tokenizer, ("###",)), tokens) == 7
    assert tokenizer.tails == 3


def test_where_texts_are_not_joined_every_tail_is_decoded() -> None:
    made = Tokenizer(models.WordPiece(vocab={"a": 0, "##b": 1, "[UNK]": 2}))
    made.decoder = decoders.WordPiece()
    tokenizer = Counted(PreTrainedTokenizerFast(tokenizer_object=made))
    assert not joins_texts(tokenizer) and not joins_texts(object())
    assert ends_at(StopText(tokenizer, ("ab",)), [0, 0, 1]) == 3
    assert tokenizer.tails == 2
