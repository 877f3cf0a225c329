"""Averaged weights: the mean of what was given, a model that loads, and nothing that does not fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ftapp.engines.torch import TorchEngine
from ftapp.errors import CheckpointError, InputError
from ftapp.training.average import average


@pytest.fixture
def pair(plain_pair: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    """Return the keyword model and a copy of it with other weights, half of them in half precision."""
    other = Path(shutil.copytree(plain_pair[0], tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    save_file({k: (v + 0.5).half() for k, v in weights.items()}, other / "model.safetensors", metadata={"format": "pt"})
    return [plain_pair[0], other]


def test_every_weight_is_the_mean_and_the_model_loads(pair: list[Path], tmp_path: Path) -> None:
    output = average(pair, tmp_path / "mean")
    first, mean = load_file(pair[0] / "model.safetensors"), load_file(output / "model.safetensors")
    assert first.keys() == mean.keys()
    for name, value in first.items():
        assert mean[name].dtype == torch.float32
        np.testing.assert_allclose(mean[name].numpy(), value.numpy() + 0.25, atol=2e-3)
    assert TorchEngine(output, device="cpu").labels == 14
    assert (output / "tokenizer.json").read_bytes() == (pair[0] / "tokenizer.json").read_bytes()


def test_what_cannot_be_averaged_is_refused(pair: list[Path], plain_pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least two"):
        average(pair[:1], tmp_path / "mean")
    with pytest.raises(InputError, match="exists already"):
        average(pair, tmp_path)
    with pytest.raises(CheckpointError, match="not of the same names and shapes"):
        average(plain_pair, tmp_path / "mean")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        average([pair[0], tmp_path], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
