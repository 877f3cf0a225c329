"""The ONNX engine: torch's answers without torch, sound settings, right graphs or a reason."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import REVIEWS, assert_same
from onnx import TensorProto, helper

import ftapp
from ftapp.batching import collate
from ftapp.checkpoint import open_checkpoint
from ftapp.compress.export import export
from ftapp.engines import onnx as onnx_engine
from ftapp.engines import open_engine
from ftapp.engines.onnx import CPU_ONLY, OnnxEngine
from ftapp.engines.torch import TorchEngine
from ftapp.errors import CheckpointError, InputError, UnsupportedError
from ftapp.predictor import Predictor
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.tokenizer import Tokenizer
from ftapp.variants import HALVES, RECIPE, Recipe, digest, source_digests, variant_folder

Pair = tuple[Path, Path]
Batch = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant one core: for tiny models on a busy machine waiting for a second one costs more."""
    monkeypatch.setattr(onnx_engine, "granted_cores", lambda: 1)


@pytest.fixture(scope="module")
def graphs(plain_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return the tiny pair's two folders with graphs."""
    root = tmp_path_factory.mktemp("graphs")
    for half, folder in zip(HALVES, plain_pair, strict=True):
        export(folder, root / half / "model.onnx")
    return root / "keyword", root / "sentiment"


@pytest.fixture(scope="module")
def batch(plain_pair: Pair) -> Batch:
    """Return ids and mask of the reviews."""
    tokenizer = Tokenizer.open(plain_pair[0])
    rows = [tokenizer.plain_frame().wrap(e.ids) for e in tokenizer.encode([review.split() for review in REVIEWS])]
    one = collate([rows], [(0, row) for row in range(len(rows))], tokenizer.pad)
    return one.ids, one.mask


def save_graph(folder: Path, inputs: tuple[str, ...], shape: tuple[str | int, ...]) -> Path:
    """Write a graph that adds its inputs up; for a shape with a number, on a classifier's output."""
    kinds = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "length"]) for name in inputs]
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Sum", list(inputs), ["logits"])], "sum", kinds, [result])
    folder.mkdir(exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "model.onnx")
    return folder


# Logits


@pytest.mark.parametrize("half", [0, 1])
def test_the_engine_answers_as_torch_does(plain_pair: Pair, graphs: Pair, batch: Batch, half: int) -> None:
    engine = OnnxEngine(graphs[half], "cpu")
    logits = engine.logits(*batch)
    assert (logits.dtype, engine.labels) == (np.float32, len((KEYWORDS, SENTIMENTS)[half]))
    np.testing.assert_allclose(logits, TorchEngine(plain_pair[half], device="cpu").logits(*batch), atol=1e-4)


def test_padding_changes_nothing(graphs: Pair, batch: Batch) -> None:
    engine = OnnxEngine(graphs[1], "cpu")
    together = engine.logits(*batch)
    for ids, mask, expected in zip(*batch, together, strict=True):
        length = int(mask.sum())
        np.testing.assert_allclose(engine.logits(ids[None, :length], mask[None, :length])[0], expected, atol=1e-5)


def test_a_pad_token_that_is_read_counts_as_torch_counts_it(plain_pair: Pair, graphs: Pair, batch: Batch) -> None:
    ids, mask = batch[0].copy(), batch[1]
    ids[:, 2] = 1  # a typed [PAD], in the middle
    full = TorchEngine(plain_pair[0], device="cpu")
    logits = OnnxEngine(graphs[0], "cpu").logits(ids, mask)
    np.testing.assert_allclose(logits, full.logits(ids, mask), atol=1e-4)


def test_the_longest_input_fits(plain_pair: Pair, graphs: Pair) -> None:
    ids = np.full((1, 128), 7, dtype=np.int64)
    expected = TorchEngine(plain_pair[0], device="cpu").logits(ids, np.ones_like(ids))
    np.testing.assert_allclose(OnnxEngine(graphs[0], "cpu").logits(ids, np.ones_like(ids)), expected, atol=1e-4)


def test_many_threads_get_one_threads_answers(graphs: Pair, batch: Batch) -> None:
    engine = OnnxEngine(graphs[0], "cpu")
    batches = [(ids[None, :length], mask[None, :length]) for ids, mask in zip(*batch, strict=True) for length in (2, 5, 9)]
    expected = [engine.logits(*one) for one in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for logits, one in zip(pool.map(lambda one: engine.logits(*one), batches), expected, strict=True):
                np.testing.assert_array_equal(logits, one)


# The whole way, without torch


@pytest.fixture
def model_with_variant(tiny_model: Path, graphs: Pair, tmp_path: Path) -> Path:
    """Return the tiny model folder with the variant onnx in it."""
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    folder = variant_folder(model, "onnx")
    for half, source in zip(HALVES, graphs, strict=True):
        shutil.copytree(source, folder / half)
    digests = {f"{half}/model.onnx": digest(folder / half / "model.onnx") for half in HALVES}
    recipe = Recipe("onnx", "exported by a test", source=source_digests(open_checkpoint(model)), digests=digests)
    (folder / RECIPE).write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    return model


def test_a_prediction_imports_neither_torch_nor_transformers(model_with_variant: Path, predictor: Predictor) -> None:
    code = """
import json, sys
from ftapp.cli import main
main(["analyze", "--model", sys.argv[1], "--variant", "onnx", "--device", "cpu", "--json", sys.argv[2]], standalone_mode=False)
print(json.dumps(sorted(name for name in ("torch", "transformers", "onnx", "onnxruntime") if name in sys.modules)))
"""
    command = [sys.executable, "-c", code, str(model_with_variant), REVIEWS[0]]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=True, cwd=Path(ftapp.__file__).parents[1]
    )
    analysis, modules = map(json.loads, done.stdout.splitlines())
    assert modules == ["onnxruntime"]
    expected = predictor.analyze(REVIEWS[:1])[0].to_dict()
    assert [word["keyword"] for word in analysis["keywords"]] == [word["keyword"] for word in expected["keywords"]]
    assert analysis["keywords"], "the tiny model finds something in the first review"
    for found, word in zip(analysis["keywords"], expected["keywords"], strict=True):
        assert found["probability"] == pytest.approx(word["probability"], abs=2e-3)
        assert (found["sentiment"], found["highlight"]) == (word["sentiment"], word["highlight"])


