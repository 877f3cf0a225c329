"""Heads that are cut out: numbered as they were, loaded without any help of transformers, refused where there are none."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ftapp.compress.store import store
from ftapp.engines import roberta
from ftapp.engines.heads import PrunedRoberta, cut_heads, narrow, present_heads, pruned_heads
from ftapp.engines.torch import TorchEngine, load_model
from ftapp.errors import CheckpointError

IDS = torch.tensor([[0, 40, 50, 60, 70, 2], [0, 80, 90, 2, 1, 1]])
MASK = IDS != 1


@pytest.fixture
def model(tmp_path: Path, plain_pair: tuple[Path, Path]) -> torch.nn.Module:
    """Return a keyword model of four heads a layer, eight wide each."""
    folder = Path(shutil.copytree(plain_pair[0], tmp_path / "four"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return load_model(folder)


@pytest.fixture
def cut_folder(model: torch.nn.Module, plain_pair: tuple[Path, Path], tmp_path: Path) -> Path:
    """Return the folder of a model that lacks three heads."""
    cut = copy.deepcopy(model)
    cut_heads(cut, {0: [0, 2], 1: [3]})
    store(cut, plain_pair[0], tmp_path / "cut")
    return tmp_path / "cut"


def masked(model: torch.nn.Module, heads: dict[int, list[int]]) -> torch.Tensor:
    """Return the stock logits of the whole model with the heads' output multiplied by 0."""
    model = copy.deepcopy(model)
    for layer, gone in heads.items():
        for head in gone:
            model.roberta.encoder.layer[layer].attention.output.dense.weight.data[:, head * 8 : (head + 1) * 8] = 0
    with torch.inference_mode():
        return model(IDS, MASK.long()).logits


def edit_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def test_a_model_without_heads_says_what_one_with_them_masked_says(model: torch.nn.Module) -> None:
    heads = {0: [0, 2], 1: [3]}
    cut = copy.deepcopy(model)
    cut_heads(cut, heads)
    assert [layer.attention.self.num_attention_heads for layer in cut.roberta.encoder.layer] == [2, 3]
    with torch.inference_mode():
        torch.testing.assert_close(cut(IDS, MASK.long()).logits, masked(model, heads), atol=1e-5, rtol=0)
        torch.testing.assert_close(roberta.first_token_logits(cut, IDS, MASK), masked(model, heads), atol=1e-5, rtol=0)
        roberta.fuse(cut)
        torch.testing.assert_close(roberta.first_token_logits(cut, IDS, MASK), masked(model, heads), atol=1e-5, rtol=0)


def test_heads_keep_their_numbers_when_more_are_cut(model: torch.nn.Module) -> None:
    cut = copy.deepcopy(model)
    cut_heads(cut, {0: [1]})
    assert present_heads(cut.config, 0) == [0, 2, 3]
    cut_heads(cut, {0: [2]})
    assert cut.config.pruned_heads == {0: [1, 2]}
    assert (present_heads(cut.config, 0), present_heads(cut.config, 1)) == ([0, 3], [0, 1, 2, 3])
    with torch.inference_mode():
        torch.testing.assert_close(cut(IDS, MASK.long()).logits, masked(model, {0: [1, 2]}), atol=1e-5, rtol=0)
    assert not pruned_heads(model.config)  # the copy's config is its own


def test_a_pruned_folder_is_shaped_and_loaded(model: torch.nn.Module, cut_folder: Path) -> None:
    loaded = load_model(cut_folder)
    assert type(loaded) is PrunedRoberta
    assert loaded.config.pruned_heads == {0: [0, 2], 1: [3]}
    assert [layer.attention.self.query.out_features for layer in loaded.roberta.encoder.layer] == [16, 24]
    expected = masked(model, loaded.config.pruned_heads)
    for kind, tolerance in (("full", 1e-5), ("dynamic-int8", 1.0)):
        logits = TorchEngine(cut_folder, kind, "cpu").logits(IDS.numpy(), MASK.long().numpy())
        np.testing.assert_allclose(logits, expected.numpy(), atol=tolerance)


def test_weights_that_do_not_fit_the_heads_are_named(cut_folder: Path) -> None:
    edit_config(cut_folder, pruned_heads={"0": [0], "1": [3]})
    with pytest.raises(
        CheckpointError, match=r"wrong shape .*layer\.0\.attention\.output\.dense\.weight, \[32, 24\] is needed"
    ):
        load_model(cut_folder)


@pytest.mark.parametrize("heads", [{"0": [0, 1, 2, 3]}, {"2": [0]}, {"1": [4]}, {"-1": [0]}])
def test_heads_there_are_not_are_refused(cut_folder: Path, heads: dict) -> None:
    edit_config(cut_folder, pruned_heads=heads)
    with pytest.raises(CheckpointError, match=f"of layer {next(iter(heads))} cannot be cut"):
        load_model(cut_folder)


def test_an_unreadable_layer_is_refused(cut_folder: Path) -> None:
    edit_config(cut_folder, pruned_heads={"first": [0]})
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_model(cut_folder)


def test_a_head_cannot_be_cut_twice(model: torch.nn.Module) -> None:
    cut_heads(model, {0: [1]})
    with pytest.raises(CheckpointError, match=r"it has the heads \[0, 2, 3\], one of which must stay"):
        cut_heads(model, {0: [1]})


def test_narrow_keeps_what_it_is_told_to() -> None:
    linear = torch.nn.Linear(3, 4)
    weight, bias = linear.weight.clone(), linear.bias.clone()
    narrow(linear, outputs=[0, 3], inputs=[2, 1])
    assert torch.equal(linear.weight, weight[[0, 3]][:, [2, 1]])
    assert torch.equal(linear.bias, bias[[0, 3]])
    assert (linear.in_features, linear.out_features) == (2, 2)
