"""Noise: what hurried customers type, and nothing that changes what a review says."""

import numpy as np
import pytest

from ftapp.training.noise import CASUAL, casual, drop_spaces, noisy, slip

TEXT = "디자인은 너무 예쁘고\n배송이 빨라서 좋아요! size 95 ㅋㅋ"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_dropped_spaces_leave_letters_and_lines(rng: np.random.Generator) -> None:
    assert drop_spaces(TEXT, rng) == TEXT.replace(" ", "")
    some = drop_spaces(TEXT, rng, 0.5)
    assert some.replace(" ", "") == TEXT.replace(" ", "")
    assert 0 < some.count(" ") < TEXT.count(" ")


def test_a_slip_changes_one_letter_of_a_syllable_and_keeps_the_length(rng: np.random.Generator) -> None:
    slipped = slip(TEXT, rng, 1.0)
    assert len(slipped) == len(TEXT)
    changed = [(a, b) for a, b in zip(TEXT, slipped, strict=True) if a != b]
    assert len(changed) > 8
    for a, b in changed:
        parts = [((ord(c) - 0xAC00) // 588, (ord(c) - 0xAC00) // 28 % 21, (ord(c) - 0xAC00) % 28) for c in (a, b)]
        assert sum(x != y for x, y in zip(*parts, strict=True)) == 1
    assert slip(TEXT, rng, 0.0) == TEXT


def test_casual_spellings_replace_standard_ones(rng: np.random.Generator) -> None:
    assert casual("너무 예쁘고 좋아요", rng, 1.0) == "넘 이쁘고 조아여"
    assert casual("너무 예쁘고 좋아요", rng, 0.0) == "너무 예쁘고 좋아요"
    assert all(standard != form for standard, form in CASUAL)


def test_noise_is_seeded_and_not_always_the_same() -> None:
    once = [noisy(TEXT, np.random.default_rng(seed)) for seed in range(20)]
    assert once == [noisy(TEXT, np.random.default_rng(seed)) for seed in range(20)]
    assert len(set(once)) > 5
