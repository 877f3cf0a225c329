"""Measuring variants: real children on the tiny pair, what becomes of those that cannot run, and the arithmetic."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import REVIEWS
from test_import import imported

from ftapp import bench as package
from ftapp.bench import bench, child, choose, rows
from ftapp.bench.environment import describe
from ftapp.bench.settings import BenchSettings, spread, typical
from ftapp.bench.task import RESULT, TASK, Task
from ftapp.checkpoint import open_checkpoint
from ftapp.cli import main
from ftapp.errors import InputError
from ftapp.evaluate import evaluate, observe
from ftapp.predictor import Predictor
from ftapp.reviews import Label, LabelledReview, dump_labelled, read_labelled
from ftapp.variants import VARIANTS, Recipe, source_digests, variant_folder

LABELLED = [
    LabelledReview(f"r{i}", text, (Label("디자인", 3, text[:2]), Label("배송", i % 5))[: 1 + i % 2], 3)
    for i, text in enumerate(REVIEWS)
]
QUICK = BenchSettings(repeats=2, runs=2, seconds=0, device="cpu")
METRICS = {"keyword_micro_f1": 0.8, "sentiment_accuracy": 0.7, "pair_f1": 0.5}
QUALITY = {"metrics": METRICS, "predicted": [[0, -1]], "spans": [[[0, 2], None]]}
FIGURES = {
    "load_s": 1.0, "first_ms": 9.0, "latency_ms": {"p50": 2.0, "p95": 3.0, "p99": 4.0}, "latency_highlights_ms": None,
    "reviews_per_s": 100.0, "reviews_per_s_highlights": None, "memory_mib": 50.0, "gpu_memory_mib": None,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Let children run on one core: for tiny models waiting for a second one on a busy machine costs more than all the rest."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "labelled.jsonl"
    path.write_text(dump_labelled(LABELLED), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def measured(tiny_model: Path, data: Path) -> tuple[dict[str, Any], list[tuple[int, int, str]]]:
    """Return what real children measured of full, dynamic-int8 and one that was not made, and the progress."""
    seen: list[tuple[int, int, str]] = []
    once = replace(QUICK, repeats=1)  # most of a child's time is spent on importing torch
    names = ["dynamic-int8", "onnx", "full"]
    result = bench(tiny_model, names, data=data, settings=once, progress=lambda *step: seen.append(step))
    return result, seen


def answer(status: str = "ok", *, quality: bool = True, **figures: Any) -> dict[str, Any]:
    """Return what a child writes."""
    if status != "ok":
        return {"status": status, "reason": "why"}
    return {
        "status": "ok", "device": "cpu", "gpu": None, "figures": FIGURES | figures, "quality": QUALITY if quality else None
    }  # fmt: skip


def store(model: Path, name: str, *, reasons: tuple[str, ...] = ()) -> Path:
    """Write a recipe for a variant of the model's weights; return its folder."""
    folder = variant_folder(model, name)
    folder.mkdir(parents=True)
    recipe = Recipe(name, "by hand", source=source_digests(open_checkpoint(model)), reasons=reasons)
    (folder / "recipe.json").write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    return folder


def test_children_measure_every_figure_of_what_runs(measured, tiny_model: Path) -> None:
    result, _ = measured
    weights = sum(path.stat().st_size for path in tiny_model.glob("*/model.safetensors"))
    for row in (result["variants"][0], result["variants"][2]):
        assert (row["status"], row["reason"], row["engine"], row["device"]) == ("ok", None, "torch", "cpu")
        (figures,) = row["rounds"]
        assert figures == {key: row[key] for key in rows.FIGURES}
        assert row["load_s"] > 0.1  # a process and its libraries were started
        assert row["first_ms"] > 0
        for latency in (row["latency_ms"], row["latency_highlights_ms"]):
            assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
        assert row["reviews_per_s"] > 0
        assert row["reviews_per_s_highlights"] > 0
        assert row["memory_mib"] > 50
        assert row["gpu_memory_mib"] is None
        assert row["size_bytes"] == weights


def test_quality_is_that_of_evaluate_and_full_agrees_with_itself(measured, predictor: Predictor) -> None:
    quantized, _, full = measured[0]["variants"]
    metrics = json.loads(json.dumps(evaluate(predictor, LABELLED).to_dict()))
    assert (full["metrics"] == metrics) is True  # a difference of the whole would take long to print
    assert (full["label_agreement"], full["highlight_agreement"]) == (1.0, 1.0)
    assert 0.5 < quantized["label_agreement"] <= 1
    assert 0 < quantized["highlight_agreement"] <= 1


