"""What differs between two variants is found, counted in the right cell, and listed with the most confident first."""

from dataclasses import replace

import numpy as np
import pytest

from ftapp import compare
from ftapp.compare import CELLS, differences, floor_of, keyword_answers, matrix, ordered, overall_answers, sentiment_answers
from ftapp.errors import InputError
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import Analysis, Highlight, KeywordResult, LabelScheme, SentimentResult

SCHEME = LabelScheme(("색상", "배송", "품질"), ("부정", "중립", "긍정"), "만족도")
TEXT = "배송이 늦었어요"


def feeling(sentiment: str, probability: float = 0.8) -> dict[str, float]:
    rest = (1 - probability) / 2
    return {name: probability if name == sentiment else rest for name in SCHEME.sentiments}


def keyword(name: str, probability: float, sentiment: str = "부정", sure: float = 0.8, span: tuple[int, int] | None = None):
    highlight = Highlight(*span, TEXT[slice(*span)]) if span else None
    return KeywordResult(name, probability, 0.5, sentiment, feeling(sentiment, sure), highlight)


def review(*keywords: KeywordResult, overall: str | None = "부정", sure: float = 0.8, text: str = TEXT) -> Analysis:
    return Analysis(text, keywords, SentimentResult(overall, feeling(overall, sure)) if overall else None)


def kinds(reference: Analysis, other: Analysis) -> dict[str, tuple[str, ...]]:
    return {row.name: row.kinds for row in differences(reference, other, SCHEME)}


def test_the_same_analysis_has_a_row_for_overall_and_each_keyword_and_no_difference():
    one = review(keyword("품질", 0.9), keyword("색상", 0.6))
    assert kinds(one, one) == {"만족도": (), "색상": (), "품질": ()}  # label order, whatever the order of the analysis


def test_keywords_are_gained_and_lost_at_their_threshold():
    reference = review(keyword("색상", 0.5), keyword("배송", 0.49))
    other = review(keyword("색상", 0.49), keyword("배송", 0.5), keyword("품질", 0.3))
    assert kinds(reference, other) == {"만족도": (), "색상": ("lost",), "배송": ("gained",)}
    rows = {row.name: row for row in differences(reference, other, SCHEME)}
    assert rows["색상"].other.probability == 0.49  # how near it was
    assert rows["색상"].mention == pytest.approx(-0.01)


def test_a_keyword_that_the_other_did_not_compute_is_lost_from_nothing():
    row = differences(review(keyword("색상", 0.9)), review(), SCHEME)[1]
    assert (row.kinds, row.other, row.mention) == (("lost",), None, -0.9)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (keyword("배송", 0.86, span=(0, 8)), ()),
        (keyword("배송", 0.85, span=(0, 8)), ("mention",)),
        (keyword("배송", 0.95, span=(0, 8)), ("mention",)),
        (keyword("배송", 0.9, sure=0.76, span=(0, 8)), ()),
        (keyword("배송", 0.9, sure=0.74, span=(0, 8)), ("feeling",)),
        (keyword("배송", 0.9, "긍정", span=(0, 8)), ("sentiment",)),  # a probability that shifts with it is no news
        (keyword("배송", 0.9, span=(4, 8)), ("highlight",)),
        (keyword("배송", 0.9), ()),  # computed without highlights
        (keyword("배송", 0.7, "중립", span=(4, 8)), ("sentiment", "mention", "highlight")),
    ],
)
def test_what_moves_is_named(other, expected):
    assert kinds(review(keyword("배송", 0.9, span=(0, 8))), review(other))["배송"] == expected


def test_overall_differs_by_sentiment_and_by_probability():
    assert kinds(review(), review(overall="긍정"))["만족도"] == ("sentiment",)
    assert kinds(review(), review(sure=0.5))["만족도"] == ("feeling",)
    assert kinds(review(overall=None), review(overall=None)) == {}


def test_a_scheme_without_overall_has_no_row_for_it():
    scheme = replace(SCHEME, overall=None)
    assert differences(review(overall=None), review(overall=None), scheme) == []


def test_analyses_of_other_texts_are_refused():
    with pytest.raises(InputError, match="same text"):
        differences(review(), review(text="다른 글"), SCHEME)
    with pytest.raises(InputError, match="same texts"):
        keyword_answers([review()], [], SCHEME)


FULL = [
    review(keyword("색상", 0.9), keyword("배송", 0.8)),
    review(keyword("색상", 0.55), text="나"),
    review(text="다"),
]
OTHER = [
    review(keyword("색상", 0.9), keyword("배송", 0.8, "긍정", 0.6), overall="긍정", sure=0.9),
    review(keyword("색상", 0.2), text="나"),
    review(keyword("배송", 0.99), text="다"),
]


