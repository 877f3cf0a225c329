"""The highlight is the origin's: checked against its rule written out in the plainest and slowest way."""

import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REVIEWS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as RawTokenizer
from transformers import AutoModelForSequenceClassification

from ftapp.highlight import TIE, anchor, between, clause, occlusion_rows, smooth
from ftapp.predictor import Predictor
from ftapp.schema import Analysis, Word
from ftapp.text import prepare
from ftapp.tokenizer import EncodedText, Frame

PIECES = [
    "디자인은 예쁜데",
    "배송이 늦었어요.",
    "굿",
    "색감은 정말 예뻐요!",
    "\n",
    "원단이 부드럽고",
    "ㅠㅠ",
    "또 살게요.",
    "👍",
    "good",
]


class Origin:
    """The origin's rule, one forward pass for each masked word of each keyword, on texts that hold "[MASK]"."""

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        """Open both halves with transformers and the tokenizer without our wrapper."""
        self.raw = RawTokenizer.from_file(str(folder / "keyword" / "tokenizer.json"))
        self.models = {
            half: AutoModelForSequenceClassification.from_pretrained(folder / half).eval() for half in ("keyword", "sentiment")
        }
        self.template, self.scheme = predictor.manifest.template, predictor.scheme
        self.passes = 0

    def logits(self, half: str, text: str) -> np.ndarray:
        """Return the logits for one text."""
        ids = [
            self.raw.token_to_id("[CLS]"),
            *self.raw.encode(text, add_special_tokens=False).ids,
            self.raw.token_to_id("[SEP]"),
        ]
        self.passes += 1
        with torch.inference_mode():
            return self.models[half](input_ids=torch.tensor([ids])).logits[0].double().numpy()

    def keyword_probability(self, words: list[str], k: int) -> float:
        """Return the probability of keyword k in a text given as words."""
        return float(1 / (1 + np.exp(-self.logits("keyword", " ".join(words))[k])))

    def sentiment_probabilities(self, words: list[str], k: int) -> np.ndarray:
        """Return the probability of each sentiment of keyword k."""
        prompt = self.template.replace("{review}", " ".join(words)).replace("{keyword}", self.scheme.keywords[k])
        powers = np.exp(self.logits("sentiment", prompt))
        return powers / powers.sum()

    def read(self, text: str) -> dict[str, tuple[float, str, list[float], tuple[int, int]]]:
        """Return (probability, sentiment, contributions, (start, end)) of each keyword above 0.5."""
        places = prepare(text).words
        words = [place.text for place in places]
        found = {}
        for k, keyword in enumerate(self.scheme.keywords):
            whole = self.keyword_probability(words, k)
            if whole < 0.5:
                continue
            falls = [whole - self.keyword_probability(masked(words, i), k) for i in range(len(words))]
            best = best_word(falls)
            probabilities = self.sentiment_probabilities(words, k)
            label = int(probabilities.argmax())
            inside = [i for i, place in enumerate(places) if place.sentence == places[best].sentence]
            other = inside[
                best_word([probabilities[label] - self.sentiment_probabilities(masked(words, i), k)[label] for i in inside])
            ]
            span = (places[min(best, other)].start, places[max(best, other)].end)
            found[keyword] = (whole, self.scheme.sentiments[label], falls, span)
        return found


def masked(words: list[str], i: int) -> list[str]:
    """Return the words with one of them masked."""
    return [*words[:i], "[MASK]", *words[i + 1 :]]


def best_word(falls: list[float]) -> int:
    """Return the word with the highest fall plus the mean fall around it."""
    scores = [falls[i] + sum(falls[max(0, i - 1) : i + 2]) / len(falls[max(0, i - 1) : i + 2]) for i in range(len(falls))]
    return scores.index(max(scores))


@pytest.fixture(scope="module")
def expected(tiny_model: Path, predictor: Predictor) -> dict[str, dict]:
    """Return what the origin's rule says of each review."""
    origin = Origin(tiny_model, predictor)
    return {text: origin.read(text) for text in REVIEWS}


def check_equal(expected: dict[str, dict], analyses: list[Analysis]) -> None:
    """Assert that analyses say what the origin's rule says."""
    for analysis in analyses:
        rule = expected[analysis.text]
        assert [result.keyword for result in analysis.keywords] == list(rule)
        for result in analysis.keywords:
            probability, sentiment, falls, span = rule[result.keyword]
            assert result.probability == pytest.approx(probability, abs=1e-5)
            assert result.sentiment == sentiment
            np.testing.assert_allclose(result.contributions, falls, atol=1e-5, rtol=0)
            assert (result.highlight.start, result.highlight.end) == span


