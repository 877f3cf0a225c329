"""The results of a run on the page: threshold, summary, a card for each review, the download. Nothing here runs a model."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ftapp.schema import Analysis
from ftapp.ui import charts, html
from ftapp.ui.runs import LOWEST, Run, to_json
from ftapp.ui.state import model_key
from ftapp.ui.texts import plain, t

CARDS_A_PAGE = 10


def draw_run(run: Run) -> None:
    """Draw a run's heading, what made it, and its results."""
    made_by = {"model": run.model.name, "variant": run.model.variant, "device": run.model.device}
    sentence = t("run.made_by", count=len(run.analyses), seconds=run.seconds, **made_by)
    html.show(html.run_head(t("run.title"), sentence))
    if run.model != model_key():
        st.info(plain(t("run.stale", **made_by)), icon=":material/sync:")
    if len(run.analyses) < len(run.texts):
        st.warning(t("run.partial", done=len(run.analyses), total=len(run.texts)), icon=":material/stop_circle:")
    draw_results(run)


@st.fragment
def draw_results(run: Run) -> None:
    """Draw what passes the threshold; a fragment, so that the slider, pages and words redraw only this."""
    bar = st.container(horizontal=True, vertical_alignment="center", key="analyze_bar")
    threshold = choose_threshold(bar)
    shown = [analysis.above(threshold) for analysis in run.analyses]
    bar.space("stretch")
    bar.download_button(
        t("run.download"), to_json(shown), "ftapp-analysis.json", "application/json",
        key="analyze_download", on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    draw_legend(run.analyses)
    if len(shown) > 1:
        draw_summary(shown, run.number)
    pages = -(-len(shown) // CARDS_A_PAGE)
    page = st.pagination(pages, key=f"analyze_page_{run.number}") if pages > 1 else 1
    first = (page - 1) * CARDS_A_PAGE
    for i, analysis in enumerate(shown[first : first + CARDS_A_PAGE], first):
        draw_card(analysis, number=i + 1, key=f"analyze_{run.number}_{i}")


def choose_threshold(place: DeltaGenerator) -> float | None:
    """Draw the threshold's switch and slider; return None for the model's own thresholds."""
    own = place.toggle(t("threshold.own"), value=True, key="analyze_own", help=t("threshold.own.help"), persist_state="session")
    chosen = place.slider(
        t("threshold.slider"), LOWEST, 0.95, 0.5, 0.05, key="analyze_threshold",
        disabled=own, help=t("threshold.slider.help"), persist_state="session", width=260,
    )  # fmt: skip
    return None if own else chosen


def draw_legend(analyses: Sequence[Analysis]) -> None:
    """Draw the colours and signs of the model's sentiments, once above all cards."""
    judged = [result for analysis in analyses for result in (*analysis.keywords, analysis.overall) if result]
    if judged:
        html.show(html.legend(list(judged[0].probabilities)))


def draw_summary(shown: Sequence[Analysis], number: int) -> None:
    """Draw how often each keyword was found, by sentiment."""
    mentioned = sum(bool(analysis.keywords) for analysis in shown)
    keywords = {result.keyword for analysis in shown for result in analysis.keywords}
    with st.container(border=True, key="analyze_summary"):
        html.show(html.heading(t("summary.title"), t("summary.line", mentioned=mentioned, keywords=len(keywords))))
        if keywords:
            charts.draw(charts.keyword_sentiments(shown), f"analyze_{number}_summary", t("summary.title"))


def draw_card(analysis: Analysis, *, number: int, key: str) -> None:
    """Draw one review: its marked text, overall and keyword sentiments, and on demand what each word contributes."""
    with st.container(border=True, key=f"{key}_card"):
        title = html.heading(t("card.title", number=number), "")
        html.show(title + html.review_text(analysis) + html.notices(analysis))
        if any(notice.code in ("empty", "unreadable") for notice in analysis.warnings):
            return
        left, right = st.columns([3, 2], gap="medium")
        with left:
            html.show(html.sentiment_rows(analysis))
        if analysis.overall or analysis.keywords:
            with right:
                charts.draw(charts.sentiment_bars(analysis), f"{key}_bars", t("card.bars"))
        if analysis.keywords:
            draw_words(analysis, key)


def draw_words(analysis: Analysis, key: str) -> None:
    """Draw a choice of keyword and, once chosen, every word's contribution to it."""
    results = {result.keyword: result for result in analysis.keywords}
    if st.session_state.get(f"{key}_word") not in results:
        st.session_state.pop(f"{key}_word", None)  # the threshold has hidden the chosen keyword
    chosen = st.pills(t("card.choose"), list(results), format_func=plain, key=f"{key}_word")
    if chosen:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            html.show(html.word_contributions(analysis, results[chosen]))
        with right:
            charts.draw(charts.strongest_words(analysis, results[chosen]), f"{key}_words", t("words.chart"))
