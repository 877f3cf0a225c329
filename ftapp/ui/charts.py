"""Plotly figures: five-level sentiment bars, words that contribute, keywords by sentiment over many reviews."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence

# plotly looks for pandas among the loaded modules and trips over one that another session's thread is still loading
import pandas  # noqa: F401
import plotly.graph_objects as go
import streamlit as st

from ftapp.schema import Analysis, KeywordResult
from ftapp.ui import palette
from ftapp.ui.texts import sentiment_name, t

BAR = 24  # pixels; a row is a bar and the space around it
ROW = 32
CARD_ROW = 56  # as high as a row that `html` draws beside it
SIGNED, LABELLED = 0.3, 0.16  # shares below these have no room for their sign, for their number
MOST_WORDS = 12


def draw(figure: go.Figure, key: str, alt: str) -> None:
    """Draw a figure as wide as its container, without a tool bar."""
    st.plotly_chart(figure, key=key, alt=alt, config={"displayModeBar": False})


def sentiment_bars(analysis: Analysis) -> go.Figure:
    """Return one stacked bar of sentiment probabilities for overall and for each keyword, from top to bottom."""
    rows: list[tuple[str, Mapping[str, float]]] = [(k.keyword, k.probabilities) for k in analysis.keywords]
    if analysis.overall:
        rows.insert(0, (t("card.overall"), analysis.overall.probabilities))
    figure = _stacked([name for name, _ in rows], [values for _, values in rows], share=True)
    figure.update_layout(height=CARD_ROW * len(rows), bargap=1 - BAR / CARD_ROW)
    if analysis.overall and figure.layout.yaxis.ticktext:
        figure.layout.yaxis.ticktext = (f"<b>{figure.layout.yaxis.ticktext[0]}</b>", *figure.layout.yaxis.ticktext[1:])
    return figure


def keyword_sentiments(analyses: Sequence[Analysis]) -> go.Figure:
    """Return one stacked bar for each keyword: in how many reviews it has which sentiment; the commonest on top."""
    counts: dict[str, Counter[str]] = {}
    sentiments: list[str] = []
    for analysis in analyses:
        for result in analysis.keywords:
            sentiments = sentiments or list(result.probabilities)
            counts.setdefault(result.keyword, Counter())[result.sentiment] += 1
    names = sorted(counts, key=lambda name: -counts[name].total())
    rows = [{sentiment: counts[name][sentiment] for sentiment in sentiments} for name in names]
    return _stacked(names, rows, share=False)


def strongest_words(analysis: Analysis, result: KeywordResult) -> go.Figure:
    """Return bars of the words that change the keyword's probability most, in percentage points, in reading order."""
    order = sorted(range(len(result.contributions)), key=lambda i: -abs(result.contributions[i]))[:MOST_WORDS]
    order.sort()
    points = [result.contributions[i] * 100 for i in order]
    words = [label(analysis.words[i].text) for i in order]
    figure = go.Figure(
        go.Bar(
            x=points,
            y=list(range(len(order))),
            orientation="h",
            marker_color=[palette.EVIDENCE if value >= 0 else palette.COUNTER for value in points],
            text=[f"{round(value):+d}" for value in points],
            textposition="outside",
            cliponaxis=False,
            customdata=words,
            hovertemplate="%{customdata} %{x:+.1f}" + t("words.points") + "<extra></extra>",
        )
    )
    lay_out(figure, words)
    room = 0.15 * (max(map(abs, points)) or 1)  # for the number beside the bar
    low, high = min(points), max(points)
    figure.update_xaxes(range=[low - room if low < 0 else 0, max(high, 0) + room])
    return figure


def _stacked(names: Sequence[str], rows: Sequence[Mapping[str, float]], *, share: bool) -> go.Figure:
    """Return horizontal bars, a row each, stacked from the worst sentiment to the best."""
    figure = go.Figure()
    sentiments = list(rows[0]) if rows else []
    for i, sentiment in enumerate(sentiments):
        color = palette.sentiment_color(i, len(sentiments))
        values = [row[sentiment] for row in rows]
        sign = palette.sentiment_sign(i, len(sentiments))
        look = f"{sign} {html.escape(sentiment_name(sentiment), quote=False)}"
        figure.add_bar(
            x=values,
            y=list(range(len(rows))),
            name=look,
            orientation="h",
            marker={"color": color, "line": {"width": 0}},
            text=[_share(value, sign) if share else f"{sign} {value:.0f}" if value else "" for value in values],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": palette.ink_on(color), "size": 12},
            customdata=[label(name) for name in names],
            hovertemplate="%{customdata}<br>" + look + (" %{x:.1%}" if share else " %{x}") + "<extra></extra>",
        )
    lay_out(figure, [label(name) for name in names])
    if share:
        figure.update_xaxes(range=[0, 1])
    return figure


def _share(value: float, sign: str) -> str:
    """Return what fits into a bar of this share of the width."""
    if value < LABELLED:
        return ""
    return f"{sign} {value:.0%}" if value >= SIGNED else f"{value:.0%}"


def lay_out(figure: go.Figure, names: Sequence[str]) -> None:
    """Give every chart the same quiet look: rows from the top, names at the left, no grid, no zoom."""
    figure.update_layout(
        barmode="stack",
        bargap=1 - BAR / ROW,
        height=ROW * len(names),
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[len(names) - 0.5, -0.5],
        ticks="",
        showgrid=False,
        zeroline=False,
        fixedrange=True,
        automargin=True,
        ticklabelstandoff=8,
        title=None,
    )


def label(text: str, most: int = 14) -> str:
    """Return text for plotly, which reads some HTML in labels: escaped, and cut to what fits beside a bar."""
    return html.escape(text if len(text) <= most else text[: most - 1] + "…", quote=False)
