"""The compare page's figures show every variant once, keep names apart, and can be clicked cell by cell."""

from itertools import combinations

import numpy as np
import pytest
from bench_results import FELL, measured, results

from ftapp.ui import compare_charts
from ftapp.ui.measured import Row, read_results

ROWS = read_results(results()).measured


def markers(figure) -> dict[str, tuple[str, float, float]]:
    """Return the name of the group, and the place, of every bubble."""
    return {
        data[0]: (trace.name, x, y)
        for trace in figure.data
        if trace.mode == "markers+text"
        for data, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }


def test_every_variant_is_a_bubble_in_its_group():
    drawn = markers(compare_charts.cost_and_quality(ROWS, "p50", "pair_f1"))
    assert drawn == {
        "full": ("더 빠르면서 더 정확한 것이 없어요", 12.0, 62.0),
        "dynamic-int8": ("더 빠르면서 더 정확한 것이 없어요", 8.0, pytest.approx(61.8)),
        "onnx-int8": ("더 빠르면서 더 정확한 것이 없어요", 4.0, pytest.approx(61.7)),
        "distilled": ("기준 미달", 3.0, pytest.approx(58)),
    }


def test_the_line_leaves_out_what_is_beaten_or_not_accepted():
    rows = read_results(
        results([measured("full", 12, 0.6, 9), measured("onnx", 4, 0.6, 9), measured("pruned", 2, 0.5, 9, [FELL])])
    )
    line = compare_charts.cost_and_quality(rows.measured, "p50", "pair_f1").data[0]
    assert (list(line.x), list(line.y)) == ([4], [60])


def test_a_bubble_grows_with_the_size_on_disk():
    figure = compare_charts.cost_and_quality(ROWS, "p50", "pair_f1")
    sizes = {d[0]: s for trace in figure.data[1:] for d, s in zip(trace.customdata, trace.marker.size, strict=True)}
    assert sizes["onnx-int8"] < sizes["distilled"] < sizes["full"] == sizes["dynamic-int8"] == compare_charts.LARGEST


@pytest.mark.parametrize(("slow", "kind"), [(12.0, "linear"), (500.0, "log")])
def test_latencies_far_apart_get_a_logarithmic_axis_with_every_bubble_inside(slow, kind):
    rows = read_results(results([measured("full", slow, 0.6, 9), measured("onnx", 4.0, 0.5, 9)])).measured
    figure = compare_charts.cost_and_quality(rows, "p50", "pair_f1")
    low, high = figure.layout.xaxis.range
    places = np.log10([4.0, slow]) if kind == "log" else [4.0, slow]
    assert figure.layout.xaxis.type == kind
    assert low < min(places) < max(places) < high


def test_a_variant_without_the_figure_is_left_out():
    rows = [*ROWS, Row("sparse", "ok", figures={"p50": 3.0})]
    assert "sparse" not in markers(compare_charts.cost_and_quality(rows, "p50", "pair_f1"))
    assert markers(compare_charts.cost_and_quality([], "p50", "pair_f1")) == {}


def name_box(centre: tuple[float, float], radius: float, name: str, place: str) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a name of 7 x 16 pixels a letter, where plotly draws it."""
    (x, y), wide = centre, 7 * len(name)
    up, across = place.split()
    left = {"left": x - radius - wide, "center": x - wide / 2, "right": x + radius}[across]
    bottom = {"bottom": y - radius - 16, "middle": y - 8, "top": y + radius}[up]
    return left, bottom, left + wide, bottom + 16


def test_names_of_bubbles_side_by_side_do_not_cover_each_other():
    spots = [((100.0 + 30 * i, 100.0), 10.0, "onnx-optimized") for i in range(3)]
    places = compare_charts.name_places(spots)
    assert len(set(places)) == 3
    crowd = [((100.0 + 20 * i, 100.0), 10.0, "onnx-optimized") for i in range(4)]  # of a name's width
    taken = [name_box(*spot, place) for spot, place in zip(crowd, compare_charts.name_places(crowd), strict=True)]
    for (left, bottom, right, top), (other_left, other_bottom, other_right, other_top) in combinations(taken, 2):
        assert right <= other_left or other_right <= left or top <= other_bottom or other_top <= bottom
    assert compare_charts.name_places([((0, 0), 5, "full"), ((900, 300), 5, "onnx")]) == ["top center"] * 2


def test_bars_have_a_number_each_and_scores_their_distance_from_full():
    full = next(row for row in ROWS if row.variant == "full")
    bars = compare_charts.figure_bars(ROWS, "pair_f1", reference=full)
    assert dict(zip(bars.layout.yaxis.ticktext, bars.data[0].text, strict=True)) == {
        "full": "62.0", "dynamic-int8": "61.8  (−0.2)", "onnx-int8": "61.7  (−0.3)", "distilled": "58.0  (−4.0)",
    }  # fmt: skip
    assert list(compare_charts.figure_bars(ROWS, "size_bytes", reference=full).data[0].text) == [
        "22 MB", "22 MB", "5.9 MB", "9.0 MB",
    ]  # fmt: skip
    assert bars.layout.xaxis.range[0] == 0  # a cut axis would make small differences look large
    assert list(compare_charts.figure_bars(ROWS, "pair_f1", reference=None).data[0].text)[1] == "61.8"


def test_a_matrix_has_a_clickable_bar_for_every_cell():
    counts = np.array([[5, 0, 2], [0, 7, 0]])
    flips = np.array([[False, True, True], [True, False, True]])
    keys = [[f"{r}{c}" for c in range(3)] for r in range(2)]
    figure = compare_charts.answer_matrix(counts, ["<가>", "나"], ["ㄱ", "ㄴ", "ㄷ"], flips, keys, "02")
    assert [list(bar.text) for bar in figure.data] == [["5", "·"], ["·", "7"], ["2", "·"]]
    assert [[data[0] for data in bar.customdata] for bar in figure.data] == [["00", "10"], ["01", "11"], ["02", "12"]]
    assert [bar.base for bar in figure.data] == [0, 1, 2]
    assert [list(bar.marker.line.width) for bar in figure.data] == [[0, 0], [0, 0], [2, 0]]
    assert list(figure.layout.yaxis.ticktext) == ["&lt;가&gt;", "나"]
    red = compare_charts.palette.channels(compare_charts.FLIP)
    assert [color.startswith(f"rgba({red[0]},") for color in figure.data[0].marker.color] == [False, True]


def test_an_empty_matrix_is_drawn():
    figure = compare_charts.answer_matrix(np.zeros((1, 1), int), ["가"], ["나"], np.array([[True]]), [["x"]])
    assert list(figure.data[0].text) == ["·"]
