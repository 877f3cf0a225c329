"""Both halves as int8 graphs for ONNX Runtime: several ways are tried, the one that agrees best with full is kept.

Weights are int8, scaled per output; activations are scaled per batch while the graph runs. What is looked up or only
multiplied once a row is no work, but it is most of a small model's size: tables and other weights are stored in half
precision, or the words' table as int8 rows, each with a scale of its own, which costs less than one scale for all.
"""

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftapp.compress.agreement import MARGIN, Reference
from ftapp.compress.export import export, fuse
from ftapp.compress.job import Job, Made
from ftapp.engines.machine import int8_pays
from ftapp.engines.onnx import CPU_ONLY, GRAPH, OnnxEngine
from ftapp.errors import UnsupportedError

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise UnsupportedError("onnx-int8 needs onnx and onnxruntime; install them with `pip install ftapp[compress]`.") from error

SMALL = 4096  # elements of a weight that is left as it is
HALF, INT8, SCALES, FLOAT = ".half", ".int8", ".scales", ".float"  # added to a tensor's name


@dataclass(frozen=True)
class Candidate:
    """One way to quantize: the graph it starts from, bits of the weights, how the table of words is stored."""

    graph: str  # fused or plain
    bits: int  # 8 or 7
    words: str  # int8 or half

    @property
    def name(self) -> str:
        """Its name in the recipe."""
        return f"{self.graph}, {self.bits}-bit weights, {self.words} words"


def candidates(native: bool) -> list[Candidate]:
    """Return the ways to try, the fastest first, for a CPU that multiplies int8 natively or not.

    Without the instructions, sums of two products of 8 bits saturate. Weights of 7 bits are safe there; those of 8 bits run
    as unsigned ones (`engines.onnx`), exact again, but slower there.
    """
    return [
        Candidate(graph, bits, words)
        for bits in ((8,) if native else (7, 8))
        for graph in ("fused", "plain")
        for words in ("int8", "half")
    ]


def make_onnx_int8(job: Job) -> Made:
    """Quantize both halves, each in the way that agrees best with full on the job's check reviews."""
    reference = Reference.of(job)
    chosen, tried = {}, {}
    for half, source in job.halves.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            job.say(f"exporting and fusing the {half} model")
            export(source, folder / "plain.onnx")
            fuse(folder / "plain.onnx", folder / "fused.onnx", source)
            measured = {}
            for candidate in candidates(int8_pays()):
                place = folder / candidate.name
                place.mkdir()
                integer = folder / f"{candidate.graph}{candidate.bits}.onnx"
                if not integer.is_file():
                    quantize(folder / f"{candidate.graph}.onnx", integer, candidate.bits)
                store_small(integer, place / GRAPH, candidate.words)
                agreement = reference.agreement(half, OnnxEngine(place, "cpu"))
                measured[candidate] = (agreement, (place / GRAPH).stat().st_size)
                job.say(f"{half}: {candidate.name}: {agreement:.2%} as full, {measured[candidate][1] / 1e6:.1f} MB")
            best = choose(measured)
            target = job.output / half
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / best.name / GRAPH, target / GRAPH)
        shutil.copyfile(source / "config.json", target / "config.json")
        job.say(f"{half}: took {best.name}")
        chosen[half] = best.name
        tried[half] = {
            candidate.name: {"agreement": round(agreement, 4), "bytes": size}
            for candidate, (agreement, size) in measured.items()
        }
    return Made(
        "exported with optimum, quantized with onnxruntime's quantize_dynamic, chosen by agreement with full",
        {"chosen": chosen, "per_channel": True, "native_int8": int8_pays(), "margin": MARGIN},
        {"candidates": tried},
    )