def test_every_review_and_keyword_lies_in_one_cell():
    answers = keyword_answers(FULL, OTHER, SCHEME)
    counts = matrix(answers, SCHEME.keywords, CELLS)
    assert counts.tolist() == [[1, 1, 0, 1], [1, 0, 1, 1], [0, 0, 0, 3]]
    assert counts.sum() == len(FULL) * len(SCHEME.keywords)
    flips = [(a.review, a.name, a.cell[1]) for a in ordered(a for a in answers if a.flipped)]
    assert flips == [(2, "배송", "other"), (1, "색상", "reference")]  # 0.99 against nothing before 0.55 against 0.2


def test_confidence_is_the_mean_of_how_sure_both_are():
    of = {(a.review, a.name): a.confidence for a in keyword_answers(FULL, OTHER, SCHEME)}
    assert of[1, "색상"] == pytest.approx((0.55 + 0.8) / 2)
    assert of[2, "배송"] == pytest.approx((1 + 0.99) / 2)
    assert of[0, "품질"] == 1


def test_sentiments_are_compared_where_both_found_the_keyword():
    answers = sentiment_answers(FULL, OTHER, SCHEME)
    assert [(a.review, a.name, a.cell) for a in answers] == [(0, "색상", ("부정", "부정")), (0, "배송", ("부정", "긍정"))]
    assert [a.flipped for a in answers] == [False, True]
    assert answers[1].confidence == pytest.approx((0.8 + 0.6) / 2)
    assert matrix(answers, SCHEME.sentiments, SCHEME.sentiments).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_overall_is_compared_where_both_read_the_review():
    answers = overall_answers([*FULL, review(overall=None, text="")], [*OTHER, review(overall=None, text="")], SCHEME)
    assert [(a.review, a.cell) for a in answers if a.flipped] == [(0, ("부정", "긍정"))]
    assert len(answers) == 3


def test_nothing_to_compare_is_an_empty_matrix():
    assert not matrix(keyword_answers([], [], SCHEME), SCHEME.keywords, CELLS).any()
    assert matrix([], SCHEME.sentiments, SCHEME.sentiments).shape == (3, 3)


def test_a_label_says_who_is_right():
    labels = [
        LabelledReview("a", TEXT, (Label("색상", 0), Label("배송", 2)), 1),
        LabelledReview("b", "나", (), None),
        LabelledReview("c", "다", (Label("배송", 0),), 0),
    ]
    answers = [
        *keyword_answers(FULL, OTHER, SCHEME), *sentiment_answers(FULL, OTHER, SCHEME), *overall_answers(FULL, OTHER, SCHEME),
    ]  # fmt: skip
    said = {(a.view, a.review, a.name): compare.who_is_right(a, labels[a.review], SCHEME) for a in answers}
    assert said["keyword", 1, "색상"] == "other"  # it is not there, and only full found it
    assert said["keyword", 2, "배송"] == "other"
    assert said["keyword", 0, "색상"] == said["keyword", 0, "품질"] == "both"
    assert said["sentiment", 0, "배송"] == "other"
    assert said["sentiment", 0, "색상"] == "both"
    assert said["overall", 0, "만족도"] == "neither"
    assert said["overall", 1, "만족도"] is None  # not labelled
    unlabelled = LabelledReview("a", TEXT, (), None)
    assert compare.who_is_right(sentiment_answers(FULL, OTHER, SCHEME)[0], unlabelled, SCHEME) is None


def test_the_floor_is_below_every_threshold_of_the_model(predictor):
    assert floor_of(predictor) == compare.FLOOR
    manifest = replace(predictor.manifest, thresholds={"배송": 0.05})
    assert floor_of(replace(predictor, manifest=manifest)) == 0.05


def test_a_predictor_differs_in_nothing_from_itself(predictor):
    texts = ["디자인은 예쁜데 배송이 늦었어요", "", "품질은 좀 별로지만 값이 싸서 괜찮아요"]
    said = predictor.analyze(texts, threshold=floor_of(predictor))
    for analysis in said:
        assert all(row.kinds == () for row in differences(analysis, analysis, predictor.scheme))
    counts = matrix(keyword_answers(said, said, predictor.scheme), predictor.scheme.keywords, CELLS)
    assert not counts[:, 1:3].any()
    found = np.array([len(analysis.above().keywords) for analysis in said]).sum()
    assert counts[:, 0].sum() == found == len(sentiment_answers(said, said, predictor.scheme)) > 0
