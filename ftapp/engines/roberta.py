"""A RoBERTa classifier's forward pass with nothing in it that its logits do not need.

The classifier reads the first token alone, so in the last layer only that token asks, attends and is fed forward; every
token still answers as key and value. After `fuse`, what reads the same input is one linear layer: query, key and value, in
the last layer key and value. The logits, and with dropout their distribution, are those of the stock forward pass.
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


def fuse(model: "PreTrainedModel") -> None:
    """Join the projections of each layer, in place; from then on only `first_token_logits` runs the model."""
    *lower, last = (layer.attention.self for layer in model.roberta.encoder.layer)
    for attention in lower:
        attention.query_key_value = _joined(attention.query, attention.key, attention.value)
        del attention.query, attention.key, attention.value
    last.key_value = _joined(last.key, last.value)
    del last.key, last.value


def first_token_logits(model: "PreTrainedModel", ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return [rows, labels] for int64 [rows, length] ids and a boolean mask of the same shape, None where no row is padded."""
    return classify(model, lower_states(model, ids, mask), mask)


def lower_states(model: "PreTrainedModel", ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return [rows, length, hidden], what every token holds before the last layer."""
    hidden = model.roberta.embeddings(input_ids=ids)
    for layer in model.roberta.encoder.layer[:-1]:
        attention = layer.attention.self
        if hasattr(attention, "query_key_value"):
            query, key, value = attention.query_key_value(hidden).chunk(3, dim=-1)
        else:
            query, key, value = attention.query(hidden), attention.key(hidden), attention.value(hidden)
        hidden = _layer(model, layer, hidden, query, key, value, mask)
    return hidden


def classify(model: "PreTrainedModel", hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the logits [rows, labels] that the last layer and the classifier make of `lower_states`."""
    last = model.roberta.encoder.layer[-1]
    attention = last.attention.self
    if hasattr(attention, "key_value"):
        key, value = attention.key_value(hidden).chunk(2, dim=-1)
    else:
        key, value = attention.key(hidden), attention.value(hidden)
    first = hidden[:, :1]
    return model.classifier(_layer(model, last, first, attention.query(first), key, value, mask))


def _joined(*linears: torch.nn.Linear) -> torch.nn.Linear:
    """Return one linear layer whose output is that of the given ones side by side."""
    joined = torch.nn.Linear(linears[0].in_features, sum(linear.out_features for linear in linears))
    joined.weight.data = torch.cat([linear.weight.data for linear in linears])
    joined.bias.data = torch.cat([linear.bias.data for linear in linears])
    return joined


def _layer(
    model: "PreTrainedModel",
    layer: Any,
    asking: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Return the layer's output [rows, asking, hidden] for the tokens that ask; keys and values are [rows, length, hidden]."""
    attention = layer.attention.self

    def heads(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(-1, (attention.num_attention_heads, attention.attention_head_size)).transpose(1, 2)

    context = scaled_dot_product_attention(
        heads(query), heads(key), heads(value), attn_mask=None if mask is None else mask[:, None, None, :],
        dropout_p=model.config.attention_probs_dropout_prob if model.training else 0.0,
    )  # fmt: skip
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), asking)
    return layer.output(layer.intermediate(attended), attended)
