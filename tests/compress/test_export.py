"""Export and fusion: full's logits in one file, or no export at all."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import save_classifier
from onnx import numpy_helper
from transformers import BertConfig, BertForSequenceClassification

from ftapp.compress import export as module
from ftapp.compress.agreement import Reference, real_rows
from ftapp.compress.export import FirstToken, export, fuse, make_onnx, make_onnx_optimized
from ftapp.compress.job import Job
from ftapp.engines import onnx as onnx_engine
from ftapp.engines.onnx import OnnxEngine
from ftapp.engines.torch import TorchEngine, load_model
from ftapp.errors import CheckpointError, InputError, UnsupportedError
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.variants import HALVES

MakeJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant one core: for tiny models on a busy machine waiting for a second one costs more."""
    monkeypatch.setattr(onnx_engine, "granted_cores", lambda: 1)


def padded(vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of three rows, two of them padded."""
    ids = np.random.default_rng(0).integers(5, vocabulary, (3, 11))
    mask = np.ones_like(ids)
    for row, length in ((1, 7), (2, 2)):
        ids[row, length:], mask[row, length:] = 1, 0
    return ids, mask


# Export


def test_both_halves_are_exported_with_the_difference_from_full(make_job: MakeJob, lines: list[str]) -> None:
    job = make_job()
    made = make_onnx(job)
    reference = Reference.of(job)
    for half, labels in zip(HALVES, (KEYWORDS, SENTIMENTS), strict=True):
        assert sorted(path.name for path in (job.output / half).iterdir()) == ["config.json", "model.onnx"]
        engine = OnnxEngine(job.output / half, "cpu")
        assert engine.labels == len(labels)
        worst = reference.difference(half, engine)
        assert made.checks["largest_difference"][half] == pytest.approx(worst, rel=1e-6)
        assert 0 < worst < 1e-4
        config = (job.halves[half] / "config.json").read_bytes()
        assert (job.output / half / "config.json").read_bytes() == config
    assert made.parameters == {"opset": 18, "forward": dict.fromkeys(HALVES, "first token"), "tolerance": 1e-3}
    for half in HALVES:
        assert any("export" in line and half in line for line in lines)
        assert any("check" in line and half in line for line in lines)


def test_rows_and_length_are_free(make_job: MakeJob, tmp_path: Path) -> None:
    export(make_job().halves["keyword"], tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [entry.name for entry in graph.input] == ["input_ids", "attention_mask"]
    for entry in graph.input:
        assert [dim.dim_value for dim in entry.type.tensor_type.shape.dim] == [0, 0]
    assert not any(weight.external_data for weight in graph.initializer)


@pytest.mark.parametrize(
    "shape", [{"num_hidden_layers": 1}, {"num_hidden_layers": 3, "num_attention_heads": 4}, {"num_attention_heads": 1}]
)
def test_every_shape_of_roberta_keeps_its_logits(tmp_path: Path, shape: dict[str, int]) -> None:
    folder = save_classifier(tmp_path / "model", SENTIMENTS, 3, vocabulary=200, problem="single_label_classification", **shape)
    assert export(folder, tmp_path / "plain" / "model.onnx")[1] == "first token"
    counts = fuse(tmp_path / "plain" / "model.onnx", tmp_path / "fused" / "model.onnx", folder)
    assert counts.get("Attention", 0) == shape.get("num_hidden_layers", 2) - 1
    expected = TorchEngine(folder, device="cpu").logits(*padded(200))
    for name in ("plain", "fused"):
        np.testing.assert_allclose(OnnxEngine(tmp_path / name, "cpu").logits(*padded(200)), expected, atol=1e-4)


def test_the_exported_forward_pass_is_the_stock_one(plain_pair: tuple[Path, Path]) -> None:
    model = load_model(plain_pair[0])
    ids, mask = map(torch.from_numpy, padded(200))
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(FirstToken(model)(ids, mask)["logits"], expected, atol=1e-5, rtol=0)


def test_another_kind_of_model_keeps_its_own_forward_pass(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=5, initializer_range=0.2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "plain" / "model.onnx")[1] == "stock"
    fuse(tmp_path / "plain" / "model.onnx", tmp_path / "fused" / "model.onnx", tmp_path / "model")
    expected = TorchEngine(tmp_path / "model", device="cpu").logits(*padded(200))
    for name in ("plain", "fused"):
        np.testing.assert_allclose(OnnxEngine(tmp_path / name, "cpu").logits(*padded(200)), expected, atol=1e-4)


# Fusion


def test_attention_layer_norm_and_gelu_are_fused(make_job: MakeJob) -> None:
    job = make_job()
    made = make_onnx_optimized(job)
    # Two layers: the lower one attends among all tokens, the last one for the first token only. Two norms a layer, one before.
    for half in HALVES:
        assert made.checks["fused_operators"][half] == {"Attention": 1, "BiasGelu": 2, "SkipLayerNormalization": 5}
    assert all(0 < worst < 1e-4 for worst in made.checks["largest_difference"].values())
    for half in HALVES:
        assert sorted(path.name for path in (job.output / half).iterdir()) == ["config.json", "model.onnx"]
        operators = [node.op_type for node in onnx.load(job.output / half / "model.onnx").graph.node]
        assert operators.count("Attention") == 1
        assert "Erf" not in operators


# What must not pass


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[onnx.ModelProto], None]) -> None:
    """Have every export come out changed."""
    real = module.export

    def spoiled(source: Path, target: Path) -> tuple[int, str]:
        done = real(source, target)
        model = onnx.load(target)
        change(model)
        onnx.save(model, target)
        return done

    monkeypatch.setattr(module, "export", spoiled)


def add_to_a_bias(amount: float) -> Callable[[onnx.ModelProto], None]:
    """Return what adds to the bias of the last layer of a graph."""

    def change(model: onnx.ModelProto) -> None:
        bias = next(weight for weight in model.graph.initializer if weight.name.endswith("classifier.out_proj.bias"))
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(amount), bias.name))

    return change


@pytest.mark.parametrize("make", [make_onnx, make_onnx_optimized])
@pytest.mark.parametrize("amount", [0.002, math.nan])
def test_an_export_with_wrong_weights_is_refused(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, make: Callable[[Job], object], amount: float
) -> None:
    spoil(monkeypatch, add_to_a_bias(amount))
    with pytest.raises(CheckpointError, match=r"exported keyword model answers differently: .* more than 0\.001"):
        make(make_job())


def test_an_export_within_the_tolerance_passes(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, add_to_a_bias(0.0005))
    differences = make_onnx(make_job()).checks["largest_difference"]
    assert differences == pytest.approx(dict.fromkeys(HALVES, 0.0005), abs=5e-5)


def test_an_export_that_reads_padding_is_refused(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = module._attend
    monkeypatch.setattr(module, "_attend", lambda attention, hidden, absent: attend(attention, hidden, 0 * absent))
    with pytest.raises(CheckpointError, match="answers differently"):
        make_onnx(make_job())


def test_without_optimum_the_error_says_what_to_install(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optimum.exporters.onnx", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        make_onnx(make_job())


# Rows


def test_the_rows_are_those_that_both_halves_read(make_job: MakeJob) -> None:
    job = make_job()
    rows = real_rows(job.checkpoint, job.check)
    assert len(rows["keyword"]) == len(job.check)
    assert len(rows["sentiment"]) == sum(len(review.labels) + 1 for review in job.check)  # and one for overall
    tokenizer = job.checkpoint.tokenizer
    frame = tokenizer.prompt_frame(job.checkpoint.manifest.template, job.check[0].labels[0].keyword)
    words = tokenizer.encode([job.check[0].text.split()])[0].ids
    assert rows["keyword"][0] == tokenizer.plain_frame().wrap(words)
    assert rows["sentiment"][0] == frame.wrap(words)


def test_without_a_label_there_is_nothing_to_check_on(make_job: MakeJob) -> None:
    job = make_job()
    bare = [replace(review, labels=(), overall=None) for review in job.check]
    with pytest.raises(InputError, match="none to try the sentiment model on"):
        make_onnx(replace(job, check=bare))
