"""Several fine-tuned models into one, by averaging their weights (model soups: Wortsman et al. 2022)."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ftapp.checkpoint import TOKENIZER_FILES
from ftapp.errors import CheckpointError, InputError

WEIGHTS = "model.safetensors"


def average(folders: Sequence[Path], output: Path) -> Path:
    """Write the mean of the models' weights as a model of the first one's config and tokenizer; return `output`.

    They must have been fine-tuned from the same start, or their mean is no model. Raises InputError for fewer than two or
    an `output` that exists, CheckpointError when one has no weights or other weights than the first.
    """
    if len(folders) < 2:
        raise InputError("An average needs at least two models.")
    if output.exists():
        raise InputError(f"{str(output)!r} exists already; remove it or choose another output folder.")
    total: dict[str, torch.Tensor] = {}
    for folder in folders:
        if not (folder / WEIGHTS).is_file():
            raise CheckpointError(f"There is no {WEIGHTS} in {str(folder)!r}.")
        weights = load_file(folder / WEIGHTS)
        shapes = {name: tuple(value.shape) for name, value in weights.items()}
        if total and shapes != {name: tuple(value.shape) for name, value in total.items()}:
            raise CheckpointError(
                f"The weights in {str(folder)!r} are not of the same names and shapes as in {str(folders[0])!r}."
            )
        total = {name: total.get(name, 0) + value.float() / len(folders) for name, value in weights.items()}
    temporary = output.with_name(f"{output.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name in ("config.json", *TOKENIZER_FILES):
        if (folders[0] / name).is_file():
            shutil.copyfile(folders[0] / name, temporary / name)
    save_file(total, temporary / WEIGHTS, metadata={"format": "pt"})
    return temporary.rename(output)