# The whole rule


def test_the_reviews_put_the_rule_to_the_test(expected: dict[str, dict]) -> None:
    spans = [(text, span) for text, rule in expected.items() for *_, span in rule.values()]
    assert len(spans) > 20
    assert len({span for _, span in spans}) > 10
    assert len({len(text[start:end].split()) for text, (start, end) in spans}) > 2


@pytest.mark.parametrize("budget", [2048, 64])
def test_highlights_and_contributions_are_the_origins_at_any_budget(
    predictor: Predictor, expected: dict[str, dict], budget: int
) -> None:
    check_equal(expected, replace(predictor, budget=budget).analyze(REVIEWS))


@pytest.mark.parametrize("text", REVIEWS)
def test_a_review_alone_has_the_origins_highlights(predictor: Predictor, expected: dict[str, dict], text: str) -> None:
    check_equal(expected, predictor.analyze([text]))


@settings(max_examples=12)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(" ".join))
@example("굿. 굿. 굿.")
@example("굿\n굿\n굿")
def test_a_highlight_runs_over_whole_words_of_one_sentence(predictor: Predictor, text: str) -> None:
    (analysis,) = predictor.analyze([text], threshold=0)
    starts = {word.start: word.sentence for word in analysis.words}
    ends = {word.end: word.sentence for word in analysis.words}
    for result in analysis.keywords:
        assert result.highlight.text == text[result.highlight.start : result.highlight.end]
        assert starts[result.highlight.start] == ends[result.highlight.end]


def test_a_review_of_one_word_is_highlighted_whole(predictor: Predictor) -> None:
    (analysis,) = predictor.analyze(["  굿\n"], threshold=0)
    assert len(analysis.keywords) == len(predictor.scheme.keywords)
    assert {(result.highlight.start, result.highlight.end, result.highlight.text) for result in analysis.keywords} == {
        (2, 3, "굿")
    }


def test_in_a_sentence_of_one_word_the_sentiment_model_masks_nothing(predictor: Predictor) -> None:
    engine = Recorder(predictor.sentiment_engine)
    (analysis,) = replace(predictor, sentiment_engine=engine).analyze(["굿\n굿"], threshold=0)
    assert {result.highlight.text for result in analysis.keywords} == {"굿"}
    assert not any(predictor.tokenizer.mask in row for row in engine.rows)


def test_a_word_the_model_did_not_read_is_never_highlighted(predictor: Predictor) -> None:
    text = " ".join([*REVIEWS] * 4)
    (analysis,) = predictor.analyze([text], threshold=0)
    encoded = predictor.tokenizer.encode([[word.text for word in analysis.words]])[0]
    read = sum(bound < predictor.max_length - 2 for bound in encoded.bounds[:-1])
    assert read < len(analysis.words)
    for result in analysis.keywords:
        assert any(result.contributions[:read])
        assert not any(result.contributions[read:])
        assert result.highlight.end <= analysis.words[read - 1].end


@dataclass
class Falling:
    """A model whose every logit rises with each masked word: no word speaks for anything."""

    labels: int
    mask: int

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels]."""
        return np.repeat((ids == self.mask).sum(axis=1, keepdims=True), self.labels, axis=1).astype(np.float32)


def test_where_no_word_speaks_for_a_keyword_the_highlight_still_is_a_word_that_was_read(predictor: Predictor) -> None:
    engine = Falling(len(predictor.scheme.keywords), predictor.tokenizer.mask)
    text = "디자인은 예쁜데 배송이 늦었어요. " * 20
    (analysis,) = replace(predictor, keyword_engine=engine).analyze([text])
    assert {warning.code for warning in analysis.warnings} >= {"truncated"}
    assert {result.contributions[0] < 0 for result in analysis.keywords} == {True}
    read = sum(contribution < 0 for contribution in analysis.keywords[0].contributions)
    assert all(result.highlight.end <= analysis.words[read - 1].end for result in analysis.keywords)


def test_a_word_without_tokens_is_not_masked_even_where_the_input_is_full(predictor: Predictor) -> None:
    text = "\ue000 " + "디자인은 예쁜데 " * 100
    (analysis,) = predictor.analyze([text], threshold=0)
    assert analysis.words[0].text == "\ue000"
    for result in analysis.keywords:
        assert result.contributions[0] == 0
        assert result.highlight.start > 0


def test_a_decomposed_review_is_highlighted_as_it_was_typed(predictor: Predictor) -> None:
    typed = unicodedata.normalize("NFD", REVIEWS[0])
    (analysis,) = predictor.analyze([typed])
    (composed,) = predictor.analyze(REVIEWS[:1])
    spans = [unicodedata.normalize("NFC", result.highlight.text) for result in analysis.keywords]
    assert spans == [result.highlight.text for result in composed.keywords]
    assert all(r.highlight.text == typed[r.highlight.start : r.highlight.end] for r in analysis.keywords)


class Recorder:
    """An engine that keeps the rows that it was given, without padding."""

    def __init__(self, engine) -> None:
        """Stand before another engine."""
        self._engine, self.labels = engine, engine.labels
        self.rows: list[list[int]] = []

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return what the other engine says."""
        self.rows += [row[: int(seen.sum())].tolist() for row, seen in zip(ids, mask, strict=True)]
        return self._engine.logits(ids, mask)


