"""Write a changed classifier as an ordinary transformers folder, in the precision of the folder that it came from."""

import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from transformers import PreTrainedModel

from ftapp.checkpoint import TOKENIZER_FILES

HALF = {"F16": torch.float16, "BF16": torch.bfloat16}


def store(model: PreTrainedModel, source: Path, output: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer files of `source` into the folder `output`.

    config.json says float32 whatever the file holds: weights that are stored in half are computed in float32.
    """
    output.mkdir(parents=True, exist_ok=True)
    kind = stored_precision(source)
    weights = {
        name: (value.to(kind) if value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    # save_file would make it readable for its owner alone
    (output / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    model.config.save_pretrained(output)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, output / name)


def stored_precision(folder: Path) -> torch.dtype:
    """Return float16 or bfloat16 where all of a folder's weights are stored so, else float32."""
    kinds = set()
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            kinds |= {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118, it is no dictionary
    kinds = {kind for kind in kinds if kind.startswith(("F", "BF"))}
    return HALF.get(kinds.pop(), torch.float32) if len(kinds) == 1 else torch.float32
