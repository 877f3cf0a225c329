"""Attention heads that are cut out of a RoBERTa, and models that were stored without some of theirs.

`pruned_heads` of config.json says {layer: heads}, numbered as they stood before any was cut. transformers 4 shapes such a
model when it loads one, transformers 5 no longer does; `PrunedRoberta` does it under both.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from transformers import RobertaForSequenceClassification

from ftapp.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, RobertaConfig


class PrunedRoberta(RobertaForSequenceClassification):
    """A classifier whose modules have the shapes that its config's `pruned_heads` leave."""

    def __init__(self, config: "RobertaConfig") -> None:
        """Build all heads, then cut; raises CheckpointError for heads there are not, or a layer without any left."""
        heads, config.pruned_heads = pruned_heads(config), {}
        super().__init__(config)
        cut_heads(self, heads)


def pruned_heads(config: "RobertaConfig") -> dict[int, list[int]]:
    """Return {layer: heads that were cut}, of a config that has no such field under transformers 5 unless its file has it."""
    return {int(layer): list(gone) for layer, gone in (getattr(config, "pruned_heads", None) or {}).items()}


def present_heads(config: "RobertaConfig", layer: int) -> list[int]:
    """Return the heads that a layer has, by the numbers they had before any was cut."""
    gone = pruned_heads(config).get(layer, ())
    return [head for head in range(config.num_attention_heads) if head not in gone]


def cut_heads(model: "PreTrainedModel", heads: Mapping[int, Collection[int]]) -> None:
    """Take heads out of the matrices, in place, and note them in the config.

    Raises CheckpointError for a layer or head that is not there, and where a layer would have no head left.
    """
    layers, config = model.roberta.encoder.layer, model.config
    for layer, gone in heads.items():
        present = present_heads(config, layer)
        if layer not in range(len(layers)) or not set(gone) < set(present):
            raise CheckpointError(
                f"The heads {sorted(gone)} of layer {layer} cannot be cut: among {len(layers)} layers it has the heads "
                f"{present}, one of which must stay."
            )
        attention = layers[layer].attention
        size = attention.self.attention_head_size
        kept = [place * size + i for place, head in enumerate(present) if head not in gone for i in range(size)]
        for projection in (attention.self.query, attention.self.key, attention.self.value):
            narrow(projection, outputs=kept)
        narrow(attention.output.dense, inputs=kept)
        attention.self.num_attention_heads, attention.self.all_head_size = len(kept) // size, len(kept)
        attention.pruned_heads = set(range(config.num_attention_heads)) - (set(present) - set(gone))
        config.pruned_heads = {**pruned_heads(config), layer: sorted(attention.pruned_heads)}


def narrow(linear: torch.nn.Linear, *, outputs: Sequence[int] | None = None, inputs: Sequence[int] | None = None) -> None:
    """Keep only the given outputs, or inputs, of a linear layer, in place."""
    if outputs is not None:
        linear.weight = torch.nn.Parameter(linear.weight.data[outputs])
        linear.bias = torch.nn.Parameter(linear.bias.data[outputs])
        linear.out_features = len(outputs)
    if inputs is not None:
        linear.weight = torch.nn.Parameter(linear.weight.data[:, inputs])
        linear.in_features = len(inputs)
