"""One small interface, token ids in, float32 logits out, and what implements it. Engines never know reviews."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from ftapp.engines.machine import keep_freed_memory
from ftapp.variants import get_variant


class Engine(Protocol):
    """One sequence-classification model, ready to run; safe to call from several threads."""

    labels: int

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        ...


@runtime_checkable
class StreamingEngine(Engine, Protocol):
    """An engine that computes `streams` batches side by side faster than one after the other, where there are more than one."""

    streams: int

    def stream_logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return what `logits` does, from a share of the cores; for `streams` threads that call at a time."""
        ...


def open_engine(folder: Path, variant: str, device: str) -> Engine:
    """Open one half of a variant from the folder of its weights; its library is imported only here.

    Raises InputError for an unknown variant or device, CheckpointError for bad weights, UnsupportedError where this machine
    cannot run it or its library is not installed.
    """
    kind = get_variant(variant)
    keep_freed_memory()
    if kind.engine == "onnx":
        from ftapp.engines.onnx import OnnxEngine

        return OnnxEngine(folder, device)
    if kind.engine == "openvino":
        from ftapp.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(folder, device)
    from ftapp.engines.torch import TorchEngine

    return TorchEngine(folder, kind.format, device)
