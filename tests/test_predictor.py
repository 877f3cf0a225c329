"""The cascade: reviews in, Analyses out, same length and order, whatever the reviews are."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REVIEWS, assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

import ftapp
from ftapp import predictor as predictor_module
from ftapp.checkpoint import Manifest
from ftapp.errors import CheckpointError, InputError
from ftapp.predictor import Predictor
from ftapp.schema import OVERALL, Analysis, LabelScheme

ODD = [
    "",
    "   \n\t ",
    "👍",
    "👨‍👩‍👧 배송 ❤️",
    "굿",
    "배",
    "뷁쉛",
    "배송이 늦었어요 " * 11_112,  # 100,008 characters
    "가" * 100_000,
    "<script>alert('배송')</script><b>예뻐요</b> &amp;",
    "배송이\x00 늦\x07었어요\x1b[31m",
    "\u202eشحن سريع\u202c 배송",
    "The delivery was late, but the design is pretty.",
    "\ud800배송이 늦었어요",
    "ㅋㅋㅋㅋㅋㅋ",
    "{review} {keyword} [MASK] [SEP] [CLS] [PAD]",
    "\ue000",
    "12345 !!! ???",
    "デザインが可愛い 漢字",
]


class CountingEngine:
    """An engine that counts forward passes and rows."""

    def __init__(self, engine) -> None:
        """Stand before another engine."""
        self._engine, self.labels = engine, engine.labels
        self.passes, self.rows = 0, 0

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return what the other engine says."""
        self.passes += 1
        self.rows += len(ids)
        return self._engine.logits(ids, mask)


class ConstantEngine:
    """An engine that gives every row the same logits."""

    def __init__(self, values: Sequence[float]) -> None:
        """Keep the logits."""
        self.values, self.labels = values, len(values)

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels]."""
        return np.tile(np.array(self.values, dtype=np.float32), (len(ids), 1))


def constant(predictor: Predictor, keyword: float, sentiments: Sequence[float] = (0, 0, 0, 0, 9)) -> Predictor:
    """Return a predictor whose models say the same of every text: a probability for all keywords, logits for sentiments."""
    logit = float(np.log(keyword / (1 - keyword)))
    engines = ConstantEngine([logit] * len(predictor.scheme.keywords)), ConstantEngine(sentiments)
    return replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1])


def codes(analysis: Analysis) -> list[str]:
    """Return the codes of an analysis's warnings."""
    return [warning.code for warning in analysis.warnings]


@pytest.fixture(scope="module")
def analyses(predictor: Predictor) -> dict[str, Analysis]:
    """Return the analysis of each review and odd text, all read together."""
    texts = [*REVIEWS, *ODD]
    return dict(zip(texts, predictor.analyze(texts), strict=True))


# Length and order


def test_each_text_has_its_analysis_in_its_place(predictor: Predictor) -> None:
    texts = [ODD[0], REVIEWS[2], *ODD[:5], REVIEWS[0], REVIEWS[2], "", REVIEWS[0]]
    assert [analysis.text for analysis in predictor.analyze(texts)] == texts


def test_equal_texts_have_equal_analyses(predictor: Predictor) -> None:
    first, second, _, third = predictor.analyze([REVIEWS[1], REVIEWS[1], "굿", REVIEWS[1]])
    assert_same(first, second)
    assert_same(first, third)


def test_no_texts_have_no_analyses(predictor: Predictor) -> None:
    assert predictor.analyze([]) == []
    assert predictor.analyze(()) == []
    assert predictor.keyword_probabilities([]).shape == (0, len(predictor.scheme.keywords))


@pytest.mark.parametrize("text", ODD, ids=lambda text: repr(text[:12]))
def test_an_odd_text_is_read_like_any_other(analyses: dict[str, Analysis], predictor: Predictor, text: str) -> None:
    analysis = analyses[text]
    assert analysis.text == text
    readable = not {"empty", "unreadable"} & set(codes(analysis))
    assert (analysis.overall is not None) == readable
    assert readable or analysis.keywords == ()
    for word in analysis.words:
        assert 0 <= word.start < word.end <= len(text)
    for result in analysis.keywords:
        assert result.highlight.text == text[result.highlight.start : result.highlight.end] != ""
        assert len(result.contributions) == len(analysis.words)
        assert sum(result.probabilities.values()) == pytest.approx(1)


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(), max_size=40), max_size=4))
def test_any_texts_are_read(predictor: Predictor, texts: list[str]) -> None:
    analyses = predictor.analyze(texts, threshold=0)
    assert [analysis.text for analysis in analyses] == texts
    for analysis in analyses:
        assert len(analysis.keywords) in (0, len(predictor.scheme.keywords))
        assert (analysis.overall is None) == (not analysis.keywords)
        json.dumps(analysis.to_dict())


