"""Charts show every probability once, in order, and read nothing of a text as markup."""

import pytest

from ftapp.schema import Analysis, KeywordResult, SentimentResult, Word
from ftapp.ui import charts

PROBABILITIES = {"부정": 0.5, "중립": 0.4, "긍정": 0.1}


def keyword(name: str, sentiment: str = "부정", contributions: tuple[float, ...] = ()) -> KeywordResult:
    return KeywordResult(name, 0.9, 0.5, sentiment, PROBABILITIES, None, contributions)


def test_sentiment_bars_have_a_row_for_overall_and_each_keyword():
    analysis = Analysis("글", (keyword("배송"), keyword("<b>")), SentimentResult("부정", PROBABILITIES))
    figure = charts.sentiment_bars(analysis)
    assert [list(bar.x) for bar in figure.data] == [[0.5] * 3, [0.4] * 3, [0.1] * 3]
    assert [bar.name for bar in figure.data] == ["▼ 부정", "● 중립", "▲ 긍정"]
    assert list(figure.layout.yaxis.ticktext) == ["<b>전체 만족도</b>", "배송", "&lt;b&gt;"]
    assert [bar.text[0] for bar in figure.data] == ["▼ 50%", "● 40%", ""]  # what does not fit is not written


def test_a_model_without_overall_has_rows_for_its_keywords_alone():
    assert list(charts.sentiment_bars(Analysis("글", (keyword("배송"),))).layout.yaxis.ticktext) == ["배송"]


def test_keywords_are_counted_by_sentiment_the_commonest_first():
    reviews = [Analysis("가", (keyword("색상"), keyword("배송"))), Analysis("나", (keyword("배송", "긍정"),)), Analysis("다")]
    figure = charts.keyword_sentiments(reviews)
    assert list(figure.layout.yaxis.ticktext) == ["배송", "색상"]
    assert {bar.name: list(bar.x) for bar in figure.data} == {"▼ 부정": [1, 1], "● 중립": [0, 0], "▲ 긍정": [1, 0]}


@pytest.mark.parametrize("values", [(0.3, -0.1, 0.0), (-0.2, -0.1, -0.3), (0.0, 0.0, 0.0)])
def test_every_bar_of_the_words_and_its_number_lie_inside_the_chart(values):
    words = tuple(Word(i, i + 1, text, 0) for i, text in enumerate(("가", "<나>", "다" * 30)))
    figure = charts.strongest_words(Analysis("가나다", words=words), keyword("배송", contributions=values))
    assert list(figure.data[0].x) == pytest.approx([value * 100 for value in values])
    low, high = figure.layout.xaxis.range
    assert low <= min(0, *figure.data[0].x) <= max(0, *figure.data[0].x) < high
    assert figure.layout.yaxis.ticktext[1] == "&lt;나&gt;"
    assert len(figure.layout.yaxis.ticktext[2]) == 14


def test_only_the_strongest_words_are_drawn_in_reading_order():
    count = charts.MOST_WORDS + 3
    words = tuple(Word(i, i + 1, str(i), 0) for i in range(count))
    values = tuple((count - i) / 100 for i in range(count))
    figure = charts.strongest_words(Analysis("글", words=words), keyword("배송", contributions=values))
    assert list(figure.layout.yaxis.ticktext) == [str(i) for i in range(charts.MOST_WORDS)]
