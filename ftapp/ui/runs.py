"""One run of the analyze page: reviews in, results in the session's state, chunk by chunk, and out again as JSON."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from ftapp.predictor import Predictor
from ftapp.schema import Analysis
from ftapp.ui.state import ModelKey
from ftapp.ui.texts import t

LOWEST = 0.1  # keywords below this probability are not computed, so no slider goes lower
CHUNK = 20  # reviews whose results are kept even if the run is stopped after them
STATE = "analyze_run"


@dataclass(frozen=True)
class Run:
    """What was read, by which model, in how many seconds; fewer analyses than texts when it was stopped."""

    number: int
    model: ModelKey
    texts: tuple[str, ...]
    analyses: tuple[Analysis, ...]
    seconds: float


def last_run() -> Run | None:
    """Return what this session analyzed last."""
    return st.session_state.get(STATE)


def start_run(predictor: Predictor, model: ModelKey, texts: Sequence[str]) -> None:
    """Analyze the reviews in chunks and keep every finished chunk in the session's state; shows progress.

    Any click meanwhile, the stop button's too, ends the run at the next batch; what is kept stays.
    """
    last = last_run()
    number = last.number + 1 if last else 1
    floor = min(LOWEST, *map(predictor.manifest.threshold_of, predictor.scheme.keywords))
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, t("run.progress", done=0, total=len(texts)))
        if len(texts) > CHUNK:
            st.button(t("run.stop"), key="analyze_stop", icon=":material/stop_circle:")
    analyses: list[Analysis] = []
    began = time.perf_counter()
    for start in range(0, len(texts), CHUNK):

        def show(done: int, _: int, start: int = start) -> None:
            bar.progress((start + done) / len(texts), t("run.progress", done=start + done, total=len(texts)))

        analyses += predictor.analyze(texts[start : start + CHUNK], threshold=floor, progress=show)
        seconds = time.perf_counter() - began
        st.session_state[STATE] = Run(number, model, tuple(texts), tuple(analyses), seconds)
    place.empty()


def to_json(analyses: Sequence[Analysis]) -> bytes:
    """Return the analyses as a JSON list in UTF-8, one object per review."""
    return json.dumps([analysis.to_dict() for analysis in analyses], ensure_ascii=False, indent=2).encode("utf-8")
