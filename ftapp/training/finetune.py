"""Fine-tune a pretrained body into the keyword model or the sentiment model: seeded, resumable by epoch, best epoch kept."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ftapp.batching import plan
from ftapp.checkpoint import TEMPLATE, TOKENIZER_FILES
from ftapp.engines.machine import bf16_pays
from ftapp.errors import CheckpointError, InputError
from ftapp.evaluate import f1, mean
from ftapp.reviews import LabelledReview
from ftapp.schema import LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.training.examples import (
    Row,
    cut_examples,
    join_examples,
    keyword_rows,
    named_examples,
    read_examples,
    sentiment_rows,
)
from ftapp.training.resume import load_state, save_state

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of a fine-tuning run; stored beside its result."""

    task: str  # keyword or sentiment
    epochs: int = 12
    learning_rate: float = 3e-4
    batch_tokens: int = 2048  # padded tokens in an optimizer step
    warmup_share: float = 0.1
    weight_decay: float = 0.05
    dropout: float = 0.1
    validation_share: float = 0.1  # of the reviews, where no validation file is given
    join_share: float = 0.5  # joined reviews made in an epoch, as a share of the reviews
    cut_share: float = 0.5  # cut reviews drawn in an epoch, as a share of the reviews
    pair_share: float = 0.0  # pairs of contrasting cut reviews drawn in an epoch, likewise; about half can be joined
    name_share: float = 0.0  # for keywords: cuts with the verdict masked, alone and joined, likewise
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work."""
        if self.task not in ("keyword", "sentiment"):
            raise InputError(f"The task {self.task!r} is neither keyword nor sentiment.")
        if self.epochs < 1:
            raise InputError(f"epochs={self.epochs} must be at least 1.")
        if not 0 < self.validation_share < 1:
            raise InputError(f"validation_share={self.validation_share} must lie between 0 and 1.")


def finetune(
    body: Path,
    reviews: Sequence[LabelledReview],
    output: Path,
    settings: FinetuneSettings,
    *,
    validation: Sequence[LabelledReview] | None = None,
    scheme: LabelScheme = LabelScheme(),
    device: str = "cpu",
) -> Path:
    """Fine-tune `body`, pretrained or fine-tuned before, on labelled reviews into the folder `output` and return it.

    Validation is by review (a share of `reviews` unless given); the epoch with the best micro-F1 (keyword) or macro-F1
    (sentiment) on it is kept. A stopped run continues after its last whole epoch. Raises InputError or CheckpointError.
    """
    if not (body / "config.json").is_file():
        raise CheckpointError(f"There is no pretrained model in {str(body)!r}.")
    output.mkdir(parents=True, exist_ok=True)
    _check_settings(output, settings)
    if validation is None:
        reviews, validation = split(reviews, settings.validation_share, settings.seed)
    tokenizer = Tokenizer.open(body)
    labels = scheme.keywords if settings.task == "keyword" else scheme.sentiments
    torch.manual_seed(settings.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        body, dtype=torch.float32, id2label=dict(enumerate(labels)), label2id={x: i for i, x in enumerate(labels)},
        problem_type="multi_label_classification" if settings.task == "keyword" else "single_label_classification",
        hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=settings.dropout,
        ignore_mismatched_sizes=True,  # a body that was fine-tuned for the other task has a head of another size
    ).to(device)  # fmt: skip
    length = model.config.max_position_embeddings - tokenizer.pad - 1

    def rows_of(examples: list) -> list[Row]:
        if settings.task == "keyword":
            return keyword_rows(examples, tokenizer, scheme, length)
        return sentiment_rows(examples, tokenizer, scheme, TEMPLATE, length)

    whole, cuts = read_examples(reviews, tokenizer), cut_examples(reviews, tokenizer)
    named = named_examples(reviews, tokenizer) if settings.task == "keyword" else []
    held = rows_of(read_examples(validation, tokenizer))

    def rows_of_epoch(epoch: int) -> list[Row]:
        rng = np.random.default_rng([settings.seed, epoch])
        joined = join_examples(whole, round(settings.join_share * len(whole)), rng)
        drawn = rng.permutation(len(cuts))[: round(settings.cut_share * len(whole))]
        pairs = join_examples(cuts, round(settings.pair_share * len(whole)), rng, contrast=True)
        names = rng.permutation(len(named))[: round(settings.name_share * len(whole))]
        joined += join_examples([*named, *cuts], round(settings.name_share * len(whole)) if named else 0, rng)
        return rows_of([*whole, *joined, *(cuts[i] for i in drawn), *pairs, *(named[i] for i in names)])

    logger.info("%d reviews to train on, %d to validate on", len(reviews), len(validation))
    for name in TOKENIZER_FILES:
        if (body / name).is_file():
            shutil.copyfile(body / name, output / name)
    _train(model, rows_of_epoch, held, output, settings, tokenizer.pad, device)
    return output


def split(reviews: Sequence[LabelledReview], share: float, seed: int) -> tuple[list[LabelledReview], list[LabelledReview]]:
    """Return (training, validation) reviews; whole reviews, so that no keyword of a held-out review is trained on."""
    order = np.random.default_rng(seed).permutation(len(reviews))
    held = set(order[: max(1, round(share * len(reviews)))].tolist())
    train = [review for i, review in enumerate(reviews) if i not in held]
    return train, [review for i, review in enumerate(reviews) if i in held]


def _check_settings(output: Path, settings: FinetuneSettings) -> None:
    """Store the settings, or compare them with those of the run to resume."""
    path = output / "settings.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != asdict(settings):
            raise InputError(f"{str(output)!r} holds a run with other settings; use another output folder.")
        return
    path.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")


def _train(
    model: PreTrainedModel,
    rows_of_epoch: Callable[[int], list[Row]],
    held: list[Row],
    output: Path,
    settings: FinetuneSettings,
    pad: int,
    device: str,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    checkpoint, first, best = output / "resume.safetensors", 0, -1.0
    if checkpoint.exists():
        notes = load_state(checkpoint, model, optimizer)
        first, best = int(notes["epoch"]), float(notes["best"])
    for epoch in range(first, settings.epochs):
        begun = time.monotonic()
        torch.manual_seed(settings.seed * 1009 + epoch)
        rows = rows_of_epoch(epoch)
        order = np.random.default_rng([settings.seed, epoch, 1]).permutation(len(rows))
        batches = shuffled_batches([rows[i] for i in order], settings.batch_tokens, [settings.seed, epoch, 2])
        model.train()
        total = 0.0
        for step, batch in enumerate(batches):
            done = (epoch + step / len(batches)) / settings.epochs
            factor = min(done / settings.warmup_share, (1 - done) / (1 - settings.warmup_share))
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * max(factor, 0.001)
            loss = _loss(model, batch, settings.task, pad, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        score, held_loss = _validate(model, held, settings, pad, device)
        log = {
            "epoch": epoch + 1, "rows": len(rows), "loss": total / len(batches), "validation_loss": held_loss,
            "validation_score": score, "seconds": time.monotonic() - begun,
        }  # fmt: skip
        logger.info("%s", log)
        with (output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(log) + "\n")
        if score > best:
            best = score
            model.save_pretrained(output)
        save_state(checkpoint, model, optimizer, {"epoch": str(epoch + 1), "best": repr(best)})


def shuffled_batches(rows: Sequence[Row], budget: int, seed: list[int]) -> list[list[Row]]:
    """Return batches of similar length in random order, each within a budget of padded tokens."""
    batches = [[rows[group] for group, _ in batch] for batch in plan([[row.ids] for row in rows], budget)]
    return [batches[i] for i in np.random.default_rng(seed).permutation(len(batches))]


def _forward(model: PreTrainedModel, batch: Sequence[Row], pad: int, device: str) -> torch.Tensor:
    length = max(len(row.ids) for row in batch)
    ids = torch.tensor([[*row.ids, *[pad] * (length - len(row.ids))] for row in batch], device=device)
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16_pays(device)):
        return model(input_ids=ids, attention_mask=(ids != pad).long()).logits.float()


def _loss(model: PreTrainedModel, batch: Sequence[Row], task: str, pad: int, device: str) -> torch.Tensor:
    logits = _forward(model, batch, pad, device)
    target = torch.from_numpy(np.array([row.target for row in batch])).to(device)
    if task == "keyword":
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    return torch.nn.functional.cross_entropy(logits, target)


def _validate(
    model: PreTrainedModel, held: Sequence[Row], settings: FinetuneSettings, pad: int, device: str
) -> tuple[float, float]:
    """Return (micro-F1 at 0.5 for keywords, macro-F1 for sentiment; mean loss)."""
    model.eval()
    logits, targets, losses = [], [], []
    with torch.inference_mode():
        for batch in shuffled_batches(held, settings.batch_tokens * 2, [0]):
            logits.append(_forward(model, batch, pad, device).cpu().numpy())
            targets += [row.target for row in batch]
            losses.append(_loss(model, batch, settings.task, pad, device).item() * len(batch))
    guess, truth = np.concatenate(logits), np.array(targets)
    loss = sum(losses) / len(held)
    if settings.task == "keyword":
        found, there = guess > 0, truth > 0.5
        return f1((found & there).sum(), found.sum(), there.sum()) or 0.0, loss
    labels = guess.argmax(axis=1)
    scores = [f1(((labels == s) & (truth == s)).sum(), (labels == s).sum(), (truth == s).sum()) for s in range(guess.shape[1])]
    return mean(scores) or 0.0, loss