def test_the_texts_may_be_any_sequence(predictor: Predictor) -> None:
    for one, other in zip(predictor.analyze(tuple(REVIEWS)), predictor.analyze(REVIEWS), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("method", ["analyze", "keyword_probabilities"])
def test_a_plain_string_is_refused(predictor: Predictor, method: str) -> None:
    with pytest.raises(InputError, match="list of texts, not one string"):
        getattr(predictor, method)("배송이 늦었어요")


@pytest.mark.parametrize("value", [None, 3, float("nan"), b"text", ["text"]])
def test_what_is_no_string_is_refused_with_its_place(predictor: Predictor, value: object) -> None:
    with pytest.raises(InputError, match=rf"Text 1 is {type(value).__name__} "):
        predictor.analyze(["굿", value])


# Company, chunks and budgets


@pytest.mark.parametrize("text", [*REVIEWS, *ODD], ids=lambda text: repr(text[:12]))
def test_a_text_alone_is_read_as_in_company(analyses: dict[str, Analysis], predictor: Predictor, text: str) -> None:
    (alone,) = predictor.analyze([text])
    assert_same(alone, analyses[text])


@pytest.mark.parametrize("budget", [1, 100, 100_000])
def test_the_token_budget_changes_nothing(analyses: dict[str, Analysis], predictor: Predictor, budget: int) -> None:
    texts = REVIEWS[:4]
    for analysis in replace(predictor, budget=budget).analyze(texts):
        assert_same(analysis, analyses[analysis.text])


@pytest.mark.parametrize("chunk", [1, 2, 6, 7])
def test_more_texts_than_a_chunk_are_read_alike(
    analyses: dict[str, Analysis], predictor: Predictor, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(predictor_module, "CHUNK", chunk)
    results = predictor.analyze(REVIEWS)
    assert [analysis.text for analysis in results] == REVIEWS
    for analysis in results:
        assert_same(analysis, analyses[analysis.text])


# Thresholds


def test_a_keyword_counts_from_its_threshold_on(predictor: Predictor) -> None:
    manifest = replace(predictor.manifest, threshold=0.6, thresholds={"배송": 0.2, "품질": 0.9})
    probabilities = predictor.keyword_probabilities(REVIEWS)
    for analysis, row in zip(replace(predictor, manifest=manifest).analyze(REVIEWS), probabilities, strict=True):
        limits = {keyword: manifest.threshold_of(keyword) for keyword in predictor.scheme.keywords}
        expected = [k for k, probability in zip(predictor.scheme.keywords, row, strict=True) if probability >= limits[k]]
        assert [result.keyword for result in analysis.keywords] == expected
        assert all(result.threshold == limits[result.keyword] for result in analysis.keywords)


def test_a_threshold_for_this_call_replaces_the_models(predictor: Predictor) -> None:
    for analysis in predictor.analyze(REVIEWS, threshold=0):
        assert [result.keyword for result in analysis.keywords] == list(predictor.scheme.keywords)
        assert {result.threshold for result in analysis.keywords} == {0.5}
    assert all(analysis.keywords == () for analysis in predictor.analyze(REVIEWS, threshold=1))


def test_filtering_afterwards_equals_asking_again(predictor: Predictor) -> None:
    everything = predictor.analyze(REVIEWS, threshold=0)
    for threshold in (0.3, 0.8):
        for filtered, asked in zip(everything, predictor.analyze(REVIEWS, threshold=threshold), strict=True):
            assert_same(filtered.above(threshold), asked)
    for filtered, asked in zip(everything, predictor.analyze(REVIEWS), strict=True):
        assert_same(filtered.above(), asked)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(predictor: Predictor, threshold: float) -> None:
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        predictor.analyze(REVIEWS, threshold=threshold)


# Warnings


@pytest.mark.parametrize("text", ["", "  \n", "\x00\u200b"])
def test_an_empty_text_says_so_and_nothing_else(predictor: Predictor, text: str) -> None:
    (analysis,) = predictor.analyze([text])
    assert (codes(analysis), analysis.keywords, analysis.overall) == (["empty"], (), None)


def test_a_text_of_unknown_tokens_says_so_and_nothing_else(predictor: Predictor) -> None:
    (analysis,) = predictor.analyze(["뷁쉛 뛟"], threshold=0)
    assert (codes(analysis), analysis.keywords, analysis.overall) == (["unreadable"], (), None)


def test_unknown_tokens_are_counted(predictor: Predictor) -> None:
    (analysis,) = constant(predictor, 0.9).analyze(["굿 뷁 굿 뛟"])
    (warning,) = analysis.warnings
    assert (warning.code, warning.count, warning.keyword) == ("unknown_tokens", 2, None)
    assert "2 of 4" in warning.message


def test_a_text_without_korean_says_so(predictor: Predictor) -> None:
    (analysis,) = constant(predictor, 0.9).analyze(["### !"])
    assert codes(analysis) == ["no_hangul"]


def test_a_text_over_the_models_limit_says_how_much_counts(predictor: Predictor) -> None:
    tokenizer, limit = predictor.tokenizer, predictor.max_length
    rooms = [tokenizer.prompt_frame(predictor.manifest.template, k).room(limit) for k in (*predictor.scheme.keywords, OVERALL)]
    fits, too_long = constant(predictor, 0.9).analyze(["굿 " * min(rooms), "굿 " * (min(rooms) + 1)])
    assert codes(fits) == []
    (warning,) = too_long.warnings
    assert (warning.code, warning.count) == ("truncated", min(rooms))
    assert str(min(rooms)) in warning.message


def test_a_text_that_was_cut_before_it_was_read_is_truncated_too(predictor: Predictor) -> None:
    (analysis,) = constant(predictor, 0.9).analyze(["굿" + " " * 5000 + "굿"])
    assert codes(analysis) == ["truncated"]
    assert [word.text for word in analysis.words] == ["굿"]


@pytest.mark.parametrize(("probability", "unsure"), [(0.51, True), (0.59, True), (0.61, False), (0.99, False)])
def test_a_keyword_just_above_its_threshold_is_unsure(predictor: Predictor, probability: float, unsure: bool) -> None:
    (analysis,) = constant(predictor, probability).analyze(["굿"])
    expected = [("unsure_keyword", keyword) for keyword in predictor.scheme.keywords] if unsure else []
    assert [(warning.code, warning.keyword) for warning in analysis.warnings] == expected
    assert all(f"({probability:.2f})" in warning.message for warning in analysis.warnings)


@pytest.mark.parametrize(("logit", "unsure"), [(0.0, True), (1.3, True), (1.5, False)])  # of five: 0.2, 0.48, 0.53
def test_a_sentiment_below_a_half_is_unsure(predictor: Predictor, logit: float, unsure: bool) -> None:
    (analysis,) = constant(predictor, 0.9, (0, 0, 0, 0, logit)).analyze(["굿"])
    expected = [("unsure_sentiment", keyword) for keyword in predictor.scheme.keywords] if unsure else []
    assert [(warning.code, warning.keyword) for warning in analysis.warnings] == expected


# Progress


def test_progress_counts_up_to_the_end(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "CHUNK", 2)
    calls: list[tuple[int, int]] = []
    predictor.analyze(REVIEWS, progress=lambda done, total: calls.append((done, total)))
    assert {total for _, total in calls} == {len(REVIEWS)}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {done for done, _ in calls} == {0, 2, 4, 6}
    assert calls[-1] == (6, 6)


def test_progress_is_called_after_every_forward_pass(predictor: Predictor) -> None:
    engines = CountingEngine(predictor.keyword_engine), CountingEngine(predictor.sentiment_engine)
    counted = replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1])
    calls: list[int] = []
    counted.analyze(REVIEWS, progress=lambda done, total: calls.append(engines[0].passes + engines[1].passes))
    assert calls == [*range(1, calls[-1] + 1), calls[-1]]


