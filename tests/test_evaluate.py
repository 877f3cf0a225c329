"""Metrics: equal to scikit-learn's, and right on a case counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import REVIEWS
from sklearn.metrics import accuracy_score, f1_score

from ftapp.errors import InputError
from ftapp.evaluate import FIGURES, evaluate, f1, mean, overlap_f1
from ftapp.predictor import Predictor
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import KEYWORDS, SENTIMENTS, Highlight


def labelled(seed: int) -> list[LabelledReview]:
    """Return the fixture reviews with random labels, whose evidence is their first word."""
    random = np.random.default_rng(seed)
    reviews = []
    for i, text in enumerate(REVIEWS):
        chosen = random.permutation(14)[: random.integers(0, 5)]
        labels = tuple(Label(KEYWORDS[k], int(random.integers(5)), text.split()[0]) for k in chosen)
        reviews.append(LabelledReview(str(i), text, labels, int(random.integers(5))))
    return reviews


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_figures_equal_those_of_scikit_learn(predictor: Predictor, seed: int) -> None:
    reviews = labelled(seed)
    metrics = evaluate(predictor, reviews)
    analyses = predictor.analyze([review.text for review in reviews])
    gold = np.array([[k in {x.keyword for x in r.labels} for k in KEYWORDS] for r in reviews])
    found = np.array([[k in {x.keyword for x in a.keywords} for k in KEYWORDS] for a in analyses])
    there = gold.any(0) | found.any(0)
    assert metrics.keyword_micro_f1 == pytest.approx(f1_score(gold, found, average="micro"))
    assert metrics.keyword_macro_f1 == pytest.approx(f1_score(gold[:, there], found[:, there], average="macro"))
    pairs = [(r.text, x.keyword) for r in reviews for x in r.labels]
    truth = [x.sentiment for r in reviews for x in r.labels]
    guess = [SENTIMENTS.index(s.sentiment) for s in predictor.judge(pairs) if s]
    assert metrics.sentiment_accuracy == pytest.approx(accuracy_score(truth, guess))
    assert metrics.sentiment_macro_f1 == pytest.approx(f1_score(truth, guess, average="macro"))
    both = [(i, x.keyword, x.sentiment) for i, r in enumerate(reviews) for x in r.labels]
    told = [(i, x.keyword, SENTIMENTS.index(x.sentiment)) for i, a in enumerate(analyses) for x in a.keywords]
    assert metrics.pair_f1 == pytest.approx(2 * len(set(both) & set(told)) / (len(both) + len(told)))
    overall = [SENTIMENTS.index(a.overall.sentiment) == r.overall for a, r in zip(analyses, reviews, strict=True) if a.overall]
    assert metrics.overall_accuracy == pytest.approx(np.mean(overall))


def test_gold_made_from_the_predictions_gives_ones(predictor: Predictor) -> None:
    reviews = []
    for i, analysis in enumerate(predictor.analyze(REVIEWS)):
        labels = tuple(
            Label(k.keyword, SENTIMENTS.index(k.sentiment), k.highlight.text) for k in analysis.keywords if k.highlight
        )
        assert analysis.overall
        reviews.append(LabelledReview(str(i), analysis.text, labels, SENTIMENTS.index(analysis.overall.sentiment)))
    metrics = evaluate(predictor, reviews)
    for name in ("keyword_micro_f1", "keyword_macro_f1", "sentiment_accuracy", "sentiment_macro_f1", "pair_f1",
                 "overall_accuracy", "highlight_f1"):  # fmt: skip
        assert getattr(metrics, name) == pytest.approx(1.0), name
    assert set(metrics.per_keyword) == set(KEYWORDS)


def test_intervals_hold_the_figures_and_narrow_with_more_reviews(predictor: Predictor) -> None:
    reviews = labelled(0)
    few = evaluate(predictor, reviews, resamples=200)
    many = evaluate(predictor, [replace(r, id=f"{r.id}-{i}") for i in range(20) for r in reviews], resamples=200)
    assert evaluate(predictor, reviews).intervals == {}
    assert set(few.intervals) == set(FIGURES)
    for name in FIGURES:
        low, high = few.intervals[name]
        assert low <= getattr(few, name) <= high
        assert many.intervals[name][1] - many.intervals[name][0] < high - low
    assert few.to_dict()["intervals"]["pair_f1"] == [round(value, 4) for value in few.intervals["pair_f1"]]


def test_what_was_not_labelled_is_not_measured(predictor: Predictor) -> None:
    bare = [replace(r, labels=tuple(replace(x, evidence=None) for x in r.labels), overall=None) for r in labelled(0)]
    metrics = evaluate(predictor, bare)
    assert metrics.keyword_micro_f1 == evaluate(predictor, labelled(0), highlights=False).keyword_micro_f1
    assert (metrics.overall_accuracy, metrics.highlight_f1) == (None, None)


def test_highlights_may_be_left_out_and_a_scheme_may_lack_overall(predictor: Predictor) -> None:
    metrics = evaluate(predictor, labelled(0), highlights=False)
    assert metrics.highlight_f1 is None
    scheme = replace(predictor.scheme, overall=None)
    without = replace(predictor, manifest=replace(predictor.manifest, scheme=scheme))
    assert evaluate(without, labelled(0), highlights=False).overall_accuracy is None


def test_an_unreadable_review_counts_as_wrong(predictor: Predictor) -> None:
    metrics = evaluate(predictor, [LabelledReview("a", "👍", (Label("품질", 3, "👍"),), 3)])
    assert (metrics.sentiment_accuracy, metrics.overall_accuracy, metrics.keyword_micro_f1) == (0.0, 0.0, 0.0)


def test_overlap_is_measured_in_characters() -> None:
    text = "디자인은 예쁜데 배송이 늦었어요"
    assert overlap_f1(text, "배송이 늦었어요", Highlight(9, 17, text[9:17])) == 1.0
    assert overlap_f1(text, "늦었어요", Highlight(9, 17, text[9:17])) == pytest.approx(2 * 4 / 12)
    assert overlap_f1(text, "디자인은", Highlight(9, 17, text[9:17])) == 0.0


def test_nothing_to_measure_is_none_not_zero(predictor: Predictor) -> None:
    assert f1(0, 0, 0) is None
    assert mean([None, None]) is None
    with pytest.raises(InputError, match="no labelled review"):
        evaluate(predictor, [])
