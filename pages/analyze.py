"""Paste reviews, see keywords, sentiments and the words that say so."""

import streamlit as st

from ftapp.errors import FtappError
from ftapp.ui import html, runs, state
from ftapp.ui.cards import draw_run
from ftapp.ui.examples import EXAMPLES
from ftapp.ui.reviews import BROWSER_CHARACTERS, MAX_CHARACTERS, MAX_REVIEWS, limit_exceeded, split_reviews
from ftapp.ui.texts import plain, t


def take_example(name: str) -> None:
    """Put an example into the text area and ask for its analysis."""
    st.session_state["analyze_text"] = EXAMPLES[name]
    st.session_state["analyze_asked"] = True


def ask() -> None:
    """Ask for the analysis of what is in the text area."""
    st.session_state["analyze_asked"] = True


def analyze(text: str) -> None:
    """Run the model on the text area's reviews, or say why not."""
    reviews = split_reviews(text)
    if over := limit_exceeded(text, reviews):
        limit, given, allowed = over
        st.error(t(f"limit.{limit}", given=given, allowed=allowed))
    elif not reviews:
        st.info(t("analyze.empty"))
    elif predictor := state.chosen_predictor():
        try:
            runs.start_run(predictor, state.model_key(), reviews)
        except FtappError as error:
            st.error(t("run.failed", reason=plain(str(error))))


html.show_style()
html.show(html.lead(t("page.analyze"), t("analyze.lead")))
with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="analyze_examples"):
    html.show(html.note(t("analyze.examples")), fit=True)
    for name in EXAMPLES:
        st.button(t(f"example.{name}"), key=f"example_{name}", on_click=take_example, args=(name,))
with st.form("analyze_form", border=False):
    text = st.text_area(
        t("analyze.text"), key="analyze_text", height=140, max_chars=BROWSER_CHARACTERS, persist_state="session",
        placeholder=t("analyze.placeholder"), label_visibility="collapsed",
    )  # fmt: skip
    html.show(html.note(t("analyze.rules", characters=MAX_CHARACTERS, reviews=MAX_REVIEWS)))
    st.form_submit_button(t("analyze.submit"), type="primary", on_click=ask, key="analyze_submit")

if st.session_state.pop("analyze_asked", False):
    analyze(text or "")
else:
    state.chosen_predictor()  # load and warm it while the user types
if run := runs.last_run():
    draw_run(run)
else:
    html.show(html.tour())
