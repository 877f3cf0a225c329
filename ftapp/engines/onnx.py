"""ONNX Runtime: exported graphs, plain, fused or int8, on CPU or CUDA. Neither torch nor transformers is imported here."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ftapp.engines.machine import cuda_number, granted_cores
from ftapp.errors import CheckpointError, UnsupportedError

if TYPE_CHECKING:
    import onnxruntime

GRAPH = "model.onnx"
INPUTS = ("input_ids", "attention_mask")
CPU_ONLY = "ftapp.cpu_only"  # in a graph's metadata: its int8 operators exist for the CPU alone
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxEngine:
    """A folder with model.onnx. One batch at a time: a second caller waits for one batch, and the cores are not shared out."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Load the graph; raises CheckpointError where it is absent or broken, UnsupportedError for device or library."""
        self._lock = threading.Lock()
        self._session = open_session(folder / GRAPH, device)
        self.labels = _labels(self._session, folder)

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        with self._lock:
            return self._session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))[0]


def open_session(path: Path, device: str) -> "onnxruntime.InferenceSession":
    """Open a graph on `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is CUDA where onnxruntime offers it and the graph can use it.

    Raises InputError, CheckpointError or UnsupportedError.
    """
    number = 0 if device == "auto" else cuda_number(device)
    try:
        import onnxruntime
    except ImportError as error:
        raise UnsupportedError("The ONNX variants need onnxruntime; install it with `pip install onnxruntime`.") from error
    offered = CUDA in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not offered:
        raise UnsupportedError(
            "This onnxruntime has no CUDA; choose the device cpu or auto, or install it with `pip install onnxruntime-gpu`."
        )
    if not path.is_file():
        raise CheckpointError(f"There is no {path.name} in {str(path.parent)!r}; make the variant again.")
    try:
        if number is not None and offered:
            chosen = [(CUDA, {"device_id": str(number)}), CPU]
            session = onnxruntime.InferenceSession(path, _options(), providers=chosen)
            on_cuda, cpu_only = CUDA in session.get_providers(), CPU_ONLY in session.get_modelmeta().custom_metadata_map
            if on_cuda and not cpu_only:
                return session
            if device != "auto":
                reason = "its int8 operators exist for the CPU alone" if on_cuda else "onnxruntime found no such CUDA device"
                raise UnsupportedError(f"The graph cannot run on {device}: {reason}; choose the device cpu or auto.")
        return onnxruntime.InferenceSession(path, _options(), providers=[CPU])
    except UnsupportedError:
        raise
    except Exception as error:  # the library's errors have no base of their own
        raise CheckpointError(f"The graph in {str(path.parent)!r} cannot be loaded: {error}") from error


def _options() -> "onnxruntime.SessionOptions":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = granted_cores()
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena and the patterns keep the largest shape ever seen
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors, not warnings of what the optimizer leaves as it is
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would slow down the rest
    # Without int8 instructions the sums of signed weights saturate; this makes unsigned ones of those that could.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _labels(session: "onnxruntime.InferenceSession", folder: Path) -> int:
    """Return how many labels a classifier's graph has; raises CheckpointError for another kind of graph."""
    names = {entry.name for entry in session.get_inputs()}
    shapes = [entry.shape for entry in session.get_outputs()]
    if names != set(INPUTS) or len(shapes) != 1 or len(shapes[0]) != 2 or not isinstance(shapes[0][1], int):
        raise CheckpointError(
            f"The graph in {str(folder)!r} has the inputs {sorted(names)} and outputs of the shapes {shapes}; "
            f"a classifier's has {list(INPUTS)} and one output of a row for each input and a column for each label."
        )
    return shapes[0][1]