def test_progress_stops_the_work_by_raising(predictor: Predictor) -> None:
    engine = CountingEngine(predictor.keyword_engine)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(predictor, keyword_engine=engine, budget=64).analyze(REVIEWS, progress=stop)
    assert engine.passes == 1


# Without highlights, and each half alone


def test_without_highlights_keywords_and_sentiments_are_the_same(predictor: Predictor) -> None:
    for plain, full in zip(predictor.analyze(REVIEWS, highlights=False), predictor.analyze(REVIEWS), strict=True):
        assert all((result.highlight, result.contributions) == (None, ()) for result in plain.keywords)
        stripped = replace(full, keywords=tuple(replace(k, highlight=None, contributions=()) for k in full.keywords))
        assert_same(plain, stripped)


def test_without_highlights_nothing_is_masked(predictor: Predictor) -> None:
    engine = CountingEngine(predictor.keyword_engine)
    replace(predictor, keyword_engine=engine).analyze(REVIEWS, False)
    assert engine.rows == len(REVIEWS)


def test_keyword_probabilities_are_those_of_the_analysis(predictor: Predictor) -> None:
    texts = [*REVIEWS, "", "뷁"]
    table = predictor.keyword_probabilities(texts)
    assert (table.shape, table.dtype) == ((len(texts), len(predictor.scheme.keywords)), np.float64)
    for row, analysis in zip(table, predictor.analyze(texts, False, threshold=0), strict=True):
        np.testing.assert_allclose(row, [k.probability for k in analysis.keywords] or 0, atol=1e-6)


