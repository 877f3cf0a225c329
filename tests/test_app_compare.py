"""Journeys through the compare page without a browser, on the tiny pair, with made-up results and a stand-in benchmark."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from bench_results import results
from conftest import REVIEWS, ROOT
from streamlit.testing.v1 import AppTest

from ftapp.errors import CheckpointError
from ftapp.predictor import Predictor
from ftapp.reviews import Label, LabelledReview, dump_labelled
from ftapp.ui import explorer, measure, measured, offers, overview, sides, state

MIXED = REVIEWS[0]
FRAME = f"""
import streamlit as st
from ftapp.ui import state
state.language_picker()
state.model_picker(None)
st.navigation([st.Page({str(ROOT / "pages" / "compare.py")!r}, default=True)]).run()
"""
WAIT = 20  # seconds after which a thread that should be done counts as stuck


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path) -> Path:
    """Be a server with the tiny pair alone, without stored results and test reviews; return where those would be."""
    monkeypatch.setattr(state, "bundled_models", lambda models: [tiny_model])
    monkeypatch.setattr(measured, "STORED", tmp_path / "variants.json")
    monkeypatch.setattr(measured, "TEST", tmp_path / "test.jsonl")
    monkeypatch.setattr(offers, "bf16_pays", lambda device: False)
    measure.desk.clear()
    return tmp_path


@pytest.fixture
def stored(server: Path) -> None:
    (server / "variants.json").write_text(json.dumps(results()), encoding="utf-8")


@pytest.fixture
def labelled(server: Path) -> list[LabelledReview]:
    """Put test reviews on the server: more than a chunk of them."""
    texts = [f"{text} {i}" for i in range(5) for text in REVIEWS]
    reviews = [LabelledReview(f"r{i}", text, (Label("배송", 1),), 3) for i, text in enumerate(texts)]
    (server / "test.jsonl").write_text(dump_labelled(reviews), encoding="utf-8")
    return reviews


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dynamic-int8 find 배송 in every review, never 가격, and call what it finds very positive."""
    load = state.load_predictor

    class Turned(Predictor):
        def analyze(self, texts, *args, **kwargs):
            return [self._turn(analysis) for analysis in super().analyze(texts, *args, **kwargs)]

        def _turn(self, analysis):
            kept = [k for k in analysis.keywords if k.keyword not in ("가격", "배송")]
            if analysis.overall:
                first = analysis.keywords[0]
                kept.append(replace(first, keyword="배송", probability=0.99, threshold=0.5, highlight=None))
            kept.sort(key=lambda k: self.scheme.keywords.index(k.keyword))
            felt = dict.fromkeys(self.scheme.sentiments, 0.0) | {"매우긍정": 1.0}
            return replace(analysis, keywords=tuple(replace(k, sentiment="매우긍정", probabilities=felt) for k in kept))

    def turn(source: str, variant: str, device: str) -> Predictor:
        predictor = load(source, "full", device)
        return (
            Turned(*(getattr(predictor, name) for name in Predictor.__dataclass_fields__)) if variant != "full" else predictor
        )

    monkeypatch.setattr(state, "load_predictor", turn)


def open_page() -> AppTest:
    """Open the page in a frame like that of app.py in which it is the first: half as many runs."""
    return AppTest.from_string(FRAME, default_timeout=180).run()


def markup(app: AppTest) -> str:
    return "\n".join(element.value for element in app.get("html") if not element.value.startswith("<style>"))


def sentences(app: AppTest) -> list[str]:
    return [element.value for kind in (app.error, app.warning, app.info) for element in kind]


def rows_drawn(app: AppTest) -> list[str]:
    return [line.split('"')[1] for line in markup(app).split("<tr ")[1:] if line.startswith("data-row")]


def flips_drawn(app: AppTest) -> int:
    return markup(app).count('class="ft-flip"')


def test_the_page_is_in_the_menu_and_says_how_to_measure_where_nothing_is_stored():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).run()
    app.switch_page("pages/compare.py").run()
    assert not app.exception
    page = markup(app)
    assert "모델 비교" in page
    assert "ftapp bench MODEL --output benchmarks/results/variants.json" in page
    assert "잴 때 쓸 리뷰(data/test.jsonl)가 이 서버에 없어요." in page
    assert [tab.label for tab in app.tabs] == ["한눈에", "나란히", "불일치 찾기"]
    assert not sentences(app)


