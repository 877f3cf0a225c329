"""Analyses and metrics as coloured text for a terminal, aligned for wide Korean characters."""

import signal
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from ftapp.evaluate import Metrics
from ftapp.schema import Analysis, KeywordResult, LabelScheme

SIGNS = {-2: "▼▼", -1: "▼", 0: "●", 1: "▲", 2: "▲▲"}
BENCH_COLUMNS = (  # the two lines of a column's head, and where its figure stands in a row
    (("latency", "p50 ms"), "latency_ms.p50"),
    (("latency", "p95 ms"), "latency_ms.p95"),
    (("marked", "p50 ms"), "latency_highlights_ms.p50"),
    (("reviews", "a second"), "reviews_per_s"),
    (("marked", "a second"), "reviews_per_s_highlights"),
    (("load", "s"), "load_s"),
    (("memory", "MiB"), "memory_mib"),
    (("size", "MB"), "size_bytes"),
    (("keyword", "F1"), "metrics.keyword_micro_f1"),
    (("sentim.", "accuracy"), "metrics.sentiment_accuracy"),
    (("pair", "F1"), "metrics.pair_f1"),
    (("labels", "as full"), "label_agreement"),
    (("marks", "as full"), "highlight_agreement"),
)
BENCH_LIBRARIES = ("ftapp", "torch", "onnxruntime", "openvino")
COLOURS = {-2: "red", -1: "yellow", 0: "white", 1: "cyan", 2: "blue"}


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, so that a long job can end in order; a second one ends it at once."""
    asked = threading.Event()
    usual = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, usual)


def show(analysis: Analysis, scheme: LabelScheme) -> None:
    """Print one review with its marked words, keywords, overall and warnings."""
    click.echo(_marked(analysis, scheme))
    for result in analysis.keywords:
        step = _step(result.sentiment, scheme)
        quote = f"「{_visible(result.highlight.text)}」" if result.highlight else ""
        click.echo(
            f"  {pad(result.keyword, 10)} {result.probability:4.0%}  "
            + click.style(pad(f"{SIGNS[step]} {result.sentiment}", 12), fg=COLOURS[step])
            + f" {result.probabilities[result.sentiment]:4.0%}  {quote}"
        )
    if analysis.overall:
        step = _step(analysis.overall.sentiment, scheme)
        click.echo(
            f"  {pad(scheme.overall or '', 10)}       "
            + click.style(pad(f"{SIGNS[step]} {analysis.overall.sentiment}", 12), fg=COLOURS[step], bold=True)
            + f" {analysis.overall.probabilities[analysis.overall.sentiment]:4.0%}"
        )
    for warning in analysis.warnings:
        click.echo(click.style(f"  ! {warning.message}", dim=True))


def show_metrics(metrics: Metrics) -> None:
    """Print all figures of an evaluation as a table."""
    values = metrics.to_dict()
    each, intervals = values.pop("per_keyword"), values.pop("intervals", {})
    for name, value in values.items():
        low_high = f"  ({_figure(intervals[name][0])} to {_figure(intervals[name][1])})" if name in intervals else ""
        click.echo(f"{name:20} {_figure(value)}{low_high}")
    columns = list(next(iter(each.values())))
    widths = [max(9, len(name) + 2) for name in columns]
    click.echo("\n" + pad("", 11) + "".join(name.rjust(width) for name, width in zip(columns, widths, strict=True)))
    for keyword, row in each.items():
        cells = (_figure(value).rjust(width) for value, width in zip(row.values(), widths, strict=True))
        click.echo(pad(keyword, 11) + "".join(cells))


def show_bench(result: Mapping[str, Any]) -> None:
    """Print what `ftapp.bench` measured: the fastest first, then what could not be measured, then the machine."""
    known = sorted((row for row in result["variants"] if row["status"] == "ok"), key=lambda row: row["latency_ms"]["p50"])
    click.echo(f"{result['model']} on {result['data']}, {result['settings']['reviews']['quality']} reviews\n")
    for line in (0, 1):
        click.echo(pad("", 18) + "".join(head[line].rjust(9) for head, _ in BENCH_COLUMNS))
    for row in known:
        cells = "".join(_cell(row, path).rjust(9) for _, path in BENCH_COLUMNS)
        click.echo(click.style(pad(f"{_mark(row)} {row['variant']}", 18) + cells, dim=not row["accepted"]))
    for row in result["variants"]:
        if row["status"] != "ok":
            click.echo(click.style(pad(f"  {row['variant']}", 18) + "  " + ": ".join(_why(row)), dim=True))
    click.echo("\n* none that may be chosen by default is both faster and at least as good in pair F1")
    for row in known:
        if not row["accepted"]:
            click.echo(f"! {row['variant']}: {'; '.join(row['reasons'])}")
    click.echo("\n" + _environment(result["environment"]))


def pad(text: str, width: int) -> str:
    """Return the text filled up to `width` columns; wide characters take two."""
    used = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return text + " " * max(0, width - used)


def _marked(analysis: Analysis, scheme: LabelScheme) -> str:
    """Return the review's text with each highlight in its sentiment's colour; where some overlap, the shorter wins."""
    owner: list[KeywordResult | None] = [None] * len(analysis.text)
    marked = [(k.highlight, k) for k in analysis.keywords if k.highlight]
    for highlight, result in sorted(marked, key=lambda pair: len(pair[0].text), reverse=True):
        owner[highlight.start : highlight.end] = [result] * len(highlight.text)
    parts = []
    start = 0
    for i in range(1, len(owner) + 1):
        if i == len(owner) or owner[i] is not owner[start]:
            piece, by = _visible(analysis.text[start:i]), owner[start]
            parts.append(
                click.style(piece, fg=COLOURS[_step(by.sentiment, scheme)], underline=True, bold=True) if by else piece
            )
            start = i
    return "".join(parts)


def _step(sentiment: str, scheme: LabelScheme) -> int:
    """Return the sentiment's place from -2 (worst) to 2 (best) for any number of sentiments."""
    count = len(scheme.sentiments)
    return round(4 * scheme.sentiments.index(sentiment) / (count - 1)) - 2 if count > 1 else 0


def _visible(text: str) -> str:
    """Return the text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cell(row: Mapping[str, Any], path: str) -> str:
    """Return one figure of a measured row, named by where it stands: seconds and shares in three places, others in one."""
    value: Any = row
    for key in path.split("."):
        value = value[key] if value is not None else None
    if path == "size_bytes" and value is not None:
        value /= 1e6
    return "-" if value is None else f"{value:.3f}" if path.startswith(("metrics", "label", "highlight")) else f"{value:.1f}"


def _mark(row: Mapping[str, Any]) -> str:
    return "*" if row["pareto"] else " " if row["accepted"] else "!"


def _why(row: Mapping[str, Any]) -> list[str]:
    return [row["status"], row["reason"]] if row["reason"] else [row["status"]]


def _environment(known: Mapping[str, Any]) -> str:
    """Return the machine and its libraries in one line."""
    flags = " ".join(known["instruction_sets"]) or "no instruction sets known"
    libraries = ", ".join(f"{name} {known['libraries'][name]}" for name in BENCH_LIBRARIES if name in known["libraries"])
    return (
        f"{known['cpu']}, {known['cores']} cores ({flags}), {known['memory_gib']} GiB; "
        f"Python {known['python']}, {libraries}; {known['date']}"
    )


def _figure(value: float | int | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
