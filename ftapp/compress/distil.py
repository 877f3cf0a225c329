"""Distillation: a student of fewer layers learns what the full model says (Hinton et al. 2015; Sanh et al. 2019).

It starts from those of the teacher's own layers that the teacher can least do without (as in Sajjad et al. 2023, who find
which to drop by trying) and learns from its soft labels and hidden states (Jiao et al. 2020); as both are of one width, no
projection stands between them.
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from ftapp.compress.job import Job, Made
from ftapp.compress.recover import TeachSettings, distance, draw_reviews, read_settings, read_whole, recover, rows_of
from ftapp.engines.heads import pruned_heads
from ftapp.engines.torch import load_model, take_device
from ftapp.errors import InputError
from ftapp.training.examples import Example, Row, cut_examples, join_examples

LEAST_LAYERS = 3  # a student of two layers of a model of four learned too little of it
CHOSEN_ON = 100  # reviews on which the layers to start from are chosen


@dataclass(frozen=True)
class DistilSettings(TeachSettings):
    """Settings of distillation; stored in its recipe."""

    layers: int = 0  # of the student; 0: `default_layers` of the teacher's
    epochs: int = 4
    most_reviews: int = 2000  # with the four epochs some twenty minutes on two cores
    learning_rate: float = 5e-4
    label_weight: float = 0.1
    hidden_weight: float = 1.0
    join_share: float = 0.5  # joined reviews made in an epoch, as a share of the reviews
    cut_share: float = 0.5  # cut reviews drawn in an epoch, likewise

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work."""
        super().__post_init__()
        for name in ("layers", "join_share", "cut_share"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)} must be at least 0.")


def make_distilled(job: Job) -> Made:
    """Teach a student of fewer layers for each half, on whole, cut and joined reviews."""
    settings = read_settings(DistilSettings, job.options)
    device = take_device(job.device)
    checkpoint = job.checkpoint
    reviews = draw_reviews(job.train, settings)
    whole = read_whole(reviews, checkpoint)
    cuts = cut_examples(reviews, checkpoint.tokenizer, spacing=checkpoint.manifest.spacing)
    students: dict[str, Any] = {}
    checks: dict[str, Any] = {}

    def examples_of_epoch(epoch: int) -> list[Example]:
        rng = np.random.default_rng([settings.seed, epoch])
        joined = join_examples(whole, round(settings.join_share * len(whole)), rng)
        drawn = rng.permutation(len(cuts))[: round(settings.cut_share * len(whole))]
        return [*whole, *joined, *(cuts[i] for i in drawn)]

    for half, folder in job.halves.items():
        teacher = load_model(folder).to(device)
        of = teacher.config.num_hidden_layers
        count = settings.layers or default_layers(of)
        job.say(f"{half}: choosing {count} of {of} layers to start a student from")
        rows = rows_of(whole[:CHOSEN_ON], checkpoint, half)
        picked = choose_layers(teacher, count, rows, half=half, pad=checkpoint.tokenizer.pad)
        job.say(f"{half}: starting from layers {', '.join(map(str, picked))}")
        student = make_student(teacher, picked)
        checks[half] = recover(job, half, student, teacher, examples_of_epoch, settings, matched_layers(of, picked))
        students[half] = {"layers": len(picked), "teacher_layers": of, "started_from": picked}
    method = (
        "distillation: a student that starts from the layers that the full model can least do without learns its soft "
        "labels (Hinton et al. 2015) and hidden states (Jiao et al. 2020) on whole, cut and joined training reviews"
    )
    return Made(method, {**asdict(settings), "students": students}, checks)


def default_layers(of: int) -> int:
    """Return half of the layers, but LEAST_LAYERS where a model has more than those."""
    return max(1, of // 2, min(of - 1, LEAST_LAYERS))


def choose_layers(teacher: PreTrainedModel, count: int, rows: Sequence[Row], *, half: str, pad: int) -> list[int]:
    """Return the `count` layers left when again and again the one goes whose absence changes the answers to the rows least.

    Raises InputError where there are fewer.
    """
    of = teacher.config.num_hidden_layers
    if not 1 <= count <= of:
        raise InputError(f"A student of {count} layers cannot be made of a model of {of}; choose 1 to {of}.")
    kept = list(range(of))
    while len(kept) > count:
        left = [[layer for layer in kept if layer != absent] for absent in kept]
        apart = [distance(make_student(teacher, layers), teacher, rows, half=half, pad=pad) for layers in left]
        kept = left[int(np.argmin(apart))]
    return kept


def matched_layers(of: int, picked: Sequence[int]) -> list[tuple[int, int]]:
    """Return (student's layer, teacher's layer) pairs: each of its own gives the next what that had in the teacher."""
    return [(i, following - 1) for i, following in enumerate([*picked[1:], of])]


def make_student(teacher: PreTrainedModel, picked: Sequence[int]) -> PreTrainedModel:
    """Return a copy of the teacher with only the picked layers."""
    student = copy.deepcopy(teacher)
    encoder, config = student.base_model.encoder, student.config
    encoder.layer = torch.nn.ModuleList(encoder.layer[i] for i in picked)
    for i, layer in enumerate(encoder.layer):
        layer.attention.self.layer_idx = i
    config.num_hidden_layers = len(picked)
    heads = pruned_heads(config)
    if heads:
        config.pruned_heads = {i: heads[old] for i, old in enumerate(picked) if old in heads}
    return student
