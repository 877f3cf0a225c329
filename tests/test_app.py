"""Journeys through the whole app without a browser, with whatever model is in models/review-small."""

import json
import threading
from html import unescape

import pytest
import streamlit as st
from conftest import BUNDLED, ROOT
from streamlit.testing.v1 import AppTest

from ftapp.predictor import Predictor
from ftapp.schema import OVERALL, SENTIMENTS
from ftapp.ui import cards, runs, state
from ftapp.ui.examples import EXAMPLES
from ftapp.ui.reviews import MAX_CHARACTERS, MAX_REVIEWS

ODD = {
    "one character": "굿",
    "emoji only": "😀😡👍🏽👨‍👩‍👧",
    "html and script": "<script>alert('1')</script><img src=x onerror=alert(1)> 배송이 \"늦었어요\" & </div>",
    "control characters": "배송이\x00 늦\x1b[31m었어요\x07\x7f",
    "only control characters": "\x00\x01\x02",
    "only zero-width": "\u200b\u200d\ufeff",
    "right-to-left": "‮배송이 늦었어요‬ שלום מאוד יפה ‏",
    "not Korean": "The design is pretty but the delivery was late. 配送很慢。とても良い。",
    "markdown": "# 배송 **늦음** `코드` $x^2$ [링크](http://example.com) :smile:",
    "decomposed": "배송이 늦었어요",
    "one long word": "가" * 5000,
    "as long as allowed": ("배송이 늦었어요 " * MAX_CHARACTERS)[:MAX_CHARACTERS],
}


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).run()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that grows by the texts of every call of `Predictor.analyze`."""
    seen: list[list[str]] = []
    analyze = Predictor.analyze

    def counted(self: Predictor, texts, *args, **kwargs):
        seen.append(list(texts))
        return analyze(self, texts, *args, **kwargs)

    monkeypatch.setattr(Predictor, "analyze", counted)
    return seen


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that grows by what the download button offers at every drawing."""
    seen: list[bytes] = []
    monkeypatch.setattr(cards, "to_json", lambda shown: seen.append(runs.to_json(shown)) or seen[-1])
    return seen


def submit(app: AppTest, text: str) -> AppTest:
    app.text_area(key="analyze_text").set_value(text)
    return app.button(key="analyze_submit").click().run()


def markup(app: AppTest) -> str:
    return "\n".join(element.value for element in app.get("html") if not element.value.startswith("<style>"))


def reviews_drawn(app: AppTest) -> int:
    return markup(app).count('<div class="ft-text" dir="auto"')


def keywords_drawn(app: AppTest) -> int:
    return markup(app).count("data-row=")


def sentences(app: AppTest) -> list[str]:
    return [element.value for kind in (app.error, app.warning, app.info) for element in kind]


def test_the_first_screen_explains_itself(app):
    assert not app.exception
    page = markup(app)
    assert "한국어 쇼핑 리뷰를 붙여 넣으세요" in page
    assert "20,000자" in page
    assert "200개" in page
    assert [b.key for b in app.button if str(b.key).startswith("example_")] == [f"example_{name}" for name in EXAMPLES]
    assert app.selectbox(key="sidebar_model").value == str(BUNDLED)
    options = app.selectbox(key="sidebar_variant").options
    assert options[0] == "full"
    assert "dynamic-int8" in options
    assert not sentences(app)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_one_click_away(app, calls, name):
    app.button(key=f"example_{name}").click().run()
    assert not app.exception
    assert app.text_area(key="analyze_text").value == EXAMPLES[name]
    assert reviews_drawn(app) == len(app.session_state[runs.STATE].texts) == len(calls[0])
    assert len(calls) == 1
    assert not sentences(app)


def test_two_pasted_reviews_make_two_cards_and_a_summary(app):
    submit(app, "디자인은 예쁜데 배송이 늦었어요\n품질이 좋아요")
    assert not app.exception
    assert reviews_drawn(app) == 2
    assert "리뷰 2개" in markup(app)
    assert "키워드별 감정" in markup(app)
    submit(app, "디자인은 예쁜데\n배송이 늦었어요\n\n품질이 좋아요")
    assert app.session_state[runs.STATE].texts == ("디자인은 예쁜데\n배송이 늦었어요", "품질이 좋아요")