def choose(measured: dict[Candidate, tuple[float, int]]) -> Candidate:
    """Return the smallest of those whose agreement is alike the best one's, the first of equally small ones.

    The values are (agreement, bytes); sizes within a fiftieth are alike.
    """
    best = max(agreement for agreement, _ in measured.values())
    good = {candidate: size for candidate, (agreement, size) in measured.items() if agreement >= best - MARGIN}
    return next(candidate for candidate, size in good.items() if size <= 1.02 * min(good.values()))


def quantize(source: Path, target: Path, bits: int) -> None:
    """Write a float32 graph with its matrix products in int8; those with a weight of three axes stay: they are a row's work."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        shaped = Path(folder) / "shaped.onnx"
        quant_pre_process(str(source), str(shaped), skip_optimization=True, auto_merge=True)
        graph = onnx.load(shaped).graph
        wide = {weight.name for weight in graph.initializer if len(weight.dims) > 2}
        quantize_dynamic(
            shaped,
            target,
            op_types_to_quantize=["MatMul", "Gemm", "Attention"],
            per_channel=True,
            reduce_range=bits == 7,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in graph.node if node.op_type == "MatMul" and wide & set(node.input)],
            extra_options={"DefaultTensorType": TensorProto.FLOAT},  # it knows no types of what fused operators give
        )


def store_small(source: Path, target: Path, words: str) -> None:
    """Write an int8 graph with what is left of float32 in half precision, the largest table by `words` as half or int8.

    All is float32 again before anything is computed with it.
    """
    model = onnx.load(source)
    graph = model.graph
    large = [weight for weight in graph.initializer if _is_large(weight)]
    readers = {weight.name: [node for node in graph.node if weight.name in node.input] for weight in large}
    tables = [weight for weight in large if all(node.op_type == "Gather" for node in readers[weight.name])]
    largest = max((table.dims[0] for table in tables), default=0)
    first: list[onnx.NodeProto] = []
    after: dict[str, list[onnx.NodeProto]] = {}  # by the name of a reader
    for weight in large:
        values = numpy_helper.to_array(weight)
        graph.initializer.remove(weight)
        if weight not in tables:
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), weight.name + HALF))
            first.append(_to_float(weight.name + HALF, weight.name))
        elif weight.dims[0] == largest and words == "int8":
            most = np.abs(values).max(axis=1, keepdims=True)
            scales = np.where(most == 0, 1, most / 127).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(np.rint(values / scales).astype(np.int8), weight.name + INT8))
            graph.initializer.append(numpy_helper.from_array(scales, weight.name + SCALES))
            for node in readers[weight.name]:
                after[node.name] = _rows_with_scales(node)
        else:
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), weight.name + HALF))
            for node in readers[weight.name]:
                after[node.name] = _half_rows(node)
    nodes = [*first, *(new for node in graph.node for new in (node, *after.get(node.name, ())))]
    del graph.node[:]
    graph.node.extend(nodes)
    helper.set_model_props(model, {CPU_ONLY: "int8"})
    onnx.save(model, target)


def _is_large(weight: onnx.TensorProto) -> bool:
    return weight.data_type == TensorProto.FLOAT and len(weight.dims) > 1 and math.prod(weight.dims) >= SMALL


def _to_float(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], f"{target}_cast", to=TensorProto.FLOAT)


def _half_rows(lookup: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Let the lookup read the table in half precision and return what makes its output float32 again."""
    output = lookup.output[0]
    lookup.input[0], lookup.output[0] = lookup.input[0] + HALF, output + HALF
    return [_to_float(output + HALF, output)]


def _rows_with_scales(lookup: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Let the lookup read the table of int8 rows and return what multiplies each row by its scale."""
    table, index, output = lookup.input[0], lookup.input[1], lookup.output[0]
    lookup.input[0], lookup.output[0] = table + INT8, output + INT8
    return [
        _to_float(output + INT8, output + FLOAT),
        helper.make_node("Gather", [table + SCALES, index], [output + SCALES], f"{lookup.name}{SCALES}"),
        helper.make_node("Mul", [output + FLOAT, output + SCALES], [output], f"{lookup.name}_rescale"),
    ]