# Its parts

FALLS = st.lists(st.floats(-1, 1), min_size=1, max_size=12)


@given(FALLS)
@example([0.5])
@example([0.1, 0.4])
def test_smoothing_adds_the_mean_over_a_word_and_its_neighbours(falls: list[float]) -> None:
    expected = [falls[i] + np.mean(falls[max(0, i - 1) : i + 2]) for i in range(len(falls))]
    np.testing.assert_allclose(smooth(np.array(falls)), expected, atol=1e-12)


@given(FALLS)
def test_smoothing_treats_each_column_by_itself_and_leaves_its_input_alone(falls: list[float]) -> None:
    table = np.array([falls, falls[::-1]]).T
    before = table.copy()
    np.testing.assert_allclose(smooth(table), np.array([smooth(table[:, 0]), smooth(table[:, 1])]).T, atol=1e-12)
    np.testing.assert_array_equal(table, before)


@given(FALLS)
def test_the_anchor_is_the_first_word_of_the_highest_score(falls: list[float]) -> None:
    scores = smooth(np.array(falls))
    best = anchor(np.array(falls))
    assert scores[best] >= scores.max() - TIE
    assert all(score < scores.max() - TIE for score in scores[:best])


@pytest.mark.parametrize(
    ("falls", "expected"),
    [
        ([0.3], 0),
        ([0.2, 0.2], 0),
        ([0.0, 0.0, 0.0], 0),
        ([-0.3, -0.1, -0.3], 1),
        ([0.0, 0.5, 0.0, 0.5, 0.0], 1),  # equal words: the earlier one
        ([0.0, 0.5, 0.0, 0.5 + TIE / 4, 0.0], 1),  # equal but for the last bits
        ([0.0, 0.5, 0.0, 0.5 + TIE * 4, 0.0], 3),
        ([0.40, 0.0, 0.0, 0.3, 0.35], 4),  # a neighbour that speaks too counts more than a little more alone
    ],
)
def test_the_anchor_of_plain_cases(falls: list[float], expected: int) -> None:
    assert anchor(np.array(falls)) == expected


WORDS = (Word(0, 4, "디자인은", 0), Word(5, 8, "예쁜데", 0), Word(9, 12, "배송이", 0))


@pytest.mark.parametrize(("first", "second", "text"), [(0, 1, "디자인은 예쁜데"), (2, 1, "예쁜데 배송이"), (1, 1, "예쁜데")])
def test_a_highlight_runs_from_one_anchor_to_the_other_in_the_order_of_the_text(first: int, second: int, text: str) -> None:
    highlight = between("디자인은 예쁜데 배송이", WORDS, first, second)
    assert highlight.text == text
    assert (highlight.start, highlight.end) == (WORDS[min(first, second)].start, WORDS[max(first, second)].end)


