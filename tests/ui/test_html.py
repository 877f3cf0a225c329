"""Marked text gives back the text, shows every mark that covers a place, and lets nothing from outside become HTML."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftapp.schema import Analysis, Highlight, KeywordResult, Notice, SentimentResult, Word
from ftapp.ui import html

HOSTILE = "<script>alert('1')</script> \"따옴표\" & <img src=x onerror=alert(1)>"
NAMES = ("keyword", "sentiment", "tag", "row", "points")
PROBABILITIES = {"매우부정": 0.05, "부정": 0.6, "중립": 0.2, "긍정": 0.1, "매우긍정": 0.05}


def result(keyword: str, text: str = "", start: int = 0, end: int = 0, contributions: tuple[float, ...] = ()) -> KeywordResult:
    return KeywordResult(
        keyword, 0.75, 0.5, "부정", PROBABILITIES, Highlight(start, end, text[start:end]), contributions
    )  # fmt: skip


def mark(start: int, end: int, keyword: str = "배송", lane: int = 0) -> html.Mark:
    return html.Mark(start, end, keyword, "부정", "#EC9A62", "▼", lane)


class Elements(HTMLParser):
    """Every element of a markup as (tag, attributes), and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def keywords_by_slice(markup: str) -> dict[str, list[str]]:
    """Return which keywords mark each marked slice."""
    slices = re.findall(r"((?:<mark[^>]*>)+)([^<]*)", markup)
    return {unescape(text): sorted(re.findall(r'data-keyword="([^"]*)"', opening)) for opening, text in slices}


@given(
    st.text(alphabet=st.sampled_from("가나 \n<>&\"'x"), max_size=12).flatmap(
        lambda text: st.tuples(
            st.just(text),
            st.lists(st.tuples(*[st.integers(0, len(text))] * 2).map(sorted).filter(lambda pair: pair[0] < pair[1]), max_size=4)
            if text
            else st.just([]),
        )
    )
)
def test_marked_text_without_its_tags_is_the_text(case):
    text, pairs = case
    markup = html.marked(text, [mark(*pair, lane=i) for i, pair in enumerate(pairs)])
    elements = Elements(markup)
    assert elements.text == text
    assert {tag for tag, _ in elements.found} <= {"mark", "span"}


def test_overlapping_marks_are_cut_at_every_boundary():
    markup = html.marked("가나다라마", [mark(0, 3, "색상"), mark(2, 5, "배송", lane=1)])
    assert keywords_by_slice(markup) == {"가나": ["색상"], "다": ["배송", "색상"], "라마": ["배송"]}
    assert re.findall(r'data-tag="([^"]*)"', markup) == ["▼ 색상", "▼ 배송"]


def test_a_mark_inside_another_and_two_of_the_same_place():
    markup = html.marked("가나다", [mark(0, 3, "색상"), mark(1, 2, "배송", 1), mark(1, 2, "품질", 2)])
    assert keywords_by_slice(markup) == {"가": ["색상"], "나": ["배송", "색상", "품질"], "다": ["색상"]}


def test_underlines_of_overlapping_highlights_have_lanes_of_their_own():
    text = "가나다라마바사"
    spans = {"색상": (0, 4), "배송": (2, 6), "품질": (4, 7)}
    markup = html.review_text(Analysis(text, tuple(result(name, text, *span) for name, span in spans.items())))
    pads = {
        (name, pad)
        for name, pad in re.findall(r'data-keyword="([^"]*)".*?padding-bottom:(\d+)px', markup)
    }  # fmt: skip
    assert pads == {("색상", "1"), ("배송", "6"), ("품질", "1")}  # 품질 begins where 색상 ends
    assert "--lanes:2" in markup


def test_a_mark_says_its_sentiment_besides_its_colour():
    text = "배송이 늦었어요"
    elements = Elements(html.review_text(Analysis(text, (result("배송", text, 0, 8),))))
    attributes = next(attributes for tag, attributes in elements.found if tag == "mark")
    assert attributes["data-keyword"] == "배송"
    assert attributes["data-sentiment"] == "부정"
    assert any(attributes.get("data-tag") == "▼ 배송" for _, attributes in elements.found)


@pytest.mark.parametrize("text", [HOSTILE, '" onmouseover="alert(1)', "</div></span><h1>", "&lt;b&gt;"])
def test_nothing_typed_or_named_becomes_an_element_or_attribute(text):
    words = (Word(0, len(text), text, 0),)
    keyword = result(text, text, 0, len(text), (0.4,))
    overall = SentimentResult(text, {"<i>": 0.4, text: 0.6})
    notices = (Notice("new-code", text), Notice("unsure_sentiment", text, keyword=text))
    analysis = Analysis(text, (keyword,), overall, notices, words)
    parts = [
        html.review_text(analysis), html.sentiment_rows(analysis), html.notices(analysis), html.legend(["<i>", text]),
        html.word_contributions(analysis, keyword), html.lead(text, text), html.heading(text, text), html.run_head(text, text),
    ]  # fmt: skip
    ours = {"div", "span", "mark", "strong", "b", "q", "i", "p", "header", "h1", "h2", "h3"}
    data = {f"data-{name}" for name in ("keyword", "sentiment", "tag", "row", "points")}
    allowed = {"class", "style", "title", "dir", "tabindex", "role"} | data
    for part in parts:
        elements = Elements(part)
        assert {tag for tag, _ in elements.found} <= ours
        assert {name for _, attributes in elements.found for name in attributes} <= allowed
        assert text in elements.text
        assert part.count("<i>") == len([tag for tag, _ in elements.found if tag == "i"])


def test_control_characters_are_shown_as_pictures_and_line_breaks_kept():
    assert html.escaped("가\x00\x1b\x7f\t\n나") == "가␀␛␡\t\n나"


def test_word_contributions_give_back_the_text_with_a_number_for_every_word():
    text = "  배송이늦었어요 <b> "
    words = (Word(2, 5, "배송이", 0), Word(5, 9, "늦었어요", 0), Word(10, 13, "<b>", 0))
    keyword = result("배송", text, 2, 9, (0.5, -0.25, -0.001))
    markup = html.word_contributions(Analysis(text, (keyword,), words=words), keyword)
    body = Elements(markup[markup.index('<div class="ft-text') :])
    assert body.text == text
    assert [a["data-points"] for _, a in body.found if "data-points" in a] == ["+50", "-25", "+0"]


def test_rows_show_the_probability_the_words_and_what_is_unsure():
    text = "배송이\n늦었어요"
    unsure = Notice("unsure_sentiment", "unsure", keyword="배송")
    overall = SentimentResult("부정", PROBABILITIES)
    rows = html.sentiment_rows(Analysis(text, (result("배송", text, 0, 8),), overall, (unsure,)))
    seen = Elements(rows).text
    assert "75%" in seen
    assert "배송이 늦었어요" in seen
    assert "감정이 애매해요" in seen
    assert "전체 만족도" in seen


def test_a_review_without_keywords_says_so():
    assert "기준값을 넘는 키워드가 없어요" in html.sentiment_rows(Analysis("굿", (), SentimentResult("부정", PROBABILITIES)))


def test_the_tour_marks_the_words_that_it_names():
    assert keywords_by_slice(html.tour()) == {"디자인은 예쁜데": ["디자인"], "배송이 늦었어요": ["배송"]}
