"""int8 for ONNX Runtime: decisions as full's, small files, chosen by what was measured."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import save_classifier
from onnx import numpy_helper

from ftapp.compress import quantize as module
from ftapp.compress.agreement import Reference
from ftapp.compress.export import export, fuse
from ftapp.compress.job import Job
from ftapp.compress.quantize import Candidate, candidates, choose, make_onnx_int8, quantize, store_small
from ftapp.engines import onnx as onnx_engine
from ftapp.engines.onnx import CPU_ONLY, OnnxEngine
from ftapp.engines.torch import TorchEngine
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.variants import HALVES

MakeJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant one core: for tiny models on a busy machine waiting for a second one costs more."""
    monkeypatch.setattr(onnx_engine, "granted_cores", lambda: 1)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a model whose weights are large enough to be stored smaller, with its plain and fused graphs."""
    folder = tmp_path_factory.mktemp("wide")
    save_classifier(
        folder, SENTIMENTS, 5, vocabulary=400, problem="single_label_classification",
        hidden_size=64, intermediate_size=128, num_attention_heads=4,
    )  # fmt: skip
    export(folder, folder / "plain.onnx")
    fuse(folder / "plain.onnx", folder / "fused.onnx", folder)
    return folder


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of 64 rows, some padded."""
    rng = np.random.default_rng(0)
    ids, mask = rng.integers(5, 400, (64, 16)), np.ones((64, 16), dtype=np.int64)
    for row in range(0, 64, 3):
        ids[row, 9:], mask[row, 9:] = 1, 0
    return ids, mask


# The whole method


def test_both_halves_mostly_decide_as_full(make_job: MakeJob, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "int8_pays", lambda: True)
    job = make_job()
    made = make_onnx_int8(job)
    reference = Reference.of(job)
    for half, labels in zip(HALVES, (KEYWORDS, SENTIMENTS), strict=True):
        assert sorted(path.name for path in (job.output / half).iterdir()) == ["config.json", "model.onnx"]
        engine = OnnxEngine(job.output / half, "cpu")
        assert engine.labels == len(labels)
        assert reference.difference(half, engine) > 1e-3  # it is not float32 under another name
        tried, chosen = made.checks["candidates"][half], made.parameters["chosen"][half]
        assert set(tried) == {candidate.name for candidate in candidates(native=True)}
        assert reference.agreement(half, engine) == pytest.approx(tried[chosen]["agreement"], abs=1e-4)
        assert tried[chosen]["bytes"] == (job.output / half / "model.onnx").stat().st_size
        assert tried[chosen]["agreement"] >= max(result["agreement"] for result in tried.values()) - module.MARGIN - 1e-9
        assert tried[chosen]["agreement"] > 0.85  # 32 random dimensions: a real model is much closer
        assert sum(half in line for line in lines) >= len(tried) + 2


def test_a_student_of_fewer_layers_is_quantized_too(make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "candidates", lambda native: [Candidate("fused", 8, "int8")])
    job = make_job()
    problems = ("multi_label_classification", "single_label_classification")
    students = [  # folders without a tokenizer
        save_classifier(
            tmp_path / half, labels, 7, vocabulary=job.checkpoint.tokenizer.size, problem=problem, num_hidden_layers=1
        )
        for half, labels, problem in zip(HALVES, (KEYWORDS, SENTIMENTS), problems, strict=True)
    ]
    job = replace(job, checkpoint=replace(job.checkpoint, keyword=students[0], sentiment=students[1]))
    make_onnx_int8(job)
    reference = Reference.of(job)
    for half in HALVES:
        assert reference.agreement(half, OnnxEngine(job.output / half, "cpu")) > 0.85


# The choice


def test_without_int8_instructions_seven_bits_are_tried_too() -> None:
    assert {candidate.bits for candidate in candidates(native=True)} == {8}
    assert {candidate.bits for candidate in candidates(native=False)} == {7, 8}
    assert candidates(native=False)[0].bits == 7  # the faster one there
    assert len(candidates(native=False)) == 2 * len(candidates(native=True)) == 8


