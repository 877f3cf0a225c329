"""Pruning: what matters least is found, cut out exactly, and what is left recovers; magnitude pruning zeroes what it says."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ftapp.checkpoint import Manifest, write_checkpoint
from ftapp.compress.job import Job
from ftapp.compress.prune import (
    best_columns,
    encoder_linears,
    importance,
    keep_columns,
    least_heads,
    make_pruned,
    make_sparse,
    zero_smallest,
)
from ftapp.compress.recover import forward, read_whole, rows_of
from ftapp.engines.heads import cut_heads
from ftapp.engines.torch import TorchEngine, load_model
from ftapp.errors import InputError
from ftapp.reviews import LabelledReview
from ftapp.training.examples import Row
from ftapp.training.finetune import label_loss, padded
from ftapp.training.precision import halved

Jobs = Callable[..., Job]
HALVES = ("keyword", "sentiment")


@pytest.fixture(scope="module")
def batch(tiny_model: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of random rows of different lengths."""
    ids = np.random.default_rng(0).integers(5, 200, (6, 20))
    ids[:, 0] = 0
    mask = np.arange(20) < np.array([20, 20, 12, 9, 5, 3])[:, None]
    return np.where(mask, ids, 1), mask.astype(np.int64)


def logits_of(model: PreTrainedModel, batch: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return what the stock forward pass says."""
    with torch.inference_mode():
        return model(*map(torch.from_numpy, batch)).logits.numpy()


def edited_pair(model: Path, target: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """Return a copy of a model folder in which the weights of both halves are edited."""
    halves = [Path(shutil.copytree(model / half, target / "halves" / half)) for half in HALVES]
    for folder in halves:
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return write_checkpoint(target / "model", *halves, Manifest("edited"))


def rows_for(job: Job, half: str) -> list[Row]:
    return rows_of(read_whole(job.train, job.checkpoint), job.checkpoint, half)


# Structured


def test_a_pruned_pair_is_smaller_in_shape_and_on_disk(make_job: Jobs, lines: list[str]) -> None:
    job = make_job(epochs=1)
    made = make_pruned(job)
    for half, source in job.halves.items():
        folder = job.output / half
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        ((layer, gone),) = config["pruned_heads"].items()  # a quarter of two layers' two heads
        assert (len(gone), config["intermediate_size"]) == (1, 40)
        weights, full = (load_file(path / "model.safetensors") for path in (folder, source))
        for name in ("query", "key", "value"):
            assert weights[f"roberta.encoder.layer.{layer}.attention.self.{name}.weight"].shape == (16, 32)
        assert weights[f"roberta.encoder.layer.{layer}.attention.output.dense.weight"].shape == (32, 16)
        for i in range(2):
            assert weights[f"roberta.encoder.layer.{i}.intermediate.dense.weight"].shape == (40, 32)
            assert weights[f"roberta.encoder.layer.{i}.output.dense.weight"].shape == (32, 40)
        assert (folder / "model.safetensors").stat().st_size < (source / "model.safetensors").stat().st_size
        count = {name: sum(value.numel() for value in w.values()) for name, w in (("full", full), ("variant", weights))}
        assert made.checks[half]["parameters"] == count
        assert made.parameters["cut"][half] == {"pruned_heads": {layer: gone}, "columns_kept": 40}
        assert (folder / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    json.dumps([made.parameters, made.checks], allow_nan=False)
    assert any("sentiment: 1 of 4 heads cut, 40 of 64 columns" in line for line in lines)
    assert any(line.startswith("keyword: epoch 1 of 1, step ") and ", loss " in line for line in lines)


@pytest.mark.parametrize("half", [0, 1])
def test_the_cut_model_is_the_full_one_with_those_parts_masked(
    plain_pair: tuple[Path, Path], batch: tuple[np.ndarray, np.ndarray], half: int
) -> None:
    full = load_model(plain_pair[half])
    heads = {0: [1], 1: [0]}
    kept = [[2, 3, 5, 7, 11, 60], [0, 1, 2, 3, 62, 63]]
    cut = copy.deepcopy(full)
    cut_heads(cut, heads)
    keep_columns(cut, kept)
    for i, layer in enumerate(full.roberta.encoder.layer):
        for head in heads[i]:
            layer.attention.output.dense.weight.data[:, head * 16 : (head + 1) * 16] = 0
        layer.output.dense.weight.data[:, [c for c in range(64) if c not in kept[i]]] = 0
    np.testing.assert_allclose(logits_of(cut, batch), logits_of(full, batch), atol=1e-5)
    untouched = load_model(plain_pair[half])
    assert np.abs(logits_of(untouched, batch) - logits_of(cut, batch)).max() > 0.1


def test_without_recovery_the_stored_model_is_the_cut_one(make_job: Jobs, batch: tuple[np.ndarray, np.ndarray]) -> None:
    job = make_job(epochs=0, scored_rows=1000)
    made = make_pruned(job)
    for half, folder in job.halves.items():
        model = load_model(folder)
        scores = importance(model, rows_for(job, half), half=half, pad=1)
        cut_heads(model, least_heads(scores.heads, 0.25))
        keep_columns(model, best_columns(scores.columns, 0.4))
        np.testing.assert_allclose(
            TorchEngine(job.output / half, device="cpu").logits(*batch), logits_of(model, batch), atol=1e-4
        )
        apart = made.checks[half]["divergence_from_full"]
        assert apart["before"] == apart["after"] > 0


def test_parts_that_do_nothing_are_the_ones_cut(tiny_model: Path, make_job: Jobs, tmp_path: Path) -> None:
    idle = torch.arange(5, 29)  # columns of layer 1

    def plant(weights: dict[str, torch.Tensor]) -> None:
        weights["roberta.encoder.layer.0.attention.output.dense.weight"][:, 16:] = 0  # the second head of layer 0
        weights["roberta.encoder.layer.1.output.dense.weight"][:, idle] = 0

    job = make_job(model=edited_pair(tiny_model, tmp_path, plant), epochs=0)
    make_pruned(job)
    for half, folder in job.halves.items():
        config = json.loads((job.output / half / "config.json").read_text(encoding="utf-8"))
        assert config["pruned_heads"] == {"0": [1]}
        name = "roberta.encoder.layer.1.intermediate.dense.bias"
        full, left = (load_file(path / "model.safetensors")[name] for path in (folder, job.output / half))
        torch.testing.assert_close(left, full[[i for i in range(64) if i not in idle]])


@pytest.mark.parametrize("half", HALVES)
def test_importance_is_the_loss_s_slope_along_a_gate(make_job: Jobs, half: str) -> None:
    job = make_job()
    rows = rows_for(job, half)[:3]
    model = load_model(job.halves[half]).double()
    scores = importance(model, rows, half=half, pad=1)

    def slope(linear: torch.nn.Linear, part: slice, row: Row) -> float:
        losses = []
        for gate in (1 - 1e-3, 1 + 1e-3):
            scale = torch.ones(linear.in_features, dtype=torch.float64)
            scale[part] = gate
            handle = linear.register_forward_pre_hook(lambda _, given, scale=scale: (given[0] * scale,))
            with torch.no_grad():
                losses.append(label_loss(forward(model, *padded([row], 1, model.device)), [row], half).item())
            handle.remove()
        return abs(losses[1] - losses[0]) / 2e-3

    for i, layer in enumerate(model.roberta.encoder.layer):
        heads = [sum(slope(layer.attention.output.dense, slice(h * 16, h * 16 + 16), row) for row in rows) for h in (0, 1)]
        assert scores.heads[i].tolist() == pytest.approx(heads, rel=0.02, abs=2e-4)
        columns = [sum(slope(layer.output.dense, slice(c, c + 1), row) for row in rows) for c in range(0, 64, 16)]
        assert scores.columns[i][::16].tolist() == pytest.approx(columns, rel=0.02, abs=2e-4)


@pytest.mark.skipif(int(transformers.__version__.partition(".")[0]) > 4, reason="transformers 5 ignores pruned_heads")
def test_stock_transformers_loads_a_pruned_folder(make_job: Jobs, batch: tuple[np.ndarray, np.ndarray]) -> None:
    job = make_job()
    make_pruned(job)
    for half in HALVES:
        stock, report = AutoModelForSequenceClassification.from_pretrained(job.output / half, output_loading_info=True)
        assert not any(report.values())
        assert stock.dtype == torch.float32
        ours = TorchEngine(job.output / half, device="cpu").logits(*batch)
        np.testing.assert_allclose(ours, logits_of(stock.eval(), batch), atol=1e-4)


def test_recovery_brings_a_cut_model_back_towards_full(make_job: Jobs) -> None:
    made = make_pruned(make_job(epochs=8, learning_rate=2e-3, batch_tokens=256, label_weight=0))  # random labels lead elsewhere
    for half in HALVES:
        apart = made.checks[half]["divergence_from_full"]
        assert apart["after"] < 0.75 * apart["before"]


def test_equal_seeds_make_equal_weights(make_job: Jobs) -> None:
    options = {"epochs": 1, "most_reviews": 12, "learning_rate": 1e-3}
    jobs = [make_job("a", **options), make_job("b", **options), make_job("c", seed=1, **options)]
    for job in jobs:
        make_pruned(job)
    for half in HALVES:
        first, second, other = ((job.output / half / "model.safetensors").read_bytes() for job in jobs)
        assert first == second != other


def test_every_layer_keeps_a_head_and_scores_are_compared_by_layer() -> None:
    scores = [torch.tensor([0.1, 0.2, 0.3, 0.01]), torch.tensor([9.0, 1.0, 5.0, 4.0])]
    assert least_heads(scores, 0.25) == {0: [3], 1: [1]}
    assert least_heads(scores, 0.99) == {0: [0, 1, 3], 1: [1, 2, 3]}
    assert least_heads(scores, 0.0) == {}
    assert least_heads([torch.zeros(2)], 0.5) == {0: [0]}


def test_columns_are_kept_in_multiples_of_eight() -> None:
    scores = [torch.arange(64.0), -torch.arange(64.0)]
    assert best_columns(scores, 0.4) == [list(range(24, 64)), list(range(40))]
    assert [len(kept) for kept in best_columns([torch.rand(1024)], 0.4)] == [616]
    assert [len(kept) for kept in best_columns([torch.rand(1024)], 0.999)] == [8]
    assert [len(kept) for kept in best_columns([torch.rand(20)], 0.0)] == [20]


def test_shares_of_nothing_leave_the_model_as_it_is(make_job: Jobs) -> None:
    job = make_job(head_share=0, column_share=0, epochs=0)
    make_pruned(job)
    for half, folder in job.halves.items():
        full, same = (load_file(path / "model.safetensors") for path in (folder, job.output / half))
        assert full.keys() == same.keys()
        assert all(torch.equal(full[name], same[name]) for name in full)


# Magnitude


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_smallest_weights_of_each_matrix_are_zero(make_job: Jobs, share: float) -> None:
    job = make_job(share=share)
    made = make_sparse(job)
    assert "no faster" in made.method
    for half, source in job.halves.items():
        full, sparse = load_model(source), load_model(job.output / half)
        linears = list(zip(encoder_linears(full), encoder_linears(sparse), strict=True))
        assert len(linears) == 12
        for before, after in linears:
            zero = after.weight == 0
            assert zero.float().mean().item() == pytest.approx(share, abs=1e-3)
            assert before.weight[zero].abs().max() <= before.weight[~zero].abs().min()
            assert torch.equal(after.weight[~zero], before.weight[~zero])
            assert torch.equal(after.bias, before.bias)
        assert made.checks[half]["zero_share_of_encoder_matrices"] == pytest.approx(share, abs=1e-3)
        assert made.checks[half]["zero_share_of_all_parameters"] < share
        for name in ("embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"):
            assert torch.equal(full.roberta.get_parameter(name), sparse.roberta.get_parameter(name))


def test_ties_do_not_change_the_share() -> None:
    model = torch.nn.Module()
    model.base_model = torch.nn.Module()
    model.base_model.encoder = torch.nn.Sequential(torch.nn.Linear(4, 4))
    torch.nn.init.ones_(model.base_model.encoder[0].weight)
    zero_smallest(model, 0.5)
    assert (model.base_model.encoder[0].weight == 0).sum() == 8


# Both


@pytest.mark.parametrize("make", [make_pruned, make_sparse])
def test_weights_stored_in_half_stay_in_half(tiny_model: Path, make_job: Jobs, tmp_path: Path, make: Callable) -> None:
    with halved(tiny_model / "keyword") as keyword, halved(tiny_model / "sentiment") as sentiment:
        model = write_checkpoint(tmp_path / "half", keyword, sentiment, Manifest("half"))
    job = make_job(model=model)
    make(job)
    for half in HALVES:
        weights = load_file(job.output / half / "model.safetensors")
        assert {value.dtype for value in weights.values()} == {torch.float16}
        config = json.loads((job.output / half / "config.json").read_text(encoding="utf-8"))
        assert config["architectures"] == ["RobertaForSequenceClassification"]
        assert config["dtype"] == "float32"
        assert len(TorchEngine(job.output / half, device="cpu").logits(np.array([[0, 5, 2]]), np.ones((1, 3), np.int64))) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head_share": 1.0}, r"head_share=1\.0 must be at least 0 and below 1"),
        ({"column_share": -0.1}, r"column_share=-0\.1"),
        ({"scored_rows": 0}, "scored_rows=0"),
        ({"share": 0.5}, "no option 'share' here; choose among .*head_share"),
    ],
)
def test_impossible_options_are_refused(make_job: Jobs, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_pruned(make_job(**options))


@pytest.mark.parametrize("share", [0.0, 1.0, 2])
def test_a_share_that_is_none_is_refused(make_job: Jobs, share: float) -> None:
    with pytest.raises(InputError, match="share="):
        make_sparse(make_job(share=share))


def test_reviews_without_labels_are_refused(make_job: Jobs) -> None:
    from dataclasses import replace

    with pytest.raises(InputError, match="no labelled review to train on"):
        make_pruned(replace(make_job(), train=[LabelledReview("x", "굿", ())]))