def test_judging_pairs_gives_the_sentiments_of_the_analysis(predictor: Predictor) -> None:
    analyses = predictor.analyze(REVIEWS, False, threshold=0)
    pairs = [(analysis.text, result.keyword) for analysis in analyses for result in analysis.keywords]
    for judged, result in zip(predictor.judge(pairs), [r for a in analyses for r in a.keywords], strict=True):
        assert judged.sentiment == result.sentiment
        assert judged.probabilities == pytest.approx(result.probabilities, abs=1e-5)
    for judged, analysis in zip(predictor.judge([(text, OVERALL) for text in REVIEWS]), analyses, strict=True):
        assert judged.probabilities == pytest.approx(analysis.overall.probabilities, abs=1e-5)


def test_judging_keeps_length_and_order_over_what_cannot_be_read(predictor: Predictor) -> None:
    first, empty, again, unknown = predictor.judge([("굿", "배송"), ("", "배송"), ("굿", "배송"), ("뷁", "가격")])
    assert (empty, unknown) == (None, None)
    assert first.probabilities == pytest.approx(again.probabilities, abs=1e-6)
    assert predictor.judge([]) == []


@pytest.mark.parametrize("keyword", ["세탁", "", "배송 "])
def test_judging_an_unknown_keyword_is_refused(predictor: Predictor, keyword: str) -> None:
    with pytest.raises(InputError, match=f"'{keyword}' is no keyword of this model.*배송"):
        predictor.judge([("굿", "배송"), ("굿", keyword)])


def test_judging_what_is_no_string_is_refused(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="Text 0 is NoneType"):
        predictor.judge([(None, "배송")])


def test_a_scheme_without_an_overall_label_gives_none(predictor: Predictor) -> None:
    manifest = replace(predictor.manifest, scheme=LabelScheme(overall=None))
    silent = replace(predictor, manifest=manifest)
    for analysis, usual in zip(silent.analyze(REVIEWS), predictor.analyze(REVIEWS), strict=True):
        assert analysis.overall is None
        assert_same(replace(analysis, overall=usual.overall), usual)
    with pytest.raises(InputError, match=OVERALL):
        silent.judge([("굿", OVERALL)])


# The shape of a result


def test_the_json_of_an_analysis_has_the_promised_shape(predictor: Predictor) -> None:
    sentiments = set(predictor.scheme.sentiments)
    for text, values in zip(REVIEWS, (a.to_dict() for a in predictor.analyze(REVIEWS)), strict=True):
        assert json.loads(json.dumps(values, ensure_ascii=False)) == values
        assert list(values) == ["text", "keywords", "overall", "warnings"]
        assert values["text"] == text
        for entry in values["keywords"]:
            assert list(entry) == ["keyword", "probability", "sentiment", "probabilities", "highlight"]
            assert entry["keyword"] in predictor.scheme.keywords
            assert 0.5 <= entry["probability"] <= 1
            assert (set(entry["probabilities"]), len(entry["probabilities"])) == (sentiments, 5)
            assert entry["sentiment"] == max(entry["probabilities"], key=entry["probabilities"].get)
            assert list(entry["highlight"]) == ["start", "end", "text"]
            assert entry["highlight"]["text"] == text[entry["highlight"]["start"] : entry["highlight"]["end"]]
        assert list(values["overall"]) == ["sentiment", "probabilities"]
        assert set(values["overall"]["probabilities"]) == sentiments
        assert all(list(warning) == ["code", "message"] for warning in values["warnings"])


