"""Static int8 for OpenVINO: calibrated on training reviews, decisions as full's, what hurts kept in float32."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from ftapp.compress import openvino as module
from ftapp.compress.agreement import Reference
from ftapp.compress.export import export
from ftapp.compress.job import Job
from ftapp.compress.openvino import FIRST_TOKEN, SCORES, float_products, make_openvino_int8
from ftapp.engines import openvino as openvino_engine
from ftapp.engines.openvino import OpenVinoEngine
from ftapp.errors import InputError, UnsupportedError
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.variants import HALVES

MakeJob = Callable[..., Job]
installed = pytest.mark.skipif(find_spec("nncf") is None, reason="needs nncf")  # imported by ftapp only, which keeps it silent


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant one core: for tiny models on a busy machine waiting for a second one costs more."""
    monkeypatch.setattr(openvino_engine, "granted_cores", lambda: 1)


@installed
def test_both_halves_mostly_decide_as_full(make_job: MakeJob, lines: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    job = make_job(calibration=8)
    made = make_openvino_int8(job)
    reference = Reference.of(job)
    for half, labels in zip(HALVES, (KEYWORDS, SENTIMENTS), strict=True):
        assert sorted(path.name for path in (job.output / half).iterdir()) == ["config.json", "model.bin", "model.xml"]
        assert 'type="FakeQuantize"' in (job.output / half / "model.xml").read_text(encoding="utf-8")
        engine = OpenVinoEngine(job.output / half)
        assert engine.labels == len(labels)
        assert reference.difference(half, engine) > 1e-3  # it is not float32 under another name
        tried, chosen = made.checks["candidates"][half], " and ".join(made.parameters["float32"][half])
        assert reference.agreement(half, engine) == pytest.approx(tried[chosen], abs=1e-4)
        assert tried[chosen] >= max(tried.values()) - module.MARGIN - 1e-9
        assert tried[chosen] > 0.8  # 32 random dimensions: a real model is much closer
        assert any("quantizing" in line and half in line for line in lines)
    assert made.parameters["calibration_rows"] == {"keyword": 8, "sentiment": 8}
    assert capfd.readouterr().out == ""  # nncf's own bars and notes stay off the screen


def test_the_rows_to_calibrate_on_are_training_reviews(make_job: MakeJob) -> None:
    job = replace(make_job(), check=())
    rows = module._calibration_rows(job, 30)
    assert {half: len(found) for half, found in rows.items()} == {"keyword": 30, "sentiment": 30}
    assert module._calibration_rows(job, 30) == rows
    assert {half: len(found) for half, found in module._calibration_rows(job, 1000).items()} == {
        "keyword": len(job.train), "sentiment": sum(len(review.labels) + 1 for review in job.train),
    }  # fmt: skip
    frame = job.checkpoint.tokenizer.plain_frame()
    assert all(tuple(row[:1]) == frame.head and row[1] not in frame.tail for row in rows["keyword"])


@installed
@pytest.mark.parametrize(("train", "count"), [(False, 300), (True, 0)])
def test_without_training_reviews_there_is_nothing_to_calibrate_on(make_job: MakeJob, train: bool, count: int) -> None:
    job = make_job(calibration=count)
    with pytest.raises(InputError, match="needs training reviews"):
        make_openvino_int8(job if train else replace(job, train=()))


def test_what_stays_float32_is_found_in_the_graph(make_job: MakeJob, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    export(make_job().halves["keyword"], tmp_path / "model.onnx")
    graph = openvino.Core().read_model(tmp_path / "model.onnx")
    products = {node.get_friendly_name() for node in graph.get_ordered_ops() if node.get_type_name() == "MatMul"}
    first, scores = float_products(graph, [FIRST_TOKEN]), float_products(graph, [SCORES])
    assert len(products) == 8 + 10  # the lower layer's; the last one's and the classifier's
    assert len(first) == 10
    assert len(scores - first) == 2  # query by key, and weights by value
    assert len(products - first - scores) == 6  # query, key, value, output and the feed-forward's two


def test_without_nncf_the_error_says_what_to_install(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UnsupportedError, match=r"pip install ftapp\[openvino\]"):
        make_openvino_int8(make_job())
