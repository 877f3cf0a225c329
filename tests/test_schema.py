"""The words that everything speaks."""

import dataclasses
import json

import pytest

from ftapp.errors import FtappError, InputError
from ftapp.schema import (
    KEYWORDS,
    OVERALL,
    SENTIMENTS,
    Analysis,
    Highlight,
    KeywordResult,
    LabelScheme,
    Notice,
    SentimentResult,
)

EVEN = dict.fromkeys(SENTIMENTS, 0.2)


def keyword_result(keyword: str, probability: float, threshold: float = 0.5) -> KeywordResult:
    """Return a result of which only the probability matters."""
    return KeywordResult(keyword, probability, threshold, "긍정", EVEN)


def test_the_default_scheme_is_the_origins() -> None:
    scheme = LabelScheme()
    assert scheme.keywords == (
        "가격", "기능성", "길이", "디자인", "라인(핏)", "마감처리", "배송",
        "사이즈", "색상", "소재", "스타일", "신축성", "착용감", "품질",
    )  # fmt: skip
    assert scheme.sentiments == ("매우부정", "부정", "중립", "긍정", "매우긍정")
    assert scheme.overall == "만족도"


@pytest.mark.parametrize("name", ["keywords", "sentiments"])
@pytest.mark.parametrize(
    ("labels", "reason"), [((), "empty"), (("가", " "), "empty"), (("가", ""), "empty"), (("가", "나", "가"), "twice")]
)
def test_empty_and_repeated_labels_are_refused(name: str, labels: tuple[str, ...], reason: str) -> None:
    with pytest.raises(InputError, match=rf"{name} .*{reason}"):
        LabelScheme(**{name: labels})


def test_an_overall_label_that_is_a_keyword_too_is_refused() -> None:
    with pytest.raises(InputError, match="'배송' is a keyword too"):
        LabelScheme(overall="배송")


@pytest.mark.parametrize("overall", ["", " "])
def test_an_empty_overall_label_is_refused(overall: str) -> None:
    with pytest.raises(InputError, match="overall"):
        LabelScheme(overall=overall)


def test_an_analysis_becomes_plain_json_of_one_shape() -> None:
    result = KeywordResult(
        "배송", 0.987654, 0.5, "부정", {"부정": 0.87654321, "긍정": 0.12345679}, Highlight(0, 2, "배송"), (0.5,)
    )
    notice = Notice("truncated", "The text is long.", count=9)
    analysis = Analysis("배송 느려요", (result,), SentimentResult("긍정", {"부정": 1 / 3, "긍정": 2 / 3}), (notice,))
    expected = {
        "text": "배송 느려요",
        "keywords": [
            {
                "keyword": "배송",
                "probability": 0.9877,
                "sentiment": "부정",
                "probabilities": {"부정": 0.8765, "긍정": 0.1235},
                "highlight": {"start": 0, "end": 2, "text": "배송"},
            }
        ],
        "overall": {"sentiment": "긍정", "probabilities": {"부정": 0.3333, "긍정": 0.6667}},
        "warnings": [{"code": "truncated", "message": "The text is long."}],
    }
    assert analysis.to_dict() == expected
    assert json.loads(json.dumps(analysis.to_dict(), ensure_ascii=False)) == expected


def test_an_analysis_of_nothing_has_the_same_keys() -> None:
    assert Analysis("").to_dict() == {"text": "", "keywords": [], "overall": None, "warnings": []}
    assert keyword_result("배송", 0.5).to_dict()["highlight"] is None


def test_above_keeps_what_reaches_the_threshold() -> None:
    analysis = Analysis("글", tuple(keyword_result(k, p) for k, p in zip(KEYWORDS, (0.2, 0.5, 0.8), strict=False)))
    assert [k.probability for k in analysis.above(0.5).keywords] == [0.5, 0.8]
    assert analysis.above(0.9).keywords == ()
    assert analysis.above(0.0) == analysis


def test_above_without_a_threshold_uses_each_keywords_own() -> None:
    results = (keyword_result("가격", 0.6, 0.7), keyword_result("길이", 0.3, 0.2))
    assert [k.keyword for k in Analysis("글", results).above().keywords] == ["길이"]


def test_above_drops_the_warnings_of_the_keywords_that_it_drops() -> None:
    notices = (Notice("no_hangul", "-"), Notice("unsure_keyword", "-", "가격"), Notice("unsure_keyword", "-", "길이"))
    analysis = Analysis("글", (keyword_result("가격", 0.9), keyword_result("길이", 0.55)), warnings=notices)
    assert [notice.keyword for notice in analysis.above(0.6).warnings] == [None, "가격"]
    assert analysis.warnings == notices


def test_results_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Analysis("글").text = "다른 글"


def test_every_error_on_purpose_is_an_ftapp_error() -> None:
    with pytest.raises(FtappError):
        LabelScheme(overall=KEYWORDS[0])
    assert OVERALL not in KEYWORDS
