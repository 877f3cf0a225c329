"""The compare page's HTML says what differs, and lets nothing from outside become HTML."""

import re
from html.parser import HTMLParser

import pytest
from bench_results import FELL, results

from ftapp.compare import differences, keyword_answers, overall_answers, sentiment_answers
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import Analysis, Highlight, KeywordResult, LabelScheme, SentimentResult
from ftapp.ui import compare_html
from ftapp.ui.measured import Row, read_results

HOSTILE = "<script>alert('1')</script> \"따옴표\" & `코드` <img src=x onerror=alert(1)>"
SCHEME = LabelScheme(("색상", "배송", "품질"), ("부정", "중립", "긍정"), "만족도")
TEXT = "배송이 늦었어요"
ROWS = read_results(results()).measured


class Elements(HTMLParser):
    """The tags, the attributes and the text of a markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def keyword(name: str, probability: float, sentiment: str = "부정", span: tuple[int, int] = (0, 8), text: str = TEXT):
    probabilities = {label: 0.8 if label == sentiment else 0.1 for label in SCHEME.sentiments}
    return KeywordResult(name, probability, 0.5, sentiment, probabilities, Highlight(*span, text[slice(*span)]))


def review(*keywords: KeywordResult, text: str = TEXT) -> Analysis:
    return Analysis(text, keywords, SentimentResult("부정", {"부정": 0.8, "중립": 0.1, "긍정": 0.1}))


def cells(markup: str) -> dict[str, list[str]]:
    """Return what stands in each row of the table, by variant."""
    found = re.findall(r'<tr data-row="([^"]*)"[^>]*>(.*?)</tr>', markup)
    return {name: [Elements(cell).text for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)] for name, row in found}


def test_the_table_has_every_figure_with_the_distance_from_full():
    rows = cells(compare_html.figures_table(ROWS, "", "pair_f1"))
    assert list(rows) == ["full", "dynamic-int8", "onnx-int8", "distilled"]
    assert rows["onnx-int8"][:7] == ["onnx-int8효율적", "5.9 MB", "1.5 s", "4.0 ms", "8.0 ms", "250/s", "300 MiB"]
    assert rows["onnx-int8"][7:9] == ["61.7−0.3", "61.7−0.3"]
    assert rows["full"][7] == "62.0"
    assert rows["distilled"][0] == "distilled기준 미달"


def test_the_best_of_each_column_is_bold_and_speeds_are_those_asked_for():
    markup = compare_html.figures_table(ROWS, "_highlights", "pair_f1")
    assert "리뷰 하나 p50 (근거 포함)" in Elements(markup).text
    assert "<td><b>15.0 ms</b></td>" in markup  # distilled, 5 times 3 ms
    assert "<td><b>5.9 MB</b></td>" in markup


def test_columns_that_nothing_fills_are_left_out():
    markup = compare_html.figures_table([Row("full", "ok", figures={"p50": 3.0})], "", "pair_f1")
    assert Elements(markup).text == "모델 종류리뷰 하나 p50full3.0 ms"


def test_a_row_of_a_gpu_names_it():
    rows = [Row("full", "ok", figures={"p50": 3.0}, device="H100"), Row("onnx", "ok", figures={"p50": 4.0}, device="cpu")]
    assert [row[0] for row in cells(compare_html.figures_table(rows, "", "pair_f1")).values()] == ["fullH100", "onnx"]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (FELL, "키워드 F1 (micro) 점수가 90.3에서 87.1(으)로, 허용한 2.0점보다 더 떨어졌어요."),
        (
            "The variant 'onnx' of x has not been made; run `ftapp compress x`.",
            "아직 만들지 않았어요. `ftapp compress x`로 만들어요.",
        ),
        ("bf16 is not supported here: this CPU has no bf16 instructions, and so on.", "이 CPU에는 bf16 명령이 없어요."),
        (
            "It has not been checked against full; `ftapp compress` with `--variant bf16` does that.",
            "full과 견주어 확인하지 않았어요. `ftapp compress MODEL --variant bf16`로 확인할 수 있어요.",
        ),
        ("Something new happened.", "Something new happened."),
    ],
)
def test_reasons_of_the_core_are_told_in_korean_where_they_are_known(reason, said):
    assert compare_html.reason_text(reason) == said


def test_commands_stand_as_code():
    assert "<code>ftapp bench</code>" in compare_html.paragraph("실행: `ftapp bench`")
    assert "<code>&lt;b&gt;</code>" in compare_html.reasons([("onnx", "`<b>`")])


def column(analysis: Analysis, reference: Analysis, other: Analysis | None = None) -> str:
    rows = {row.name: row for row in differences(reference, other, SCHEME)} if other else {}
    names = {"만족도": False, **dict.fromkeys(SCHEME.keywords, True)}
    return compare_html.side_column("", analysis, names, rows, SCHEME)


def tags(markup: str) -> dict[str, list[str]]:
    """Return the differences marked in each row."""
    rows = re.findall(r'data-row="([^"]*)">(.*?)(?=<div class="ft-side-row|$)', markup)
    return {name: re.findall(r'data-kind="(\w+)"', row) for name, row in rows}


def test_a_column_marks_what_differs_from_the_reference():
    reference = review(keyword("색상", 0.9), keyword("배송", 0.9))
    other = review(keyword("색상", 0.3), keyword("배송", 0.7, "긍정", (4, 8)), keyword("품질", 0.6))
    marked = column(other, reference, other)
    assert tags(marked) == {"만족도": [], "색상": ["lost"], "배송": ["sentiment", "mention", "highlight"], "품질": ["gained"]}
    text = Elements(marked).text
    assert "30% · 기준값 50%" in text
    assert "언급 −20%p" in text
    plain = column(reference, reference)
    assert not any(tags(plain).values())
    assert "10% 미만" in Elements(plain).text  # 품질, which full did not even compute


def test_verdicts_count_or_say_that_nothing_differs():
    markup = compare_html.verdicts([("onnx", {"gained": 0, "lost": 2, "highlight": 1}), ("bf16", {"gained": 0})])
    assert Elements(markup).text == "onnx: 놓친 키워드 2개 · 옮겨 간 근거 1곳bf16: 기준과 같은 답이에요."


def test_a_flip_shows_both_answers_and_the_label():
    full, other = [review(keyword("배송", 0.9))], [review(keyword("배송", 0.4), keyword("색상", 0.7))]
    label = LabelledReview("a", TEXT, (Label("배송", 0),), 2)
    by = {answer.name: answer for answer in keyword_answers(full, other, SCHEME)}
    lost = Elements(compare_html.flip(by["배송"], TEXT, "onnx", SCHEME, label, "reference")).text
    assert lost.startswith("리뷰 1 · 배송배송이 늦었어요full▼ 부정 80%언급 확률 90%맞음onnx없음40% · 기준값 50%정답")
    gained = Elements(compare_html.flip(by["색상"], TEXT, "onnx", SCHEME, label, "reference")).text
    assert "full없음10% 미만맞음" in gained
    assert gained.endswith("정답없음")
    unlabelled = Elements(compare_html.flip(by["색상"], TEXT, "onnx", SCHEME, None, None)).text
    assert "정답" not in unlabelled
    assert "맞음" not in unlabelled


def test_flips_of_sentiments_and_of_overall_name_what_they_are_about():
    full, other = [review(keyword("배송", 0.9))], [review(keyword("배송", 0.9, "긍정"))]
    (answer,) = sentiment_answers(full, other, SCHEME)
    assert "▲ 긍정 80%" in Elements(compare_html.flip(answer, TEXT, "onnx", SCHEME, None, None)).text
    (answer,) = overall_answers(full, other, SCHEME)
    assert "리뷰 1 · 전체 만족도" in Elements(compare_html.flip(answer, TEXT, "onnx", SCHEME, None, None)).text


def test_nothing_typed_or_read_from_a_file_becomes_an_element_or_attribute():
    scheme = LabelScheme((HOSTILE,), ("부정", "중립", "긍정"), "<i>")
    reference, other = review(keyword(HOSTILE, 0.9, text=HOSTILE), text=HOSTILE), review(text=HOSTILE)
    rows = {row.name: row for row in differences(reference, other, scheme)}
    (answer,) = keyword_answers([reference], [other], scheme)
    label = LabelledReview("a", HOSTILE, (Label(HOSTILE, 0),), 0)
    hostile = [Row(HOSTILE, "ok", reasons=(HOSTILE,), figures={"p50": 1.0, "pair_f1": 0.5})]
    parts = [
        compare_html.story(HOSTILE, [(HOSTILE, HOSTILE, HOSTILE)]), compare_html.figures_table(hostile, "", "pair_f1"),
        compare_html.reasons([(HOSTILE, HOSTILE)]), compare_html.paragraph(HOSTILE), compare_html.verdicts([(HOSTILE, {})]),
        compare_html.side_head(HOSTILE, HOSTILE, reference=True),
        compare_html.side_column("", other, {HOSTILE: True, "<i>": False}, rows, scheme),
        compare_html.flip(answer, HOSTILE, HOSTILE, scheme, label, "reference"),
    ]  # fmt: skip
    ours = {"section", "div", "p", "span", "b", "small", "table", "thead", "tbody", "tr", "th", "td", "code", "h3", "strong"}
    allowed = {"class", "style", "title", "dir", "tabindex", "data-row", "data-kind"}
    for part in parts:
        elements = Elements(part)
        assert set(elements.tags) <= ours | {"article", "em", "i"}
        assert elements.attributes <= allowed
        assert "<script>alert('1')</script>" in elements.text
