"""Sentiment colours can be told apart and read; the sign says the same as the colour."""

import math
from itertools import pairwise

import pytest

from ftapp.ui import palette

FIVE = [palette.sentiment_color(i, 5) for i in range(5)]
BLIND = {  # what remains of linear red, green, blue: Machado, Oliveira and Fernandes (2009), severity 1
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}


def as_seen(color: str, blindness: tuple[tuple[float, ...], ...]) -> list[float]:
    """Return red, green and blue, 0 to 255, as the colour-blind see a colour."""
    linear = [(value / 255) ** 2.2 for value in palette.channels(color)]
    return [255 * max(0.0, sum(a * b for a, b in zip(row, linear, strict=True))) ** (1 / 2.2) for row in blindness]


def test_five_sentiments_have_the_fixed_colours_and_signs():
    assert tuple(FIVE) == palette.WORST_TO_BEST
    assert [palette.sentiment_sign(i, 5) for i in range(5)] == ["▼▼", "▼", "●", "▲", "▲▲"]


@pytest.mark.parametrize(("count", "signs"), [(1, "●"), (2, "▼ ▲"), (3, "▼ ● ▲"), (4, "▼▼ ▼ ▲ ▲▲")])
def test_other_numbers_of_sentiments_have_colours_and_signs_of_their_own(count, signs):
    assert [palette.sentiment_sign(i, count) for i in range(count)] == signs.split()
    assert len({palette.sentiment_color(i, count) for i in range(count)}) == count


def test_text_on_every_colour_has_a_contrast_of_at_least_4_5():
    colors = [*FIVE, *(palette.sentiment_color(i, 4) for i in range(4)), *(palette.sentiment_color(i, 3) for i in range(3))]
    assert all(palette.contrast(palette.ink_on(color), color) >= 4.5 for color in colors)


@pytest.mark.parametrize("blindness", BLIND)
def test_neighbours_differ_for_the_colour_blind(blindness):
    seen = [as_seen(color, BLIND[blindness]) for color in FIVE]
    assert all(math.dist(one, other) > 40 for one, other in pairwise(seen))


def test_contrast_is_that_of_wcag():
    assert palette.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert palette.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
