"""Selection: words, parameters, and links that people have saved or mangled."""

from prompt_joules.warehouse.selection import Selection


def test_the_default_has_an_empty_link() -> None:
    assert Selection().to_query() == {}
    assert Selection.from_query({}) == (Selection(), ())


def test_words() -> None:
    assert Selection(gpus=("A40",), tasks=("chat",)).words() == "GPU A40, task chat, pretrained weights, only valid rows"
    everything = Selection(gpus=("A40", "CPU"), batch_sizes=(1, 8), weights=(), only_valid=False)
    assert everything.words() == "GPU A40 or CPU, batch size 1 or 8, pretrained and random weights, valid and invalid rows"
    assert Selection(weights=("dummy",)).words() == "random weights, only valid rows"


def test_the_url_vocabulary_is_public() -> None:
    selection = Selection(("m",), ("g",), ("t",), ("e",), ("s",), (4,), ("dummy",), only_valid=False)
    link = selection.to_query()
    assert link == {
        "model": ["m"],
        "gpu": ["g"],
        "task": ["t"],
        "engine": ["e"],
        "source": ["s"],
        "batch": ["4"],
        "weights": "dummy",
        "valid": "all",
    }


def test_a_lone_string_is_one_value() -> None:
    assert Selection.from_query({"gpu": "A40"})[0].gpus == ("A40",)


def test_junk_in_a_link_is_ignored_and_said() -> None:
    junk = {
        "batch": ["0", "x", "٣", "99999", "8"],
        "weights": ["heavy"],
        "valid": ["maybe"],
        "model": ["", "a\x00b", "m"],
    }
    selection, notes = Selection.from_query(junk)
    assert selection == Selection(models=("m",), batch_sizes=(8,))
    assert len(notes) == 8
    assert all(note.endswith(".") for note in notes)


def test_repeated_values_count_once() -> None:
    assert Selection.from_query({"gpu": ["A40", "A40"], "batch": ["8", "08"]})[0] == Selection(gpus=("A40",), batch_sizes=(8,))


def test_both_weights() -> None:
    assert Selection.from_query({"weights": ["both"]})[0].weights == ()
    assert Selection.from_query({"weights": ["pretrained", "dummy"]})[0].weights == ()


def test_parameters_name_every_field() -> None:
    assert Selection(models=("m",), batch_sizes=(2,)).parameters() == {
        "selection": {
            "models": ["m"],
            "gpus": [],
            "tasks": [],
            "engines": [],
            "sources": [],
            "batch_sizes": [2],
            "weights": ["pretrained"],
            "only_valid": True,
        }
    }


def test_random_weights_are_added_unless_weights_are_chosen() -> None:
    assert Selection(gpus=("H100",)).with_random_weights() == Selection(gpus=("H100",), weights=())
    assert Selection(weights=("dummy",)).with_random_weights() == Selection(weights=("dummy",))