def test_the_shape_is_the_same_for_a_text_without_anything(predictor: Predictor) -> None:
    (values,) = (analysis.to_dict() for analysis in predictor.analyze([""]))
    assert list(values) == ["text", "keywords", "overall", "warnings"]
    assert (values["text"], values["keywords"], values["overall"]) == ("", [], None)


def test_the_reviews_say_different_things(predictor: Predictor) -> None:
    analyses = predictor.analyze(REVIEWS)
    assert len({tuple(k.keyword for k in analysis.keywords) for analysis in analyses}) > 3
    assert len({k.sentiment for analysis in analyses for k in analysis.keywords}) >= 2


# Cost


def test_many_rows_share_few_forward_passes(predictor: Predictor) -> None:
    engines = CountingEngine(predictor.keyword_engine), CountingEngine(predictor.sentiment_engine)
    replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1]).analyze(REVIEWS * 4)
    rows, passes = engines[0].rows + engines[1].rows, engines[0].passes + engines[1].passes
    assert rows > 1000
    assert passes < rows / 20


def test_the_masked_copies_for_the_keyword_model_serve_all_keywords(predictor: Predictor) -> None:
    engine = CountingEngine(predictor.keyword_engine)
    (analysis,) = replace(predictor, keyword_engine=engine).analyze([REVIEWS[1]], threshold=0)
    assert len(analysis.keywords) == len(predictor.scheme.keywords)
    assert engine.rows == 1 + 1 + len(analysis.words)


def test_a_text_without_keywords_is_not_masked(predictor: Predictor) -> None:
    engine = CountingEngine(predictor.keyword_engine)
    replace(predictor, keyword_engine=engine).analyze(REVIEWS, threshold=1)
    assert engine.rows == len(REVIEWS)


# Settings and loading


def test_spacing_and_sentences_are_as_the_manifest_says(predictor: Predictor) -> None:
    text = "기장이길어서수선했는데 만족해요. 배송이 빨라요"
    for spacing in (True, False):
        for sentences in (True, False):
            manifest = replace(predictor.manifest, spacing=spacing, sentences=sentences)
            (analysis,) = replace(predictor, manifest=manifest).analyze([text])
            assert (len(analysis.words) > len(text.split())) is spacing
            assert (len({word.sentence for word in analysis.words}) > 1) is sentences


def test_a_shorter_limit_of_the_manifest_is_kept(edited_model) -> None:
    short = ftapp.load(edited_model(max_length=40), device="cpu")
    (analysis,) = short.analyze(["굿 " * 60])
    assert short.max_length == 40
    assert "truncated" in codes(analysis)


def test_int8_agrees_with_full_on_nearly_everything(tiny_model: Path, predictor: Predictor) -> None:
    int8 = ftapp.load(tiny_model, "dynamic-int8", "cpu")
    full, quick = predictor.keyword_probabilities(REVIEWS), int8.keyword_probabilities(REVIEWS)
    assert ((full >= 0.5) == (quick >= 0.5)).mean() > 0.9
    for analysis in int8.analyze(REVIEWS):
        assert analysis.overall is not None
        assert all(result.highlight.text in analysis.text for result in analysis.keywords)


def test_what_cannot_be_loaded_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no variant 'int3'"):
        ftapp.load(tiny_model, "int3")
    with pytest.raises(InputError, match="no device 'abacus'"):
        ftapp.load(tiny_model, device="abacus")
    with pytest.raises(CheckpointError, match="There is no model folder"):
        ftapp.load(tmp_path / "nothing")


def test_a_predictor_carries_its_manifest(predictor: Predictor) -> None:
    assert isinstance(predictor.manifest, Manifest)
    assert (predictor.manifest.name, predictor.scheme, predictor.max_length) == ("tiny", LabelScheme(), 128)
