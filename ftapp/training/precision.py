"""Half precision for storage: the same classifier at half the size, computed in float32 again when it is opened."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ftapp.checkpoint import TOKENIZER_FILES


@contextmanager
def halved(folder: Path) -> Iterator[Path]:
    """Yield a temporary copy of a classifier folder with its float32 weights rounded to float16."""
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary)
        for name in ("config.json", *TOKENIZER_FILES):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, target / name)
        tensors = load_file(folder / "model.safetensors")
        rounded = {name: value.half() if value.dtype == torch.float32 else value for name, value in tensors.items()}
        save_file(rounded, target / "model.safetensors", metadata={"format": "pt"})
        yield target
