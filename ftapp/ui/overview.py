"""The compare page's first tab: what was measured, as a sentence, plots and a table, and measuring on this machine."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from ftapp.errors import InputError, UnsupportedError
from ftapp.evaluate import FIGURES as METRICS
from ftapp.ui import charts, compare_charts, compare_html, html, measure, measured, offers, state
from ftapp.ui.figures import delta_text, figure_text
from ftapp.ui.measured import REFERENCE, Results, Row, Story
from ftapp.ui.texts import key_of, plain, t
from ftapp.variants import VARIANTS

OWN = "compare_measured"  # this session's own results
MEASURING = "compare_measuring"  # the measurement that this session asked for
BARS = (
    *METRICS, "label_agreement", "highlight_agreement", "p50{}", "p95{}", "reviews_per_s{}", "load_s", "first_ms",
    "size_bytes", "memory_mib", "gpu_memory_mib",
)  # fmt: skip
FIRST_BARS = ("keyword_micro_f1", "sentiment_accuracy", "reviews_per_s{}", "size_bytes")  # drawn until others are chosen
POLL = 1.0  # seconds between two looks at a measurement


def draw() -> None:
    """Draw the results, stored or this session's own, and below them the panel to measure."""
    collect()
    results = choose_results()
    if results:
        draw_results(results)
    draw_measuring()