def test_stored_results_are_shown_at_once_with_the_machine_they_came_from(stored):
    app = open_page()
    assert not app.exception
    page = markup(app)
    assert (
        "onnx-int8 모델은 full 모델보다 3.0배 빠르고, 용량은 22 MB에서 5.9 MB로 줄고, 키워드+감정 F1 점수는 0.3점 낮아요."
        in page
    )
    assert "2026-01-02 · Test CPU 9 · 코어 2개 · 메모리 8.0 GiB · avx2, avx512_vnni" in page
    assert "리뷰 1,099개로 정확도를 쟀고" in page
    assert rows_drawn(app) == ["distilled", "onnx-int8", "dynamic-int8", "full"]
    assert "키워드 F1 (micro) 점수가 90.3에서 87.1(으)로" in page  # why distilled is not accepted
    assert "이 CPU에는 bf16 명령이 없어요." in page
    assert "ftapp compress tiny --variant onnx" in page
    assert len(app.get("plotly_chart")) == 5
    assert not sentences(app)


def test_filters_leave_out_rows_and_the_story_follows_the_metric(stored):
    app = open_page()
    app.toggle(key="compare_accepted").set_value(True).run()
    assert rows_drawn(app) == ["onnx-int8", "dynamic-int8", "full"]
    app.button_group(key="compare_variants").set_value(["full", "distilled"]).run()
    assert rows_drawn(app) == ["full"]
    app.toggle(key="compare_accepted").set_value(False).run()
    assert rows_drawn(app) == ["distilled", "full"]
    app.button_group(key="compare_variants").set_value([]).run()
    app.selectbox(key="compare_metric_ko").set_value("highlight_f1").run()
    app.toggle(key="compare_highlights").set_value(True).run()
    page = markup(app)
    assert "근거 표시 F1 점수는 0.3점 낮아요" in page
    assert "60.0 ms → 20.0 ms" in page
    app.button_group(key="compare_figures").set_value(["load_s"]).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2


def test_the_page_speaks_english(stored, labelled):
    app = open_page()
    app.button_group(key="language").set_value("en").run()
    assert not app.exception
    assert "onnx-int8 is 3.0 times as fast as full, its size falls from 22 MB to 5.9 MB" in markup(app)
    assert [tab.label for tab in app.tabs] == ["At a glance", "Side by side", "Find disagreements"]


def test_results_of_another_model_say_so(server):
    (server / "variants.json").write_text(json.dumps(results(model="review-small")), encoding="utf-8")
    (said,) = sentences(open_page())
    assert "review" in said
    assert "tiny" in said


@pytest.mark.parametrize("content", ["{", '{"variants": [{"status": "ok"}]}'])
def test_broken_stored_results_are_one_sentence(server, content):
    (server / "variants.json").write_text(content, encoding="utf-8")
    app = open_page()
    assert not app.exception
    assert [element.value[:17] for element in app.warning] == ["저장된 결과를 읽을 수 없어요."]


def test_results_in_which_nothing_was_measured_are_listed(server):
    rows = [entry for entry in results()["variants"] if entry["status"] != "ok"]
    (server / "variants.json").write_text(json.dumps(results(rows)), encoding="utf-8")
    app = open_page()
    assert not app.exception
    assert sentences(app) == ["끝까지 잰 모델이 하나도 없어요."]
    assert "이 CPU에는 bf16 명령이 없어요." in markup(app)


class Benchmark:
    """A stand-in for `bench` that measures until it is told to go on, or to stop."""

    def __init__(self) -> None:
        self.go_on, self.began = threading.Event(), threading.Event()
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, model, variants, *, data, settings, progress: Callable[..., None], stopped: Callable[[], bool]):
        self.calls.append((model, variants, data, settings))
        progress(1, 4, variants[-1])
        self.began.set()
        while not self.go_on.wait(0.01) and not stopped():
            pass
        return results(model="tiny", data="own.jsonl")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    made = Benchmark()
    monkeypatch.setattr(measure, "bench", made)
    yield made
    made.go_on.set()


def settle(app: AppTest) -> AppTest:
    """Wait for the measurement of a page, unless it has seen the end already, and run it again, as its polling would."""
    if overview.MEASURING in app.session_state:
        assert app.session_state[overview.MEASURING].finished.wait(WAIT)
        app.run()
    return app


