"""Prompt files, broken in every way we know, and ShareGPT dumps."""

import json
import random
from pathlib import Path

import pytest
import tyro

from prompt_joules.bench.errors import BadOption, NotWritable
from prompt_joules.bench.prompts.sets import DuplicatePromptId, PromptFileEmpty, PromptFileMissing, PromptLineBroken, load_prompts
from prompt_joules.bench.prompts.sharegpt import (
    ShareGptBroken,
    ShareGptConfig,
    clean_turn,
    convert_sharegpt,
    first_human_turn,
    html_to_text,
    is_english,
)

SHAREGPT = Path(__file__).parents[2].parent / "shared" / "data" / "prompts" / "sharegpt_first_turns.json"


def test_default_set_is_large_varied_and_english() -> None:
    default = load_prompts("default")
    words = sorted(len(prompt.text.split()) for prompt in default.prompts)
    assert default.name == "default" and len(default.sha256) == 64
    assert len(default.prompts) >= 72
    assert words[0] <= 8 and words[-1] >= 400 and sum(count >= 150 for count in words) >= 8
    kinds = {prompt.id.split("-")[0] for prompt in default.prompts}
    assert len(kinds) >= 15
    assert [prompt.id for prompt in default.prompts if not is_english(prompt.text)] == []
    assert len({prompt.text for prompt in default.prompts}) == len(default.prompts)


def write(path: Path, *lines: str | bytes) -> str:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return str(path)


GOOD = '{"id": "a", "prompt": "Hello"}'


