"""The compare page's third tab: many reviews through full and one other variant, and the answers on which they differ."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ftapp import compare
from ftapp.compare import CELLS, Answer, floor_of, ordered, who_is_right
from ftapp.errors import FtappError, InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview, read_labelled, read_texts
from ftapp.schema import Analysis, LabelScheme
from ftapp.ui import compare_charts, compare_html, html, measured, offers, state
from ftapp.ui.measured import REFERENCE
from ftapp.ui.state import ModelKey
from ftapp.ui.texts import key_of, plain, sentiment_name, t

STATE = "compare_exploration"
CHUNK = 20  # reviews whose results are kept even if the run is stopped after them
MAX_REVIEWS = 2000
MAX_MEGABYTES = 5
COUNTS = (100, 300, MAX_REVIEWS)
FLIPS_A_PAGE = 10
ALL = ""  # the cell that stands for all in which the two differ
SEPARATOR = "\n"  # between a cell's row and column: no label holds one
VIEWS = ("keyword", "sentiment", "overall")


@dataclass(frozen=True)
class Exploration:
    """Reviews, their labels where known, and what full and another variant say of those that were read."""

    number: int
    model: ModelKey
    scheme: LabelScheme
    source: str
    texts: tuple[str, ...]
    labels: tuple[LabelledReview, ...]
    full: tuple[Analysis, ...] = ()
    other: tuple[Analysis, ...] = ()

    def answers(self, view: str) -> list[Answer]:
        """Return what the two say, in one view."""
        of = {"keyword": compare.keyword_answers, "sentiment": compare.sentiment_answers, "overall": compare.overall_answers}
        return of[view](self.full, self.other, self.scheme)


@dataclass(frozen=True)
class Reviews:
    """Reviews to explore: what they are called, the texts, and the labels of each where all have some."""

    name: str
    texts: tuple[str, ...]
    labels: tuple[LabelledReview, ...] = ()


def draw() -> None:
    """Draw what to explore, and the exploration that was asked for last."""
    key = state.model_key()
    if not key.source:
        st.info(t("sidebar.source.empty"))
        return
    html.show(html.note(t("explorer.line")))
    others = [name for name in offers.runnable(key.source, key.device, state.devices()) if name != REFERENCE]
    if not others:
        html.show(html.note(t("explorer.none")))
        return
    bar = st.container(horizontal=True, vertical_alignment="bottom", key="compare_explorer_bar")
    variant = bar.selectbox(t("explorer.variant"), others, key="compare_variant", width=240)
    count = bar.selectbox(t("explorer.count"), COUNTS, format_func=count_text, key=key_of("compare_count"), width=180)
    upload, column = choose_file()
    if st.button(t("explorer.start"), key="compare_find", type="primary"):
        find(replace(key, variant=variant), upload, column, count)
    last: Exploration | None = st.session_state.get(STATE)
    if last and len(last.full) < len(last.texts):
        place = st.container()
        if place.button(t("explorer.go_on"), key="compare_go_on", icon=":material/play_arrow:"):
            explore(last)
            last = st.session_state[STATE]
    if last and last.full:
        draw_exploration(last, replace(key, variant=variant))


def count_text(count: int) -> str:
    """Return how many reviews are read, as a choice."""
    return t("explorer.count.all") if count == MAX_REVIEWS else t("explorer.count.first", count=count)


def choose_file() -> tuple[UploadedFile | None, str]:
    """Draw the choice between the test reviews and a file; return the file, None for the test reviews, and its column."""
    if measured.TEST.is_file():
        names = {"bundled": t("explorer.bundled"), "upload": t("explorer.upload")}
        source = st.segmented_control(
            t("explorer.source"), list(names), default="bundled", required=True, format_func=names.__getitem__,
            key="compare_reviews",
        )  # fmt: skip
        if source == "bundled":
            return None, ""
    else:
        html.show(html.note(t("explorer.no_bundled")))
    upload = st.file_uploader(
        t("explorer.file"), type=["jsonl", "csv", "txt"], key="compare_file", max_upload_size=MAX_MEGABYTES,
        help=t("explorer.file.help", size=MAX_MEGABYTES),
    )  # fmt: skip
    column = ""
    if upload is not None and upload.name.lower().endswith(".csv"):
        column = st.text_input(t("explorer.column"), key="compare_column", max_chars=100).strip()
    return upload, column


def find(key: ModelKey, upload: UploadedFile | None, column: str, count: int) -> None:
    """Read the reviews and explore them, or say why not."""
    if upload is None and (not measured.TEST.is_file() or st.session_state.get("compare_reviews") == "upload"):
        st.info(t("explorer.no_file"))
        return
    if upload is not None and upload.size > MAX_MEGABYTES * 1e6:  # the browser refuses it already, unless it is asked not to
        st.error(t("explorer.too_large", given=upload.size / 1e6, allowed=MAX_MEGABYTES))
        return
    try:
        with st.spinner(t("model.loading")):
            scheme = state.load_predictor(key.source, REFERENCE, key.device).scheme
    except (FtappError, OSError) as error:
        st.error(t("compare.failed", reason=plain(str(error))))
        return
    try:
        reviews = read_upload(upload, scheme, column) if upload else read_reviews(measured.TEST, scheme)
    except (FtappError, OSError) as error:
        st.error(t("explorer.bad_file", reason=plain(str(error))))
        return
    if not any(text.strip() for text in reviews.texts):
        st.info(t("explorer.no_reviews"))
        return
    if len(reviews.texts) > count == MAX_REVIEWS:
        st.info(t("explorer.too_many", given=len(reviews.texts), allowed=count))
    last: Exploration | None = st.session_state.get(STATE)
    number = last.number + 1 if last else 1
    explore(Exploration(number, key, scheme, reviews.name, reviews.texts[:count], reviews.labels[:count]))


def read_upload(upload: UploadedFile, scheme: LabelScheme, column: str) -> Reviews:
    """Return the reviews of an uploaded file; raises InputError, which names the file as its owner does."""
    with tempfile.TemporaryDirectory(prefix="ftapp-") as folder:
        path = Path(folder, "reviews" + Path(upload.name).suffix.lower())
        path.write_bytes(upload.getvalue())
        try:
            return replace(read_reviews(path, scheme, column), name=upload.name)
        except InputError as error:
            raise InputError(str(error).replace(str(path), upload.name).replace(" (--column)", "")) from error


def read_reviews(path: Path, scheme: LabelScheme, column: str = "") -> Reviews:
    """Return a file's reviews, with their labels where all have labels that fit the scheme; raises InputError."""
    if path.suffix == ".jsonl":
        try:
            labelled = read_labelled(path, scheme)
            return Reviews(path.name, tuple(review.text for review in labelled), tuple(labelled))
        except InputError:
            pass  # it may hold texts without labels
    return Reviews(path.name, tuple(read_texts(path, column or None)))


