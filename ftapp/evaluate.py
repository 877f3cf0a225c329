"""Metrics of a pair on labelled reviews: keywords, sentiment, both together, overall and highlights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftapp.errors import InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview
from ftapp.schema import Highlight


@dataclass(frozen=True)
class Metrics:
    """Figures between 0 and 1; None where there was nothing to measure.

    F1 is 2TP / (2TP + FP + FN). Micro counts all labels alike; macro is the mean over the labels that occur in the gold
    or predicted labels. Sentiment is measured on the labelled (review, keyword) pairs, so that it does not depend on the
    keyword model; `pair_f1` is micro-F1 of the whole cascade, keyword and sentiment both right. `highlight_f1` is the
    mean F1 in characters between highlight and evidence over rightly found keywords.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, rounded to four places."""
        return {name: _rounded(value) for name, value in self.__dict__.items()}


def evaluate(predictor: Predictor, reviews: Sequence[LabelledReview], *, highlights: bool = True) -> Metrics:
    """Measure a predictor on labelled reviews; raises InputError when there are none."""
    if not reviews:
        raise InputError("There is no labelled review to evaluate on.")
    scheme = predictor.scheme
    column = {keyword: i for i, keyword in enumerate(scheme.keywords)}
    analyses = predictor.analyze([review.text for review in reviews], highlights=highlights)
    gold = np.full((len(reviews), len(column)), -1)  # sentiment index, -1 where the keyword is not there
    predicted = gold.copy()
    overlaps: list[list[float]] = [[] for _ in column]
    for i, (review, analysis) in enumerate(zip(reviews, analyses, strict=True)):
        evidence = {label.keyword: label.evidence for label in review.labels}
        for label in review.labels:
            gold[i, column[label.keyword]] = label.sentiment
        for result in analysis.keywords:
            predicted[i, column[result.keyword]] = scheme.sentiments.index(result.sentiment)
            if result.highlight and result.keyword in evidence:
                overlaps[column[result.keyword]].append(overlap_f1(review.text, evidence[result.keyword], result.highlight))

    pairs = [(i, label) for i, review in enumerate(reviews) for label in review.labels]
    judged = predictor.judge([(reviews[i].text, label.keyword) for i, label in pairs])
    truth = np.array([label.sentiment for _, label in pairs], dtype=int)
    guess = np.array([scheme.sentiments.index(r.sentiment) if r else -1 for r in judged], dtype=int)
    where = np.array([column[label.keyword] for _, label in pairs], dtype=int)
    overall = [a.overall is not None and scheme.sentiments.index(a.overall.sentiment) == r.overall
               for r, a in zip(reviews, analyses, strict=True)]  # fmt: skip

    there, found = gold >= 0, predicted >= 0
    right = there & found
    exact = right & (gold == predicted)
    each = {}
    for keyword, k in column.items():
        asked = where == k
        each[keyword] = {
            "support": int(there[:, k].sum()),
            "f1": f1(right[:, k].sum(), found[:, k].sum(), there[:, k].sum()),
            "precision": ratio(right[:, k].sum(), found[:, k].sum()),
            "recall": ratio(right[:, k].sum(), there[:, k].sum()),
            "sentiment_accuracy": ratio((truth[asked] == guess[asked]).sum(), asked.sum()),
            "pair_f1": f1(exact[:, k].sum(), found[:, k].sum(), there[:, k].sum()),
            "highlight_f1": mean(overlaps[k]),
        }
    return Metrics(
        reviews=len(reviews),
        keyword_micro_f1=f1(right.sum(), found.sum(), there.sum()),
        keyword_macro_f1=mean(row["f1"] for row in each.values()),
        sentiment_accuracy=ratio((truth == guess).sum(), len(truth)),
        sentiment_macro_f1=mean(
            f1(((truth == s) & (guess == s)).sum(), (guess == s).sum(), (truth == s).sum())
            for s in range(len(scheme.sentiments))
        ),
        pair_f1=f1(exact.sum(), found.sum(), there.sum()),
        overall_accuracy=mean(map(float, overall)) if scheme.overall else None,
        highlight_f1=mean(value for values in overlaps for value in values),
        per_keyword=each,
    )


def overlap_f1(text: str, evidence: str, highlight: Highlight) -> float:
    """Return the F1 in characters between a highlight and the first place of the evidence in the text."""
    start = text.index(evidence)
    common = max(0, min(highlight.end, start + len(evidence)) - max(highlight.start, start))
    return 2 * common / (highlight.end - highlight.start + len(evidence))


def f1(true_positives: int, predicted: int, actual: int) -> float | None:
    """Return F1 from counts; None when the label is neither predicted nor there."""
    return None if predicted + actual == 0 else float(2 * true_positives / (predicted + actual))


def ratio(part: int, whole: int) -> float | None:
    """Return part / whole, None for an empty whole."""
    return float(part / whole) if whole else None


def mean(values: Any) -> float | None:
    """Return the mean of the values that are not None, None if there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    return round(value, 4) if isinstance(value, float) else value
