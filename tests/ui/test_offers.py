"""A variant is offered where nothing is in its way, and what is in the way is said."""

import json
import shutil
from pathlib import Path

import pytest

from ftapp.checkpoint import open_checkpoint
from ftapp.ui import offers
from ftapp.variants import VARIANTS, Recipe, source_digests, variant_folder


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Be a machine with every library and no bf16; a library is gone once it is taken out of the set."""
    libraries = {"torch", "onnxruntime", "openvino"}
    monkeypatch.setattr(offers, "find_spec", lambda name: name if name in libraries else None)
    monkeypatch.setattr(offers, "bf16_pays", lambda device: False)
    return libraries


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "copy")


def make(model: Path, name: str, **values: object) -> None:
    """Write a recipe as compression does, with values of it replaced; weights are not needed."""
    folder = variant_folder(model, name)
    folder.mkdir(parents=True)
    recipe = Recipe(name, "method", source=source_digests(open_checkpoint(model))).to_dict() | values
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


def key(model: Path | str, name: str, device: str = "auto", devices: tuple[str, ...] = ("auto", "cpu")) -> str | None:
    found = offers.obstacle(str(model), name, device, devices)
    return found.key if found else None


def test_only_what_needs_no_weights_of_its_own_runs_at_first(model):
    assert offers.runnable(str(model), "auto") == ["full", "dynamic-int8"]
    assert key(model, "onnx") == "obstacle.not_made"
    assert "ftapp compress copy --variant onnx" in str(offers.obstacle(str(model), "onnx", "auto"))


def test_what_is_made_runs(model):
    make(model, "onnx-int8")
    assert offers.runnable(str(model), "cpu") == ["full", "dynamic-int8", "onnx-int8"]


def test_what_was_made_of_other_weights_or_has_a_broken_recipe_is_named(model):
    make(model, "onnx", source={"keyword/model.safetensors": "0"})
    make(model, "pruned", format=99)
    assert (key(model, "onnx"), key(model, "pruned")) == ("obstacle.stale", "obstacle.broken")


def test_a_library_that_is_not_there_is_named(model, machine):
    make(model, "onnx")
    machine -= {"onnxruntime"}
    assert str(offers.obstacle(str(model), "onnx", "auto")) == "onnxruntime 라이브러리가 설치되어 있지 않아요."
    machine.clear()
    assert offers.runnable(str(model), "auto") == []


@pytest.mark.parametrize("source", ["klue/roberta-small", "a,b", "", "x" * 5000, "\x00"])
def test_what_is_no_folder_holds_no_stored_variants(source):
    assert offers.runnable(source, "auto") == ["full", "dynamic-int8"]
    assert key(source, "onnx") == "obstacle.no_folder"


def test_formats_depend_on_the_device(model, monkeypatch):
    assert (key(model, "bf16"), key(model, "fp16")) == ("obstacle.bf16", "obstacle.fp16")
    gpu = ("auto", "cpu", "cuda")
    assert [key(model, name, "auto", gpu) for name in ("bf16", "fp16", "dynamic-int8")] == [None, None, "obstacle.cpu_only"]
    assert [key(model, name, "cpu", gpu) for name in ("fp16", "dynamic-int8")] == ["obstacle.fp16", None]
    monkeypatch.setattr(offers, "bf16_pays", lambda device: True)
    assert key(model, "bf16", "cpu") is None


def test_every_variant_has_an_answer(tmp_path):
    assert all(offers.obstacle(str(tmp_path), name, "cpu") is None or key(tmp_path, name, "cpu") for name in VARIANTS)