def explore(exploration: Exploration) -> None:
    """Read what is left of the reviews in chunks, every finished chunk kept in the session's state; shows progress.

    Any click meanwhile, the stop button's too, ends it at the next batch; what is kept stays.
    """
    key, texts = exploration.model, exploration.texts
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, t("explorer.progress", done=len(exploration.full), total=len(texts)))
        st.button(t("explorer.stop"), key="compare_stop", icon=":material/stop_circle:")
    try:
        predictors = [state.load_predictor(key.source, name, key.device) for name in (REFERENCE, key.variant)]
        st.session_state[STATE] = exploration
        for start in range(len(exploration.full), len(texts), CHUNK):

            def show(part: int, _: int, start: int = start) -> None:
                done = start + part // 2
                bar.progress(done / len(texts), t("explorer.progress", done=done, total=len(texts)))

            exploration = read_chunk(exploration, predictors, start, show)
            st.session_state[STATE] = exploration
    except (FtappError, OSError) as error:
        st.error(t("compare.failed", reason=plain(str(error))))
    place.empty()


def read_chunk(
    exploration: Exploration, predictors: Sequence[Predictor], start: int, show: Callable[[int, int], None]
) -> Exploration:
    """Return the exploration with one more chunk read by both; `show` is told how many reviews either has read, summed."""
    texts = exploration.texts[start : start + CHUNK]
    read: list[tuple[Analysis, ...]] = []
    for predictor in predictors:
        before = len(texts) * len(read)

        def progress(done: int, total: int, before: int = before) -> None:
            show(before + done, total)

        analyses = predictor.analyze(texts, False, threshold=floor_of(predictor), progress=progress)
        read.append(tuple(replace(analysis, words=(), warnings=()) for analysis in analyses))  # a session's memory is small
    return replace(exploration, full=exploration.full + read[0], other=exploration.other + read[1])


