"""The OpenVINO engine: torch's answers on the CPU, right graphs or a reason."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import REVIEWS

from ftapp.batching import collate
from ftapp.compress.export import export
from ftapp.engines import open_engine
from ftapp.engines import openvino as openvino_engine
from ftapp.engines.openvino import OpenVinoEngine
from ftapp.engines.torch import TorchEngine
from ftapp.errors import CheckpointError, InputError, UnsupportedError
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.tokenizer import Tokenizer
from ftapp.variants import HALVES

Pair = tuple[Path, Path]
Batch = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant one core: for tiny models on a busy machine waiting for a second one costs more."""
    monkeypatch.setattr(openvino_engine, "granted_cores", lambda: 1)


@pytest.fixture(scope="module")
def graphs(plain_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return the tiny pair's two folders with float32 graphs."""
    openvino = pytest.importorskip("openvino")
    root = tmp_path_factory.mktemp("graphs")
    for half, folder in zip(HALVES, plain_pair, strict=True):
        export(folder, root / f"{half}.onnx")
        openvino.save_model(
            openvino.Core().read_model(root / f"{half}.onnx"), root / half / "model.xml", compress_to_fp16=False
        )
    return root / "keyword", root / "sentiment"


@pytest.fixture(scope="module")
def batch(plain_pair: Pair) -> Batch:
    """Return ids and mask of the reviews."""
    tokenizer = Tokenizer.open(plain_pair[0])
    rows = [tokenizer.plain_frame().wrap(e.ids) for e in tokenizer.encode([review.split() for review in REVIEWS])]
    one = collate([rows], [(0, row) for row in range(len(rows))], tokenizer.pad)
    return one.ids, one.mask


@pytest.mark.parametrize("half", [0, 1])
def test_the_engine_answers_as_torch_does(plain_pair: Pair, graphs: Pair, batch: Batch, half: int) -> None:
    engine = OpenVinoEngine(graphs[half])
    logits = engine.logits(*batch)
    assert (logits.dtype, engine.labels) == (np.float32, len((KEYWORDS, SENTIMENTS)[half]))
    np.testing.assert_allclose(logits, TorchEngine(plain_pair[half], device="cpu").logits(*batch), atol=1e-4)


def test_padding_changes_nothing_and_answers_are_kept(graphs: Pair, batch: Batch) -> None:
    engine = OpenVinoEngine(graphs[1], "cpu")
    together = engine.logits(*batch)
    before = together.copy()
    for ids, mask, expected in zip(*batch, together, strict=True):
        length = int(mask.sum())
        np.testing.assert_allclose(engine.logits(ids[None, :length], mask[None, :length])[0], expected, atol=1e-5)
    np.testing.assert_array_equal(together, before)  # later batches do not write over it


def test_many_threads_get_one_threads_answers(graphs: Pair, batch: Batch) -> None:
    engine = OpenVinoEngine(graphs[0], "cpu")
    batches = [(ids[None, :length], mask[None, :length]) for ids, mask in zip(*batch, strict=True) for length in (2, 5, 9)]
    expected = [engine.logits(*one) for one in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for logits, one in zip(pool.map(lambda one: engine.logits(*one), batches), expected, strict=True):
                np.testing.assert_allclose(logits, one, atol=1e-6)


def test_the_request_has_the_granted_cores(graphs: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "granted_cores", lambda: 2)
    compiled = OpenVinoEngine(graphs[0], "cpu")._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert "LATENCY" in str(compiled.get_property("PERFORMANCE_HINT"))
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_an_absent_graph_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(CheckpointError, match=r"no model\.xml in .*make the variant again"):
        OpenVinoEngine(tmp_path, "cpu")


@pytest.mark.parametrize(("xml", "weights"), [(b"", True), (b"<net", True), (None, False)])
def test_a_broken_graph_is_refused(graphs: Pair, tmp_path: Path, xml: bytes | None, weights: bool) -> None:
    (tmp_path / "model.xml").write_bytes((graphs[0] / "model.xml").read_bytes() if xml is None else xml)
    if weights:
        (tmp_path / "model.bin").write_bytes((graphs[0] / "model.bin").read_bytes())
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        OpenVinoEngine(tmp_path, "cpu")


def test_a_graph_that_is_no_classifiers_is_refused(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    ids = openvino.opset13.parameter([-1, -1], np.float32, name="input_ids")
    ids.output(0).set_names({"input_ids"})
    openvino.save_model(openvino.Model([openvino.opset13.tanh(ids)], [ids]), tmp_path / "model.xml")
    with pytest.raises(CheckpointError, match="a classifier's has"):
        OpenVinoEngine(tmp_path, "cpu")


def test_devices_are_cpu_or_a_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no device 'gpu'"):
        OpenVinoEngine(tmp_path, "gpu")
    for device in ("cuda", "cuda:1"):
        with pytest.raises(UnsupportedError, match="CPU only"):
            OpenVinoEngine(tmp_path, device)


def test_without_openvino_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnsupportedError, match=r"pip install ftapp\[openvino\]"):
        open_engine(tmp_path, "openvino-int8", "cpu")
