"""The forms that a pair can run in, where each keeps its weights, and the recipe that says how those were made.

Neither torch nor onnxruntime is imported here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftapp.errors import CheckpointError, InputError, UnsupportedError

if TYPE_CHECKING:
    from ftapp.checkpoint import Checkpoint

FOLDER = "variants"
RECIPE = "recipe.json"
FORMAT = 1
HALVES = ("keyword", "sentiment")


@dataclass(frozen=True)
class Variant:
    """A form of a pair: the engine that runs it, the format that engine computes in, whether weights are stored for it."""

    name: str
    engine: str  # torch, onnx or openvino
    format: str = "full"  # of torch: full, bf16, fp16 or dynamic-int8
    stored: bool = True  # in variants/<name>/, made by `ftapp compress`; else made of the pair's own weights when it is opened


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("full", "torch", stored=False),
        Variant("bf16", "torch", "bf16", stored=False),
        Variant("fp16", "torch", "fp16", stored=False),
        Variant("dynamic-int8", "torch", "dynamic-int8", stored=False),
        Variant("onnx", "onnx"),
        Variant("onnx-optimized", "onnx"),
        Variant("onnx-int8", "onnx"),
        Variant("openvino-int8", "openvino"),
        Variant("pruned", "torch"),
        Variant("sparse", "torch"),
        Variant("distilled", "torch"),
        Variant("distilled-int8", "onnx"),
    )
}


@dataclass(frozen=True)
class Recipe:
    """How a variant was made, and how it did; stored as recipe.json.

    `source` and `digests` are SHA-256 of the full weights it was made from and of its own files, by path. `checks` are what
    was measured when it was made. `reasons` say why it must not be chosen by default; empty where it may be.
    """

    variant: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()

    @property
    def accepted(self) -> bool:
        """Whether it lost no more than the stated limit."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for recipe.json."""
        return {"format": FORMAT, **asdict(self), "reasons": list(self.reasons)}


def get_variant(name: str) -> Variant:
    """Return the named variant; raises InputError for a name there is not."""
    if name not in VARIANTS:
        raise InputError(f"There is no variant {name!r}; choose one of {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def variant_folder(model: Path, name: str) -> Path:
    """Return where a stored variant of a model folder lies."""
    return model / FOLDER / name


def read_recipe(model: Path, name: str) -> Recipe | None:
    """Return how a variant of a model folder was made, None where it was not; raises CheckpointError for a broken recipe."""
    path = variant_folder(model, name) / RECIPE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT or values["variant"] != name:
            raise ValueError(f"it is not of format {FORMAT} or not for {name}")
        return Recipe(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{str(path)!r} is no recipe of a variant: {error}. Make the variant again.") from error


def halves_of(checkpoint: "Checkpoint", name: str) -> tuple[Path, Path]:
    """Return the folders (keyword, sentiment) in which a variant of an opened pair keeps its weights.

    Raises InputError for an unknown name, UnsupportedError where it has not been made, CheckpointError where it was made
    from other weights or its files are not those that were made.
    """
    if not get_variant(name).stored:
        return checkpoint.keyword, checkpoint.sentiment
    if checkpoint.folder is None:
        raise UnsupportedError(
            f"The variant {name!r} is kept in a model folder; put the two models together with `ftapp assemble` first."
        )
    recipe = read_recipe(checkpoint.folder, name)
    command = f"ftapp compress {checkpoint.folder} --variant {name}"
    if recipe is None:
        raise UnsupportedError(f"The variant {name!r} of {checkpoint.folder.name} has not been made; run `{command}`.")
    if dict(recipe.source) != source_digests(checkpoint):
        raise CheckpointError(f"The variant {name!r} was made from other weights of {checkpoint.folder.name}; run `{command}`.")
    folder = variant_folder(checkpoint.folder, name)
    for path, expected in recipe.digests.items():
        if not (folder / path).is_file() or digest(folder / path) != expected:
            raise CheckpointError(f"{name}/{path} is not the file its recipe was written for; run `{command}`.")
    keyword, sentiment = (folder / half for half in HALVES)
    return keyword, sentiment


def source_digests(checkpoint: "Checkpoint") -> dict[str, str]:
    """Return the digests of a pair's full weights, by path; the manifest's where it has them, as they were checked already."""
    if checkpoint.manifest.digests:
        return dict(checkpoint.manifest.digests)
    halves = {"keyword": checkpoint.keyword, "sentiment": checkpoint.sentiment}
    return {
        f"{half}/{path.name}": digest(path)
        for half, folder in halves.items()
        for path in sorted(folder.glob("model*.safetensors"))
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
