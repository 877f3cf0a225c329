"""PyTorch: a classifier in float32, in half precision, or with its linear layers in dynamic int8."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from torch.ao.quantization import per_channel_dynamic_qconfig
from transformers import AutoConfig, AutoModelForSequenceClassification

from ftapp.engines import roberta
from ftapp.engines.heads import PrunedRoberta
from ftapp.engines.machine import MOST_STREAMS, Gate, bf16_pays, granted_cores, int8_pays
from ftapp.errors import CheckpointError, InputError, UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KNOWN_BUFFERS = ("position_ids", "token_type_ids")  # buffers that old versions of transformers saved with the weights
FORMATS = {"full": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "dynamic-int8": torch.float32}
WIDE = 512  # hidden size from which oneDNN's int8 kernels win: 0.9 of the time at 768, 1.15 at 256
_KERNELS = threading.Lock()  # torch's choice of quantized kernels belongs to the process


class TorchEngine:
    """A `*ForSequenceClassification` folder on CPU or CUDA.

    One batch at a time on all cores, or `streams` of them on a share of the cores each, which is faster where there are many
    (by 1% to 20% with two cores): a second caller waits for one batch, not for a whole analysis.
    """

    def __init__(self, folder: Path, format: str = "full", device: str = "auto") -> None:
        """Load the weights to be computed in one of FORMATS.

        Raises CheckpointError for missing or unexpected weights, InputError for an unknown format or device,
        UnsupportedError where this machine lacks the device, or the device the format.
        """
        self.device = take_device(device)
        check_format(format, self.device)
        self._cores = granted_cores() if self.device.type == "cpu" else 1
        self.streams = min(self._cores, MOST_STREAMS)
        self._gate = Gate(self.streams)
        model = load_model(folder)
        self._short = roberta.supported(model)
        if self._short:
            roberta.fuse(model)
        self.labels: int = model.config.num_labels
        if format == "dynamic-int8":
            model = quantize_dynamic(model, self.device)
        self._model = model.to(self.device, FORMATS[format])

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        with self._gate.take(self.streams):
            return self._compute(ids, mask, self._cores)

    def stream_logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the same from a share of the cores, for `streams` threads that call at a time."""
        with self._gate.take(1):
            return self._compute(ids, mask, self._cores // self.streams)

    def _compute(self, ids: np.ndarray, mask: np.ndarray, threads: int) -> np.ndarray:
        if self.device.type == "cpu" and torch.get_num_threads() != threads:
            torch.set_num_threads(threads)  # of the thread that calls; one that was never told has what was told last
        rows, keep = torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)
        with torch.inference_mode():
            if self._short:
                logits = roberta.first_token_logits(self._model, rows, None if mask.all() else keep.bool())
            else:
                logits = self._model(input_ids=rows, attention_mask=keep).logits
            return logits.float().cpu().numpy()


def resolve_device(device: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`; raises InputError or UnsupportedError."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device != "cpu" and not re.fullmatch(r"cuda(:\d+)?", device):
        raise InputError(f"There is no device {device!r}; choose auto, cpu, cuda or cuda:N.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UnsupportedError("There is no CUDA device on this machine; choose the device cpu or auto.")
    number = int(device.partition(":")[2] or 0)
    if number and number >= torch.cuda.device_count():
        raise UnsupportedError(f"There is no device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices.")
    return torch.device(device)


def take_device(device: str) -> torch.device:
    """Resolve a device, and on the CPU have torch use the cores that are granted."""
    resolved = resolve_device(device)
    if resolved.type == "cpu":
        torch.set_num_threads(granted_cores())
    return resolved


def check_format(format: str, device: torch.device) -> None:
    """Raise InputError for an unknown format, UnsupportedError for one that this device does not compute well."""
    if format not in FORMATS:
        raise InputError(f"The torch engine has no format {format!r}; choose one of {', '.join(FORMATS)}.")
    if format == "bf16" and not bf16_pays(str(device)):
        kind = "GPU" if device.type == "cuda" else "CPU"
        raise UnsupportedError(
            f"bf16 is not supported here: this {kind} has no bf16 instructions, and without them it is many times slower than "
            "full; choose another variant."
        )
    if format == "fp16" and device.type != "cuda":
        raise UnsupportedError("fp16 is not supported here: it runs on CUDA devices only; choose one, or another variant.")


def load_model(folder: Path) -> "PreTrainedModel":
    """Load float32 weights from safetensors, in evaluation mode, every missing or unexpected weight in one error."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        cut = config.model_type == "roberta" and getattr(config, "pruned_heads", None)
        model, report = (PrunedRoberta if cut else AutoModelForSequenceClassification).from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True,
            ignore_mismatched_sizes=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"The model in {str(folder)!r} cannot be loaded: {error}") from error
    faults = [f"missing {name}" for name in sorted(report["missing_keys"])]
    faults += [
        f"unexpected {name}" for name in sorted(report["unexpected_keys"]) if name.rpartition(".")[2] not in KNOWN_BUFFERS
    ]
    # transformers 4 reports names, transformers 5 (name, shape, shape)
    mismatched = sorted(entry if isinstance(entry, str) else entry[0] for entry in report["mismatched_keys"])
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    faults += [f"wrong shape {name}, {shapes[name]} is needed" for name in mismatched]
    if faults:
        raise CheckpointError(f"The weights in {str(folder)!r} do not fit their config.json: {'; '.join(faults)}.")
    return model.eval()


def quantize_dynamic(model: "PreTrainedModel", device: torch.device) -> torch.nn.Module:
    """Return the model with int8 linear layers, weights scaled per output, activations per batch; CPU only.

    oneDNN's kernels are the faster ones for wide models, where the CPU has int8 instructions; torch's usual ones elsewhere.
    """
    if device.type != "cpu":
        raise UnsupportedError("dynamic-int8 runs on the CPU only; choose the device cpu, or the variant full.")
    wide = model.config.hidden_size >= WIDE
    layers: dict[object, object] = {torch.nn.Linear: per_channel_dynamic_qconfig}
    if roberta.supported(model):
        layers |= dict.fromkeys(roberta.unread_projections(model))
    with _quantized_kernels("onednn" if wide and int8_pays() else None):
        return torch.ao.quantization.quantize_dynamic(model, layers)


@contextmanager
def _quantized_kernels(name: str | None) -> Iterator[None]:
    """Pack weights for the named kernels inside the block, where this torch has them; the choice stays with the weights."""
    with _KERNELS:
        usual = torch.backends.quantized.engine
        if name in torch.backends.quantized.supported_engines:
            torch.backends.quantized.engine = name
        try:
            yield
        finally:
            torch.backends.quantized.engine = usual
