"""Plotly figures of the compare page: cost against quality with its Pareto line, bars for each figure, matrices to click."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, sqrt

import numpy as np
import plotly.graph_objects as go

from ftapp.evaluate import FIGURES as METRICS
from ftapp.ui import charts, palette
from ftapp.ui.figures import delta_text, figure_text
from ftapp.ui.measured import REFERENCE, SCORES, Row, pareto
from ftapp.ui.texts import t

FULL, OTHER, REFUSED = "#1C2430", "#7C8BA1", "#B5420B"
SAME, FLIP = "#7C8BA1", "#B5420B"  # cells of the matrices where both say the same, where they differ
SMALLEST, LARGEST = 14, 46  # diameters of the bubbles in pixels
WIDE_SPREAD = 12  # from this ratio of the slowest to the fastest the axis is logarithmic
CELL = 34  # height of a matrix's row in pixels
PLOT = (730, 300)  # pixels of the scatter on a screen of 1280, to keep its names apart; on a wider one they stand further apart
NAME = (7, 16)  # pixels of a letter
PLACES = ("top center", "bottom center", "middle right", "middle left")
CORNERS = ("top right", "top left", "bottom right", "bottom left")  # there a name may seem to be its neighbour's
CORNER_COST = 0.25  # of a name's area that may be covered before it goes to a corner
SWEEPS = 3

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels


def cost_and_quality(rows: Sequence[Row], cost: str, score: str) -> go.Figure:
    """Return bubbles of latency against a score, as large as the variant is on disk, and the line of the best choices."""
    known = [row for row in rows if row.get(cost) is not None and row.get(score) is not None]
    line = pareto(known, cost, score)
    figure = go.Figure()
    figure.add_scatter(
        x=[row.figures[cost] for row in line],
        y=[100 * row.figures[score] for row in line],
        mode="lines",
        line={"color": palette.EVIDENCE, "width": 2, "dash": "dot"},
        name=t("chart.pareto"),
        hoverinfo="skip",
    )
    costs, scores = [row.figures[cost] for row in known], [100 * row.figures[score] for row in known]
    across, up = _ranges(costs, scores)
    largest = max((row.get("size_bytes") or 0 for row in known), default=0) or 1
    sizes = [SMALLEST + (LARGEST - SMALLEST) * sqrt((row.get("size_bytes") or 0) / largest) for row in known]
    spots = [
        ((_place(x, across) * PLOT[0], _place(y, up) * PLOT[1]), size / 2, row.variant)
        for x, y, size, row in zip(costs, scores, sizes, known, strict=True)
    ]
    places = name_places(spots)
    kinds = ["refused" if not row.accepted else "best" if row in line else "accepted" for row in known]
    for kind, color in {"accepted": OTHER, "best": palette.EVIDENCE, "refused": REFUSED}.items():
        members = [i for i in range(len(known)) if kinds[i] == kind]
        if not members:
            continue
        names = [known[i].variant for i in members]
        figure.add_scatter(
            x=[costs[i] for i in members],
            y=[scores[i] for i in members],
            mode="markers+text",
            name=t(f"chart.{kind}"),
            text=[f"<b>{name}</b>" if name == REFERENCE else name for name in names],
            textposition=[places[i] for i in members],
            marker={
                "size": [sizes[i] for i in members],
                "color": "rgba(0,0,0,0)" if kind == "refused" else color,
                "line": {"color": color, "width": 2},
                "opacity": 0.85,
            },
            customdata=[[known[i].variant, figure_text("size_bytes", known[i].get("size_bytes"))] for i in members],
            hovertemplate=f"<b>%{{customdata[0]}}</b><br>%{{x:.1f}} ms<br>{t('figure.' + score)} %{{y:.1f}}"
            "<br>%{customdata[1]}<extra></extra>",
            cliponaxis=False,
        )
    figure.update_layout(
        height=440,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
    )
    log = across.log
    figure.update_xaxes(
        type="log" if log else "linear", range=[across.low, across.high], title=t("chart.latency"), fixedrange=True,
        zeroline=False, automargin=True, dtick="D2" if log else None,
    )  # fmt: skip
    figure.update_yaxes(range=[up.low, up.high], title=t(f"figure.{score}"), fixedrange=True, zeroline=False, automargin=True)
    return figure


def name_places(spots: Sequence[tuple[tuple[float, float], float, str]]) -> list[str]:
    """Return where each name stands beside its bubble, so that names cover each other and bubbles as little as can be.

    A spot is its centre and radius in pixels, y upwards, and its name; places are plotly's.
    """
    bubbles = [(x - r, y - r, x + r, y + r) for (x, y), r, _ in spots]
    boxes: list[dict[str, Box]] = []
    for (x, y), r, name in spots:
        wide, high = NAME[0] * len(name), NAME[1]
        across = {"center": x - wide / 2, "right": x + r, "left": x - r - wide}
        up = {"top": y + r, "bottom": y - r - high, "middle": y - high / 2}
        edges = {place: (across[place.partition(" ")[2]], up[place.partition(" ")[0]]) for place in PLACES + CORNERS}
        boxes.append({place: (left, bottom, left + wide, bottom + high) for place, (left, bottom) in edges.items()})
    chosen: dict[int, str] = {}
    for _ in range(SWEEPS):  # a name set early may stand better once the later ones have their places
        for i, places in enumerate(boxes):
            others = [boxes[j][place] for j, place in chosen.items() if j != i] + bubbles[:i] + bubbles[i + 1 :]
            covered = {place: sum(_overlap(box, other) for other in others) for place, box in places.items()}
            covered |= {place: covered[place] + CORNER_COST * _overlap(places[place], places[place]) for place in CORNERS}
            chosen[i] = min(covered, key=lambda place: covered[place])
    return [chosen[i] for i in range(len(spots))]


def figure_bars(rows: Sequence[Row], name: str, *, reference: Row | None) -> go.Figure:
    """Return one bar for each variant, with its figure and, for scores, how far it is from full's."""
    known = [row for row in rows if row.get(name) is not None]
    values = [row.figures[name] for row in known]
    base = reference.get(name) if reference else None
    labels = []
    for row in known:
        beside = ""
        if name in METRICS and base is not None and row.variant != REFERENCE:
            beside = f"  ({delta_text(row.figures[name] - base)})"
        labels.append(figure_text(name, row.figures[name]) + beside)
    colors = [FULL if row.variant == REFERENCE else palette.EVIDENCE if row.accepted else REFUSED for row in known]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(range(len(known))),
            orientation="h",
            marker={"color": colors, "opacity": 0.85},
            text=labels,
            textposition="outside",
            cliponaxis=False,
            customdata=[row.variant for row in known],
            hovertemplate="%{customdata} %{text}<extra></extra>",
        )
    )
    charts.lay_out(figure, [row.variant for row in known])
    figure.update_layout(bargap=0.45, height=26 * len(known))
    room = 1.55 if name in SCORES else 1.35  # for the number beside the bar
    figure.update_xaxes(range=[0, room * (1 if name in SCORES else max(values, default=1) or 1)])
    return figure


