"""Which variants of a model can run on this machine, and what is in the way of the others; no weights are opened."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ftapp.checkpoint import MANIFEST
from ftapp.engines.machine import bf16_pays
from ftapp.errors import CheckpointError
from ftapp.ui.texts import t
from ftapp.variants import VARIANTS, get_variant, read_recipe

LIBRARIES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}


@dataclass(frozen=True)
class Obstacle:
    """Why a variant cannot run here: the text that says so, and its values."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the sentence in the session's language."""
        return t(self.key, **self.values)


def runnable(source: str, device: str, devices: tuple[str, ...] = ("auto", "cpu")) -> list[str]:
    """Return the variants with nothing in their way."""
    return [name for name in VARIANTS if obstacle(source, name, device, devices) is None]


def obstacle(source: str, name: str, device: str, devices: tuple[str, ...] = ("auto", "cpu")) -> Obstacle | None:
    """Return what is in the way of a variant; `devices` are those that this machine has.

    None is no promise: only opening the variant reads its weights.
    """
    variant = get_variant(name)
    library = LIBRARIES[variant.engine]
    if find_spec(library) is None:
        return Obstacle("obstacle.library", {"library": library})
    if variant.stored:
        return _not_made(Path(source), name) if os.path.isdir(source) else Obstacle("obstacle.no_folder")
    gpu = device.startswith("cuda") or (device == "auto" and "cuda" in devices)
    if variant.format == "bf16" and not gpu and not bf16_pays("cpu"):
        return Obstacle("obstacle.bf16")
    if variant.format == "fp16" and not gpu:
        return Obstacle("obstacle.fp16")
    if variant.format == "dynamic-int8" and gpu:
        return Obstacle("obstacle.cpu_only")
    return None


def _not_made(model: Path, name: str) -> Obstacle | None:
    """Return that a stored variant is not there, or not of the weights that are there now."""
    command = {"command": f"ftapp compress {model.name} --variant {name}"}
    try:
        recipe = read_recipe(model, name)
    except CheckpointError:
        return Obstacle("obstacle.broken", command)
    if recipe is None:
        return Obstacle("obstacle.not_made", command)
    digests = _digests(model)
    if digests and dict(recipe.source) != digests:
        return Obstacle("obstacle.stale", command)
    return None


def _digests(model: Path) -> dict[str, str]:
    """Return the digests of the full weights that the manifest states, none where it states none."""
    try:
        return dict(json.loads((model / MANIFEST).read_text(encoding="utf-8")).get("digests") or {})
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
