"""A manifest with `focus`: a keyword's sentiment is the mean of the whole review's and of its own clause's."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import REVIEWS

from ftapp.batching import softmax
from ftapp.predictor import Predictor
from ftapp.text import prepare

TEXT = "디자인은 예쁜데 배송이 늦었어요"


class Spotting:
    """A keyword engine that is sure of 디자인 while it sees one token, of 배송 while it sees another, of nothing else."""

    def __init__(self, predictor: Predictor, **tokens: str) -> None:
        self.labels = predictor.keyword_engine.labels
        self.columns = {
            predictor.scheme.keywords.index(keyword): predictor.tokenizer.encode([[word]])[0].ids[0]
            for keyword, word in tokens.items()
        }

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        out = np.full((len(ids), self.labels), -4, dtype=np.float32)
        for column, token in self.columns.items():
            out[(ids == token).any(axis=1), column] = 4
        return out


@pytest.fixture
def focused(predictor: Predictor) -> Predictor:
    spotting = Spotting(predictor, 디자인="디자인은", 배송="배송이")
    return replace(predictor, keyword_engine=spotting, manifest=replace(predictor.manifest, focus=True))


def probabilities(predictor: Predictor, text: str, keyword: str) -> np.ndarray:
    """Return what the sentiment model says of a text as a whole, from its logits alone."""
    words = [word.text for word in prepare(text, spacing=predictor.manifest.spacing).words]
    ids = predictor.tokenizer.encode([words])[0].ids
    row = np.array([predictor.tokenizer.prompt_frame(predictor.manifest.template, keyword).wrap(ids)])
    return predictor.sentiment_engine.logits(row, np.ones_like(row))[0]


@pytest.mark.parametrize("highlights", [True, "fast", False])
def test_each_keyword_is_read_in_the_whole_and_in_its_clause(focused: Predictor, highlights: bool | str) -> None:
    (analysis,) = focused.analyze([TEXT], highlights)
    clauses = {"디자인": "디자인은 예쁜데", "배송": "배송이 늦었어요"}
    assert [result.keyword for result in analysis.keywords] == list(clauses)
    for result in analysis.keywords:
        both = [probabilities(focused, text, result.keyword) for text in (TEXT, clauses[result.keyword])]
        expected = softmax(np.mean(both, axis=0))
        assert list(result.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    overall = softmax(probabilities(focused, TEXT, "만족도"))
    assert list(analysis.overall.probabilities.values()) == pytest.approx(overall.tolist(), abs=1e-5)


def test_a_pair_is_judged_as_it_is_analyzed(focused: Predictor) -> None:
    (analysis,) = focused.analyze([TEXT], False)
    judged = focused.judge([(TEXT, "배송"), ("", "배송"), (TEXT, "만족도"), (TEXT, "디자인")])
    assert judged[1] is None
    said = {result.keyword: result for result in analysis.keywords}
    for answer, expected in ((judged[0], said["배송"]), (judged[3], said["디자인"]), (judged[2], analysis.overall)):
        assert list(answer.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)


def test_a_review_of_one_clause_is_read_once(focused: Predictor) -> None:
    (analysis,) = focused.analyze(["배송이 늦었어요"], False)
    (result,) = analysis.keywords
    expected = softmax(probabilities(focused, "배송이 늦었어요", "배송"))
    assert list(result.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_without_focus_nothing_changes_and_with_it_rows_keep_their_order(predictor: Predictor) -> None:
    focused = replace(predictor, manifest=replace(predictor.manifest, focus=True))
    plain, other = predictor.analyze(REVIEWS, False), focused.analyze(REVIEWS, False)
    assert [a.text for a in other] == REVIEWS
    assert [[k.keyword for k in a.keywords] for a in plain] == [[k.keyword for k in a.keywords] for a in other]
    assert [a.overall.sentiment for a in plain] == [a.overall.sentiment for a in other]
    assert any(one != two for a, b in zip(plain, other, strict=True) for one, two in zip(a.keywords, b.keywords, strict=True))
