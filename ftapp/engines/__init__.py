"""One small interface, token ids in, float32 logits out, and what implements it. Engines never know reviews."""

from pathlib import Path
from typing import Protocol

import numpy as np

from ftapp.errors import InputError

VARIANTS = ("full", "dynamic-int8")


class Engine(Protocol):
    """One sequence-classification model, ready to run; safe to call from several threads."""

    labels: int

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        ...


def open_engine(folder: Path, variant: str, device: str) -> Engine:
    """Open one model's folder as a variant; raises InputError for an unknown variant, CheckpointError for bad weights."""
    if variant not in VARIANTS:
        raise InputError(f"There is no variant {variant!r}; choose one of {', '.join(VARIANTS)}.")
    from ftapp.engines.torch import TorchEngine

    return TorchEngine(folder, variant, device)
