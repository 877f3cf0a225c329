"""Results of a measurement are read, filtered and summed up; what is broken is one sentence."""

import json

import pytest
from bench_results import FELL, measured, results, unmeasured

from ftapp.bench.rows import FIGURES
from ftapp.errors import InputError
from ftapp.evaluate import FIGURES as METRICS
from ftapp.ui.figures import delta_text, figure_text
from ftapp.ui.measured import (
    LATENCIES,
    MORE_IS_BETTER,
    PLAIN,
    SCORES,
    Row,
    best,
    chosen,
    load_results,
    pareto,
    read_results,
    story,
)


def rows(*entries: dict) -> list[Row]:
    return list(read_results(results(entries)).rows)


def row(variant: str, p50: float, score: float, *, accepted: bool = True) -> Row:
    return Row(variant, "ok", reasons=() if accepted else ("too low",), figures={"p50": p50, "pair_f1": score})


def test_every_figure_of_a_measurement_is_read():
    """By the names that ftapp.bench writes today."""
    assert set(FIGURES) | {"size_bytes"} == {*PLAIN, *LATENCIES}
    first = rows(measured("full", 12.0, 0.62, 22_400_000))[0]
    assert first.figures.keys() >= {*SCORES, *PLAIN, "p50", "p95", "p99", "p50_highlights", "p99_highlights"} - {
        "gpu_memory_mib"
    }
    assert first.get("p95_highlights") == 120
    assert first.get("sentiment_accuracy") == 0.62
    assert first.get("size_bytes") == 22_400_000
    assert first.get("gpu_memory_mib") is None
    assert set(MORE_IS_BETTER) == {
        *METRICS,
        "label_agreement",
        "highlight_agreement",
        "reviews_per_s",
        "reviews_per_s_highlights",
    }


def test_rows_keep_their_status_and_reasons():
    of = {r.variant: r for r in read_results(results()).rows}
    assert (of["bf16"].measured, of["bf16"].status) == (False, "unsupported")
    assert of["onnx"].reason.startswith("The variant 'onnx'")
    assert of["distilled"].reasons == (FELL,)
    assert [r.variant for r in of.values() if not r.accepted] == ["distilled"]


def test_a_measurement_without_highlights_has_no_figures_of_them():
    only = rows(measured("full", 12.0, 0.6, 1, highlights=False))[0]
    assert only.get("p50_highlights") is None
    assert only.get("highlight_f1") is None


@pytest.mark.parametrize("values", [{}, [], None, {"variants": 3}, {"variants": [{"status": "ok"}]}, {"variants": [7]}, "text"])
def test_what_is_no_measurement_is_refused(values):
    with pytest.raises(InputError, match="no results of `ftapp bench`"):
        read_results(values)


def test_stored_results_are_absent_broken_or_there(tmp_path):
    path = tmp_path / "variants.json"
    assert load_results(path) is None
    assert load_results(tmp_path / "no" / "folder.json") is None
    path.write_bytes(b"\xff{")
    with pytest.raises(InputError, match=r"variants\.json"):
        load_results(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="no JSON"):
        load_results(path)
    path.write_text(json.dumps(results()), encoding="utf-8")
    assert load_results(path).model == "tiny"


def test_filters_keep_the_measured_ones_fastest_first():
    every = read_results(results()).rows
    assert [r.variant for r in chosen(every, None, accepted_only=False)] == ["distilled", "onnx-int8", "dynamic-int8", "full"]
    assert [r.variant for r in chosen(every, [], accepted_only=True)] == ["onnx-int8", "dynamic-int8", "full"]
    assert [r.variant for r in chosen(every, ["full", "bf16", "distilled"], accepted_only=True)] == ["full"]


def test_the_pareto_line_is_what_no_accepted_one_beats():
    every = [row("a", 5, 0.6), row("b", 4, 0.6), row("c", 3, 0.5), row("d", 2, 0.9, accepted=False), row("e", 9, 0.7)]
    assert [r.variant for r in pareto(every, "p50", "pair_f1")] == ["c", "b", "e"]
    assert pareto([Row("x", "ok")], "p50", "pair_f1") == []


def test_the_best_is_the_largest_of_scores_and_the_least_of_costs():
    every = [row("a", 5, 0.6), row("b", 4, 0.7)]
    assert (best(every, "p50"), best(every, "pair_f1"), best(every, "load_s")) == (4, 0.7, None)


def test_the_story_is_of_the_fastest_accepted_one():
    told = story(read_results(results()).measured, "p50", "pair_f1")
    assert (told.variant, told.times_faster) == ("onnx-int8", 3)
    assert (told.size_before, told.size_after) == (22_400_000, 5_900_000)
    assert told.difference == pytest.approx(-0.003)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [measured("full", 12.0, 0.6, 1)],
        [measured("onnx", 12.0, 0.6, 1)],
        [measured("full", 12.0, 0.6, 1), measured("distilled", 3.0, 0.6, 1, [FELL])],
        [measured("full", 12.0, 0.6, 1), unmeasured("onnx", "failed", "It broke.")],
    ],
)
def test_there_is_no_story_without_two_to_tell_of(entries):
    assert story(read_results(results(entries)).measured, "p50", "pair_f1") is None


def test_figures_are_written_with_their_units():
    written = {
        ("pair_f1", 0.6213): "62.1", ("label_agreement", 1.0): "100.0", ("size_bytes", 5_900_000): "5.9 MB",
        ("size_bytes", 22_400_000): "22 MB", ("p50", 3.14): "3.1 ms", ("p99_highlights", 1234.5): "1,234 ms",
        ("load_s", 1.25): "1.2 s", ("reviews_per_s", 412.3): "412/s", ("reviews_per_s_highlights", 9.87): "9.9/s",
        ("memory_mib", 1024.4): "1,024 MiB", ("first_ms", None): "–",
    }  # fmt: skip
    assert {key: figure_text(*key) for key in written} == written
    assert [delta_text(value) for value in (0.003, -0.0031, 0.0004, -0.0004, 0)] == ["+0.3", "−0.3", "±0.0", "±0.0", "±0.0"]