def test_what_was_not_made_is_a_row_of_the_same_keys(measured) -> None:
    result, progress = measured
    made, absent, _ = result["variants"]
    assert absent["status"] == "not made"
    assert "'onnx' of tiny has not been made; run `ftapp compress" in absent["reason"]
    assert list(absent) == list(made)
    assert absent["latency_ms"] is absent["metrics"] is absent["size_bytes"] is None
    assert absent["rounds"] == []
    assert (absent["accepted"], absent["pareto"]) == (False, False)
    assert progress == [(0, 2, "dynamic-int8"), (1, 2, "full")]


def test_a_variant_that_was_never_checked_is_not_accepted(measured) -> None:
    quantized, _, full = measured[0]["variants"]
    assert (full["accepted"], full["reasons"], full["pareto"]) == (True, [], True)
    assert (quantized["accepted"], quantized["pareto"]) == (False, False)
    assert "has not been checked against full" in quantized["reasons"][0]


def test_the_result_is_plain_json_with_its_settings_and_machine(measured) -> None:
    result, _ = measured
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result) == ["environment", "model", "data", "settings", "variants"]
    assert (result["model"], result["data"]) == ("tiny", "labelled.jsonl")
    assert result["settings"]["reviews"] == {"quality": 6, "throughput": 6}
    assert result["settings"]["repeats"] == 1
    assert result["environment"] == describe()
    assert result["environment"]["cores"] >= 1
    assert {"torch", "transformers"} <= set(result["environment"]["libraries"])


def test_a_crashing_child_is_a_failed_row(tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "CHILD", "ftapp.nothing")
    found = bench(tiny_model, ["full", "bf16"], data=data, settings=QUICK)["variants"]
    assert [row["status"] for row in found] == ["failed", "failed"]
    assert all(row["reason"].endswith("No module named ftapp.nothing") for row in found)


def test_an_error_in_a_child_is_told_in_its_last_line(tiny_model: Path, tmp_path: Path) -> None:
    task = Task(str(tiny_model), "full", "cpu", 1, 0, False, "굿", ["굿"], None, True)
    result = package.run_child(tmp_path, replace(task, variant=["full"]), lambda: False)
    assert result == {"status": "failed", "reason": "TypeError: unhashable type: 'list'"}


