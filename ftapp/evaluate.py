"""Metrics of a pair on labelled reviews: keywords, sentiment, both together, overall and highlights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ftapp.errors import InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview
from ftapp.schema import Highlight

FIGURES = (
    "keyword_micro_f1", "keyword_macro_f1", "sentiment_accuracy", "sentiment_macro_f1", "pair_f1", "overall_accuracy",
    "highlight_f1",
)  # fmt: skip


@dataclass(frozen=True)
class Metrics:
    """Figures between 0 and 1; None where there was nothing to measure.

    F1 is 2TP / (2TP + FP + FN). Micro counts all labels alike; macro is the mean over the labels that occur in the gold
    or predicted labels. Sentiment is measured on the labelled (review, keyword) pairs, so that it does not depend on the
    keyword model; `pair_f1` is micro-F1 of the whole cascade, keyword and sentiment both right. `highlight_f1` is the
    mean F1 in characters between highlight and evidence over rightly found keywords. `intervals` holds the 95% interval
    (low, high) of each figure, where one was asked for. `like_exact_f1`, for fast highlights alone, is the mean F1 in
    characters between them and the exact ones, over all keywords found.
    """

    reviews: int
    keyword_micro_f1: float | None
    keyword_macro_f1: float | None
    sentiment_accuracy: float | None
    sentiment_macro_f1: float | None
    pair_f1: float | None
    overall_accuracy: float | None
    highlight_f1: float | None
    per_keyword: Mapping[str, Mapping[str, float | int | None]]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    like_exact_f1: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, rounded to four places."""
        asked = {"intervals": bool(self.intervals), "like_exact_f1": self.like_exact_f1 is not None}
        return {name: _rounded(value) for name, value in self.__dict__.items() if asked.get(name, True)}


@dataclass(frozen=True)
class Outcome:
    """What was labelled and what was said, a row for each review: all that figures are made from.

    int [reviews, keywords] sentiment indexes, -1 where a keyword is not there: `gold`, `predicted` by the cascade, `judged`
    by the sentiment model where gold has a keyword (-2 where it could not be read). `overall` [reviews] and `overlap`
    [reviews, keywords] are floats, NaN where there is nothing to measure.
    """

    gold: np.ndarray
    predicted: np.ndarray
    judged: np.ndarray
    overall: np.ndarray
    overlap: np.ndarray

    def rows(self, index: np.ndarray) -> "Outcome":
        """Return the outcome of those reviews, which may stand in it more than once."""
        return Outcome(*(array[index] for array in self.__dict__.values()))


def evaluate(
    predictor: Predictor, reviews: Sequence[LabelledReview], *, highlights: bool | str = True, resamples: int = 0, seed: int = 0
) -> Metrics:
    """Measure a predictor on labelled reviews; raises InputError when there are none.

    `highlights` as for `Predictor.analyze`; `resamples` > 0 adds 95% percentile-bootstrap intervals over the reviews
    (Efron 1979).
    """
    if not reviews:
        raise InputError("There is no labelled review to evaluate on.")
    outcome = observe(predictor, reviews, highlights=highlights)
    metrics = measure(outcome, predictor.scheme.keywords, len(predictor.scheme.sentiments))
    if highlights == "fast":
        metrics = replace(metrics, like_exact_f1=like_exact(predictor, [review.text for review in reviews]))
    if not resamples:
        return metrics
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(resamples):
        again = outcome.rows(rng.integers(0, len(reviews), len(reviews)))
        for name, value in _figures(again, len(predictor.scheme.sentiments)).items():
            if value is not None:
                drawn[name].append(value)
    low_high = {name: np.percentile(values, [2.5, 97.5]) for name, values in drawn.items() if values}
    return replace(metrics, intervals={name: (float(low), float(high)) for name, (low, high) in low_high.items()})


def like_exact(predictor: Predictor, texts: Sequence[str]) -> float | None:
    """Return the mean F1 in characters between fast and exact highlights over all keywords found, None if none is."""
    overlaps = []
    for fast, exact in zip(predictor.analyze(texts, "fast"), predictor.analyze(texts), strict=True):
        marks = {result.keyword: result.highlight for result in exact.keywords if result.highlight}
        pairs = [(result.highlight, marks[result.keyword]) for result in fast.keywords if result.keyword in marks]
        overlaps += [_overlap(one.start, one.end, other.start, other.end) for one, other in pairs if one]
    return mean(overlaps)


