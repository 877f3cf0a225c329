"""Probabilities that mean something: temperatures, thresholds for each keyword, and how far off a model is.

Temperature scaling and expected calibration error after Guo et al. 2017 (On Calibration of Modern Neural Networks).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ftapp.batching import sigmoid, softmax
from ftapp.checkpoint import Manifest
from ftapp.errors import InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview

TEMPERATURES = np.geomspace(0.2, 8, 400)
THRESHOLDS = np.arange(0.2, 0.81, 0.01)
BINS = 15
POOLED = 1.0  # weight of the average keyword's counts beside a keyword's own: a rare keyword must not fit to a few reviews


@dataclass(frozen=True)
class Calibration:
    """Temperatures and thresholds found, and the expected calibration error of either half at T = 1 and at its own."""

    temperatures: dict[str, float]
    thresholds: dict[str, float]
    error_before: dict[str, float]
    error_after: dict[str, float]

    def apply(self, manifest: Manifest) -> Manifest:
        """Return the manifest with these temperatures and thresholds."""
        return replace(manifest, temperatures=self.temperatures, thresholds=self.thresholds)


def calibrate(predictor: Predictor, reviews: Sequence[LabelledReview]) -> Calibration:
    """Find temperatures and thresholds on labelled reviews that the pair was not trained on; raises InputError for none."""
    keyword, there, sentiment, truth = labelled_logits(predictor, reviews)
    temperatures = {
        "keyword": fit_temperature(lambda t: binary_loss(keyword / t, there)),
        "sentiment": fit_temperature(lambda t: class_loss(sentiment / t, truth)),
    }
    probabilities = sigmoid(keyword / temperatures["keyword"])
    thresholds = fit_thresholds(probabilities, there)
    before, after = (
        {"keyword": binary_error(sigmoid(keyword / k), there), "sentiment": class_error(softmax(sentiment / s), truth)}
        for k, s in ((1.0, 1.0), (temperatures["keyword"], temperatures["sentiment"]))
    )
    return Calibration(
        temperatures,
        {name: round(float(value), 2) for name, value in zip(predictor.scheme.keywords, thresholds, strict=True)},
        before,
        after,
    )


def labelled_logits(
    predictor: Predictor, reviews: Sequence[LabelledReview]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the pair's raw logits (no temperature) and their truth: what every calibration figure is made from.

    Keyword logits [reviews, keywords] with bool of the same shape, sentiment logits [pairs, sentiments] with the class of
    each labelled pair, overall included. Reviews that are not readable are left out.
    """
    plain = replace(predictor, manifest=replace(predictor.manifest, temperatures={}))
    scheme = predictor.scheme
    probabilities = plain.keyword_probabilities([review.text for review in reviews])
    readable = np.flatnonzero(probabilities.any(axis=1))
    if not len(readable):
        raise InputError("There is no labelled review to calibrate on.")
    kept = [reviews[i] for i in readable.tolist()]
    there = np.array([[k in {x.keyword for x in r.labels} for k in scheme.keywords] for r in kept])
    asked = [(r.text, x.keyword, x.sentiment) for r in kept for x in r.labels]
    if scheme.overall is not None:
        asked += [(r.text, scheme.overall, r.overall) for r in kept if r.overall is not None]
    judged = plain.judge([(text, keyword) for text, keyword, _ in asked])
    sentiment = np.log([list(result.probabilities.values()) for result in judged if result])
    return logit(probabilities[readable]), there, sentiment, np.array([sentiment for *_, sentiment in asked])


def logit(probabilities: np.ndarray) -> np.ndarray:
    """Return the inverse of the logistic function, finite at 0 and 1."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.log(clipped) - np.log1p(-clipped)


def fit_temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature of the grid with the least loss."""
    return round(float(min(TEMPERATURES, key=loss)), 3)


def fit_thresholds(probabilities: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return [keywords] thresholds of the best F1, each keyword's counts mixed with the average keyword's."""
    found = probabilities[None] >= THRESHOLDS[:, None, None]
    right, said = (found & there).sum(axis=1), found.sum(axis=1)  # [thresholds, keywords]
    mixed = [counts + POOLED * counts.mean(axis=1, keepdims=True) for counts in (right, said)]
    actual = there.sum(axis=0)
    score = 2 * mixed[0] / (mixed[1] + actual + POOLED * actual.mean())
    return THRESHOLDS[score.argmax(axis=0)]


def binary_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean negative log likelihood of independent yes-or-no labels."""
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())


def class_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean negative log likelihood of one class each."""
    return float(-np.log(softmax(logits)[np.arange(len(truth)), truth]).mean())


def binary_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error of yes-or-no probabilities: mean |share that is true - probability| over bins."""
    return expected_error(probabilities.ravel(), truth.ravel())


def class_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error of the most probable class: mean |accuracy - confidence| over bins."""
    return expected_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def expected_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return sum over equal-width bins of (share of cases) x |mean of right - mean confidence|."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs((right[bins == b] - confidence[bins == b]).sum()) for b in range(BINS)]
    return round(float(sum(gaps) / len(confidence)), 4)