def answer_matrix(
    counts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    flips: np.ndarray,
    keys: Sequence[Sequence[str]],
    chosen: str | None = None,
) -> go.Figure:
    """Return a matrix whose cells can be clicked; `flips` [rows, columns] says in which the two differ, `keys` name the cells,
    `chosen` is the key of the one to frame.

    A cell is a bar: bars can be selected, cells of a heat map cannot. Its depth of colour is its share of the largest of its
    kind, so that the few flips are seen beside the many that agree.
    """
    figure = go.Figure()
    most = {kind: max(int(counts[flips == kind].max(initial=0)), 1) for kind in (False, True)}
    for c, column in enumerate(columns):
        shades, frames = [], []
        for r in range(len(rows)):
            kind = bool(flips[r, c])
            share = sqrt(counts[r, c] / most[kind])
            red, green, blue = palette.channels(FLIP if kind else SAME)
            shades.append(f"rgba({red},{green},{blue},{0.06 + 0.49 * share:.2f})")
            frames.append(2 if keys[r][c] == chosen else 0)
        figure.add_bar(
            x=[1] * len(rows),
            base=c,
            y=list(range(len(rows))),
            orientation="h",
            name=column,
            marker={"color": shades, "line": {"width": frames, "color": OTHER}},
            text=[str(value) if value else "·" for value in counts[:, c]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"size": 13},  # in the colour of the theme: no shade is too deep for it
            customdata=[[keys[r][c], rows[r], column, int(counts[r, c])] for r in range(len(rows))],
            hovertemplate="%{customdata[1]} · %{customdata[2]}: %{customdata[3]}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},  # what is chosen is framed: a list below can choose too
        )
    charts.lay_out(figure, [charts.label(name) for name in rows])
    figure.update_layout(barmode="overlay", bargap=0.08, height=CELL * len(rows) + CELL)
    figure.update_xaxes(
        visible=True, side="top", range=[0, len(columns)], tickvals=[c + 0.5 for c in range(len(columns))],
        ticktext=[html.escape(name, quote=False) for name in columns], showgrid=False, zeroline=False, ticks="", title=None,
    )  # fmt: skip
    return figure


@dataclass(frozen=True)
class _Range:
    """An axis from low to high, powers of ten if logarithmic."""

    low: float
    high: float
    log: bool = False


def _ranges(costs: Sequence[float], scores: Sequence[float]) -> tuple[_Range, _Range]:
    """Return the axes with room for bubbles and names; latencies that lie far apart get a logarithmic one."""
    low, high = min(costs, default=1), max(costs, default=1)
    across = _Range(0, 1.15 * high)
    if low > 0 and high / low > WIDE_SPREAD:
        ends = log10(low), log10(high)
        room = 0.12 * (ends[1] - ends[0])
        across = _Range(ends[0] - room, ends[1] + room, log=True)
    span = max(max(scores, default=1) - min(scores, default=0), 1)
    return across, _Range(min(scores, default=0) - 0.35 * span, max(scores, default=1) + 0.35 * span)


def _place(value: float, axis: _Range) -> float:
    """Return where a value stands on an axis, 0 to 1."""
    return ((log10(value) if axis.log else value) - axis.low) / (axis.high - axis.low)


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes (left, bottom, right, top) share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0)
