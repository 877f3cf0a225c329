"""Start a body near a solution: words in some dimensions, places in the others, first layers that look at neighbours.

A small body from random weights spends millions of tokens on a plateau where it predicts words by frequency alone: before
attention can find a neighbour, it must learn what a place is. Here it starts with that knowledge. Places are sinusoids
(Vaswani et al. 2017), of which a shift by d is a rotation; the first heads' queries are that rotation and their keys the
identity, so that each head looks d tokens away (initialisation in the manner of Trockman and Kolter 2023). All of it is
trained on.
"""

import copy
import math

import torch
from transformers import PreTrainedModel, RobertaForMaskedLM

from ftapp.errors import InputError

WIDTHS = ("hidden_size", "intermediate_size", "num_attention_heads")

OFFSETS = ((-1, 1, -2, 2), (-1, 1, -3, 3))  # where the heads of the first layers look at first
PLACE_SCALE = 1.4  # amplitude of the sinusoids, in standard deviations of a word's dimension
GAIN = 4.0  # sharpness of the first looks
LONGEST, SHORTEST = 200.0, 2.5  # periods of the sinusoids, in tokens


def place_size(hidden: int, heads: int) -> int:
    """Return how many dimensions hold the place: as many as one head reads."""
    return hidden // heads


@torch.no_grad()
def initialize(model: RobertaForMaskedLM, vectors: torch.Tensor) -> None:
    """Set a fresh model's embeddings, and the first layers' queries and keys, in place.

    `vectors`: [vocabulary, hidden - place_size], of unit variance. The model needs at least two heads (one head's size is
    given to the places) of an even size; `PretrainSettings` sees to that.
    """
    config = model.config
    size = place_size(config.hidden_size, config.num_attention_heads)
    half, scale = size // 2, config.initializer_range
    frequencies = 2 * math.pi / torch.logspace(math.log10(SHORTEST), math.log10(LONGEST), half)
    embeddings = model.roberta.embeddings
    embeddings.word_embeddings.weight.zero_()
    embeddings.word_embeddings.weight[:, size:] = vectors * scale
    embeddings.token_type_embeddings.weight.zero_()
    places = embeddings.position_embeddings.weight
    angles = torch.arange(len(places))[:, None] * frequencies
    places.zero_()
    places[:, :half] = torch.sin(angles) * scale * PLACE_SCALE
    places[:, half:size] = torch.cos(angles) * scale * PLACE_SCALE

    eye = torch.eye(half) * math.sqrt(GAIN)
    for layer, offsets in zip(model.roberta.encoder.layer, OFFSETS, strict=False):
        attention = layer.attention.self
        for head, offset in zip(range(config.num_attention_heads), offsets, strict=False):
            rows = slice(head * size, (head + 1) * size)
            cos, sin = eye * torch.cos(offset * frequencies), eye * torch.sin(offset * frequencies)
            query, key = attention.query.weight[rows], attention.key.weight[rows]
            query.zero_()
            query[:half, :half], query[:half, half:size] = cos, sin  # sin(t + d) = sin t cos d + cos t sin d
            query[half:, :half], query[half:, half:size] = -sin, cos
            key.zero_()
            key[:half, :half], key[half:, half:size] = eye, eye
        layer.attention.output.dense.weight[:size] = 0  # nothing is written over the places at first
        layer.output.dense.weight[:size] = 0


def deepen(model: PreTrainedModel, layers: int) -> None:
    """Give an encoder `layers` layers in all, in place: its upper ones once more on top (stacking, Gong et al. 2019).

    Raises InputError where it has more than that already, or too few to repeat.
    """
    stack = model.roberta.encoder.layer
    more = layers - len(stack)
    if not 0 <= more <= len(stack):
        raise InputError(f"A body of {len(stack)} layers cannot be given {layers}; choose {len(stack)} to {2 * len(stack)}.")
    stack.extend(copy.deepcopy(layer) for layer in list(stack)[len(stack) - more :])
    model.config.num_hidden_layers = layers


@torch.no_grad()
def widen(model: RobertaForMaskedLM) -> RobertaForMaskedLM:
    """Return a model twice as wide, with twice the heads, that says the same (Net2Net, Chen et al. 2016; for transformers
    Chen et al. 2022, bert2BERT).

    Every state is there twice, and each copy enters the next layer at half weight, one with noise added and the other with
    the same noise taken away: it cancels, but the two learn different things from the first step on.
    """
    config = copy.deepcopy(model.config)
    for name in WIDTHS:
        setattr(config, name, 2 * getattr(config, name))
    wide = RobertaForMaskedLM(config)
    weights = model.state_dict()
    for name, parameter in wide.named_parameters():
        narrow = weights[name]
        if parameter.shape == narrow.shape:  # the bias of the vocabulary
            parameter.copy_(narrow)
        elif narrow.dim() == 1:
            parameter.copy_(torch.cat([narrow, narrow]))
        elif "embeddings" in name:
            parameter.copy_(torch.cat([narrow, narrow], dim=1))
        else:
            noise = torch.randn(2, *narrow.shape) * narrow.std() / 2
            parameter.copy_(torch.cat([torch.cat([narrow / 2 + n, narrow / 2 - n], dim=1) for n in noise]))
    for parameter in wide.lm_head.layer_norm.parameters():
        parameter /= 2  # the table of words it meets next has every column twice
    return wide