def test_measuring_shows_progress_and_its_results_are_kept_beside_the_stored_ones(stored, labelled, benchmark, tiny_model):
    app = open_page()
    assert app.multiselect(key="compare_measure_variants").value == ["full", "dynamic-int8"]
    app.button(key="compare_start").click().run()
    assert not app.exception
    assert benchmark.began.wait(WAIT)
    app.run()
    (bar,) = app.get("progress")
    assert (bar.value, bar.text) == (25, "4번 가운데 1번 쟀어요 · 지금 dynamic\\-int8")
    benchmark.go_on.set()
    settle(app)
    assert not app.exception
    assert sentences(app) == ["다 쟀어요. 위의 ‘이 컴퓨터에서 잰 결과’에서 볼 수 있어요."]
    assert "own.jsonl의 리뷰" in markup(app)
    assert json.loads(overview.dump(app.session_state[overview.OWN].raw)) == results(model="tiny", data="own.jsonl")
    assert app.download_button(key="compare_download")
    app.button_group(key="compare_source").set_value("stored").run()
    assert "test.jsonl의 리뷰" in markup(app)
    assert app.session_state[overview.OWN].data == "own.jsonl"
    ((model, variants, data, settings),) = benchmark.calls
    assert (model, variants, data) == (tiny_model, ["full", "dynamic-int8"], measured.TEST)
    assert (settings.reviews, settings.highlights, settings.device) == (measure.QUICK.reviews, True, "auto")


def test_measuring_can_be_cancelled_and_started_again(labelled, benchmark):
    app = open_page()
    app.button_group(key="compare_how").set_value("thorough")
    app.toggle(key="compare_measure_highlights").set_value(False)
    app.button(key="compare_start").click().run()
    app.button(key="compare_cancel").click().run()
    settle(app)
    assert not app.exception
    assert sentences(app) == ["멈췄어요. 그때까지 잰 값은 남아 있어요."]
    assert overview.OWN in app.session_state
    assert replace(measure.THOROUGH, highlights=False) == benchmark.calls[0][3]
    assert app.button(key="compare_start")


def test_only_one_measures_at_a_time_and_results_are_the_sessions_own(labelled, benchmark):
    app, other = open_page(), open_page()
    app.button(key="compare_start").click().run()
    other.button(key="compare_start").click().run()  # its page was drawn before the first began
    assert [said[:21] for said in sentences(other)] == ["이 서버에서 다른 사람이 재고 있어요."]
    assert not other.exception
    benchmark.go_on.set()
    settle(app)
    other.run()
    assert overview.OWN not in other.session_state
    assert other.button(key="compare_start")


def test_a_failed_measurement_is_one_sentence(labelled, monkeypatch):
    def fail(*args, **kwargs):
        raise CheckpointError("The weights are broken.")

    monkeypatch.setattr(measure, "bench", fail)
    app = open_page()
    app.button(key="compare_start").click().run()
    settle(app)
    assert not app.exception
    assert sentences(app) == ["재지 못했어요. The weights are broken."]


def test_no_variants_to_measure_is_one_sentence(labelled):
    app = open_page()
    app.multiselect(key="compare_measure_variants").set_value([])
    app.button(key="compare_start").click().run()
    assert sentences(app) == ["잴 모델 종류를 골라 주세요."]


def side_by_side(app: AppTest, text: str) -> AppTest:
    app.text_area(key="compare_text").set_value(text)
    return app.button(key="compare_submit").click().run()


def test_one_review_stands_side_by_side_with_what_differs(turned):
    app = side_by_side(open_page(), MIXED)
    assert not app.exception
    page = markup(app)
    assert page.count('class="ft-side"') == 2
    assert "<h3>full<" in page
    assert "<h3>dynamic-int8<" in page
    assert 'data-kind="sentiment"' in page
    assert "dynamic-int8: " in page
    assert "기준과 같은 답이에요" not in page
    result = app.session_state[sides.STATE]
    assert [side.variant for side in result.sides] == ["full", "dynamic-int8"]
    assert all(side.plain > 0 and side.marked > 0 for side in result.sides)
    assert page.count('data-row="배송"') == 2  # level with each other


def test_the_real_variants_are_compared_and_those_that_cannot_run_are_listed():
    app = side_by_side(open_page(), MIXED)
    assert not app.exception
    assert markup(app).count(f">{MIXED[:4]}") >= 1
    assert "아직 만들지 않았어요. <code>ftapp compress tiny --variant onnx</code>로 만들어요." in markup(app)
    assert "이 CPU에는 bf16 명령이 없어요." in markup(app)
    assert "시간은 한 번 읽어 데운 뒤" in markup(app)


