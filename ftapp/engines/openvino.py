"""OpenVINO: graphs quantized for Intel's CPU kernels. Neither torch nor transformers is imported here."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ftapp.engines.machine import cuda_number, granted_cores
from ftapp.errors import CheckpointError, UnsupportedError

if TYPE_CHECKING:
    import openvino

GRAPH = "model.xml"
INPUTS = ("input_ids", "attention_mask")
SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # what int8 leaves: bfloat16, the default where a CPU has it, answers differently
}


class OpenVinoEngine:
    """A folder with model.xml and model.bin, on the CPU. One batch at a time, so that the cores are not shared out."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Load the graph; raises CheckpointError where it is absent or broken, UnsupportedError for device or library."""
        if device != "auto" and cuda_number(device) is not None:
            raise UnsupportedError("openvino-int8 runs on the CPU only; choose the device cpu or auto.")
        try:
            import openvino
        except ImportError as error:
            raise UnsupportedError(
                "The variant openvino-int8 needs openvino; install it with `pip install ftapp[openvino]`."
            ) from error
        path = folder / GRAPH
        if not path.is_file():
            raise CheckpointError(f"There is no {GRAPH} in {str(folder)!r}; make the variant again.")
        try:
            core = openvino.Core()
            graph = core.read_model(path)
            self.labels = _labels(graph, folder)
            compiled = core.compile_model(graph, "CPU", SETTINGS | {"INFERENCE_NUM_THREADS": granted_cores()})
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise CheckpointError(f"The graph in {str(folder)!r} cannot be loaded: {error}") from error
        self._lock = threading.Lock()

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        with self._lock:
            outputs = self._request.infer(dict(zip(INPUTS, (ids, mask), strict=True)))
            return np.array(outputs[0], dtype=np.float32)  # a copy: the request's own memory is written over by the next batch


def _labels(graph: "openvino.Model", folder: Path) -> int:
    """Return how many labels a classifier's graph has; raises CheckpointError for another kind of graph."""
    names = {name for entry in graph.inputs for name in entry.names}
    shapes = [entry.partial_shape for entry in graph.outputs]
    if names != set(INPUTS) or len(shapes) != 1 or len(shapes[0]) != 2 or not shapes[0][1].is_static:
        raise CheckpointError(
            f"The graph in {str(folder)!r} has the inputs {sorted(names)} and outputs of the shapes {shapes}; "
            f"a classifier's has {list(INPUTS)} and one output of a row for each input and a column for each label."
        )
    return shapes[0][1].get_length()
