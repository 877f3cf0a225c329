"""The compare page's second tab: one review through several variants, side by side, differences marked."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from ftapp.compare import Difference, differences, floor_of, found
from ftapp.errors import FtappError
from ftapp.predictor import Predictor
from ftapp.schema import Analysis, LabelScheme
from ftapp.ui import cards, compare_html, html, offers, overview, state
from ftapp.ui.examples import EXAMPLES
from ftapp.ui.state import ModelKey
from ftapp.ui.texts import plain, t

STATE = "compare_sides_result"
MOST = 3  # variants in one comparison: as many as `load_predictor` keeps in memory
MAX_CHARACTERS = 2000
BROWSER_CHARACTERS = 20_000  # the text area refuses more; below, a sentence says what is too much
SHOWN_EXAMPLES = ("mixed", "negative", "unspaced", "neutral", "long")
RUNS, SECONDS = 5, 1.0  # a latency is the median of at most RUNS readings, fewer where they take longer than SECONDS
COUNTED = {"mention": "probability", "feeling": "probability"}


@dataclass(frozen=True)
class Side:
    """What one variant says of the review, and the seconds that it takes without and with highlights."""

    variant: str
    analysis: Analysis
    plain: float
    marked: float


@dataclass(frozen=True)
class Sides:
    """One review read by several variants of a model; the first is the reference."""

    source: str
    device: str
    scheme: LabelScheme
    sides: tuple[Side, ...]


def take_example(name: str) -> None:
    """Put an example into the text area and ask for its comparison."""
    st.session_state["compare_text"] = EXAMPLES[name]
    st.session_state["compare_asked"] = True


def ask() -> None:
    """Ask for the comparison of what is in the text area."""
    st.session_state["compare_asked"] = True


def draw() -> None:
    """Draw the form, and the comparison that was asked for last."""
    key = state.model_key()
    if not key.source:
        st.info(t("sidebar.source.empty"))
        return
    runnable = offers.runnable(key.source, key.device, state.devices())
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="compare_examples"):
        html.show(html.note(t("analyze.examples")), fit=True)
        for name in SHOWN_EXAMPLES:
            st.button(t(f"example.{name}"), key=f"compare_example_{name}", on_click=take_example, args=(name,))
    with st.form("compare_form", border=False):
        text = st.text_area(
            t("sides.text"), key="compare_text", height=110, max_chars=BROWSER_CHARACTERS, persist_state="session",
            placeholder=t("analyze.placeholder"),
        )  # fmt: skip
        variants = st.multiselect(
            t("sides.variants"), runnable, default=runnable[: 1 if len(runnable) < 2 else 2], max_selections=MOST,
            key="compare_sides",
        )  # fmt: skip
        html.show(html.note(t("sides.rules", characters=MAX_CHARACTERS, most=MOST)))
        st.form_submit_button(t("sides.submit"), type="primary", on_click=ask, key="compare_submit")
    if len(runnable) < 2:
        html.show(html.note(t("sides.none")))
    if st.session_state.pop("compare_asked", False):
        compare(key, (text or "").strip(), variants)
    result: Sides | None = st.session_state.get(STATE)
    if result:
        draw_sides(result)
    overview.draw_obstacles(key)


def compare(key: ModelKey, text: str, variants: Sequence[str]) -> None:
    """Read the review with every variant and keep what they say, or say why not."""
    if not text:
        st.info(t("analyze.empty"))
    elif len(text) > MAX_CHARACTERS:
        st.error(t("sides.long", given=len(text), allowed=MAX_CHARACTERS))
    elif len(variants) < 2:
        st.info(t("sides.few"))
    else:
        place = st.empty()
        try:
            sides, scheme = [], LabelScheme()
            for i, variant in enumerate(variants):

                def show(*_: int, i: int = i, variant: str = variant) -> None:
                    place.progress(i / len(variants), plain(t("sides.progress", variant=variant)))

                show()
                predictor = state.load_predictor(key.source, variant, key.device)
                scheme = predictor.scheme
                sides.append(read(predictor, variant, text, show))
            st.session_state[STATE] = Sides(key.source, key.device, scheme, tuple(sides))
        except (FtappError, OSError) as error:
            st.error(t("compare.failed", reason=plain(str(error))))
        place.empty()


def read(predictor: Predictor, variant: str, text: str, show: Callable[..., None]) -> Side:
    """Return what a variant says of the review; the reading that is kept warms up for those that are timed.

    `show` is called after each of its batches and between the timed readings; it may raise to stop the work.
    """
    analysis = predictor.analyze([text], threshold=floor_of(predictor), progress=show)[0]
    return Side(variant, analysis, *(latency(predictor, text, highlights, show) for highlights in (False, True)))


def latency(predictor: Predictor, text: str, highlights: bool, show: Callable[..., None]) -> float:
    """Return the median seconds of reading one review."""
    taken: list[float] = []
    while not taken or (len(taken) < RUNS and sum(taken) < SECONDS):
        show()
        begun = time.perf_counter()
        predictor.analyze([text], highlights)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def draw_sides(result: Sides) -> None:
    """Draw a sentence for each variant and below it a column for each, rows level with each other."""
    key = state.model_key()
    made_by = {"model": ModelKey(result.source, "", result.device).name, "device": result.device}
    html.show(html.run_head(t("sides.title"), t("sides.made_by", **made_by)))
    if (key.source, key.device) != (result.source, result.device):
        st.info(plain(t("sides.stale", **made_by)), icon=":material/sync:")
    first, *others = result.sides
    against = {side.variant: differences(first.analysis, side.analysis, result.scheme) for side in others}
    cards.draw_legend([side.analysis for side in result.sides])
    html.show(compare_html.verdicts([(variant, counted(rows)) for variant, rows in against.items()]))
    marked = {row.name for rows in against.values() for row in rows if row.kinds}
    names = {name: name in marked for name in named(result)}
    for column, side in zip(st.columns(len(result.sides), gap="small"), result.sides, strict=True):
        reference = side is first
        rows = {row.name: row for row in against.get(side.variant, ())}
        head = compare_html.side_head(side.variant, compare_html.latency_text(side.plain, side.marked), reference=reference)
        with column, st.container(border=True, key=f"compare_side_{side.variant}"):
            html.show(compare_html.side_column(head, side.analysis, names, rows, result.scheme))
    html.show(html.notices(first.analysis) + html.note(t("sides.latency.note")))


def named(result: Sides) -> list[str]:
    """Return overall and every keyword that any variant found, in label order: the rows of all columns."""
    keywords = {k.keyword for side in result.sides for k in side.analysis.keywords if found(k)}
    overall = [result.scheme.overall] if any(side.analysis.overall for side in result.sides) else []
    return [name for name in (*overall, *result.scheme.keywords) if name and (name in keywords or name in overall)]


def counted(rows: Sequence[Difference]) -> Mapping[str, int]:
    """Return how often each kind of difference occurs; a keyword whose probabilities move counts once."""
    counts = Counter(kind for row in rows for kind in {COUNTED.get(kind, kind) for kind in row.kinds})
    return {kind: counts[kind] for kind in ("gained", "lost", "sentiment", "probability", "highlight")}
