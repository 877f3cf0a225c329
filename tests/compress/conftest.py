"""Labelled reviews that a tiny model can learn, and jobs on the tiny pair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftapp.checkpoint import open_checkpoint
from ftapp.compress.job import Job
from ftapp.reviews import Label, LabelledReview


def synthetic(number: int) -> LabelledReview:
    """Return one of two kinds of review, each a little different from the last."""
    first, second = ("디자인은 예쁜데", "배송이 늦었어요") if number % 2 else ("사이즈는 딱 맞네요", "품질은 좀 별로지만")
    names = ("디자인", "배송") if number % 2 else ("사이즈", "품질")
    labels = (Label(names[0], 3, first), Label(names[1], 1, second))
    more = ("", "정말", "매일 입어요", "하루 만에 왔어요", "다음에 또 살게요")[number % 5]
    return LabelledReview(f"r{number}", f"{first} {second} {more}".strip(), labels, 3 if number % 2 else 1)


@pytest.fixture(scope="session")
def synthetic_reviews() -> list[LabelledReview]:
    """Return labelled reviews with evidence."""
    return [synthetic(i) for i in range(40)]


@pytest.fixture
def lines() -> list[str]:
    """Return the list that a job's progress goes to."""
    return []


@pytest.fixture
def make_job(tiny_model: Path, synthetic_reviews: list[LabelledReview], tmp_path: Path, lines: list[str]) -> Callable[..., Job]:
    """Return a function that makes a job on the tiny pair, or another model, with options of its method."""

    def make(output: str = "variant", model: Path = tiny_model, **options: Any) -> Job:
        return Job(open_checkpoint(model), tmp_path / output, synthetic_reviews, synthetic_reviews[:10], lines.append, options)

    return make
