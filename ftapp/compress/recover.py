"""Teach a smaller model what a larger one says: the one seeded loop of pruning's recovery and of distillation.

The loss is the distance to the teacher's soft labels at a temperature (Hinton et al. 2015), the labels' own loss, and the
squared distance of matched layers' hidden states (Jiao et al. 2020), each with its weight.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from ftapp.checkpoint import Checkpoint
from ftapp.compress.job import Job
from ftapp.compress.store import store
from ftapp.engines import roberta
from ftapp.engines.machine import bf16_pays
from ftapp.errors import InputError
from ftapp.reviews import LabelledReview
from ftapp.training.examples import Example, Row, keyword_rows, read_examples, sentiment_rows
from ftapp.training.finetune import label_loss, padded, schedule, shuffled_batches, soft_loss

STEPS_A_LINE = 200  # optimizer steps between two lines of progress
MOST_CHECKED = 300  # reviews on which the divergence from the full model is measured


@dataclass(frozen=True)
class TeachSettings:
    """Settings of the loop that a method of compression shares; stored in its recipe."""

    epochs: int = 1
    learning_rate: float = 1e-4
    temperature: float = 2.0  # divides the logits of both before their distance is taken
    label_weight: float = 0.5  # of the labels' own loss
    hidden_weight: float = 0.0  # of the squared distance of hidden states
    most_reviews: int = 3000  # drawn from those to train on
    batch_tokens: int = 2048  # padded tokens in an optimizer step
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work."""
        for name in ("most_reviews", "batch_tokens", "temperature", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}={getattr(self, name)} must be above 0.")
        for name in ("epochs", "label_weight", "hidden_weight", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name}={getattr(self, name)} must be at least 0.")
        if not 0 < self.warmup_share < 1:
            raise InputError(f"warmup_share={self.warmup_share} must lie between 0 and 1.")


Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], options: Mapping[str, Any]) -> Settings:
    """Return a method's settings from its options by name; raises InputError for an unknown one or a value of another kind."""
    known = {field.name: field.type is int for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, float] = {}
    for name, value in options.items():
        if name not in known:
            raise InputError(f"There is no option {name!r} here; choose among {', '.join(known)}.")
        whole = known[name]
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise InputError(f"{name}={value!r} is no {'whole ' if whole else ''}number.")
        values[name] = value if whole else float(value)
    return kind(**values)


def draw_reviews(reviews: Sequence[LabelledReview], settings: TeachSettings) -> list[LabelledReview]:
    """Return `most_reviews` of the reviews in a random order of the seed; raises InputError where there is none."""
    if not any(review.labels for review in reviews):
        raise InputError("There is no labelled review to train on.")
    order = np.random.default_rng(settings.seed).permutation(len(reviews))
    return [reviews[i] for i in order[: settings.most_reviews]]


def read_whole(reviews: Sequence[LabelledReview], checkpoint: Checkpoint) -> list[Example]:
    """Prepare and encode whole reviews as the pair does."""
    return read_examples(reviews, checkpoint.tokenizer, spacing=checkpoint.manifest.spacing)


def rows_of(examples: Sequence[Example], checkpoint: Checkpoint, half: str) -> list[Row]:
    """Return the inputs that one half of a pair reads of these examples, with their labels."""
    manifest = checkpoint.manifest
    if half == "keyword":
        return keyword_rows(examples, checkpoint.tokenizer, manifest.scheme, checkpoint.max_length)
    return sentiment_rows(examples, checkpoint.tokenizer, manifest.scheme, manifest.template, checkpoint.max_length)