def test_reads_a_file_and_hashes_content_not_layout(tmp_path: Path) -> None:
    one = load_prompts(write(tmp_path / "one.jsonl", GOOD, '{"id": "b", "prompt": "Tschüs"}'))
    two = load_prompts(
        write(
            tmp_path / "two.jsonl",
            b"\xef\xbb\xbf",
            '{"prompt":"Hello","id":"a","x":1}\r',
            "",
            r'{"id":"b","prompt":"Tsch\u00fcs"}',
            "",
        )
    )
    other = load_prompts(write(tmp_path / "three.jsonl", GOOD, '{"id": "c", "prompt": "Tschüs"}'))
    assert one.prompts == two.prompts and one.sha256 == two.sha256 != other.sha256
    assert (one.name, [prompt.id for prompt in one.prompts]) == ("one", ["a", "b"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{not json", "not JSON"),
        ("[1]", "not an object"),
        ('{"id": "b"}', 'no key "prompt"'),
        ('{"prompt": "x"}', 'no key "id"'),
        ('{"id": 7, "prompt": "x"}', '"id" is a int'),
        ('{"id": "b", "prompt": ["x"]}', '"prompt" is a list'),
        ('{"id": "b", "prompt": "  \\n"}', '"prompt" is empty'),
        ('{"id": "", "prompt": "x"}', '"id" is empty'),
        ('{"id": "b", "prompt": "a\\u0000b"}', "NUL"),
        ('{"id": "b", "prompt": "a\\ud800b"}', "surrogate"),
        (b'{"id": "b", "prompt": "\xff"}', "not UTF-8"),
        ("[" * 100_000, "nested"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str | bytes, words: str) -> None:
    with pytest.raises(PromptLineBroken, match=r"prompts\.jsonl, line 3: ") as caught:
        load_prompts(write(tmp_path / "prompts.jsonl", GOOD, "", line))
    assert words in str(caught.value) and caught.value.line == 3


def test_duplicate_ids_name_both_lines(tmp_path: Path) -> None:
    with pytest.raises(DuplicatePromptId, match=r"line 3: .*line 1"):
        load_prompts(write(tmp_path / "p.jsonl", GOOD, '{"id": "b", "prompt": "x"}', GOOD))


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(PromptFileMissing, match="--prompts default"):
        load_prompts(str(tmp_path / "none.jsonl"))
    with pytest.raises(PromptFileMissing):
        load_prompts(str(tmp_path))
    with pytest.raises(PromptFileEmpty, match="no prompts"):
        load_prompts(write(tmp_path / "empty.jsonl", "", "  ", ""))


@pytest.mark.parametrize(
    "text",
    [
        "Hi",
        'fix: int main() { for (int i = 0; i < n; i++) { printf("%d", a[i]); } return 0; }',
        "SELECT de.id, la.name FROM de JOIN la ON de.id = la.de_id WHERE la.name LIKE '%x%'",
        "Who was Charles de Gaulle and what is the Tour de France?",
        "Translate to German: the weather is fine today and I would like to go for a walk",
        "∑ x_i^2 ≤ 1",
        "naïve café résumé",
    ],
)
def test_english_code_and_names_are_kept(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "Schreibe mir bitte eine Geschichte über einen Hund, der nicht schlafen kann",
        "Écris un poème sur la mer et les bateaux dans le port",
        "Escribe un poema sobre el mar y los barcos en el puerto",
        "Escreva um poema sobre o mar e os barcos no porto para uma criança",
        "Scrivi una poesia sul mare e gli uccelli che non sono della città",
        "Schrijf een verhaal over een hond die niet kan slapen voor mijn kind",
        "Napisz proszę wiersz o morzu, nie jest to dla mnie łatwe",
        "Bana deniz için bir şiir yaz, çok uzun olmasın ve güzel olsun",
        "Buatkan puisi tentang laut yang indah dan tenang untuk saya",
        "写一首关于大海的诗",
        "Напиши стихотворение о море",
        "海についての詩を書いてください",
        "اكتب قصيدة عن البحر",
        "Hãy viết cho tôi một bài thơ về biển",
    ],
)
def test_other_languages_are_dropped(text: str) -> None:
    assert not is_english(text)


def test_html_becomes_text() -> None:
    html = (
        '<div class="m"><p>Fix&nbsp;this &lt;b&gt;:</p><pre><code>if a:\n    b()</code></pre>'
        "<ul><li>one</li><li>two</li></ul><style>x{}</style></div>"
    )
    text = html_to_text(html)
    assert text == "Fix\xa0this <b>:\n\n```\nif a:\n    b()\n```\n\n- one\n\n- two"
    assert clean_turn(f" {html}\n") == text


def test_escapes_are_undone_outside_code_and_tags_in_prose_are_kept() -> None:
    assert clean_turn(r"use DCE\_ID and 2 \* 3, keep \\_ and \n") == r"use DCE_ID and 2 * 3, keep \_ and \n"
    assert clean_turn("see ```a\\_b``` and c\\_d") == "see ```a\\_b``` and c_d"
    assert clean_turn("Fix my <div><p>x</p></div>") == "Fix my <div><p>x</p></div>"
    assert clean_turn("#include <stdio.h>") == "#include <stdio.h>"


def test_first_human_turn() -> None:
    turns = [{"from": "gpt", "value": "Hi"}, {"from": "human", "value": "Why?"}, {"from": "human", "value": "No"}]
    assert first_human_turn({"conversations": turns}) == "Why?"
    assert first_human_turn({"conversations": "x"}) is None and first_human_turn(3) is None


def dump(path: Path, *turns: object, name: str = "c") -> Path:
    path.write_text(json.dumps([{"id": name, "conversations": [{"from": "human", "value": turn}]} for turn in turns]))
    return path


def test_sharegpt_counts_every_conversation_once(tmp_path: Path) -> None:
    raw = dump(
        tmp_path / "raw.json",
        "What is a tide?",
        "",
        "<p> </p>",
        "Напиши стихотворение о море",
        "a\0b",
        None,
        "And the moon?",
        "Why?",
    )
    out = tmp_path / "new" / "set.jsonl"
    summary = convert_sharegpt(ShareGptConfig(raw, n=2, seed=1, out=out))
    assert (summary.read, summary.no_human_turn, summary.empty) == (8, 1, 2)
    assert (summary.not_english, summary.unusable, summary.not_drawn, summary.written) == (1, 1, 1, 2)
    assert len(load_prompts(str(out)).prompts) == 2
    assert [path.name for path in out.parent.iterdir()] == ["set.jsonl"]


def pieces(path: Path, *names: object, mark: str = "") -> Path:
    path.write_text(
        mark + json.dumps([{"id": name, "conversations": [{"from": "human", "value": f"What is {name}?"}]} for name in names]),
        encoding="utf-8",
    )
    return path


def test_sharegpt_pieces_of_split_conversations_are_dropped_and_counted(tmp_path: Path) -> None:
    raw = pieces(tmp_path / "raw.json", "a_0", "a_1", "a_12", "b_c_0", "part2_7", "whole", None)
    summary = convert_sharegpt(ShareGptConfig(raw, out=tmp_path / "s.jsonl"))
    assert (summary.read, summary.later_pieces, summary.written) == (7, 3, 4)
    assert [prompt.id for prompt in load_prompts(str(tmp_path / "s.jsonl")).prompts] == ["a_0", "b_c_0", "whole", "conversation-7"]


def test_sharegpt_ids_that_happen_to_end_like_a_piece_are_kept_in_a_dump_that_is_not_split(tmp_path: Path) -> None:
    raw = pieces(tmp_path / "raw.json", "QWJhYvA", "xy_3", "EQn2RXB")
    assert convert_sharegpt(ShareGptConfig(raw, out=tmp_path / "s.jsonl")).written == 3


def test_sharegpt_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    raw = pieces(tmp_path / "raw.json", "a", mark="\ufeff")
    assert convert_sharegpt(ShareGptConfig(raw, out=tmp_path / "s.jsonl")).written == 1


@pytest.mark.parametrize("n", [0, -3])
def test_sharegpt_refuses_to_draw_nothing(tmp_path: Path, n: int) -> None:
    with pytest.raises(BadOption, match=f"--n {n}: must be at least 1"):
        convert_sharegpt(ShareGptConfig(dump(tmp_path / "raw.json", "one?"), n=n, out=tmp_path / "s.jsonl"))
    assert not (tmp_path / "s.jsonl").exists()


def test_sharegpt_ids_are_unique_and_do_not_depend_on_the_draw(tmp_path: Path) -> None:
    raw = dump(tmp_path / "raw.json", "one?", "two?", "three?")
    convert_sharegpt(ShareGptConfig(raw, out=tmp_path / "all.jsonl"))
    everything = {prompt.id: prompt.text for prompt in load_prompts(str(tmp_path / "all.jsonl")).prompts}
    assert everything == {"c": "one?", "c-2": "two?", "c-3": "three?"}
    convert_sharegpt(ShareGptConfig(raw, n=1, seed=4, out=tmp_path / "few.jsonl"))
    (drawn,) = load_prompts(str(tmp_path / "few.jsonl")).prompts
    assert everything[drawn.id] == drawn.text


def test_sharegpt_draw_follows_the_seed(tmp_path: Path) -> None:
    raw = dump(tmp_path / "raw.json", *(f"What is {number}?" for number in range(100)))

    def drawn(seed: int) -> str:
        convert_sharegpt(ShareGptConfig(raw, n=10, seed=seed, out=tmp_path / "s.jsonl"))
        return (tmp_path / "s.jsonl").read_text()

    random.seed(5)
    first = drawn(0)
    random.seed(6)
    assert drawn(0) == first != drawn(1)


@pytest.mark.parametrize("text", ["", "{}", '[{"id": "a"}]', "[]"])
def test_broken_dumps_are_named_and_leave_no_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "raw.json").write_text(text)
    with pytest.raises(ShareGptBroken, match=r"raw\.json"):
        convert_sharegpt(ShareGptConfig(tmp_path / "raw.json", out=tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()


def test_a_set_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    raw = dump(tmp_path / "raw.json", "What is a tide?")
    with pytest.raises(NotWritable, match="--out"):
        convert_sharegpt(ShareGptConfig(raw, out=tmp_path / "file" / "set.jsonl"))


def test_command_line() -> None:
    config = tyro.cli(ShareGptConfig, args=["raw.json", "--n", "5", "--seed", "2", "--out", "f.jsonl"])
    assert config == ShareGptConfig(Path("raw.json"), 5, 2, Path("f.jsonl"))


@pytest.mark.skipif(not SHAREGPT.exists(), reason="the ShareGPT first turns are not on this machine")
def test_all_sharegpt_first_turns_run_through(tmp_path: Path) -> None:
    summary = convert_sharegpt(ShareGptConfig(SHAREGPT, n=3000, out=tmp_path / "s.jsonl"))
    assert (summary.read, summary.empty, summary.no_human_turn, summary.unusable) == (2978, 1, 20, 0)
    assert 40 <= summary.not_english <= 60  # looked through by hand: nearly all are other languages
    assert len(load_prompts(str(tmp_path / "s.jsonl")).prompts) == summary.written >= 2890


def test_a_set_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('\ufeff{"id": "a", "prompt": "Why?"}\n', encoding="utf-8")
    assert [prompt.id for prompt in load_prompts(str(path)).prompts] == ["a"]