@st.fragment
def draw_exploration(last: Exploration, chosen: ModelKey) -> None:
    """Draw the matrix of one view and the reviews of its chosen cell; a fragment, so that clicks redraw only this."""
    variant = last.model.variant
    made_by = {"model": last.model.name, "device": last.model.device}
    html.show(
        html.run_head(
            t("explorer.title", variant=variant),
            t("explorer.made_by", count=len(last.full), source=last.source, **made_by),
        )
    )
    if last.model != chosen:
        st.info(plain(t("explorer.stale", variant=variant, **made_by)), icon=":material/sync:")
    if len(last.full) < len(last.texts):
        st.warning(t("explorer.partial", done=len(last.full), total=len(last.texts)), icon=":material/stop_circle:")
    views = VIEWS if last.scheme.overall else VIEWS[:2]
    view = st.segmented_control(
        t("explorer.view"), views, default="keyword", required=True, format_func=lambda name: t(f"view.{name}"),
        key="compare_view", label_visibility="collapsed",
    )  # fmt: skip
    answers = last.answers(view or "keyword")
    with st.container(border=True, key="compare_disagreement"):
        html.show(html.heading(sentence(answers), ""))
        if last.labels:
            html.show(html.note(right_sentence(last, answers)))
        draw_matrix(last, view or "keyword", answers)
    draw_flips(last, view or "keyword", answers)


def sentence(answers: Sequence[Answer]) -> str:
    """Return how often the two differ."""
    flips = [answer for answer in answers if answer.flipped]
    share = f"{len(flips) / len(answers):.1%}" if answers else "0%"
    key = "explorer.sentence" + ("" if not answers or answers[0].view == "keyword" else f".{answers[0].view}")
    return t(key, cells=len(answers), flips=len(flips), share=share, reviews=len({answer.review for answer in flips}))


def right_sentence(last: Exploration, answers: Sequence[Answer]) -> str:
    """Return which of the two is right how often, where they differ; of a keyword one always is."""
    said = Counter(who(last, answer) for answer in answers if answer.flipped)
    values = {"variant": last.model.variant, "reference": said["reference"], "other": said["other"]}
    if answers and answers[0].view == "keyword":
        return t("explorer.right", **values)
    return t("explorer.right.neither", **values, neither=said["neither"])


def who(last: Exploration, answer: Answer) -> str | None:
    """Return which of the two is right, None where that is not known."""
    return who_is_right(answer, last.labels[answer.review], last.scheme) if last.labels else None


def draw_matrix(last: Exploration, view: str, answers: Sequence[Answer]) -> None:
    """Draw the matrix; a click on a cell chooses it."""
    variant = last.model.variant
    if view == "keyword":
        rows, columns = list(last.scheme.keywords), list(CELLS)
        flips = np.tile([cell in CELLS[1:3] for cell in CELLS], (len(rows), 1))
        row_heads, column_heads = rows, [t(f"cell.{cell}", variant=variant) for cell in columns]
    else:
        rows = columns = list(last.scheme.sentiments)
        flips = ~np.eye(len(rows), dtype=bool)
        row_heads = column_heads = [sentiment_name(name) for name in rows]
    html.show(html.note(t("explorer.matrix.keyword" if view == "keyword" else "explorer.matrix.rows", variant=variant)))
    counts = compare.matrix(answers, rows, columns)
    cell_key = key_of(f"compare_cell_{last.number}_{view}")
    keys = [[f"{row}{SEPARATOR}{column}" for column in columns] for row in rows]
    figure = compare_charts.answer_matrix(counts, row_heads, column_heads, flips, keys, st.session_state.get(cell_key))
    chart_key = f"compare_matrix_{last.number}_{view}"
    st.plotly_chart(
        figure, key=chart_key, on_select=lambda: choose_cell(chart_key, cell_key), selection_mode="points",
        config={"displayModeBar": False}, alt=t("explorer.view"),
    )  # fmt: skip
    options = [f"{row}{SEPARATOR}{column}" for row, column in ordered_cells(counts, flips, rows, columns)]
    if st.session_state.get(cell_key) not in (ALL, *options):
        st.session_state.pop(cell_key, None)  # an empty cell was clicked
    amounts = Counter(SEPARATOR.join(answer.cell) for answer in answers)
    amounts[ALL] = sum(answer.flipped for answer in answers)
    st.selectbox(
        t("explorer.cell"), [ALL, *options], key=cell_key,
        format_func=lambda cell: t("cell.option", name=cell_name(cell, view, variant), count=amounts[cell]),
    )  # fmt: skip