def recover(
    job: Job,
    half: str,
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    examples_of_epoch: Callable[[int], Sequence[Example]],
    settings: TeachSettings,
    matched: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Teach the student of one half and store it; return its size and its divergence from the full model, before and after.

    The divergence is measured on reviews that no training saw; None where those have no label.
    """

    def say(line: str) -> None:
        job.say(f"{half}: {line}")

    def rows_of_epoch(epoch: int) -> list[Row]:
        return rows_of(examples_of_epoch(epoch), job.checkpoint, half)

    def divergence() -> float | None:
        return round(distance(student, teacher, held, half=half, pad=pad), 5) if held else None

    pad = job.checkpoint.tokenizer.pad
    held = rows_of(read_whole(job.check[:MOST_CHECKED], job.checkpoint), job.checkpoint, half)
    before = divergence()
    say(f"{student.num_parameters():,} of {teacher.num_parameters():,} parameters, divergence from full {before}")
    teach(student, teacher, rows_of_epoch, settings, half=half, pad=pad, say=say, matched=matched)
    after = divergence()
    say(f"divergence from full {after}")
    store(student, job.halves[half], job.output / half)
    return {
        "parameters": {"full": teacher.num_parameters(), "variant": student.num_parameters()},
        "divergence_from_full": {"before": before, "after": after},
    }


def teach(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    rows_of_epoch: Callable[[int], list[Row]],
    settings: TeachSettings,
    *,
    half: str,
    pad: int,
    say: Callable[[str], None],
    matched: Sequence[tuple[int, int]] = (),
) -> None:
    """Train the student in place, on its device, which is the teacher's; it comes back in evaluation mode.

    `matched` are the pairs (student's layer, teacher's layer) whose hidden states shall be alike.
    """
    device = student.device
    torch.manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    pairs = matched if settings.hidden_weight else ()
    teacher.eval()
    with (
        watched([student.base_model.encoder.layer[mine].output for mine, _ in pairs]) as ours,
        watched([teacher.base_model.encoder.layer[its].output for _, its in pairs]) as theirs,
    ):
        for epoch in range(settings.epochs):
            rows = rows_of_epoch(epoch)
            order = np.random.default_rng([settings.seed, epoch, 1]).permutation(len(rows))
            batches = shuffled_batches([rows[i] for i in order], settings.batch_tokens, [settings.seed, epoch, 2])
            losses: list[float] = []
            student.train()
            for step, batch in enumerate(batches):
                factor = schedule((epoch + step / len(batches)) / settings.epochs, settings.warmup_share)
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * factor
                ids, mask = padded(batch, pad, device)
                with torch.no_grad():
                    aim = forward(teacher, ids, mask)
                logits = forward(student, ids, mask)
                loss = soft_loss(logits, aim, half, settings.temperature)
                if settings.label_weight:
                    loss = loss + settings.label_weight * label_loss(logits, batch, half)
                if pairs:
                    apart = [state_distance(mine, its, mask) for mine, its in zip(ours, theirs, strict=True)]
                    loss = loss + settings.hidden_weight * torch.stack(apart).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
                optimizer.step()
                losses.append(loss.item())
                if len(losses) == STEPS_A_LINE or step + 1 == len(batches):
                    say(
                        f"epoch {epoch + 1} of {settings.epochs}, step {step + 1} of {len(batches)}, loss {np.mean(losses):.4f}"
                    )
                    losses = []
    student.eval()


def distance(
    student: PreTrainedModel, teacher: PreTrainedModel, rows: Sequence[Row], *, half: str, pad: int, batch_tokens: int = 4096
) -> float:
    """Return the mean over rows, one at least, of the Kullback-Leibler divergence from the teacher's probabilities, in nats.

    For keywords it is the mean over labels too.
    """
    student.eval()
    teacher.eval()
    total = 0.0
    with torch.inference_mode():
        for batch in shuffled_batches(rows, batch_tokens, [0]):
            ids, mask = padded(batch, pad, student.device)
            total += soft_loss(forward(student, ids, mask), forward(teacher, ids, mask), half, 1.0).item() * len(batch)
    return total / len(rows)


def forward(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return float32 logits [rows, labels], computed in bfloat16 where that pays."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16_pays(str(ids.device))):
        if roberta.supported(model):
            return roberta.first_token_logits(model, ids, mask).float()
        return model(input_ids=ids, attention_mask=mask.long()).logits.float()


def state_distance(ours: torch.Tensor, theirs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of two layers' outputs over real tokens, [rows, length, hidden] each.

    Of a last layer there may be the first token alone, the only one that the classifier reads.
    """
    length = min(ours.shape[1], theirs.shape[1])
    squares = (ours[:, :length].float() - theirs[:, :length].float()).square().mean(dim=-1)
    return squares[mask[:, :length]].mean()


@contextmanager
def watched(modules: Sequence[torch.nn.Module], *, inputs: bool = False) -> Iterator[list[torch.Tensor]]:
    """Yield a list that holds, after each forward pass inside the block, what each module gave out, or was given."""
    seen: list[torch.Tensor] = [torch.empty(0)] * len(modules)

    def keep(place: int) -> Callable[..., None]:
        def hook(module: torch.nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            seen[place] = given[0] if inputs else output

        return hook

    handles = [module.register_forward_hook(keep(place)) for place, module in enumerate(modules)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