def test_the_threshold_filters_again_without_a_model(app, calls, downloads):
    submit(app, "디자인은 예쁜데 배송이 늦었어요\n품질이 좋아요")
    own = keywords_drawn(app)
    assert len(calls) == 1
    assert app.slider(key="analyze_threshold").disabled
    app.toggle(key="analyze_own").set_value(False).run()
    assert not app.slider(key="analyze_threshold").disabled
    analyses = app.session_state[runs.STATE].analyses
    drawn = {}
    for threshold in (0.1, 0.5, 0.9):
        app.slider(key="analyze_threshold").set_value(threshold).run()
        assert not app.exception
        expected = [[k.keyword for k in a.keywords if k.probability >= threshold] for a in analyses]
        drawn[threshold] = keywords_drawn(app)
        assert drawn[threshold] == sum(map(len, expected))
        assert [[k["keyword"] for k in review["keywords"]] for review in json.loads(downloads[-1])] == expected
    assert drawn[0.1] >= drawn[0.5] >= drawn[0.9]
    app.toggle(key="analyze_own").set_value(True).run()
    assert keywords_drawn(app) == own
    assert len(calls) == 1


def test_keywords_below_the_lowest_threshold_are_not_computed_and_all_above_are(app):
    submit(app, EXAMPLES["long"])
    found = {k.keyword: k.probability for k in app.session_state[runs.STATE].analyses[0].keywords}
    predictor = state.load_predictor(str(BUNDLED), "full", "auto")
    probabilities = predictor.keyword_probabilities([EXAMPLES["long"]])[0]
    expected = {k for k, p in zip(predictor.scheme.keywords, probabilities, strict=True) if p >= runs.LOWEST}
    assert found.keys() == expected


def test_a_chosen_keyword_shows_every_words_contribution(app, calls):
    submit(app, "디자인은 예쁜데 배송이 늦었어요")
    app.toggle(key="analyze_own").set_value(False).run()
    app.slider(key="analyze_threshold").set_value(0.1).run()
    run = app.session_state[runs.STATE]
    if not run.analyses[0].keywords:
        pytest.skip("this model finds no keyword in the example")
    result = max(run.analyses[0].keywords, key=lambda k: k.probability)
    key = f"analyze_{run.number}_0_word"
    assert "data-points" not in markup(app)
    app.button_group(key=key).set_value(result.keyword).run()
    assert not app.exception
    assert markup(app).count("data-points") == len(run.analyses[0].words) == 4
    app.slider(key="analyze_threshold").set_value(0.95).run()  # the chosen keyword may vanish under the threshold
    assert not app.exception
    assert len(calls) == 1


def test_the_language_switch_keeps_the_results(app, calls):
    submit(app, "디자인은 예쁜데 배송이 늦었어요")
    app.button_group(key="language").set_value("en").run()
    assert not app.exception
    assert "Paste Korean shopping reviews" in markup(app)
    assert "Results" in markup(app)
    assert app.button(key="analyze_submit").label == "Analyze"
    assert reviews_drawn(app) == 1
    assert len(calls) == 1
    app.button_group(key="language").set_value("ko").run()
    assert app.button(key="analyze_submit").label == "분석하기"


@pytest.mark.parametrize("text", ["", "   ", "\n \t\r\n　"])
def test_nothing_to_read_is_one_sentence(app, calls, text):
    submit(app, text)
    assert not app.exception
    assert sentences(app) == ["분석할 글이 없어요. 리뷰를 적거나 위의 예시를 눌러 보세요."]
    assert not calls


@pytest.mark.parametrize("name", ODD)
def test_odd_input_gives_a_sentence_or_a_result(app, name):
    submit(app, ODD[name])
    assert not app.exception
    assert not app.error
    assert reviews_drawn(app) == 1
    page = markup(app)
    assert "<script" not in page
    assert "<img" not in page
    if name in ("emoji only", "only control characters", "only zero-width"):
        assert '<p role="note">' in page
    if name == "html and script":
        assert "<script>alert('1')</script>" in unescape(page)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "배송이 늦었어요 " * 11_112,
            "글이 100,008자라서 읽지 않았어요. 한 번에 20,000자까지 읽을 수 있으니 나눠서 넣어 주세요.",
        ),
        ("굿\n" * (MAX_REVIEWS + 1), "리뷰가 201개라서 읽지 않았어요. 한 번에 200개까지 읽을 수 있으니 나눠서 넣어 주세요."),
    ],
)
def test_too_much_is_refused_with_the_limit_and_earlier_results_stay(app, calls, text, sentence):
    submit(app, "배송이 늦었어요")
    submit(app, text)
    assert not app.exception
    assert sentences(app) == [sentence]
    assert len(calls) == 1
    assert reviews_drawn(app) == 1