@pytest.mark.parametrize(
    ("agreements", "sizes", "taken"),
    [
        ([0.99, 0.98, 0.97, 0.96], [9, 1, 1, 1], 0),  # the best, whatever its size
        ([0.990, 0.991, 0.991, 0.97], [900, 500, 700, 100], 1),  # of those alike the smallest
        ([0.990, 0.991, 0.990, 0.97], [101, 101, 100, 100], 0),  # of those as small the first
    ],
)
def test_the_choice_is_agreement_then_size_then_order(agreements: list[float], sizes: list[int], taken: int) -> None:
    names = candidates(native=True)
    assert choose(dict(zip(names, zip(agreements, sizes, strict=True), strict=True))) == names[taken]


# The graphs


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("graph", ["plain", "fused"])
def test_weights_are_int8_and_logits_close(
    wide: Path, batch: tuple[np.ndarray, np.ndarray], tmp_path: Path, graph: str, bits: int
) -> None:
    quantize(wide / f"{graph}.onnx", tmp_path / "model.onnx", bits)
    model = onnx.load(tmp_path / "model.onnx")
    operators = [node.op_type for node in model.graph.node]
    # Two layers' products: attention's four (fused: one and the output's), the feed-forward's two, in the last layer query and
    # output only; the classifier's two.
    assert operators.count("QAttention") == (1 if graph == "fused" else 0)
    assert operators.count("MatMulInteger") == (3 + 4 + 2 if graph == "fused" else 6 + 4 + 2)
    weights = [
        numpy_helper.to_array(w) for w in model.graph.initializer if w.data_type == onnx.TensorProto.INT8 and len(w.dims) == 2
    ]
    assert len(weights) == operators.count("QAttention") + operators.count("MatMulInteger")
    assert max(int(np.abs(weight.astype(int)).max()) for weight in weights) == {7: 64, 8: 127}[bits]
    expected = TorchEngine(wide, device="cpu").logits(*batch)
    logits = OnnxEngine(tmp_path, "cpu").logits(*batch)
    assert (logits.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    assert 0 < np.abs(logits - expected).mean() < {7: 0.2, 8: 0.1}[bits] * np.abs(expected).mean()


def test_scales_are_one_for_each_output(wide: Path, tmp_path: Path) -> None:
    quantize(wide / "plain.onnx", tmp_path / "model.onnx", 8)
    scales = [w for w in onnx.load(tmp_path / "model.onnx").graph.initializer if w.name.endswith("_scale")]
    assert scales
    assert all(scale.dims[0] in (64, 128, 5) for scale in scales)


@pytest.mark.parametrize(("words", "tolerance"), [("half", 0.005), ("int8", 0.05)])
def test_what_is_left_of_float32_is_stored_small(
    wide: Path, batch: tuple[np.ndarray, np.ndarray], tmp_path: Path, words: str, tolerance: float
) -> None:
    store_small(wide / "fused.onnx", tmp_path / "model.onnx", words)  # of a float32 graph, so that nothing else differs
    model = onnx.load(tmp_path / "model.onnx")
    assert {entry.key for entry in model.metadata_props} >= {CPU_ONLY}
    large = {
        weight.data_type: weight.dims
        for weight in model.graph.initializer
        if len(weight.dims) > 1 and np.prod(weight.dims) >= module.SMALL
    }
    half, int8 = onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8
    assert set(large) == ({half} if words == "half" else {half, int8})
    if words == "int8":
        assert list(large[int8]) == [400, 64]
    before = TorchEngine(wide, device="cpu").logits(*batch)
    after = OnnxEngine(tmp_path, "cpu").logits(*batch)
    assert 0 < np.abs(after - before).mean() < tolerance * np.abs(before).mean()
    share = (tmp_path / "model.onnx").stat().st_size / (wide / "fused.onnx").stat().st_size
    assert share < (0.6 if words == "half" else 0.55)


def test_a_row_of_zeros_in_the_table_stays_zero(wide: Path, tmp_path: Path) -> None:
    model = onnx.load(wide / "plain.onnx")
    table = next(weight for weight in model.graph.initializer if list(weight.dims) == [400, 64])
    values = numpy_helper.to_array(table).copy()
    values[9] = 0
    table.CopyFrom(numpy_helper.from_array(values, table.name))
    onnx.save(model, tmp_path / "zero.onnx")
    (tmp_path / "small").mkdir()
    store_small(tmp_path / "zero.onnx", tmp_path / "small" / "model.onnx", "int8")
    ids = np.full((1, 3), 9)
    assert np.isfinite(OnnxEngine(tmp_path / "small", "cpu").logits(ids, np.ones_like(ids))).all()