def test_an_example_is_one_click_away():
    app = open_page()
    app.button(key="compare_example_mixed").click().run()
    assert not app.exception
    assert markup(app).count('class="ft-side"') == 2


@pytest.mark.parametrize(
    ("text", "variants", "sentence"),
    [
        ("  ", None, "분석할 글이 없어요. 리뷰를 적거나 위의 예시를 눌러 보세요."),
        ("가" * 2001, None, "글이 2,001자라서 읽지 않았어요. 2,000자까지 읽을 수 있어요."),
        ("굿", ["full"], "모델 종류를 두 가지 이상 골라 주세요."),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(text, variants, sentence):
    app = open_page()
    if variants:
        app.multiselect(key="compare_sides").set_value(variants)
    side_by_side(app, text)
    assert not app.exception
    assert sentences(app) == [sentence]


@pytest.mark.parametrize("text", ["<script>alert('1')</script> & 배송 **굵게**", "\x00😀"])
def test_odd_reviews_are_compared_or_said_to_be_unreadable(text):
    app = side_by_side(open_page(), text)
    assert not app.exception
    assert not app.error
    assert "<script" not in markup(app)
    assert markup(app).count('class="ft-side"') == 2


def test_a_variant_that_cannot_be_opened_is_one_sentence(monkeypatch):
    load = state.load_predictor

    def refuse(source: str, variant: str, device: str) -> Predictor:
        if variant != "full":
            raise CheckpointError("The weights of *this* one are broken.")
        return load(source, variant, device)

    monkeypatch.setattr(state, "load_predictor", refuse)
    app = side_by_side(open_page(), MIXED)
    assert not app.exception
    assert sentences(app) == [r"견주지 못했어요. The weights of \*this\* one are broken."]


def test_disagreements_over_the_test_reviews_are_found_and_listed(labelled, turned):
    app = open_page()
    app.button(key="compare_find").click().run()
    assert not app.exception
    last: explorer.Exploration = app.session_state[explorer.STATE]
    assert len(last.full) == len(last.other) == len(labelled) == 30
    answers = [answer for answer in last.answers("keyword") if answer.flipped]
    assert answers
    assert "full이 맞은 것 0개" in markup(app)  # 배송 is labelled everywhere and nothing else is
    assert flips_drawn(app) == explorer.FLIPS_A_PAGE
    cell = app.selectbox(key=f"compare_cell_{last.number}_keyword_ko")
    missed = [answer for answer in answers if answer.cell == ("배송", "other")]
    assert f"배송: dynamic-int8만 ({len(missed)})" in cell.options
    cell.set_value(f"배송{explorer.SEPARATOR}other").run()
    assert not app.exception
    assert flips_drawn(app) == min(len(missed), explorer.FLIPS_A_PAGE)
    assert f"리뷰 {len(missed)}개 · 자신 있게 갈린 것부터" in markup(app)
    first = max(missed, key=lambda answer: (answer.confidence, -answer.review))
    assert markup(app).index(f"리뷰 {first.review + 1} · 배송") < markup(app).index("정답")
    for view in ("sentiment", "overall"):
        app.button_group(key="compare_view").set_value(view).run()
        assert not app.exception
    assert "full → dynamic-int8" not in markup(app)


def test_sentiments_that_flip_are_listed_by_their_cell(labelled, turned):
    app = open_page()
    app.button(key="compare_find").click().run()
    app.button_group(key="compare_view").set_value("sentiment").run()
    last: explorer.Exploration = app.session_state[explorer.STATE]
    flips = [answer for answer in last.answers("sentiment") if answer.flipped]
    assert {answer.cell[1] for answer in flips} == {"매우긍정"}
    before = flips[0].cell[0]
    count = sum(answer.cell[0] == before for answer in flips)
    app.selectbox(key=f"compare_cell_{last.number}_sentiment_ko").set_value(f"{before}{explorer.SEPARATOR}매우긍정").run()
    assert flips_drawn(app) == min(count, explorer.FLIPS_A_PAGE)


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="compare_file").set_value((name, content, "text/plain")).run()
    return app.button(key="compare_find").click().run()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("내 리뷰.txt", "\n".join(REVIEWS[:1] + REVIEWS[3:4]).encode("cp949")),
        ("a.csv", f"별점,리뷰\n5,{REVIEWS[0]}\n1,굿\n".encode("utf-8-sig")),
        ("a.JSONL", "\n".join(json.dumps({"text": text}) for text in (REVIEWS[0], "굿")).encode()),
    ],
)
def test_an_uploaded_file_without_labels_is_explored(name, content, turned):
    app = upload(open_page(), name, content)
    assert not app.exception
    assert not app.error
    last: explorer.Exploration = app.session_state[explorer.STATE]
    assert (last.texts, last.labels, last.source) == ((REVIEWS[0], "굿"), (), name)
    assert len(last.other) == 2
    assert flips_drawn(app) > 0
    assert "정답" not in markup(app)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"x,y\n1,2\n", "x, y; name the one with the reviews."),
        ("a.jsonl", b"{}\n", "Line 1 of 'a.jsonl' is no JSON object"),
        ("a.txt", b"\xff\xff\xff", "'a.txt' is neither UTF-8 nor cp949"),
        ("a.txt", b"\n \n", "파일에 리뷰가 없어요."),
        ("a.txt", b"x" * 5_100_000, "파일이 5.1 MB예요. 5 MB까지 읽을 수 있어요."),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_with_its_own_name(name, content, said):
    app = upload(open_page(), name, content)
    assert not app.exception
    (sentence,) = sentences(app)
    assert said in sentence.replace("\\", "")
    assert "/tmp" not in sentence
    assert explorer.STATE not in app.session_state


