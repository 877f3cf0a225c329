"""Pruning: heads and feed-forward columns that matter least are cut out of the matrices, or single small weights set to 0.

What matters is measured as |value x gradient| of the labels' loss: of a gate on each head's output (Michel et al. 2019, Are
Sixteen Heads Really Better than One?) and on each intermediate activation (Molchanov et al. 2019, Importance Estimation for
Neural Network Pruning). A row's gate is 1 for all its tokens, so its gradient is the sum over tokens of value x gradient.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from ftapp.compress.job import Job, Made
from ftapp.compress.recover import (
    TeachSettings,
    draw_reviews,
    forward,
    read_settings,
    read_whole,
    recover,
    rows_of,
    watched,
)
from ftapp.compress.store import store
from ftapp.engines.heads import cut_heads, narrow, present_heads, pruned_heads
from ftapp.engines.torch import load_model, take_device
from ftapp.errors import InputError
from ftapp.training.examples import Row
from ftapp.training.finetune import label_loss, padded, shuffled_batches

COLUMN_STEP = 8  # columns are kept in multiples of this many: a matrix of odd width multiplies slower


@dataclass(frozen=True)
class PruneSettings(TeachSettings):
    """Settings of structured pruning; stored in its recipe."""

    head_share: float = 0.25  # of all heads of a model; each layer keeps one at least
    column_share: float = 0.4  # of every layer's feed-forward columns
    scored_rows: int = 512  # training rows on which heads and columns are scored

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work."""
        super().__post_init__()
        for name in ("head_share", "column_share"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must be at least 0 and below 1.")
        if self.scored_rows < 1:
            raise InputError(f"scored_rows={self.scored_rows} must be at least 1.")


@dataclass(frozen=True)
class SparseSettings:
    """Settings of magnitude pruning; stored in its recipe."""

    share: float = 0.5  # of the weights of each linear layer in the encoder

    def __post_init__(self) -> None:
        """Raise InputError for a share that is none."""
        if not 0 < self.share < 1:
            raise InputError(f"share={self.share} must lie between 0 and 1.")


@dataclass(frozen=True)
class Importance:
    """How much the loss depends on each part, by layer: float32 [heads] and [columns], sums over rows."""

    heads: list[torch.Tensor]
    columns: list[torch.Tensor]


def make_pruned(job: Job) -> Made:
    """Cut heads and feed-forward columns out of both halves, and recover them by distillation from the full ones."""
    settings = read_settings(PruneSettings, job.options)
    device = take_device(job.device)
    reviews = read_whole(draw_reviews(job.train, settings), job.checkpoint)
    cut: dict[str, Any] = {}
    checks: dict[str, Any] = {}
    for half, folder in job.halves.items():
        rows = rows_of(reviews, job.checkpoint, half)
        teacher = load_model(folder).to(device)
        scored = np.random.default_rng(settings.seed).permutation(len(rows))[: settings.scored_rows]
        job.say(f"{half}: scoring heads and columns on {len(scored)} rows")
        scores = importance(teacher, [rows[i] for i in scored], half=half, pad=job.checkpoint.tokenizer.pad)
        student = copy.deepcopy(teacher)
        heads = least_heads(scores.heads, settings.head_share)
        cut_heads(student, {layer: [present_heads(teacher.config, layer)[i] for i in heads[layer]] for layer in heads})
        keep_columns(student, best_columns(scores.columns, settings.column_share))
        width, of = student.config.intermediate_size, teacher.config.intermediate_size
        job.say(
            f"{half}: {sum(map(len, heads.values()))} of {sum(map(len, scores.heads))} heads cut, "
            f"{width} of {of} columns of each layer kept"
        )
        layers = [(layer, layer) for layer in range(len(scores.heads))]
        checks[half] = recover(job, half, student, teacher, lambda epoch: reviews, settings, layers)
        cut[half] = {"pruned_heads": {str(i): gone for i, gone in pruned_heads(student.config).items()}, "columns_kept": width}
    method = (
        "structured pruning: the attention heads and feed-forward columns with the smallest |gate x gradient| of the loss on "
        "training reviews (Michel et al. 2019; Molchanov et al. 2019) are cut out of the matrices, and what is left learns "
        "from the full model's soft labels and the labels"
    )
    return Made(method, {**asdict(settings), "cut": cut}, checks)


def make_sparse(job: Job) -> Made:
    """Set the smallest weights of both halves' encoders to 0 (Han et al. 2015), in matrices that keep their shapes."""
    settings = read_settings(SparseSettings, job.options)
    checks: dict[str, Any] = {}
    for half, folder in job.halves.items():
        model = load_model(folder)
        zero_smallest(model, settings.share)
        store(model, folder, job.output / half)
        stored = load_model(job.output / half)
        weights = [linear.weight for linear in encoder_linears(stored)]
        zeros, of = sum(int((weight == 0).sum()) for weight in weights), sum(weight.numel() for weight in weights)
        checks[half] = {
            "zero_share_of_encoder_matrices": round(zeros / of, 5),
            "zero_share_of_all_parameters": round(zeros / stored.num_parameters(), 5),
        }
        job.say(f"{half}: {zeros:,} of {of:,} weights in the encoder's matrices are 0")
    method = (
        "unstructured magnitude pruning without retraining: the smallest weights of each linear layer in the encoder are 0 "
        "(Han et al. 2015). The matrices keep their shapes, so on a dense engine this is no faster and no smaller than full"
    )
    return Made(method, asdict(settings), checks)


def importance(model: PreTrainedModel, rows: Sequence[Row], *, half: str, pad: int, batch_tokens: int = 4096) -> Importance:
    """Return how much the labels' loss on the rows depends on each head and each feed-forward column."""
    layers = model.base_model.encoder.layer
    heads = [torch.zeros(layer.attention.self.num_attention_heads) for layer in layers]
    columns = [torch.zeros(layer.intermediate.dense.out_features) for layer in layers]
    model.eval()
    with (
        watched([layer.attention.output.dense for layer in layers], inputs=True) as contexts,
        watched([layer.intermediate for layer in layers]) as activations,
    ):
        for batch in shuffled_batches(rows, batch_tokens, [0]):
            loss = label_loss(forward(model, *padded(batch, pad, model.device)), batch, half) * len(batch)
            values = [*contexts, *activations]
            gradients = torch.autograd.grad(loss, values)
            gates = [(a.detach() * g).float().sum(dim=1).cpu() for a, g in zip(values, gradients, strict=True)]  # [rows, width]
            for i in range(len(layers)):
                heads[i] += gates[i].unflatten(-1, (len(heads[i]), -1)).sum(dim=-1).abs().sum(dim=0)
                columns[i] += gates[len(layers) + i].abs().sum(dim=0)
    return Importance(heads, columns)


def least_heads(scores: Sequence[torch.Tensor], share: float) -> dict[int, list[int]]:
    """Return {layer: places} of the share of all heads that score least; one of each layer stays.

    Scores are compared between layers after division by each layer's norm, as Michel et al. do.
    """
    ranked = sorted(
        (score, layer, place)
        for layer, values in enumerate(scores)
        for place, score in enumerate((values / values.norm().clamp(min=1e-30)).tolist())
    )
    count = round(share * len(ranked))
    cut: dict[int, list[int]] = {}
    for _, layer, place in ranked:
        if sum(map(len, cut.values())) < count and len(cut.get(layer, ())) + 1 < len(scores[layer]):
            cut.setdefault(layer, []).append(place)
    return {layer: sorted(places) for layer, places in sorted(cut.items())}


def best_columns(scores: Sequence[torch.Tensor], share: float) -> list[list[int]]:
    """Return for each layer the columns to keep: all but the share that scores least, rounded up to COLUMN_STEP."""
    kept = []
    for values in scores:
        count = math.ceil(len(values) * (1 - share) / COLUMN_STEP - 1e-9) * COLUMN_STEP
        kept.append(sorted(values.topk(min(count, len(values))).indices.tolist()))
    return kept


def keep_columns(model: PreTrainedModel, kept: Sequence[Sequence[int]]) -> None:
    """Cut the other feed-forward columns out of each layer's two matrices, in place; each layer keeps as many."""
    for layer, columns in zip(model.base_model.encoder.layer, kept, strict=True):
        narrow(layer.intermediate.dense, outputs=columns)
        narrow(layer.output.dense, inputs=columns)
    model.config.intermediate_size = len(kept[0])


def encoder_linears(model: PreTrainedModel) -> list[torch.nn.Linear]:
    """Return the linear layers between the embeddings and the classifier."""
    return [module for module in model.base_model.encoder.modules() if isinstance(module, torch.nn.Linear)]


@torch.no_grad()
def zero_smallest(model: PreTrainedModel, share: float) -> None:
    """Set that share of each encoder matrix to 0, in place: the weights nearest to it."""
    for linear in encoder_linears(model):
        flat = linear.weight.view(-1)
        flat[flat.abs().topk(round(share * len(flat)), largest=False).indices] = 0
