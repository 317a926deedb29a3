"""A name keeps its colour; where names outnumber colours the frequent ones have their own, the others a grey; no two look alike."""

import itertools
import tomllib

import numpy as np
import polars as pl
import pytest

from prompt_joules.pages.ui.pure import theme
from tests.servers import ROOT


def test_the_colour_of_words_beside_a_chart_is_the_first_of_its_marks() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    light, dark = config["chartCategoricalColors"][0], config["dark"]["chartCategoricalColors"][0]
    assert f"light-dark({light}, {dark})" == theme.FIRST_COLOUR


CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
PALETTES = {"light": CONFIG["chartCategoricalColors"], "dark": CONFIG["dark"]["chartCategoricalColors"]}
GROUNDS = {theme_: CONFIG[theme_]["backgroundColor"] for theme_ in PALETTES}
# Machado, Oliveira and Fernandes 2009, severity 1: linear sRGB as it looks without one of the three kinds of cones.
VISIONS = {
    "all cones": np.eye(3),
    "no red": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "no blue": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
# Ottosson 2020: linear sRGB to the cube roots of cones, and these to Oklab.
TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]
)
TO_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]]
)
# 100 × the distance in Oklab: at 2 a difference can just be seen side by side; marks of a chart are small and apart.
APART = 7.0


def linear(colour: str) -> np.ndarray:
    """A colour as linear sRGB, 0 to 1."""
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def apart(one: str, other: str, vision: str) -> float:
    """100 × the distance of two colours in Oklab, as somebody sees them."""
    seen = (TO_OKLAB @ np.cbrt(TO_CONES @ np.clip(VISIONS[vision] @ linear(colour), 0, 1)) for colour in (one, other))
    first, second = seen
    return float(100 * np.linalg.norm(first - second))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG has it, 1 to 21."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return high / low


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme_", PALETTES)
def test_no_two_colours_of_a_chart_look_alike_whichever_cones_somebody_lacks(theme_: str, vision: str) -> None:
    pairs = {pair: apart(*pair, vision) for pair in itertools.combinations(PALETTES[theme_], 2)}
    assert min(pairs.values()) >= APART, min(pairs, key=lambda pair: pairs[pair])
    assert len(theme.SHAPES) == len(set(theme.SHAPES)) == theme.COLOURS, "points have a shape each besides"


def test_the_colours_of_okabe_and_ito_that_were_darkened_would_not_pass() -> None:
    assert apart("#D55E00", "#B8860B", "no green") < 3, "orange and ochre"
    assert apart("#009E73", "#3A8FC7", "no blue") < 3, "green and blue"
    assert apart("#FFFFFF", "#000000", "all cones") == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("theme_", PALETTES)
def test_marks_stand_out_from_their_ground(theme_: str) -> None:
    assert min(contrast(colour, GROUNDS[theme_]) for colour in PALETTES[theme_]) >= 3
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)


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
