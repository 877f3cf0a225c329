"""Two variants on the same reviews: how their analyses of one differ, and where their answers to many flip.

Analyses are compared by each keyword's own threshold. Give those of `analyze(..., threshold=floor_of(...))`: what lies
between floor and threshold shows how near a lost keyword was; below the floor a probability is not known and counts as 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ftapp.errors import InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview
from ftapp.schema import Analysis, KeywordResult, LabelScheme, SentimentResult

FLOOR = 0.1  # keywords below this probability are not computed
SHIFT = 0.05  # a probability that moves less than this counts as the same
CELLS = ("both", "reference", "other", "neither")  # who found the keyword, or who is right

Result = KeywordResult | SentimentResult


@dataclass(frozen=True)
class Difference:
    """What two variants say of one keyword, or of overall; None where nothing is known of it.

    `kinds` name what differs: "gained", "lost", "sentiment", "mention" and "feeling" (a probability moved by SHIFT or more),
    "highlight"; empty where both say the same. `mention` and `feeling` are how far the probabilities of the keyword and of the
    reference's sentiment move.
    """

    name: str
    reference: Result | None
    other: Result | None
    kinds: tuple[str, ...]
    mention: float = 0.0
    feeling: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What two variants say of one thing in one review: `cell` is its (row, column) in the matrix of all such answers.

    `view` is "keyword" (is it there?), "sentiment" (of a keyword that both found) or "overall". `confidence` is the mean of
    how sure either is of its own answer.
    """

    view: str
    review: int
    name: str
    reference: Result | None
    other: Result | None
    cell: tuple[str, str]
    confidence: float

    @property
    def flipped(self) -> bool:
        """Whether the two differ."""
        return self.cell[1] in CELLS[1:3] if self.view == "keyword" else self.cell[0] != self.cell[1]


def floor_of(predictor: Predictor) -> float:
    """Return the threshold to analyze with: low enough for every keyword that the model would find."""
    return min(FLOOR, *map(predictor.manifest.threshold_of, predictor.scheme.keywords))


def found(result: Result | None) -> bool:
    """Whether a variant says it: a keyword at or above its threshold, any overall sentiment."""
    return result is not None and (not isinstance(result, KeywordResult) or result.probability >= result.threshold)


def differences(reference: Analysis, other: Analysis, scheme: LabelScheme) -> list[Difference]:
    """Return overall, then every keyword that either variant found, in label order; raises InputError for two texts."""
    pairs = _pairs([reference], [other])
    rows = []
    if scheme.overall is not None and (reference.overall or other.overall):
        rows.append(_difference(scheme.overall, reference.overall, other.overall))
    for _, keyword, one, two in _keyword_results(pairs, scheme.keywords):
        if found(one) or found(two):
            rows.append(_difference(keyword, one, two))
    return rows


def keyword_answers(reference: Sequence[Analysis], other: Sequence[Analysis], scheme: LabelScheme) -> list[Answer]:
    """Return an answer for every review and keyword, in the cells (keyword, one of CELLS)."""
    answers = []
    for i, keyword, one, two in _keyword_results(_pairs(reference, other), scheme.keywords):
        sure = [_mention(result) if found(result) else 1 - _mention(result) for result in (one, two)]
        answers.append(Answer("keyword", i, keyword, one, two, (keyword, _which([found(one), found(two)])), sum(sure) / 2))
    return answers


def sentiment_answers(reference: Sequence[Analysis], other: Sequence[Analysis], scheme: LabelScheme) -> list[Answer]:
    """Return an answer for every keyword that both found in a review, in the cells (reference's sentiment, other's)."""
    return [
        _felt("sentiment", i, keyword, one, two)
        for i, keyword, one, two in _keyword_results(_pairs(reference, other), scheme.keywords)
        if one and two and found(one) and found(two)
    ]


def overall_answers(reference: Sequence[Analysis], other: Sequence[Analysis], scheme: LabelScheme) -> list[Answer]:
    """Return an answer for every review's overall sentiment, in the cells (reference's sentiment, other's)."""
    return [
        _felt("overall", i, scheme.overall or "", one.overall, two.overall)
        for i, (one, two) in enumerate(_pairs(reference, other))
        if one.overall and two.overall
    ]


