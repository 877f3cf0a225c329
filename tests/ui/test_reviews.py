"""What is pasted is cut into the reviews that a reader would see, and too much of it is named."""

import pytest

from ftapp.ui.examples import EXAMPLES
from ftapp.ui.reviews import MAX_CHARACTERS, MAX_REVIEWS, limit_exceeded, split_reviews


@pytest.mark.parametrize(
    ("text", "reviews"),
    [
        ("", []),
        (" \n\t\n ", []),
        ("하나", ["하나"]),
        ("하나\n둘\n", ["하나", "둘"]),
        ("하나\r\n둘\r셋", ["하나", "둘", "셋"]),
        ("첫 줄\n둘째 줄\n\n다음 리뷰", ["첫 줄\n둘째 줄", "다음 리뷰"]),
        ("첫 줄\r\n둘째 줄\r\n\r\n다음 리뷰", ["첫 줄\n둘째 줄", "다음 리뷰"]),
        ("하나\n \t \n\n\n둘", ["하나", "둘"]),
        ("\n\n하나\n둘\n\n", ["하나", "둘"]),  # blank lines around the whole are no separators
    ],
)
def test_reviews_are_blocks_between_blank_lines_or_else_lines(text, reviews):
    assert split_reviews(text) == reviews


def test_half_a_surrogate_pair_can_be_written_as_utf8():
    assert split_reviews("굿\ud83d") == ["굿?"]


def test_each_limit_is_named_with_what_was_given():
    text = "가" * MAX_CHARACTERS
    assert limit_exceeded(text, [text]) is None
    assert limit_exceeded(text + "가", [text]) == ("characters", MAX_CHARACTERS + 1, MAX_CHARACTERS)
    reviews = ["굿"] * MAX_REVIEWS
    assert limit_exceeded("\n".join(reviews), reviews) is None
    assert limit_exceeded("굿", [*reviews, "굿"]) == ("reviews", MAX_REVIEWS + 1, MAX_REVIEWS)


def test_examples_fit_the_limits_and_only_one_has_several_reviews():
    counts = {name: len(split_reviews(text)) for name, text in EXAMPLES.items()}
    assert [name for name, count in counts.items() if count > 1] == ["several"]
    assert not any(limit_exceeded(text, split_reviews(text)) for text in EXAMPLES.values())
