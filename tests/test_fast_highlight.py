"""Fast highlights: whole clauses are masked, in fewer passes, and the one that matters most is marked."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import REVIEWS
from hypothesis import given
from hypothesis import strategies as st

from ftapp.errors import InputError
from ftapp.evaluate import evaluate, like_exact
from ftapp.highlight import LONGEST_SEGMENT, segment_rows, segments
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview
from ftapp.schema import Word
from ftapp.text import prepare
from ftapp.tokenizer import EncodedText, Frame

WORDS = st.lists(st.tuples(st.sampled_from(["핏이", "예쁜데", "좋아요", "조금", "길고"]), st.integers(0, 1)), max_size=20)


class Counting:
    """An engine that counts the rows it is given."""

    def __init__(self, engine) -> None:
        self.engine, self.labels, self.rows = engine, engine.labels, 0

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.rows += len(ids)
        return self.engine.logits(ids, mask)


class Spotting:
    """A keyword engine that is sure of every keyword until one token is hidden."""

    def __init__(self, token: int, labels: int) -> None:
        self.token, self.labels = token, labels

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        seen = (ids == self.token).any(axis=1, keepdims=True)
        return np.where(seen, 4.0, -4.0).astype(np.float32) * np.ones((1, self.labels), dtype=np.float32)


def test_a_clause_ends_with_a_verdict_or_its_sentence() -> None:
    words = prepare("디자인은 예쁜데 배송이 늦었어요. 색감 최고", spacing=False).words
    assert [[words[i].text for i in piece] for piece in segments(words)] == [
        ["디자인은", "예쁜데"], ["배송이", "늦었어요."], ["색감", "최고"],
    ]  # fmt: skip


@given(WORDS)
def test_clauses_are_all_words_once_in_order_and_inside_sentences(drawn: list[tuple[str, int]]) -> None:
    sentences = np.cumsum([step for _, step in drawn]).tolist()
    words = [Word(2 * i, 2 * i + 1, text, sentences[i]) for i, (text, _) in enumerate(drawn)]
    pieces = segments(words)
    assert [i for piece in pieces for i in piece] == list(range(len(words)))
    assert all(1 <= len(piece) <= LONGEST_SEGMENT for piece in pieces)
    assert all(len({words[i].sentence for i in piece}) == 1 for piece in pieces)


def test_each_clause_is_masked_word_by_word_and_unread_words_are_left_out() -> None:
    text = EncodedText((10, 11, 12, 13, 14), (0, 2, 3, 3, 5), 0)  # the third word has no token
    rows, visible = segment_rows(text, Frame((0,), (2,)), 5, 4, [range(0, 2), range(2, 3), range(3, 4)])
    assert rows == [[0, 10, 11, 12, 2], [0, 4, 4, 2]]
    assert visible == [[0, 1]]


def test_the_clause_that_the_model_needs_is_marked(predictor: Predictor) -> None:
    text = "디자인은 예쁜데 배송이 늦었어요"
    token = predictor.tokenizer.encode([["배송이"]])[0].ids[0]
    spotting = replace(predictor, keyword_engine=Spotting(token, predictor.keyword_engine.labels))
    (analysis,) = spotting.analyze([text], "fast")
    assert {result.highlight.text for result in analysis.keywords} == {"배송이 늦었어요"}
    fall = 1 / (1 + np.exp(-4.0)) - 1 / (1 + np.exp(4.0))
    assert analysis.keywords[0].contributions == pytest.approx([0, 0, fall / 2, fall / 2])


def test_fast_changes_the_marks_alone_and_takes_fewer_rows(predictor: Predictor) -> None:
    answers, rows = [], []
    for way in ("exact", "fast"):
        engines = [Counting(predictor.keyword_engine), Counting(predictor.sentiment_engine)]
        counted = replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1])
        answers.append(counted.analyze(REVIEWS, way))
        rows.append(sum(engine.rows for engine in engines))
    assert 2 * rows[1] < rows[0]
    for exact, fast in zip(*answers, strict=True):
        assert [(k.keyword, k.sentiment) for k in exact.keywords] == [(k.keyword, k.sentiment) for k in fast.keywords]
        for result in fast.keywords:
            mark = result.highlight
            assert mark is not None
            assert fast.text[mark.start : mark.end] == mark.text
            assert len(result.contributions) == len(fast.words)


def test_agreement_with_the_exact_marks_is_reported(predictor: Predictor) -> None:
    reviews = [LabelledReview(str(i), text, (), None) for i, text in enumerate(REVIEWS)]
    said = evaluate(predictor, reviews, highlights="fast").to_dict()["like_exact_f1"]
    assert 0 < said < 1
    assert "like_exact_f1" not in evaluate(predictor, reviews).to_dict()
    assert like_exact(predictor, ["굿"]) == 1.0  # one word is marked either way


def test_another_word_for_highlights_is_refused(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="must be True, False, 'exact' or 'fast'"):
        predictor.analyze(["굿"], "quick")