def test_rounds_take_turns_and_figures_are_their_medians(tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([1.0, 2.0, 5.0, 4.0, 3.0, 9.0])
    steps: list[tuple[int, int, str]] = []
    asked: list[bool] = []

    def fake(folder: Path, task: Task, halt: object) -> dict[str, Any]:
        asked.append(bool(task.quality))
        return answer(quality=bool(task.quality), load_s=next(loads))

    monkeypatch.setattr(package, "run_child", fake)
    thrice = replace(QUICK, repeats=3)
    found = bench(tiny_model, ["full", "bf16"], data=data, settings=thrice, progress=lambda *step: steps.append(step))
    assert steps == [(done, 6, ("full", "bf16")[done % 2]) for done in range(6)]
    assert asked == [True, True, False, False, False, False]
    assert [row["load_s"] for row in found["variants"]] == [3.0, 4.0]
    assert [[one["load_s"] for one in row["rounds"]] for row in found["variants"]] == [[1.0, 5.0, 3.0], [2.0, 4.0, 9.0]]
    assert [row["metrics"] for row in found["variants"]] == [METRICS, METRICS]


def test_without_highlights_nothing_is_measured_with_them(predictor: Predictor, data: Path) -> None:
    task = Task("tiny", "full", "cpu", 2, 0, False, REVIEWS[0], REVIEWS, str(data), True)
    figures = child.measure_speed(predictor, task)
    assert figures["latency_highlights_ms"] is figures["reviews_per_s_highlights"] is None
    assert figures["reviews_per_s"] > 0
    found = child.judge(predictor, data, False)
    assert found["metrics"]["highlight_f1"] is None
    assert {span for review in found["spans"] for span in review} == {None}


def test_stopping_kills_the_child_that_runs(tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[subprocess.Popen] = []
    start = subprocess.Popen

    def remember(*args: Any, **kwargs: Any) -> subprocess.Popen:
        processes.append(start(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(package.subprocess, "Popen", remember)
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    long = BenchSettings(seconds=3600, device="cpu")
    result = bench(
        tiny_model, ["full", "dynamic-int8"], data=data, settings=long, progress=lambda *_: timer.start(), stopped=stop
    )
    assert [(row["status"], row["reason"], row["rounds"]) for row in result["variants"]] == [("cancelled", None, [])] * 2
    assert [process.poll() for process in processes] == [-9]


def test_ctrl_c_keeps_what_was_measured(tiny_model: Path, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ftapp", "bench", str(tiny_model), "--variants", "full,dynamic-int8", "--data", str(data)]
    options = ["--repeats", "1", "--runs", "1", "--seconds", "0", "--device", "cpu", "--output", str(tmp_path / "out.json")]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    while "dynamic-int8" not in (line := process.stderr.readline()):
        assert line, "it ended before the second variant"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    assert f"Stopped: what was measured until then is above and in {tmp_path / 'out.json'}." in process.stderr.read()
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["variants"]
    assert [row["status"] for row in rows] == ["ok", "cancelled"]


def test_what_was_measured_before_the_stop_is_kept(tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(package, "run_child", lambda folder, task, halt: asked.append(task.variant) or answer())
    result = bench(tiny_model, ["full", "bf16"], data=data, settings=QUICK, stopped=lambda: len(asked) == 1)
    assert asked == ["full"]
    assert [row["status"] for row in result["variants"]] == ["ok", "cancelled"]
    assert result["variants"][0]["latency_ms"] == FIGURES["latency_ms"]


def test_what_is_refused_is_not_tried_again(tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int, str]] = []

    def fake(folder: Path, task: Task, halt: object) -> dict[str, Any]:
        return answer("unsupported" if task.variant == "fp16" else "ok", quality=bool(task.quality))

    monkeypatch.setattr(package, "run_child", fake)
    result = bench(tiny_model, ["fp16", "full"], data=data, settings=QUICK, progress=lambda *step: steps.append(step))
    assert steps == [(0, 4, "fp16"), (1, 3, "full"), (2, 3, "full")]
    refused, full = result["variants"]
    assert (refused["status"], refused["reason"]) == ("unsupported", "why")
    assert full["label_agreement"] == full["highlight_agreement"] == 1


def test_full_is_asked_for_its_answers_though_it_is_not_measured(
    tiny_model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[Task] = []

    def fake(folder: Path, task: Task, halt: object) -> dict[str, Any]:
        tasks.append(task)
        if task.timed:
            return answer(quality=bool(task.quality))
        return answer() | {"figures": None, "quality": QUALITY | {"predicted": [[1, -1]], "spans": [[[0, 3], [1, 2]]]}}

    monkeypatch.setattr(package, "run_child", fake)
    result = bench(tiny_model, ["bf16"], data=data, settings=QUICK)
    assert [(task.variant, task.timed, bool(task.quality)) for task in tasks] == [
        ("full", False, True), ("bf16", True, True), ("bf16", True, False)
    ]  # fmt: skip
    (row,) = result["variants"]
    assert (row["variant"], row["label_agreement"], row["highlight_agreement"]) == ("bf16", 0.5, 0.0)


def test_a_recipe_says_what_is_accepted(edited_model, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = edited_model()
    store(model, "bf16")
    store(model, "fp16", reasons=("pair_f1 fell",))
    store(model, "dynamic-int8")
    broken = variant_folder(model, "dynamic-int8") / "recipe.json"
    values = json.loads(broken.read_text(encoding="utf-8"))
    broken.write_text(json.dumps(values | {"source": {"keyword/model.safetensors": "0"}}), encoding="utf-8")
    monkeypatch.setattr(package, "run_child", lambda folder, task, halt: answer())
    found = bench(model, ["full", "bf16", "fp16", "dynamic-int8"], data=data, settings=QUICK)["variants"]
    assert [row["accepted"] for row in found] == [True, True, False, False]
    assert found[2]["reasons"] == ["pair_f1 fell"]
    assert "has not been checked" in found[3]["reasons"][0]


def test_weights_that_are_not_those_of_the_recipe_are_a_failed_row(edited_model, data: Path) -> None:
    model = edited_model()
    folder = store(model, "onnx")
    values = json.loads((folder / "recipe.json").read_text(encoding="utf-8")) | {"digests": {"keyword/model.onnx": "0"}}
    (folder / "recipe.json").write_text(json.dumps(values), encoding="utf-8")
    (row,) = bench(model, ["onnx"], data=data, settings=QUICK)["variants"]
    assert row["status"] == "failed"
    assert "onnx/keyword/model.onnx is not the file" in row["reason"]


def test_a_child_says_unsupported_or_failed_by_the_kind_of_error(tiny_model: Path, data: Path, tmp_path: Path) -> None:
    found = {}
    for variant, device in (("onnx", "cpu"), ("full", "tpu")):
        task = {
            "model": str(tiny_model), "variant": variant, "device": device, "runs": 1, "seconds": 0, "highlights": False,
            "text": "굿", "texts": ["굿"], "quality": None, "timed": True,
        }  # fmt: skip
        (tmp_path / TASK).write_text(json.dumps(task), encoding="utf-8")
        child.main(tmp_path)
        found[device] = json.loads((tmp_path / RESULT).read_text(encoding="utf-8"))
    assert found["cpu"]["status"] == "unsupported"
    assert found["tpu"] == {"status": "failed", "reason": "There is no device 'tpu'; choose auto, cpu, cuda or cuda:N."}


def test_a_killed_child_says_by_what() -> None:
    assert package._ending(-9, ["half a line"]) == "Its process was ended by signal 9 (Killed), as when memory runs out."
    assert package._ending(-11, []) == "Its process was ended by signal 11 (Segmentation fault)."
    assert package._ending(1, ["Traceback:", "ValueError: 3"]) == "ValueError: 3"
    assert package._ending(1, []) == "Its process ended with 1 and said nothing."


def test_quality_keeps_sentiments_and_spans(predictor: Predictor, data: Path) -> None:
    found = child.judge(predictor, data, True)
    reviews = read_labelled(data, predictor.scheme)
    outcome = observe(predictor, reviews)
    assert found["predicted"] == outcome.predicted.tolist()
    for review, spans, analysis in zip(reviews, found["spans"], predictor.analyze(REVIEWS), strict=True):
        marks = {k.keyword: [k.highlight.start, k.highlight.end] for k in analysis.keywords if k.highlight}
        assert spans == [marks.get(keyword) for keyword in predictor.scheme.keywords]
        assert all(0 <= start < end <= len(review.text) for start, end in marks.values())


def test_percentiles_are_in_milliseconds() -> None:
    assert child.percentiles([i / 1000 for i in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert child.percentiles([0.004]) == {"p50": 4.0, "p95": 4.0, "p99": 4.0}
    assert child.percentiles([0.003, 0.001])["p50"] == 2.0


def test_runs_go_on_for_the_number_and_for_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr(child.time, "perf_counter", lambda: clock["now"])

    def work() -> None:
        clock["now"] += 0.25

    assert child.times(work, 3, 0) == [0.25] * 3
    assert child.times(work, 3, 2) == [0.25] * 8


def test_the_parents_memory_is_not_the_childs() -> None:
    code = "from ftapp.bench.child import peak_memory; import sys; sys.stdout.write(str(peak_memory()))"
    ballast = np.ones(2**26)  # 512 MiB
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 300
    assert child.peak_memory() > ballast.nbytes / 2**20


def test_a_gpus_memory_and_name_are_those_that_torch_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    assert child.memory()["gpu_memory_mib"] is None
    assert child.gpu_name("cpu") is None
    cuda = SimpleNamespace(
        is_initialized=lambda: True, device_count=lambda: 2, max_memory_allocated=lambda number: [0, 3 * 2**20][number],
        get_device_name=lambda device: {"cuda:1": "GPU B"}[device],
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert child.memory()["gpu_memory_mib"] == 3.0
    assert child.gpu_name("cuda:1") == "GPU B"


def test_figures_are_medians_of_rounds_at_any_depth() -> None:
    seen = [{"a": value, "b": {"c": 10 * value}, "d": None, "e": None if value == 1 else {"f": 1}} for value in (1, 7, 2)]
    assert rows.medians([{key: one[key] for key in "abd"} for one in seen]) == {"a": 2, "b": {"c": 20}, "d": None}


def test_agreement_counts_cells_and_spans() -> None:
    assert rows.label_agreement([[0, -1], [3, -1]], [[0, -1], [2, 4]]) == 0.5
    assert rows.label_agreement([], []) is None
    spans = [[[0, 2], None, [3, 5], [1, 4]]]
    assert rows.highlight_agreement(spans, [[[0, 2], [1, 2], [3, 6], None]]) == 0.5
    assert rows.highlight_agreement(spans, [[None] * 4]) is None


def test_the_pareto_line_holds_those_that_none_beats_in_speed_and_quality() -> None:
    def row(p50: float, pair: float | None, accepted: bool = True, status: str = "ok") -> dict[str, Any]:
        known = status == "ok"
        return {
            "status": status, "accepted": accepted, "pareto": False,
            "latency_ms": {"p50": p50} if known else None, "metrics": {"pair_f1": pair} if known else None,
        }  # fmt: skip

    table = {
        "slow and best": row(9, 0.9), "slower, as good": row(10, 0.9), "fast": row(3, 0.7), "between, worse": row(5, 0.7),
        "between": row(5, 0.8), "fastest, refused": row(1, 0.95, accepted=False), "unknown": row(3, None),
        "failed": row(0, 1, status="failed"),
    }  # fmt: skip
    rows.mark_pareto(list(table.values()))
    assert [name for name, found in table.items() if found["pareto"]] == ["slow and best", "fast", "between", "unknown"]


def test_reviews_are_spread_over_the_lengths_in_a_fixed_order() -> None:
    reviews = [LabelledReview(str(i), "가" * (1 + 37 * i % 100), ()) for i in range(100)]
    chosen = spread(reviews, 10)
    lengths = [len(review.text) for review in chosen]
    assert sorted(lengths) == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]
    assert lengths != sorted(lengths)
    assert chosen == spread(reviews[::-1], 10)
    assert len({review.id for review in spread(reviews, 1000)}) == 100
    assert len(spread(reviews, 1)[0].text) in (50, 51)


def test_latency_is_of_a_review_of_usual_length_and_labels() -> None:
    reviews = [LabelledReview(str(i), "가" * i, tuple(Label(k, 0) for k in "나다라"[: i % 3])) for i in range(1, 31)]
    one = typical(reviews)
    assert (len(one.labels), len(one.text)) == (1, 16)


@pytest.mark.parametrize("values", [{"repeats": 0}, {"runs": 0}, {"reviews": 0}, {"seconds": -1}])
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(InputError, match=name):
        BenchSettings(**values)


def test_variants_are_chosen_by_name(tiny_model: Path, data: Path) -> None:
    assert choose("all") == list(VARIANTS)
    assert choose("full, onnx") == ["full", "onnx"]
    with pytest.raises(InputError, match="There is no variant 'int3'"):
        choose("full,int3")
    with pytest.raises(InputError, match="There is no variant to measure"):
        bench(tiny_model, [], data=data)


def test_importing_it_costs_little() -> None:
    modules = imported("import ftapp.bench, ftapp.bench.child")
    assert "ftapp.bench.rows" in modules
    assert modules.isdisjoint({"torch", "transformers", "streamlit", "onnxruntime", "openvino", "kiwipiepy"})


def test_the_command_prints_a_table_and_writes_the_json(
    edited_model, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(folder: Path, task: Task, halt: object) -> dict[str, Any]:
        if task.variant == "fp16":
            return answer("unsupported")
        return answer(latency_ms=FIGURES["latency_ms"] | {"p50": 1.25} if task.variant == "bf16" else FIGURES["latency_ms"])

    monkeypatch.setattr(package, "run_child", fake)
    model = edited_model()
    store(model, "bf16", reasons=("pair_f1 fell",))
    arguments = ["bench", str(model), "--data", str(data), "--reviews", "3", "--repeats", "1", "--no-highlight",
                 "--variants", "full,bf16,fp16,onnx"]  # fmt: skip
    done = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    names = [line.split()[:2] for line in lines]
    assert names.index(["!", "bf16"]) < names.index(["*", "full"])  # the faster one first
    head, fast = lines[2], next(line for line in lines if line.startswith("! bf16"))
    assert len(head) == len(fast)
    assert fast.split()[2] == "1.2"
    assert "  fp16" in done.stdout
    assert "unsupported: why" in done.stdout
    assert "not made: The variant 'onnx'" in done.stdout
    assert "! bf16: pair_f1 fell" in done.stdout
    assert describe()["cpu"] in lines[-1]
    assert done.stderr.splitlines() == ["1/3 full", "2/3 bf16", "3/3 fp16"]
    stored = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [row["variant"] for row in stored["variants"]] == ["full", "bf16", "fp16", "onnx"]
    assert stored["settings"]["reviews"] == {"quality": 3, "throughput": 3}


def test_the_command_says_what_it_lacks(tiny_model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["bench", str(tiny_model)])
    assert done.exit_code == 1
    assert "There is no data/test.jsonl here to measure on; give labelled reviews with --data FILE." in done.stderr
    done = CliRunner().invoke(main, ["bench", str(tiny_model), "--data", str(data), "--output", "nowhere/out.json"])
    assert done.exit_code == 1
    assert "There is no folder 'nowhere' to write out.json to" in done.stderr