def test_a_predictor_with_the_variant_says_what_full_says(model_with_variant: Path, predictor: Predictor) -> None:
    found = ftapp.load(model_with_variant, "onnx", "cpu").analyze(REVIEWS)
    for analysis, expected in zip(found, predictor.analyze(REVIEWS), strict=True):
        assert_same(analysis, expected, 1e-4)


# Settings


def test_the_session_has_the_granted_cores_and_keeps_no_memory(graphs: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_engine, "granted_cores", lambda: 3)
    options = OnnxEngine(graphs[0], "cpu")._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.x64quantprecision") == "1"


# Graphs


def test_an_absent_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model\.onnx in .*make the variant again"):
        OnnxEngine(tmp_path, "cpu")


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_broken_graph_is_refused(graphs: Pair, tmp_path: Path, cut: int) -> None:
    content = (graphs[0] / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(content[:cut] if cut < 1000 else content[:-cut])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        OnnxEngine(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [
        (("input_ids",), ("rows", 14)),
        (("input_ids", "attention_mask", "token_type_ids"), ("rows", 14)),
        (("input_ids", "attention_mask"), ("rows", "labels")),
        (("input_ids", "attention_mask"), ("rows", "length", 14)),
    ],
)
def test_a_graph_that_is_no_classifiers_is_refused(
    tmp_path: Path, inputs: tuple[str, ...], shape: tuple[str | int, ...]
) -> None:
    with pytest.raises(CheckpointError, match="a classifier's has"):
        OnnxEngine(save_graph(tmp_path / "graph", inputs, shape), "cpu")


# Devices


@pytest.mark.parametrize("device", ["gpu", "", "CPU", "cuda:", "cuda:x", "cpu:1", "mps"])
def test_an_unknown_device_is_refused(graphs: Pair, device: str) -> None:
    with pytest.raises(InputError, match=f"no device '{device}'"):
        OnnxEngine(graphs[0], device)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_without_its_provider_cuda_is_refused_and_auto_is_the_cpu(
    graphs: Pair, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UnsupportedError, match=r"no CUDA.*pip install onnxruntime-gpu"):
        OnnxEngine(graphs[0], device)
    assert OnnxEngine(graphs[0])._session.get_providers() == ["CPUExecutionProvider"]


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Return a function that makes onnxruntime offer CUDA, with or without a device; it returns the providers asked for."""

    def fake(device: bool) -> list[Any]:
        asked: list[Any] = []
        real = onnxruntime.InferenceSession

        class Session(real):
            def __init__(self, path: Path, options: Any, providers: list[Any]) -> None:
                asked.append(providers)
                super().__init__(path, options, providers=["CPUExecutionProvider"])
                self.on_cuda = device and len(providers) > 1

            def get_providers(self) -> list[str]:
                return ["CUDAExecutionProvider"] * self.on_cuda + ["CPUExecutionProvider"]

        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
        return asked

    return fake


@pytest.mark.parametrize(("device", "number"), [("auto", "0"), ("cuda", "0"), ("cuda:1", "1")])
def test_with_a_gpu_auto_is_cuda_and_each_can_be_named(
    graphs: Pair, fake_cuda: Callable[..., list[Any]], device: str, number: str
) -> None:
    asked = fake_cuda(device=True)
    assert "CUDAExecutionProvider" in OnnxEngine(graphs[0], device)._session.get_providers()
    assert asked == [[("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]]
    OnnxEngine(graphs[0], "cpu")
    assert asked[1:] == [["CPUExecutionProvider"]]


def test_where_no_gpu_answers_auto_is_the_cpu_and_cuda_is_refused(graphs: Pair, fake_cuda: Callable[..., list[Any]]) -> None:
    fake_cuda(device=False)
    assert OnnxEngine(graphs[0])._session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(UnsupportedError, match="cannot run on cuda:7: onnxruntime found no such CUDA device"):
        OnnxEngine(graphs[0], "cuda:7")


def test_int8_operators_stay_on_the_cpu(graphs: Pair, fake_cuda: Callable[..., list[Any]], tmp_path: Path) -> None:
    model = onnx.load(graphs[0] / "model.onnx")
    helper.set_model_props(model, {CPU_ONLY: "int8"})
    onnx.save(model, tmp_path / "model.onnx")
    fake_cuda(device=True)
    assert OnnxEngine(tmp_path)._session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(UnsupportedError, match="int8 operators exist for the CPU alone"):
        OnnxEngine(tmp_path, "cuda")


def test_without_onnxruntime_the_error_says_what_to_install(graphs: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UnsupportedError, match="pip install onnxruntime"):
        open_engine(graphs[0], "onnx", "cpu")
