"""How long a measurement takes, and on which reviews."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftapp.errors import InputError
from ftapp.reviews import LabelledReview

MIXED = 64  # reviews in the batch that throughput is measured on, at most


@dataclass(frozen=True)
class BenchSettings:
    """What each variant is put through, in every round alike.

    `repeats` rounds run every variant once each, so that machine drift hits all alike. A latency is taken over at least
    `runs` runs and `seconds` seconds, a throughput over at least one pass and `seconds`. `reviews` limits those that quality
    is measured on, all where it is None, and throughput too, which takes MIXED at most. Without `highlights` nothing is
    measured with them.
    """

    repeats: int = 3
    runs: int = 50
    seconds: float = 2.0
    reviews: int | None = 200
    highlights: bool = True
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raise InputError for counts below 1 and negative seconds."""
        for name, value in (("repeats", self.repeats), ("runs", self.runs), ("reviews", self.reviews)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed to measure.")
        if not 0 <= self.seconds < float("inf"):
            raise InputError(f"seconds is {self.seconds}; it must be 0 or more.")


def spread(reviews: Sequence[LabelledReview], count: int) -> list[LabelledReview]:
    """Return at most `count` reviews spread evenly over the lengths of all, in a shuffled order that is always the same."""
    ordered = sorted(reviews, key=lambda review: (len(review.text), review.text, review.id))
    count = min(count, len(ordered))
    steps = np.linspace(0, len(ordered) - 1, count) if count > 1 else [(len(ordered) - 1) / 2]
    chosen = [ordered[round(float(step))] for step in steps]
    return [chosen[i] for i in np.random.default_rng(0).permutation(count)]


def typical(reviews: Sequence[LabelledReview]) -> LabelledReview:
    """Return the review of median length among those with the median number of keywords: the one that latency is of."""
    labels = statistics.median_low(len(review.labels) for review in reviews)
    alike = [review for review in reviews if len(review.labels) == labels]
    return sorted(alike, key=lambda review: (len(review.text), review.text, review.id))[len(alike) // 2]