def choose_cell(chart_key: str, cell_key: str) -> None:
    """Choose the cell that was clicked in the matrix, all that differ where the click took the choice back."""
    points = st.session_state[chart_key]["selection"]["points"]
    data = points[0].get("customdata") if points else None
    st.session_state[cell_key] = data[0] if data else ALL


def ordered_cells(counts: np.ndarray, flips: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the cells that hold something: those in which the two differ first, the fullest first."""
    filled = [(int(r), int(c)) for r, c in zip(*np.nonzero(counts), strict=True)]
    filled.sort(key=lambda cell: (not flips[cell], -counts[cell]))
    return [(rows[r], columns[c]) for r, c in filled]


def cell_name(cell: str, view: str, variant: str) -> str:
    """Return a cell's name for people."""
    if cell == ALL:
        return t("cell.all")
    row, column = cell.split(SEPARATOR)
    if view == "keyword":
        return t("cell.keyword", keyword=row, who=t(f"cell.{column}", variant=variant))
    return t("cell.sentiment", before=sentiment_name(row), after=sentiment_name(column), variant=variant)


def draw_flips(last: Exploration, view: str, answers: Sequence[Answer]) -> None:
    """Draw the reviews of the chosen cell, page by page, and offer all that differ as JSON."""
    cell = st.session_state.get(key_of(f"compare_cell_{last.number}_{view}")) or ALL
    kept = ordered(a for a in answers if (a.flipped if cell == ALL else SEPARATOR.join(a.cell) == cell))
    bar = st.container(horizontal=True, vertical_alignment="center", key="compare_flips_bar")
    with bar:
        html.show(html.heading(t("explorer.list", count=len(kept)), ""), fit=True)
    bar.space("stretch")
    flips = ordered(answer for answer in answers if answer.flipped)
    bar.download_button(
        t("explorer.download"), dump(last, flips), "ftapp-differences.json", "application/json",
        key="compare_flips_download", on_click="ignore", icon=":material/download:", disabled=not flips,
    )  # fmt: skip
    if not kept:
        html.show(html.note(t("explorer.agreed" if cell == ALL else "explorer.nothing")))
        return
    pages = -(-len(kept) // FLIPS_A_PAGE)
    page = st.pagination(pages, key=f"compare_flips_{last.number}_{view}_{cell.replace(SEPARATOR, '_')}") if pages > 1 else 1
    for answer in kept[(page - 1) * FLIPS_A_PAGE : page * FLIPS_A_PAGE]:
        with st.container(border=True):
            label = last.labels[answer.review] if last.labels else None
            text = last.texts[answer.review]
            html.show(compare_html.flip(answer, text, last.model.variant, last.scheme, label, who(last, answer)))


def dump(last: Exploration, flips: Sequence[Answer]) -> bytes:
    """Return answers as JSON in UTF-8: the review's place in its file, its text, what either says, who is right if known."""
    rows = [
        {
            "review": answer.review + 1,
            "text": last.texts[answer.review],
            "about": answer.name,
            REFERENCE: answer.reference.to_dict() if answer.reference else None,
            last.model.variant: answer.other.to_dict() if answer.other else None,
            "right": who(last, answer),
        }
        for answer in flips
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2).encode("utf-8")
