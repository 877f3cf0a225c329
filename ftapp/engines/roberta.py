"""A RoBERTa classifier's forward pass with nothing in it that its logits do not need.

The classifier reads the first token alone, so in the last layer only that token asks, attends and is fed forward, and no
key or value is computed there (`attend_first`). After `fuse`, query, key and value of the layers below are one linear layer,
and what the first of them projects, which reads a token and its place and nothing else, is computed once for all rows of a
batch that have that token there, as the masked copies of a review do. The logits, and with dropout their distribution, are
those of the stock forward pass.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import dropout, scaled_dot_product_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def supported(model: "PreTrainedModel") -> bool:
    """Whether the model is an ordinary encoder with absolute positions, as every klue/roberta is."""
    config = model.config
    absolute = getattr(config, "position_embedding_type", None) in (None, "absolute")
    return config.model_type == "roberta" and absolute and not getattr(config, "is_decoder", False)


def fuse(model: "PreTrainedModel") -> None:
    """Join the projections of each layer but the last, in place.

    From then on only `first_token_logits` runs the model, only without gradients, and as fast as it can.
    """
    model.fused = True
    for layer in model.roberta.encoder.layer[:-1]:
        attention = layer.attention.self
        attention.query_key_value = _joined(attention.query, attention.key, attention.value)
        del attention.query, attention.key, attention.value


def is_fused(model: "PreTrainedModel") -> bool:
    """Whether `fuse` has been called."""
    return getattr(model, "fused", False)


def unread_projections(model: "PreTrainedModel") -> list[str]:
    """Return the names of the last layer's key and value, of which `attend_first` reads the weights and that are never run."""
    last = f"roberta.encoder.layer.{model.config.num_hidden_layers - 1}.attention.self"
    return [f"{last}.key", f"{last}.value"]


def first_token_logits(model: "PreTrainedModel", ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return [rows, labels] for int64 [rows, length] ids and a boolean mask of the same shape, None where no row is padded."""
    return classify(model, lower_states(model, ids, mask), mask)


def lower_states(model: "PreTrainedModel", ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return [rows, length, hidden], what every token holds before the last layer."""
    lower = model.roberta.encoder.layer[:-1]
    projected = None
    if is_fused(model) and ids.device.type == "cpu" and len(lower):
        hidden, *projected = _embed_once(model, ids)
    else:
        hidden = model.roberta.embeddings(input_ids=ids)
    for layer in lower:
        query, key, value = projected or _project(model, layer, hidden)
        hidden, projected = _layer(model, layer, hidden, query, key, value, mask), None
    return hidden


def classify(model: "PreTrainedModel", hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the logits [rows, labels] that the last layer and the classifier make of `lower_states`."""
    last = model.roberta.encoder.layer[-1]
    absent = None if mask is None else torch.zeros_like(mask, dtype=hidden.dtype).masked_fill(~mask, float("-inf"))[:, None]
    share = model.config.attention_probs_dropout_prob if model.training else 0.0
    context = attend_first(last.attention.self, hidden, absent, share)
    return model.classifier(_fed_forward(model, last, context, hidden[:, :1]))


def attend_first(attention: Any, hidden: torch.Tensor, absent: torch.Tensor | None, share: float = 0.0) -> torch.Tensor:
    """Return [rows, 1, heads * size], what the first token takes from the others, without their keys and values.

    q.(W h) is (q W).h, and the weighted mean of W h is W times the weighted mean of h. The key's bias adds the same to every
    score, and falls out. `absent` [rows, 1, length] is added to the scores; `share` of the weights are dropped.
    """
    heads, size = attention.num_attention_heads, attention.attention_head_size
    query = attention.query(hidden[:, :1]).view(-1, heads, size).transpose(0, 1)
    asking = torch.matmul(query, attention.key.weight.view(heads, size, -1)).transpose(0, 1)  # [rows, heads, hidden]
    scores = torch.matmul(asking, hidden.transpose(1, 2)) / math.sqrt(size)
    weights = (scores if absent is None else scores + absent).softmax(dim=-1)
    if share:
        weights = dropout(weights, share)
    mixed = torch.matmul(weights, hidden).transpose(0, 1)
    context = torch.matmul(mixed, attention.value.weight.view(heads, size, -1).transpose(1, 2)).transpose(0, 1)
    bias = attention.value.bias
    if share:  # what is left of the weights no longer sums to 1
        bias = (bias.view(heads, size) * weights.sum(dim=-1, keepdim=True)).reshape(-1, 1, heads * size)
    return context.reshape(-1, 1, heads * size) + bias


def _embed_once(model: "PreTrainedModel", ids: torch.Tensor) -> list[torch.Tensor]:
    """Return the embeddings of [rows, length] ids and the first layer's query, key and value, each [rows, length, width].

    Each token is embedded and projected once for each place at which it stands.
    """
    embeddings = model.roberta.embeddings
    known = ids.ne(embeddings.padding_idx).long()
    places = known.cumsum(1) * known + embeddings.padding_idx
    count = model.config.max_position_embeddings
    pairs, where = torch.unique(ids * count + places, return_inverse=True)
    once = {
        "input_ids": pairs[None] // count,
        "position_ids": pairs[None] % count,
        "token_type_ids": torch.zeros_like(pairs)[None],
    }
    hidden = embeddings(**once)
    return [values[0][where] for values in (hidden, *_project(model, model.roberta.encoder.layer[0], hidden))]


def _project(model: "PreTrainedModel", layer: Any, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return a layer's query, key and value."""
    attention = layer.attention.self
    if is_fused(model):
        return attention.query_key_value(hidden).chunk(3, dim=-1)
    return attention.query(hidden), attention.key(hidden), attention.value(hidden)


def _joined(*linears: torch.nn.Linear) -> torch.nn.Linear:
    """Return one linear layer whose output is that of the given ones side by side."""
    joined = torch.nn.Linear(linears[0].in_features, sum(linear.out_features for linear in linears))
    joined.weight.data = torch.cat([linear.weight.data for linear in linears])
    joined.bias.data = torch.cat([linear.bias.data for linear in linears])
    return joined


def _layer(
    model: "PreTrainedModel",
    layer: Any,
    hidden: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Return the layer's output [rows, length, hidden]; query, key and value are [rows, length, heads * size]."""
    attention = layer.attention.self

    def heads(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(-1, (attention.num_attention_heads, attention.attention_head_size)).transpose(1, 2)

    context = scaled_dot_product_attention(
        heads(query), heads(key), heads(value), attn_mask=None if mask is None else mask[:, None, None, :],
        dropout_p=model.config.attention_probs_dropout_prob if model.training else 0.0,
    )  # fmt: skip
    return _fed_forward(model, layer, context.transpose(1, 2).flatten(2), hidden)


def _fed_forward(model: "PreTrainedModel", layer: Any, context: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return the layer's output, of the shape of `hidden`, for what its tokens took from the others.

    Of a fused model in place where it can be: memory that is new to the process costs up to twice what is done in it.
    """
    if not is_fused(model):
        attended = layer.attention.output(context, hidden)
        return layer.output(layer.intermediate(attended), attended)
    attended = _add_and_norm(layer.attention.output, context, hidden)
    wide = layer.intermediate.dense(attended)
    wide = torch.ops.aten.gelu_(wide) if model.config.hidden_act == "gelu" else layer.intermediate.intermediate_act_fn(wide)
    return _add_and_norm(layer.output, wide, attended)


def _add_and_norm(output: Any, values: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return output.LayerNorm(output.dense(values).add_(hidden))