def choose_results() -> Results | None:
    """Return the results to show, this session's own where it has measured; says so where there are none."""
    own: Results | None = st.session_state.get(OWN)
    try:
        stored = measured.load_results(measured.STORED)
    except InputError as error:
        st.warning(t("results.broken", reason=plain(str(error))))
        stored = None
    if own and stored:
        names = {"own": t("results.own"), "stored": t("results.stored")}
        picked = st.segmented_control(
            t("results.source"), list(names), default="own", required=True, format_func=names.__getitem__,
            key="compare_source", label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        return stored if picked == "stored" else own
    if not own and not stored:
        html.show(compare_html.paragraph(t("results.none")))
    return own or stored


@st.fragment
def draw_results(results: Results) -> None:
    """Draw everything that the filters concern; a fragment, so that they redraw only this."""
    draw_origin(results)
    if not results.measured:
        st.info(t("results.empty"))
        draw_missing(results.rows)
        return
    place = st.container()  # the story stands above the filters that it depends on
    metric, suffix, variants, accepted_only = draw_filters(results.measured)
    with place:
        draw_story(results.measured, f"p50{suffix}", metric)
    rows = measured.chosen(results.rows, variants, accepted_only=accepted_only)
    if rows:
        draw_trade(rows, f"p50{suffix}", metric)
        draw_table(rows, suffix, metric)
        draw_bars(rows, suffix)
    else:
        st.info(t("results.nothing"))
    draw_missing(results.rows)


def draw_origin(results: Results) -> None:
    """Draw which model the figures are of, the machine they come from, and on what they were measured."""
    chosen = state.model_key().name
    if chosen and chosen != results.model:
        st.info(plain(t("results.other_model", model=results.model, chosen=chosen)), icon=":material/info:")
    machine = results.environment
    sets = [str(name) for name in machine.get("instruction_sets") or ()]
    line = t(
        "results.environment", date=machine.get("date", "?"), cpu=machine.get("cpu", "?"), cores=machine.get("cores", "?"),
        memory=machine.get("memory_gib", "?"), sets=f" · {', '.join(sets)}" if sets else "",
    )  # fmt: skip
    versions = {"Python": machine.get("python", "?"), **(machine.get("libraries") or {})}
    libraries = f"{t('results.libraries')}: " + ", ".join(f"{name} {version}" for name, version in versions.items())
    html.show(html.run_head(t("results.title", model=results.model), line))
    html.show(html.note(f"{measured_on(results)} {libraries}"))


def measured_on(results: Results) -> str:
    """Return on which reviews the figures were measured."""
    try:
        counts, one = results.settings["reviews"], results.settings["latency_review"]
        count, characters = int(counts["quality"]), int(one["characters"])
        return t("results.measured_on", data=results.data, count=count, characters=characters)
    except (KeyError, TypeError, ValueError):
        return t("results.measured_on.short", data=results.data)


def draw_filters(rows: Sequence[Row]) -> tuple[str, str, list[str], bool]:
    """Draw the filters; return the metric, the suffix of the speeds, the variants (none for all), only accepted ones."""
    metrics = [name for name in METRICS if any(row.get(name) is not None for row in rows)] or list(METRICS)
    bar = st.container(horizontal=True, vertical_alignment="bottom", key="compare_filters")
    metric = bar.selectbox(
        t("filter.metric"), metrics, index=metrics.index("pair_f1") if "pair_f1" in metrics else 0,
        format_func=lambda name: t(f"figure.{name}"), key=key_of("compare_metric"), width=290,
    )  # fmt: skip
    marked = any(row.get("p50_highlights") is not None for row in rows)
    highlights = bar.toggle(
        t("filter.highlights"), key="compare_highlights", help=t("filter.highlights.help"), disabled=not marked
    )
    accepted_only = bar.toggle(t("filter.accepted"), key="compare_accepted", help=t("filter.accepted.help"))
    names = [row.variant for row in rows]
    variants = st.pills(t("filter.variants"), names, selection_mode="multi", format_func=plain, key="compare_variants")
    return metric, "_highlights" if highlights and marked else "", list(variants or ()), accepted_only


def draw_story(rows: Sequence[Row], cost: str, metric: str) -> None:
    """Draw what the figures come to, in one sentence and four numbers."""
    told = measured.story(rows, cost, metric)
    if told is None:
        html.show(compare_html.story(t("story.none"), []))
        return
    full, fast = (next(row for row in rows if row.variant == name) for name in (REFERENCE, told.variant))
    tiles = [
        (t("story.speed"), f"{told.times_faster:.1f}×", change(full, fast, cost)),
        (t("story.disk"), figure_text("size_bytes", fast.get("size_bytes")), change(full, fast, "size_bytes")),
    ]
    if told.difference is not None:
        tiles.append((t(f"figure.{metric}"), delta_text(told.difference), change(full, fast, metric)))
    agreement = fast.get("label_agreement")
    if agreement is not None:
        tiles.append((t("story.agreement"), f"{agreement:.1%}", t("story.agreement.note")))
    html.show(compare_html.story(story_sentence(told), tiles))


def story_sentence(told: Story) -> str:
    """Return the story in the session's language."""
    slower = told.times_faster < 1
    size = ""
    if told.size_before is not None and told.size_after is not None:
        before, after = (figure_text("size_bytes", value) for value in (told.size_before, told.size_after))
        way = "slower" if slower else "same" if before == after else "down" if told.size_after < told.size_before else "up"
        size = t(f"story.size.{way}", before=before, after=after)
    points = "" if told.difference is None else delta_text(told.difference)[1:]
    kind = "unknown" if told.difference is None else "same" if points == "0.0" else "lower" if told.difference < 0 else "higher"
    difference = t(f"story.{kind}", points=points) if kind in ("lower", "higher") else t(f"story.{kind}")
    return t(
        "story.slower" if slower else "story.faster", variant=told.variant, size=size, metric=t(f"figure.{told.metric}"),
        times=f"{1 / told.times_faster if slower else told.times_faster:.1f}", difference=difference,
    )  # fmt: skip


def change(before: Row, after: Row, name: str) -> str:
    """Return a figure of two rows as one becomes the other."""
    return t("story.from_to", before=figure_text(name, before.get(name)), after=figure_text(name, after.get(name)))


def draw_trade(rows: Sequence[Row], cost: str, metric: str) -> None:
    """Draw latency against the metric."""
    with st.container(border=True, key="compare_trade"):
        html.show(html.heading(t("chart.trade"), t("chart.trade.line")))
        charts.draw(compare_charts.cost_and_quality(rows, cost, metric), "compare_trade_chart", t("chart.trade"))


def draw_bars(rows: Sequence[Row], suffix: str) -> None:
    """Draw a small chart for each chosen figure, a bar for each variant."""
    reference = next((row for row in rows if row.variant == REFERENCE), None)
    with st.container(border=True, key="compare_bars"):
        html.show(html.heading(t("bars.title"), t("bars.line")))
        known = [name for name in BARS if any(row.get(name.format(suffix)) is not None for row in rows)]
        names = st.pills(
            t("bars.title"), known, selection_mode="multi", default=[name for name in FIRST_BARS if name in known],
            format_func=lambda name: t(f"figure.{name.format(suffix)}"), key="compare_figures", label_visibility="collapsed",
        )  # fmt: skip
        names = [name.format(suffix) for name in known if name in (names or ())]
        for start in range(0, len(names), 2):
            for column, name in zip(st.columns(2, gap="medium"), names[start : start + 2], strict=False):
                with column:
                    title = t(f"figure.{name}")
                    html.show(html.note(title))
                    charts.draw(compare_charts.figure_bars(rows, name, reference=reference), f"compare_bar_{name}", title)


def draw_table(rows: Sequence[Row], suffix: str, metric: str) -> None:
    """Draw all figures, and why some variants are not accepted."""
    with st.container(border=True, key="compare_table"):
        html.show(html.heading(t("table.title"), t("table.line")))
        html.show(compare_html.figures_table(rows, suffix, metric))
        refused = [row for row in rows if not row.accepted]
        if refused:
            html.show(html.heading(t("table.refused.title"), ""))
            lines = [(row.variant, compare_html.reason_text(reason)) for row in refused for reason in row.reasons]
            html.show(compare_html.reasons(lines))


def draw_missing(rows: Sequence[Row]) -> None:
    """Draw the variants without figures, each with its reason."""
    missing = [row for row in rows if not row.measured]
    if missing:
        with st.container(border=True, key="compare_missing"):
            html.show(html.heading(t("table.missing.title"), ""))
            html.show(compare_html.reasons([(row.variant, missing_text(row)) for row in missing]))


def missing_text(row: Row) -> str:
    """Return why a row has no figures."""
    said = compare_html.reason_text(row.reason)
    if said != row.reason:
        return said
    status = t(f"status.{row.status}") if row.status in measured.STATUSES else f"{row.status}."
    return f"{status} {row.reason}".strip()


def collect() -> None:
    """Keep what this session's measurement has found, once it is done."""
    job: measure.Measuring | None = st.session_state.get(MEASURING)
    if job and job.finished.is_set():
        del st.session_state[MEASURING]
        if job.results and job.results.measured:
            st.session_state[OWN] = job.results
        stopped = job.stopped.is_set()
        st.session_state["compare_said"] = (
            ("error", t("measure.failed", reason=plain(job.error)))
            if job.error
            else ("info", t("measure.cancelled" if stopped else "measure.done"))
        )


def draw_measuring() -> None:
    """Draw the panel to measure: its settings, or how far a measurement is."""
    with st.container(border=True, key="compare_measure"):
        html.show(html.heading(t("measure.title"), t("measure.line")))
        kind, said = st.session_state.pop("compare_said", ("", ""))
        if said:
            (st.error if kind == "error" else st.info)(said)
        job: measure.Measuring | None = st.session_state.get(MEASURING)
        if job:
            st.fragment(draw_progress, run_every=POLL)(job)
        elif measure.desk().busy:
            st.fragment(draw_busy, run_every=5 * POLL)()
        else:
            draw_settings()
        own: Results | None = st.session_state.get(OWN)
        if own:
            st.download_button(
                t("results.download"), dump(own.raw), "ftapp-variants.json", "application/json",
                key="compare_download", on_click="ignore", icon=":material/download:",
            )  # fmt: skip


def draw_settings() -> None:
    """Draw what to measure and how thoroughly, and the button that starts it; or why nothing can be measured here."""
    key = state.model_key()
    if not os.path.isdir(key.source):
        html.show(html.note(t("measure.no_folder")))
        return
    if not measured.TEST.is_file():
        html.show(html.note(t("measure.no_data")))
        return
    runnable = offers.runnable(key.source, key.device, state.devices())
    st.multiselect(t("measure.variants"), runnable, default=runnable, key="compare_measure_variants")
    names = {
        "quick": t("measure.quick", count=measure.QUICK.reviews),
        "thorough": t("measure.thorough", repeats=measure.THOROUGH.repeats),
    }
    bar = st.container(horizontal=True, vertical_alignment="center", key="compare_measure_bar")
    bar.segmented_control(
        t("measure.how"), list(names), default="quick", required=True, format_func=names.__getitem__,
        key="compare_how", label_visibility="collapsed",
    )  # fmt: skip
    bar.toggle(t("measure.highlights"), value=True, key="compare_measure_highlights")
    bar.button(t("measure.start"), key="compare_start", on_click=start, icon=":material/speed:")
    draw_obstacles(key)


def draw_obstacles(key: state.ModelKey) -> None:
    """Draw the variants that cannot run here, each with what is in the way."""
    blocked = {name: offers.obstacle(key.source, name, key.device, state.devices()) for name in VARIANTS}
    lines = [(name, str(reason)) for name, reason in blocked.items() if reason]
    if lines:
        with st.expander(t("obstacle.title", count=len(lines))):
            html.show(compare_html.reasons(lines))


def start() -> None:
    """Start the measurement that the panel describes."""
    key, chosen = state.model_key(), st.session_state.get("compare_measure_variants") or []
    if not chosen:
        st.session_state["compare_said"] = ("info", t("measure.nothing"))
        return
    settings = replace(
        measure.THOROUGH if st.session_state.get("compare_how") == "thorough" else measure.QUICK,
        highlights=bool(st.session_state.get("compare_measure_highlights")),
        device=key.device,
    )
    work = measure.bench_work(Path(key.source), chosen, measured.TEST, settings)
    with suppress(UnsupportedError):  # somebody else was quicker: the panel says that
        st.session_state[MEASURING] = measure.desk().start(chosen, work)


def draw_busy() -> None:
    """Draw that somebody else measures, and once that is done, the whole page again."""
    if not measure.desk().busy:
        st.rerun()
    st.info(t("measure.busy"), icon=":material/hourglass_top:")


def draw_progress(job: measure.Measuring) -> None:
    """Draw how far a measurement is, and once it is done, the whole page again."""
    if job.finished.is_set():
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    text = t("measure.progress", done=job.done, total=job.total, current=job.current) if job.current else t("measure.begin")
    st.progress(min(share, 1.0), t("measure.cancelling") if job.stopped.is_set() else plain(text))
    st.button(
        t("measure.cancel"), key="compare_cancel", on_click=job.cancel, icon=":material/stop_circle:",
        disabled=job.stopped.is_set(),
    )  # fmt: skip


def dump(results: Mapping[str, Any]) -> bytes:
    """Return results as JSON in UTF-8."""
    return json.dumps(results, ensure_ascii=False, indent=2).encode("utf-8")
