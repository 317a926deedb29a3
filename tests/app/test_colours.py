"""A name keeps its colour; where names outnumber colours the frequent ones have their own and the others share a grey."""

import tomllib

import polars as pl

from prompt_joules.pages.ui.pure import theme
from tests.servers import ROOT


def test_the_colour_of_words_beside_a_chart_is_the_first_of_its_marks() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    light, dark = config["chartCategoricalColors"][0], config["dark"]["chartCategoricalColors"][0]
    assert f"light-dark({light}, {dark})" == theme.FIRST_COLOUR


def names(count: int) -> list[str]:
    return [f"name {place:02}" for place in range(count)]


def test_known_names_keep_their_places() -> None:
    assert theme.slots("gpu_model", ["B200", "A40"], others=False)[0] == "A40"
    assert theme.slots("gpu_model", ["B200"], others=False)[4] == "B200"
    assert theme.slots("gpu_model", ["B200"], others=True)[4] == "B200"


def test_names_that_clash_and_new_ones_take_free_places() -> None:
    fixed = theme.FIXED_ORDER["family"]
    found = theme.slots("family", [fixed[0], fixed[8], "new"], others=False)
    assert found[0] == fixed[0]
    assert {fixed[8], "new"} < set(found)
    assert len(set(found)) == theme.COLOURS, "unused places are names that no data has"


def test_up_to_eight_names_have_their_own_colour_and_more_share_one() -> None:
    for count, own in ((8, 8), (9, 7), (30, 7)):
        rows = pl.DataFrame({"family": [name for place, name in enumerate(names(count)) for _ in range(count - place)]})
        coloured = theme.coloured(rows, "family", theme.own_colours(rows["family"]))
        shown = set(coloured["colour"])
        assert shown - {theme.OTHER} == set(names(own)), "the most frequent ones"
        assert (theme.OTHER in shown) == (count > 8)
        domain = theme.colour("family", "Family", coloured).to_dict()["scale"]["domain"]
        assert len(domain) == theme.COLOURS
        assert shown <= set(domain)
        assert domain[-1] == theme.OTHER or count <= 8


def test_a_missing_name_has_no_colour() -> None:
    rows = pl.DataFrame({"gpu_model": ["A40", None]})
    assert theme.coloured(rows, "gpu_model", theme.own_colours(rows["gpu_model"]))["colour"].to_list() == ["A40", None]
