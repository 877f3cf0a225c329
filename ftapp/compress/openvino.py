"""Both halves as int8 OpenVINO graphs: static quantization with nncf, scales fixed on training reviews."""

import logging
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ftapp.compress.agreement import MARGIN, Reference, real_rows
from ftapp.compress.export import export
from ftapp.compress.job import Job, Made
from ftapp.engines.machine import int8_pays
from ftapp.engines.openvino import GRAPH, INPUTS, OpenVinoEngine
from ftapp.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    import openvino

CALIBRATION = 300  # rows; the option `calibration`
FIRST_TOKEN, SCORES = "what the first token alone goes through", "what tokens make of each other"


def make_openvino_int8(job: Job) -> Made:
    """Quantize both halves, with as much in float32 as agreement with full asks for.

    What the first token alone goes through is little work and stays float32. The products of tokens with each other are
    tried as int8 and as float32. The scales are those of up to `calibration` rows of training reviews.
    """
    _import_nncf()
    reference = Reference.of(job)
    count = int(job.options.get("calibration", CALIBRATION))
    rows = _calibration_rows(job, count)
    chosen, tried = {}, {}
    for half, source in job.halves.items():
        target = job.output / half
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            job.say(f"exporting the {half} model")
            export(source, folder / "model.onnx")
            measured = {}
            for kept in ((FIRST_TOKEN,), (FIRST_TOKEN, SCORES)):
                place = folder / str(len(kept))
                job.say(f"quantizing the {half} model on {len(rows[half])} rows, float32: {' and '.join(kept)}")
                quantize(folder / "model.onnx", place / GRAPH, rows[half], kept)
                measured[kept] = reference.agreement(half, OpenVinoEngine(place, "cpu"))
                job.say(f"{half}: {measured[kept]:.2%} as full")
            best = next(kept for kept, agreement in measured.items() if agreement >= max(measured.values()) - MARGIN)
            shutil.copytree(folder / str(len(best)), target, dirs_exist_ok=True)
        shutil.copyfile(source / "config.json", target / "config.json")
        chosen[half] = list(best)
        tried[half] = {" and ".join(kept): round(agreement, 4) for kept, agreement in measured.items()}
    return Made(
        "exported with optimum, quantized statically with nncf for OpenVINO, chosen by agreement with full",
        {
            "float32": chosen,
            "calibration_rows": {half: len(found) for half, found in rows.items()},
            "model_type": "transformer",
            "preset": "mixed",
            "half_range_weights": not int8_pays(),
        },
        {"candidates": tried},
    )


def quantize(source: Path, target: Path, rows: Sequence[Sequence[int]], kept: Sequence[str]) -> None:
    """Write an ONNX graph as an int8 OpenVINO graph calibrated on token rows; `kept` says what stays float32."""
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    inputs = [dict(zip(INPUTS, (np.array([row]), np.ones((1, len(row)), dtype=np.int64)), strict=True)) for row in rows]
    graph = openvino.Core().read_model(source)
    with _silent():
        quantized = nncf.quantize(
            graph,
            nncf.Dataset(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=sorted(float_products(graph, kept)), validate=False),
            advanced_parameters=AdvancedQuantizationParameters(
                # Without int8 instructions sums of two products of 8 bits saturate.
                overflow_fix=OverflowFix.DISABLE if int8_pays() else OverflowFix.ENABLE
            ),
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(quantized, target)  # what is float32 is stored in half precision


def float_products(graph: "openvino.Model", kept: Sequence[str]) -> set[str]:
    """Return the names of the matrix products of a graph that are kept in float32."""
    products = {node.get_friendly_name(): node for node in graph.get_ordered_ops() if node.get_type_name() == "MatMul"}
    names: set[str] = set()
    if FIRST_TOKEN in kept:
        names |= {name for name in products if name in _after_first_token(graph)}
    if SCORES in kept:
        names |= {name for name, node in products.items() if not any(_is_constant(entry) for entry in node.input_values())}
    return names


def _after_first_token(graph: "openvino.Model") -> set[str]:
    """Return the names of everything that is computed from a slice of the tokens' states."""
    found: set[str] = set()
    waiting = [
        node
        for node in graph.get_ordered_ops()
        if node.get_type_name() in ("Slice", "StridedSlice") and node.get_output_element_type(0).is_real()
    ]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found.add(node.get_friendly_name())
            waiting += [entry.get_node() for output in node.outputs() for entry in output.get_target_inputs()]
    return found


def _is_constant(value: "openvino.Output") -> bool:
    """Whether a value is a weight, as it is or converted from half precision."""
    node = value.get_node()
    return node.get_type_name() == "Constant" or (
        node.get_type_name() in ("Convert", "Transpose", "Reshape") and _is_constant(node.input_value(0))
    )


def _calibration_rows(job: Job, count: int) -> dict[str, list[list[int]]]:
    """Return up to `count` rows a half, of training reviews drawn alike every time."""
    if not job.train or count < 1:
        raise InputError(
            f"Static quantization needs training reviews to calibrate on; there are {len(job.train)}, {count} rows."
        )
    draw = random.Random(0)
    rows = real_rows(job.checkpoint, draw.sample(list(job.train), min(count, len(job.train))))
    return {half: draw.sample(found, min(count, len(found))) for half, found in rows.items()}


def _import_nncf() -> None:
    """Import nncf without its reports to its makers; raises UnsupportedError where it or openvino is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import nncf  # noqa: F401
        import openvino  # noqa: F401
    except ImportError as error:
        raise UnsupportedError(
            "The variant openvino-int8 needs openvino and nncf; install them with `pip install ftapp[openvino]`."
        ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Keep nncf's own progress bars and notes off the screen."""
    import nncf
    import rich

    console = rich.get_console()
    quiet, console.quiet = console.quiet, True
    nncf.set_log_level(logging.ERROR)
    try:
        yield
    finally:
        console.quiet = quiet