def observe(predictor: Predictor, reviews: Sequence[LabelledReview], *, highlights: bool | str = True) -> Outcome:
    """Analyze labelled reviews and set what was said beside what was labelled."""
    scheme = predictor.scheme
    column = {keyword: i for i, keyword in enumerate(scheme.keywords)}
    analyses = predictor.analyze([review.text for review in reviews], highlights=highlights)
    gold = np.full((len(reviews), len(column)), -1)
    predicted, judged = gold.copy(), gold.copy()
    overall, overlap = np.full(len(reviews), np.nan), np.full(gold.shape, np.nan)
    for i, (review, analysis) in enumerate(zip(reviews, analyses, strict=True)):
        evidence = {label.keyword: label.evidence for label in review.labels}
        for label in review.labels:
            gold[i, column[label.keyword]] = label.sentiment
        for result in analysis.keywords:
            k = column[result.keyword]
            predicted[i, k] = scheme.sentiments.index(result.sentiment)
            words = evidence.get(result.keyword)
            if result.highlight and words is not None:
                overlap[i, k] = overlap_f1(review.text, words, result.highlight)
        if scheme.overall is not None and review.overall is not None:
            said = analysis.overall
            overall[i] = said is not None and scheme.sentiments.index(said.sentiment) == review.overall
    pairs = [(i, label.keyword) for i, review in enumerate(reviews) for label in review.labels]
    for (i, keyword), said in zip(pairs, predictor.judge([(reviews[i].text, k) for i, k in pairs]), strict=True):
        judged[i, column[keyword]] = scheme.sentiments.index(said.sentiment) if said else -2
    return Outcome(gold, predicted, judged, overall, overlap)


def measure(outcome: Outcome, keywords: Sequence[str], sentiments: int) -> Metrics:
    """Return the figures of an outcome, each keyword's beside them."""
    there, found, right, exact = _matches(outcome)
    each: dict[str, Mapping[str, float | int | None]] = {}
    for k, keyword in enumerate(keywords):
        asked = there[:, k]
        each[keyword] = {
            "support": int(asked.sum()),
            "f1": f1(right[:, k].sum(), found[:, k].sum(), asked.sum()),
            "precision": ratio(right[:, k].sum(), found[:, k].sum()),
            "recall": ratio(right[:, k].sum(), asked.sum()),
            "sentiment_accuracy": ratio((outcome.gold[asked, k] == outcome.judged[asked, k]).sum(), asked.sum()),
            "pair_f1": f1(exact[:, k].sum(), found[:, k].sum(), asked.sum()),
            "highlight_f1": mean(outcome.overlap[:, k]),
        }
    return Metrics(reviews=len(outcome.gold), per_keyword=each, **_figures(outcome, sentiments))


def _figures(outcome: Outcome, sentiments: int) -> dict[str, Any]:
    """Return each of FIGURES, a float or None."""
    there, found, right, exact = _matches(outcome)
    truth, guess = outcome.gold[there], outcome.judged[there]
    by_keyword = zip(right.sum(axis=0), found.sum(axis=0), there.sum(axis=0), strict=True)
    by_sentiment = ((((truth == s) & (guess == s)).sum(), (guess == s).sum(), (truth == s).sum()) for s in range(sentiments))
    values = (
        f1(right.sum(), found.sum(), there.sum()),
        mean(f1(*counts) for counts in by_keyword),
        ratio((truth == guess).sum(), len(truth)),
        mean(f1(*counts) for counts in by_sentiment),
        f1(exact.sum(), found.sum(), there.sum()),
        mean(outcome.overall),
        mean(outcome.overlap.ravel()),
    )
    return dict(zip(FIGURES, values, strict=True))


def _matches(outcome: Outcome) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return bool [reviews, keywords]: there, found, both, and found with the right sentiment."""
    there, found = outcome.gold >= 0, outcome.predicted >= 0
    right = there & found
    return there, found, right, right & (outcome.gold == outcome.predicted)


def overlap_f1(text: str, evidence: str, highlight: Highlight) -> float:
    """Return the F1 in characters between a highlight and the first place of the evidence in the text."""
    start = text.index(evidence)
    return _overlap(highlight.start, highlight.end, start, start + len(evidence))


def _overlap(start: int, end: int, other_start: int, other_end: int) -> float:
    """Return the F1 in characters of two stretches [start, end)."""
    common = max(0, min(end, other_end) - max(start, other_start))
    return 2 * common / (end - start + other_end - other_start)


def f1(true_positives: int, predicted: int, actual: int) -> float | None:
    """Return F1 from counts; None when the label is neither predicted nor there."""
    return None if predicted + actual == 0 else float(2 * true_positives / (predicted + actual))


def ratio(part: int, whole: int) -> float | None:
    """Return part / whole, None for an empty whole."""
    return float(part / whole) if whole else None


def mean(values: Any) -> float | None:
    """Return the mean of the values that are neither None nor NaN, None if there is none."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else None


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value