@pytest.mark.parametrize(
    ("words", "keyword", "sentiment", "best", "marked"),
    [
        (
            "디자인은 정말 예쁜데 배송이 늦었어요",
            [0.9, 0.1, 0.0, 0.0, 0.0],
            [0, 0, 0, 0, 0],
            0,
            "디자인은 정말 예쁜데",
        ),  # on to the verdict
        (
            "디자인은 예쁜데 배송이 늦었어요",
            [0.0, 0.0, 0.9, 0.2],
            [0.0, 0.0, 0.1, 0.5],
            2,
            "배송이 늦었어요",
        ),  # not the clause before
        ("디자인은 예쁜데 배송이 늦었어요", [0.0, 0.9, 0.3, 0.0], [0.0, 0.9, 0.0, 0.0], 1, "디자인은 예쁜데 배송이 늦었어요"),
        (
            "그 옷 그 값 그 색 그 핏 그 말",
            [0.0, 0.9, *[0.0] * 8],
            [0.0] * 10,
            1,
            "그 옷 그 값 그 색",
        ),  # no clause ends: three words
        ("색이 예뻐요", [-0.2, -0.1], [-0.1, -0.3], 1, "예뻐요"),  # nothing speaks for it: the anchor alone
        ("굿", [0.3], [0.2], 0, "굿"),
    ],
)
def test_a_clause_is_marked_from_the_words_that_speak_to_the_verdict(
    words: str, keyword: list[float], sentiment: list[float], best: int, marked: str
) -> None:
    first, last = clause(words.split(), np.array(keyword), np.array(sentiment, dtype=float), best)
    assert " ".join(words.split()[first : last + 1]) == marked


@given(
    st.lists(
        st.tuples(st.sampled_from(["예쁜데", "배송이", "늦었어요", "정말"]), st.floats(-1, 1), st.floats(-1, 1)), min_size=1
    )
)
def test_a_clause_is_a_stretch_of_its_sentence(words: list[tuple[str, float, float]]) -> None:
    texts, keyword, sentiment = zip(*words, strict=True)
    first, last = clause(texts, np.array(keyword), np.array(sentiment), 0)
    assert 0 <= first <= last < len(texts)


def test_the_manifest_says_which_rule_marks(predictor: Predictor) -> None:
    other = replace(predictor, manifest=replace(predictor.manifest, highlight="clause"))
    differ = 0
    for one, two in zip(predictor.analyze(REVIEWS), other.analyze(REVIEWS), strict=True):
        assert [(k.keyword, k.sentiment, k.contributions) for k in one.keywords] == [
            (k.keyword, k.sentiment, k.contributions) for k in two.keywords
        ]
        for a, b in zip(one.keywords, two.keywords, strict=True):
            assert b.highlight
            assert two.text[b.highlight.start : b.highlight.end] == b.highlight.text
            marked = [word for word in two.words if b.highlight.start <= word.start < b.highlight.end]
            assert len({word.sentence for word in marked}) == 1
            differ += a.highlight != b.highlight
    assert differ


ENCODED = EncodedText(ids=(10, 11, 12, 13, 14), bounds=(0, 2, 3, 5), unknown=0)
FRAME = Frame((0,), (2,))


def test_each_word_is_masked_by_one_token_after_the_whole_input() -> None:
    rows, visible = occlusion_rows(ENCODED, FRAME, 128, 4, range(3))
    assert visible == [0, 1, 2]
    assert rows == [[0, 10, 11, 12, 13, 14, 2], [0, 4, 12, 13, 14, 2], [0, 10, 11, 4, 13, 14, 2], [0, 10, 11, 12, 4, 2]]


def test_a_word_without_tokens_is_not_masked() -> None:
    encoded = EncodedText(ids=(10, 11), bounds=(0, 0, 1, 1, 2), unknown=0)
    assert occlusion_rows(encoded, FRAME, 4, 4, range(4)) == ([[0, 10, 11, 2], [0, 4, 11, 2], [0, 10, 4, 2]], [1, 3])


def test_only_the_words_asked_for_are_masked() -> None:
    assert occlusion_rows(ENCODED, FRAME, 128, 4, [1]) == ([[0, 10, 11, 12, 13, 14, 2], [0, 10, 11, 4, 13, 14, 2]], [1])
    assert occlusion_rows(ENCODED, FRAME, 128, 4, []) == ([[0, 10, 11, 12, 13, 14, 2]], [])


@pytest.mark.parametrize(("max_length", "visible"), [(7, [0, 1, 2]), (6, [0, 1, 2]), (5, [0, 1]), (4, [0]), (3, [0])])
def test_a_word_counts_as_read_when_its_first_token_fits(max_length: int, visible: list[int]) -> None:
    rows, seen = occlusion_rows(ENCODED, FRAME, max_length, 4, range(3))
    assert seen == visible
    assert len(rows) == 1 + len(visible)
    assert rows[0] == [0, *ENCODED.ids[: max_length - 2], 2]
    assert all(len(row) <= max_length and row.count(4) == 1 for row in rows[1:])
