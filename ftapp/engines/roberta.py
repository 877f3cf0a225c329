"""A RoBERTa classifier's forward pass with nothing in it that its logits do not need.

The classifier reads the first token alone, so in the last layer only that token asks, attends and is fed forward; every
token still answers as key and value. The logits are those of the stock forward pass, for about a sixth of that layer's
matrix products.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def supported(model: "PreTrainedModel") -> bool:
    """Whether the model is an ordinary encoder with absolute positions, as every klue/roberta is."""
    config = model.config
    absolute = getattr(config, "position_embedding_type", None) in (None, "absolute")
    return config.model_type == "roberta" and absolute and not getattr(config, "is_decoder", False)


def first_token_logits(model: "PreTrainedModel", ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return [rows, labels] for int64 [rows, length] ids and a boolean mask of the same shape, None where no row is padded."""
    hidden = model.roberta.embeddings(input_ids=ids)
    keep = None if mask is None else mask[:, None, None, :]
    *lower, last = model.roberta.encoder.layer
    for layer in lower:
        hidden = _layer(layer, hidden, hidden, keep)
    return model.classifier(_layer(last, hidden[:, :1], hidden, keep))


def _layer(layer: Any, asking: torch.Tensor, hidden: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    """Return the layer's output [rows, asking, hidden] for those tokens that ask."""
    attention = layer.attention.self

    def heads(values: torch.Tensor) -> torch.Tensor:
        return values.view(len(values), -1, attention.num_attention_heads, attention.attention_head_size).transpose(1, 2)

    context = scaled_dot_product_attention(
        heads(attention.query(asking)), heads(attention.key(hidden)), heads(attention.value(hidden)), attn_mask=keep
    )
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), asking)
    return layer.output(layer.intermediate(attended), attended)
