"""Both halves as ONNX graphs, exported with optimum and checked against full; and the same with fused operators.

optimum is imported in this module only.
"""

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ftapp.compress.agreement import Reference, check_difference
from ftapp.compress.job import Job, Made
from ftapp.engines import roberta
from ftapp.engines.onnx import GRAPH, OnnxEngine
from ftapp.engines.torch import load_model
from ftapp.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOLERANCE = 1e-3  # of a logit, between full and an exported graph
FUSED = ("Attention", "BiasGelu", "Gelu", "LayerNormalization", "SkipLayerNormalization")


def make_onnx(job: Job) -> Made:
    """Export both halves with optimum; raises CheckpointError if a logit is further than TOLERANCE from full's."""
    reference = Reference.of(job)
    differences, opsets, forms = {}, {}, {}
    for half, source in job.halves.items():
        job.say(f"exporting the {half} model")
        target = job.output / half
        opsets[half], forms[half] = export(source, target / GRAPH)
        shutil.copyfile(source / "config.json", target / "config.json")
        job.say(f"checking the {half} model on {len(reference.rows[half])} rows")
        differences[half] = check_difference(reference, half, OnnxEngine(target, "cpu"), TOLERANCE)
    return Made(
        "exported with optimum, float32",
        {"opset": opsets["keyword"], "forward": forms, "tolerance": TOLERANCE},
        {"largest_difference": differences},
    )


def make_onnx_optimized(job: Job) -> Made:
    """Export both halves and fuse attention, layer norm and GELU; raises CheckpointError as `make_onnx` does."""
    reference = Reference.of(job)
    differences, fused = {}, {}
    for half, source in job.halves.items():
        target = job.output / half
        with tempfile.TemporaryDirectory() as folder:
            job.say(f"exporting the {half} model")
            plain = Path(folder) / GRAPH
            export(source, plain)
            job.say(f"fusing the {half} model")
            fused[half] = fuse(plain, target / GRAPH, source)
        shutil.copyfile(source / "config.json", target / "config.json")
        job.say(f"checking the {half} model on {len(reference.rows[half])} rows")
        differences[half] = check_difference(reference, half, OnnxEngine(target, "cpu"), TOLERANCE)
    return Made(
        "exported with optimum, then fused by onnxruntime.transformers.optimizer, float32",
        {"model_type": "bert", "tolerance": TOLERANCE},
        {"largest_difference": differences, "fused_operators": fused},
    )


class FirstToken(torch.nn.Module):
    """`engines.roberta.first_token_logits` in the operators that graph optimizers know, for a mask that is always given."""

    places: torch.Tensor

    def __init__(self, model: "PreTrainedModel") -> None:
        """Take an ordinary encoder that `roberta.supported` knows."""
        super().__init__()
        self.model, self.config = model, model.config
        embeddings = model.roberta.embeddings
        places = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]  # every token is of type 0
        self.register_buffer("places", places.detach())

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits [rows, labels]."""
        embeddings = self.model.roberta.embeddings
        known = input_ids.ne(embeddings.padding_idx).to(torch.int64)
        places = self.places[known.cumsum(1) * known + embeddings.padding_idx]
        hidden = embeddings.LayerNorm(embeddings.word_embeddings(input_ids) + places)
        absent = (1.0 - attention_mask.unsqueeze(1).unsqueeze(2).to(torch.float32)) * torch.finfo(torch.float32).min
        *lower, last = self.model.roberta.encoder.layer
        for layer in lower:
            hidden = _fed_forward(layer, _attend(layer.attention.self, hidden, absent), hidden)
        context = roberta.attend_first(last.attention.self, hidden, absent.squeeze(1))
        return {"logits": self.model.classifier(_fed_forward(last, context, hidden[:, :1]))}


def _attend(attention: Any, hidden: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
    """Return [rows, length, heads * size], what every token takes from the others, in the form that fusion looks for."""
    heads, size = attention.num_attention_heads, attention.attention_head_size

    def split(values: torch.Tensor) -> torch.Tensor:
        return values.view(values.shape[0], values.shape[1], heads, size).transpose(1, 2)

    query, key, value = split(attention.query(hidden)), split(attention.key(hidden)), split(attention.value(hidden))
    scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(size) + absent
    context = torch.matmul(scores.softmax(dim=-1), value).transpose(1, 2)
    return context.reshape(context.shape[0], context.shape[1], heads * size)


def _fed_forward(layer: Any, context: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    attended = layer.attention.output(context, hidden)
    return layer.output(layer.intermediate(attended), attended)


class Stock(torch.nn.Module):
    """The forward pass of a model that is no ordinary RoBERTa, for ids and mask alone."""

    def __init__(self, model: "PreTrainedModel") -> None:
        """Take any classifier."""
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits [rows, labels]."""
        return {"logits": self.model(input_ids=input_ids, attention_mask=attention_mask).logits}


def export(source: Path, target: Path) -> tuple[int, str]:
    """Write one classifier as a graph with dynamic rows and length; return its opset and which forward pass it has.

    Raises UnsupportedError where optimum or onnxruntime is not installed.
    """
    try:
        import onnxruntime  # noqa: F401, optimum runs the graph once to set its axes free
        from optimum.exporters.onnx import export as optimum_export
        from optimum.exporters.onnx.model_configs import RobertaOnnxConfig
    except ImportError as error:
        raise UnsupportedError(
            "The export needs optimum-onnx and onnxruntime; install them with `pip install ftapp[compress]`."
        ) from error
    model = load_model(source)
    short = roberta.supported(model)
    config = RobertaOnnxConfig(model.config, task="text-classification")  # ids and mask in, logits out, whatever the model
    target.parent.mkdir(parents=True, exist_ok=True)
    optimum_export(FirstToken(model) if short else Stock(model), config, target)
    return config.DEFAULT_ONNX_OPSET, "first token" if short else "stock"


def fuse(graph: Path, target: Path, source: Path) -> dict[str, int]:
    """Write the graph with fused operators and return how many of each there are; heads and width are the source's config's.

    The mask stays as it is given: lengths instead of it would ask for padding on the right.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    options = FusionOptions("bert")
    options.use_raw_attention_mask()
    options.enable_embed_layer_norm = False  # it knows no places that are counted from the ids, as RoBERTa's are
    heads, width = config.get("num_attention_heads", 0), config.get("hidden_size", 0)  # 0: as the graph has it
    optimizer = optimize_model(str(graph), "bert", heads, width, optimization_options=options, opt_level=1)
    target.parent.mkdir(parents=True, exist_ok=True)
    optimizer.save_model_to_file(str(target))
    counts = optimizer.get_fused_operator_statistics()
    return {name: counts[name] for name in FUSED if counts[name]}