def test_a_column_can_be_named(turned):
    app = open_page()
    app.file_uploader(key="compare_file").set_value(("a.csv", "x,y\n1,배송이 늦었어요\n".encode(), "text/csv")).run()
    app.text_input(key="compare_column").set_value("y").run()
    app.button(key="compare_find").click().run()
    assert app.session_state[explorer.STATE].texts == ("배송이 늦었어요",)


def test_no_file_is_one_sentence():
    app = open_page()
    app.button(key="compare_find").click().run()
    assert not app.exception
    assert sentences(app) == ["리뷰 파일을 올려 주세요."]


def test_variants_that_agree_on_everything_say_so(labelled, monkeypatch):
    load = state.load_predictor
    monkeypatch.setattr(state, "load_predictor", lambda source, variant, device: load(source, "full", device))
    app = open_page()
    app.button(key="compare_find").click().run()
    assert not app.exception
    assert "모든 답이 같아요. 갈린 리뷰가 없어요." in markup(app)
    assert "0칸(0.0%)에서 갈렸고" in markup(app)


def test_a_stopped_search_keeps_what_is_done_and_goes_on(labelled, monkeypatch):
    analyze = Predictor.analyze
    stop = True

    def stop_at_the_second_chunk(self: Predictor, texts, *args, **kwargs):
        if stop and texts[0] == labelled[explorer.CHUNK].text:
            st.stop()
        return analyze(self, texts, *args, **kwargs)

    monkeypatch.setattr(Predictor, "analyze", stop_at_the_second_chunk)
    app = open_page()
    app.button(key="compare_find").click().run()
    app.run()
    assert not app.exception
    assert sentences(app) == ["30개 가운데 20개까지 읽고 멈췄어요. 아래는 거기까지의 결과예요."]
    assert len(app.session_state[explorer.STATE].full) == 20
    stop = False
    app.button(key="compare_go_on").click().run()
    assert not app.exception
    assert len(app.session_state[explorer.STATE].full) == 30
    assert not sentences(app)


def test_sessions_share_neither_reviews_nor_results(labelled, turned):
    app, other = open_page(), open_page()
    side_by_side(app, MIXED)
    app.button(key="compare_find").click().run()
    other.run()
    assert explorer.STATE not in other.session_state
    assert sides.STATE not in other.session_state
    assert not other.text_area(key="compare_text").value


def test_results_say_what_made_them_when_the_device_changes(labelled, turned):
    app = side_by_side(open_page(), MIXED)
    app.button(key="compare_find").click().run()
    assert not sentences(app)
    app.selectbox(key="sidebar_device").set_value("cpu").run()
    assert not app.exception
    assert [sentence[:3] for sentence in sentences(app)] == ["아래는"] * 2


@pytest.mark.parametrize("source", ["", "/no/such/folder", "x" * 500])
def test_a_model_that_is_typed_wrong_never_breaks_the_page(stored, labelled, source):
    app = open_page()
    app.selectbox(key="sidebar_model").set_value(state.OTHER).run()
    app.text_input(key="sidebar_source").set_value(source).run()
    assert not app.exception
    assert "모델 폴더만 잴 수 있어요." in markup(app)
    assert rows_drawn(app)  # the stored results stay