def matrix(answers: Iterable[Answer], rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """Return int [rows, columns], how many answers lie in each cell."""
    counts = np.zeros((len(rows), len(columns)), dtype=int)
    row_of, column_of = ({name: i for i, name in enumerate(names)} for names in (rows, columns))
    for answer in answers:
        row, column = answer.cell
        counts[row_of[row], column_of[column]] += 1
    return counts


def ordered(answers: Iterable[Answer]) -> list[Answer]:
    """Return answers most confident first, those alike in the order of their reviews."""
    return sorted(answers, key=lambda answer: (-answer.confidence, answer.review))


def who_is_right(answer: Answer, review: LabelledReview, scheme: LabelScheme) -> str | None:
    """Return which variant says what a person labelled, one of CELLS; None where there is no label to go by.

    In the keyword view the question is whether the keyword is there, else which sentiment is the right one.
    """
    labels = {label.keyword: label.sentiment for label in review.labels}
    if answer.view == "keyword":
        return _which([found(result) == (answer.name in labels) for result in (answer.reference, answer.other)])
    index = review.overall if answer.view == "overall" else labels.get(answer.name)
    return None if index is None else _which([said == scheme.sentiments[index] for said in answer.cell])


def _which(of: Sequence[bool]) -> str:
    """Return which of reference and other it is true of, one of CELLS."""
    one, two = of
    return CELLS[0] if one and two else CELLS[1] if one else CELLS[2] if two else CELLS[3]


def _difference(name: str, reference: Result | None, other: Result | None) -> Difference:
    """Return what differs between two results of one keyword or of overall."""
    mention = _mention(other) - _mention(reference)
    if reference is None or other is None or not found(reference) or not found(other):
        return Difference(name, reference, other, ("gained",) if found(other) else ("lost",), mention)
    feeling = other.probabilities[reference.sentiment] - reference.probabilities[reference.sentiment]
    kinds = []
    if reference.sentiment != other.sentiment:
        kinds.append("sentiment")
    elif _shifted(feeling):
        kinds.append("feeling")
    if isinstance(reference, KeywordResult) and isinstance(other, KeywordResult):
        if _shifted(mention):
            kinds.append("mention")
        one, two = reference.highlight, other.highlight
        if one and two and (one.start, one.end) != (two.start, two.end):
            kinds.append("highlight")
    return Difference(name, reference, other, tuple(kinds), mention, feeling)


def _felt(view: str, review: int, name: str, reference: Result, other: Result) -> Answer:
    sure = [result.probabilities[result.sentiment] for result in (reference, other)]
    return Answer(view, review, name, reference, other, (reference.sentiment, other.sentiment), sum(sure) / 2)


def _shifted(difference: float) -> bool:
    return round(abs(difference), 9) >= SHIFT


def _mention(result: Result | None) -> float:
    """Return a keyword's probability, 0 where it is not known and for overall, which is always there."""
    return result.probability if isinstance(result, KeywordResult) else 0.0


def _keyword_results(
    pairs: Iterable[tuple[Analysis, Analysis]], keywords: Sequence[str]
) -> Iterable[tuple[int, str, KeywordResult | None, KeywordResult | None]]:
    """Yield the two results for every review and keyword, None where a variant has none."""
    for i, pair in enumerate(pairs):
        one, two = ({result.keyword: result for result in analysis.keywords} for analysis in pair)
        for keyword in keywords:
            yield i, keyword, one.get(keyword), two.get(keyword)


def _pairs(reference: Sequence[Analysis], other: Sequence[Analysis]) -> list[tuple[Analysis, Analysis]]:
    """Return the analyses two by two; raises InputError unless they are of the same texts."""
    if [one.text for one in reference] != [two.text for two in other]:
        raise InputError("Only analyses of the same texts, in the same order, can be compared.")
    return list(zip(reference, other, strict=True))
