"""A changed classifier is written as an ordinary folder, as precisely as the one it came from."""

import json
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ftapp.compress.store import store, stored_precision
from ftapp.engines.torch import load_model


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_a_model_is_stored_as_its_source_is(plain_pair: tuple[Path, Path], tmp_path: Path, kind: torch.dtype) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    store(load_model(plain_pair[0]), plain_pair[0], source)
    weights = {name: value.to(kind) for name, value in load_file(source / "model.safetensors").items()}
    save_file(weights, source / "model.safetensors", {"format": "pt"})
    model = load_model(source)
    with torch.no_grad():
        model.classifier.out_proj.bias += 1
    store(model, source, output)
    written = load_file(output / "model.safetensors")
    assert stored_precision(output) == kind
    assert written.keys() == weights.keys()
    changed = "classifier.out_proj.bias"
    assert all(torch.equal(written[name], value) for name, value in weights.items() if name != changed)
    assert torch.equal(written[changed], (weights[changed].float() + 1).to(kind))
    assert json.loads((output / "config.json").read_text(encoding="utf-8"))["dtype"] == "float32"
    assert {path.name for path in output.iterdir()} == {path.name for path in source.iterdir()}
    assert stat.S_IMODE((output / "model.safetensors").stat().st_mode) == stat.S_IMODE((output / "config.json").stat().st_mode)


def test_mixed_weights_count_as_full_precision(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2), "b": torch.zeros(2).half(), "ids": torch.arange(3)}
    save_file(tensors, tmp_path / "model.safetensors")
    assert stored_precision(tmp_path) == torch.float32
    save_file({"b": tensors["b"], "ids": tensors["ids"]}, tmp_path / "model.safetensors")
    assert stored_precision(tmp_path) == torch.float16