@pytest.mark.parametrize("source", ["/no/such/folder", "models", "a,b", "*x* <b>y</b>"])
def test_a_wrong_model_is_one_sentence(app, calls, source):
    app.selectbox(key="sidebar_model").set_value(state.OTHER).run()
    assert sentences(app) == ["사이드바에 모델 폴더나 허브 id를 적어 주세요."]
    app.text_input(key="sidebar_source").set_value(source).run()
    assert not app.exception
    submit(app, "배송이 늦었어요")
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.startswith("모델을 열 수 없어요.")
    assert not calls


def test_results_say_what_made_them_when_another_model_is_chosen(app, calls):
    submit(app, "배송이 늦었어요")
    assert "review-small · full · auto" in markup(app)
    app.selectbox(key="sidebar_variant").set_value("dynamic-int8").run()
    assert not app.exception
    assert reviews_drawn(app) == 1
    assert len(app.info) == 1
    assert "full" in app.info[0].value
    read = len(calls)
    app.button(key="analyze_submit").click().run()
    assert len(calls) == read + 1
    assert not app.info
    assert "review-small · dynamic-int8 · auto" in markup(app)


def test_the_download_is_what_is_shown(app, downloads):
    texts = ["디자인은 예쁜데 배송이 늦었어요", "<b>품질</b>이 좋아요 😀"]
    submit(app, "\n".join(texts))
    assert app.download_button(key="analyze_download")
    assert "디자인은" in downloads[-1].decode("utf-8")  # Korean as it is, no \u escapes
    reviews = json.loads(downloads[-1])
    assert [review["text"] for review in reviews] == texts
    shown = [analysis.above() for analysis in app.session_state[runs.STATE].analyses]
    assert reviews == [analysis.to_dict() for analysis in shown]
    assert set(reviews[0]["overall"]["probabilities"]) == set(SENTIMENTS)
    assert OVERALL not in {keyword["keyword"] for review in reviews for keyword in review["keywords"]}


def test_many_reviews_come_in_pages_of_cards(app, calls):
    submit(app, "\n".join(f"배송이 늦었어요 {i}" for i in range(45)))
    assert not app.exception
    assert [len(texts) for texts in calls] == [20, 20, 5]
    assert reviews_drawn(app) == cards.CARDS_A_PAGE
    assert len(app.session_state[runs.STATE].analyses) == 45


def test_a_stopped_run_keeps_what_is_done(app, monkeypatch):
    analyze = Predictor.analyze

    def stop_at_the_third_chunk(self: Predictor, texts, *args, **kwargs):
        if texts[0].endswith(" 40"):
            st.stop()
        return analyze(self, texts, *args, **kwargs)

    monkeypatch.setattr(Predictor, "analyze", stop_at_the_third_chunk)
    submit(app, "\n".join(f"배송이 늦었어요 {i}" for i in range(45)))
    app.run()
    assert not app.exception
    assert [element.value for element in app.warning] == ["45개 가운데 40개까지 읽고 멈췄어요. 읽은 것은 아래에 그대로 있어요."]
    assert reviews_drawn(app) == cards.CARDS_A_PAGE


def test_sessions_share_models_but_not_texts(app, calls):
    other = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).run()
    submit(app, "배송이 늦었어요")
    assert runs.STATE not in other.session_state
    assert not other.text_area(key="analyze_text").value
    assert [texts for texts in calls if texts != ["배송이 늦었어요"]] == []


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch):
    """Return a list that grows by what is really loaded; the cache is empty before and after."""
    seen: list[tuple[str, str, str]] = []

    class Ready:
        def analyze(self, texts: list[str]) -> None: ...

    def load(source: str, variant: str, device: str) -> Ready:
        seen.append((source, variant, device))
        return Ready()

    state.load_predictor.clear()
    monkeypatch.setattr("ftapp.predictor.load", load)
    yield seen
    state.load_predictor.clear()


def test_a_model_is_loaded_once_and_three_are_kept(loads):
    threads = [threading.Thread(target=state.load_predictor, args=("a", "full", "cpu")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [("a", "full", "cpu")]
    for source in "bcd":
        state.load_predictor(source, "full", "cpu")
    state.load_predictor("d", "full", "cpu")
    assert len(loads) == 4
    state.load_predictor("a", "full", "cpu")
    assert len(loads) == 5
