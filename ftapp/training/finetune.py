"""Fine-tune a pretrained body into the keyword model or the sentiment model: seeded, resumable by epoch, best epoch kept.

With teachers it is distillation too: the mean of what larger models say is a second target (Hinton et al. 2015).
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, kl_div, log_softmax, logsigmoid
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ftapp.batching import plan
from ftapp.checkpoint import TEMPLATE, TOKENIZER_FILES
from ftapp.engines import roberta
from ftapp.engines.machine import bf16_pays
from ftapp.errors import CheckpointError, InputError
from ftapp.evaluate import f1, mean
from ftapp.reviews import LabelledReview
from ftapp.schema import LabelScheme
from ftapp.text import prepare
from ftapp.tokenizer import Tokenizer
from ftapp.training.examples import (
    Row,
    blanked_examples,
    chain_examples,
    cut_examples,
    join_examples,
    keyword_rows,
    named_examples,
    noisy_examples,
    read_examples,
    sentiment_rows,
    task_frames,
    unlabelled_rows,
)
from ftapp.training.initialize import deepen
from ftapp.training.resume import load_state, save_state

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of a fine-tuning run; stored beside its result."""

    task: str  # keyword or sentiment
    layers: int = 0  # of the model, where it shall have more than the body; 0 keeps the body's
    epochs: int = 12
    learning_rate: float = 3e-4
    batch_tokens: int = 2048  # padded tokens in an optimizer step
    warmup_share: float = 0.1
    weight_decay: float = 0.05
    dropout: float = 0.1
    validation_share: float = 0.1  # of the reviews, where no validation file is given
    join_share: float = 0.5  # joined reviews made in an epoch, as a share of the reviews
    cut_share: float = 0.5  # cut reviews drawn in an epoch, as a share of the reviews
    chain_share: float = 0.0  # rows of two to five contrasting cut reviews made in an epoch, likewise
    name_share: float = 0.0  # for keywords: cuts with the verdict masked, alone and joined, likewise
    noise_share: float = 0.0  # reviews typed badly made in an epoch, likewise
    blank_share: float = 0.0  # for keywords: reviews with one label's evidence masked, drawn in an epoch, likewise
    evidence_weight: float = 0.0  # of the loss of a second head, which learns at every token whether it is evidence
    rare_weight: float = 0.0  # for sentiment: a class weighs (its share of the training labels) ** -rare_weight
    average: float = 0.0  # decay a step of the weights' moving average, which is validated and kept; 0 keeps the weights
    patience: int = 4  # epochs without a better validation score before training stops
    spacing: bool = True  # correct the spaces of every text first, as a model folder does unless its manifest says no
    teachers: list[str] = field(default_factory=list)  # folders of models of the same task and vocabulary
    teacher_weight: float = 0.5  # of the distance to their mean logits, where there are any; the labels' loss has the rest
    temperature: float = 2.0  # divides the logits of both before that distance is taken
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work."""
        if self.task not in ("keyword", "sentiment"):
            raise InputError(f"The task {self.task!r} is neither keyword nor sentiment.")
        if self.epochs < 1:
            raise InputError(f"epochs={self.epochs} must be at least 1.")
        if not 0 <= self.average < 1:
            raise InputError(f"average={self.average} must be at least 0 and below 1.")
        if not 0 < self.validation_share < 1:
            raise InputError(f"validation_share={self.validation_share} must lie between 0 and 1.")
        if not 0 <= self.teacher_weight <= 1:
            raise InputError(f"teacher_weight={self.teacher_weight} must lie between 0 and 1.")
        if not self.temperature > 0:
            raise InputError(f"temperature={self.temperature} must be above 0.")


def finetune(
    body: Path,
    reviews: Sequence[LabelledReview],
    output: Path,
    settings: FinetuneSettings,
    *,
    validation: Sequence[LabelledReview] | None = None,
    unlabelled: Sequence[str] = (),
    scheme: LabelScheme = LabelScheme(),
    device: str = "cpu",
) -> Path:
    """Fine-tune `body`, pretrained or fine-tuned before, on labelled reviews into the folder `output` and return it.

    Validation is by review (a share of `reviews` unless given); the epoch with the best micro-F1 (keyword) or mean of
    accuracy and macro-F1 (sentiment) on it is kept, and training stops when it has not been bettered for `patience` epochs.
    `log.jsonl` gives the same figures on training reviews beside those on validation ones. `unlabelled` texts are rows too,
    once an epoch and for sentiments with a keyword drawn at random; there the teachers' word is the only one. A stopped run
    continues after its last whole epoch. Raises InputError or CheckpointError.
    """
    if not (body / "config.json").is_file():
        raise CheckpointError(f"There is no pretrained model in {str(body)!r}.")
    if unlabelled and not settings.teachers:
        raise InputError("Unlabelled texts teach nothing without a teacher.")
    labels = scheme.keywords if settings.task == "keyword" else scheme.sentiments
    teachers = [_teacher(Path(folder), body, len(labels)).to(device) for folder in settings.teachers]
    output.mkdir(parents=True, exist_ok=True)
    _check_settings(output, settings)
    if validation is None:
        reviews, validation = split(reviews, settings.validation_share, settings.seed)
    tokenizer = Tokenizer.open(body)
    torch.manual_seed(settings.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        body, dtype=torch.float32, id2label=dict(enumerate(labels)), label2id={x: i for i, x in enumerate(labels)},
        problem_type="multi_label_classification" if settings.task == "keyword" else "single_label_classification",
        hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=settings.dropout,
        ignore_mismatched_sizes=True,  # a body that was fine-tuned for the other task has a head of another size
    )  # fmt: skip
    if settings.layers:
        deepen(model, settings.layers)
    model.to(device)
    if settings.evidence_weight:
        if not roberta.supported(model):
            raise InputError(f"The model in {str(body)!r} is no plain RoBERTa encoder; evidence_weight must be 0.")
        model.evidence_head = torch.nn.Linear(model.config.hidden_size, len(labels)).to(device)
    length = model.config.max_position_embeddings - tokenizer.pad - 1

    def rows_of(examples: list) -> list[Row]:
        if settings.task == "keyword":
            return keyword_rows(examples, tokenizer, scheme, length)
        return sentiment_rows(examples, tokenizer, scheme, TEMPLATE, length)

    spacing = settings.spacing
    whole, cuts = read_examples(reviews, tokenizer, spacing=spacing), cut_examples(reviews, tokenizer, spacing=spacing)
    named, blanked = [], []
    if settings.task == "keyword":
        named = named_examples(reviews, tokenizer, spacing=spacing) if settings.name_share else []
        blanked = blanked_examples(reviews, tokenizer, spacing=spacing) if settings.blank_share else []
    held = rows_of(read_examples(validation, tokenizer, spacing=spacing))
    frames = task_frames(settings.task, tokenizer, scheme, TEMPLATE)
    plain = tokenizer.encode(
        [[word.text for word in prepare(text, spacing=spacing, sentences=False).words] for text in unlabelled]
    )
    seen = rows_of(whole[:: max(1, len(whole) // len(validation))])  # as many training reviews, to set beside those

    def rows_of_epoch(epoch: int) -> list[Row]:
        rng = np.random.default_rng([settings.seed, epoch])
        joined = join_examples(whole, round(settings.join_share * len(whole)), rng)
        drawn = rng.permutation(len(cuts))[: round(settings.cut_share * len(whole))]
        chains = chain_examples(cuts, round(settings.chain_share * len(whole)), rng)
        names = rng.permutation(len(named))[: round(settings.name_share * len(whole))]
        joined += join_examples([*named, *cuts], round(settings.name_share * len(whole)) if named else 0, rng)
        typist = np.random.default_rng([settings.seed, epoch, 3])
        typed = typist.permutation(len(reviews))[: round(settings.noise_share * len(reviews))]
        joined += noisy_examples([reviews[i] for i in typed], tokenizer, typist, spacing=spacing)
        blanks = rng.permutation(len(blanked))[: round(settings.blank_share * len(whole))]
        drawn_examples = [*(cuts[i] for i in drawn), *(named[i] for i in names), *(blanked[i] for i in blanks)]
        rows = rows_of([*whole, *joined, *chains, *drawn_examples])
        return [*rows, *unlabelled_rows(plain, frames, length, rng)]

    logger.info("%d reviews to train on, %d to validate on", len(reviews), len(validation))
    for name in TOKENIZER_FILES:
        if (body / name).is_file():
            shutil.copyfile(body / name, output / name)
    _train(model, teachers, rows_of_epoch, seen, held, output, settings, tokenizer.pad, device)
    return output


def _teacher(folder: Path, body: Path, labels: int) -> PreTrainedModel:
    """Load a model to learn from; raises CheckpointError where it answers other labels or reads other tokens."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"There is no model in {str(folder)!r} to learn from.")
    if (folder / "tokenizer.json").read_bytes() != (body / "tokenizer.json").read_bytes():
        raise CheckpointError(f"The teacher {str(folder)!r} has another vocabulary than the body {str(body)!r}.")
    teacher = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    if teacher.config.num_labels != labels:
        raise CheckpointError(f"The teacher {str(folder)!r} has {teacher.config.num_labels} labels, the task has {labels}.")
    return teacher.eval()


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
    teachers: Sequence[PreTrainedModel],
    rows_of_epoch: Callable[[int], list[Row]],
    seen: list[Row],
    held: list[Row],
    output: Path,
    settings: FinetuneSettings,
    pad: int,
    device: str,
) -> None:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=device.startswith("cuda")
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.average)) if settings.average else None
    kept = model if average is None else cast(PreTrainedModel, average.module)
    weights = _class_weights(rows_of_epoch(0), model.config.num_labels, settings, device)
    checkpoint, first, best, best_epoch = output / "resume.safetensors", 0, -1.0, 0
    if checkpoint.exists():
        notes = load_state(checkpoint, model, optimizer, average)
        first, best, best_epoch = int(notes["epoch"]), float(notes["best"]), int(notes["best_epoch"])
    for epoch in range(first, settings.epochs):
        if epoch - best_epoch >= settings.patience and best_epoch:
            logger.info("stopped: no better epoch than %d", best_epoch)
            break
        begun = time.monotonic()
        torch.manual_seed(settings.seed * 1009 + epoch)
        rows = rows_of_epoch(epoch)
        order = np.random.default_rng([settings.seed, epoch, 1]).permutation(len(rows))
        batches = shuffled_batches([rows[i] for i in order], settings.batch_tokens, [settings.seed, epoch, 2])
        model.train()
        for step, batch in enumerate(batches):
            factor = schedule((epoch + step / len(batches)) / settings.epochs, settings.warmup_share)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * factor
            ids, mask = padded(batch, pad, device)
            logits, tokens = _forward(model, ids, mask)
            loss = label_loss(logits, batch, settings.task, weights)
            if teachers:
                with torch.no_grad():
                    aim = torch.stack([_forward(teacher, ids, mask)[0] for teacher in teachers]).mean(dim=0)
                apart = soft_loss(logits, aim, settings.task, settings.temperature)
                loss = (1 - settings.teacher_weight) * loss + settings.teacher_weight * apart
            if tokens is not None:
                loss = loss + settings.evidence_weight * _evidence_loss(tokens, batch, settings.task)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if average is not None:
                average.update_parameters(model)
        score, held_loss = _validate(kept, held, settings, pad, device)
        seen_score, seen_loss = _validate(kept, seen, settings, pad, device)
        log = {
            "epoch": epoch + 1, "rows": len(rows), "loss": seen_loss, "validation_loss": held_loss, "score": seen_score,
            "validation_score": score, "seconds": time.monotonic() - begun,
        }  # fmt: skip
        logger.info("%s", log)
        with (output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(log) + "\n")
        if score > best:
            best, best_epoch = score, epoch + 1
            weights_to_keep = {k: v for k, v in kept.state_dict().items() if not k.startswith("evidence_head.")}
            kept.save_pretrained(output, state_dict=weights_to_keep)
        notes = {"epoch": str(epoch + 1), "best": repr(best), "best_epoch": str(best_epoch)}
        save_state(checkpoint, model, optimizer, notes, average)


def _class_weights(rows: Sequence[Row], count: int, settings: FinetuneSettings, device: str) -> torch.Tensor | None:
    """Return float32 [count], a weight for each sentiment, of mean 1 over the rows; None where all weigh alike."""
    if settings.task == "keyword" or not settings.rare_weight:
        return None
    counts = np.bincount([int(row.target) for row in rows if row.target is not None], minlength=count)
    weights = np.where(counts > 0, (counts.clip(min=1) / counts.sum()) ** -settings.rare_weight, 0.0)
    weights /= (weights * counts).sum() / counts.sum()
    return torch.tensor(weights, dtype=torch.float32, device=device)


def schedule(done: float, warmup_share: float) -> float:
    """Return the factor of the learning rate when that share of a run is done: linear warm-up, then linear decay."""
    return max(0.001, min(done / warmup_share, (1 - done) / (1 - warmup_share)))


def shuffled_batches(rows: Sequence[Row], budget: int, seed: list[int]) -> list[list[Row]]:
    """Return batches of similar length in random order, each within a budget of padded tokens."""
    batches = [[rows[group] for group, _ in batch] for batch in plan([[row.ids] for row in rows], budget)]
    return [batches[i] for i in np.random.default_rng(seed).permutation(len(batches))]


def padded(batch: Sequence[Row], pad: int, device: str | torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids [rows, length] and a boolean mask of the same shape."""
    ids = np.full((len(batch), max(len(row.ids) for row in batch)), pad)
    for i, row in enumerate(batch):
        ids[i, : len(row.ids)] = row.ids
    return torch.from_numpy(ids).to(device), torch.from_numpy(ids != pad).to(device)


def _forward(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return float32 logits [rows, labels], and of the evidence head, if there is one, [rows, length, labels]."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16_pays(str(ids.device))):
        if not roberta.supported(model):
            return model(input_ids=ids, attention_mask=mask.long()).logits.float(), None
        states = roberta.lower_states(model, ids, mask)
        logits = roberta.classify(model, states, mask).float()
        if model.training and hasattr(model, "evidence_head"):
            return logits, cast(torch.nn.Module, model.evidence_head)(states).float()
        return logits, None


def soft_loss(logits: torch.Tensor, aim: torch.Tensor, task: str, temperature: float) -> torch.Tensor:
    """Return the Kullback-Leibler divergence from the teacher's probabilities at a temperature, times its square.

    So the gradients keep their size whatever the temperature (Hinton et al. 2015). It is averaged over rows, for keywords,
    each of which is yes or no, over labels too.
    """
    ours, theirs = logits / temperature, aim / temperature
    if task == "keyword":
        truth = torch.sigmoid(theirs)
        entropy = -(truth * logsigmoid(theirs) + (1 - truth) * logsigmoid(-theirs)).mean()
        return (binary_cross_entropy_with_logits(ours, truth) - entropy) * temperature**2
    return (
        kl_div(log_softmax(ours, dim=-1), log_softmax(theirs, dim=-1), reduction="batchmean", log_target=True) * temperature**2
    )


def _evidence_loss(tokens: torch.Tensor, batch: Sequence[Row], task: str) -> torch.Tensor:
    """Return the binary cross-entropy of the evidence head over the tokens of rows whose evidence is known.

    Evidence as a second target: Zaidan et al. 2007 (Using "annotator rationales" to improve machine learning). It is
    averaged over labels for keywords and summed for sentiments, as the task's own loss is.
    """
    length = tokens.shape[1]
    known = [(i, row.evidence) for i, row in enumerate(batch) if row.evidence is not None]
    if not known:
        return tokens.sum() * 0
    places = np.concatenate([np.arange(i * length, i * length + len(evidence)) for i, evidence in known])
    asked = tokens.flatten(0, 1)[torch.from_numpy(places).to(tokens.device)]
    target = torch.from_numpy(np.concatenate([evidence for _, evidence in known])).to(tokens.device)
    loss = binary_cross_entropy_with_logits(asked, target)
    return loss if task == "keyword" else loss * tokens.shape[-1]


def label_loss(logits: torch.Tensor, batch: Sequence[Row], task: str, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the loss of the rows that have labels of their own, 0 where none has."""
    known = [i for i, row in enumerate(batch) if row.target is not None]
    if not known:
        return logits.sum() * 0
    target = torch.from_numpy(np.array([batch[i].target for i in known])).to(logits.device)
    asked = logits[torch.tensor(known, device=logits.device)]
    if task == "keyword":
        return binary_cross_entropy_with_logits(asked, target)
    return cross_entropy(asked, target, weights)


def _validate(
    model: PreTrainedModel, held: Sequence[Row], settings: FinetuneSettings, pad: int, device: str
) -> tuple[float, float]:
    """Return (micro-F1 at 0.5 for keywords, mean of accuracy and macro-F1 for sentiment; mean loss)."""
    model.eval()
    logits, targets, losses = [], [], []
    with torch.inference_mode():
        for batch in shuffled_batches(held, settings.batch_tokens * 2, [0]):
            logits.append(_forward(model, *padded(batch, pad, device))[0].cpu())
            targets += [row.target for row in batch]
            losses.append(label_loss(logits[-1], batch, settings.task).item() * len(batch))
    guess, truth = torch.cat(logits).numpy(), np.array(targets)
    loss = sum(losses) / len(held)
    if settings.task == "keyword":
        found, there = guess > 0, truth > 0.5
        return f1((found & there).sum(), found.sum(), there.sum()) or 0.0, loss
    labels = guess.argmax(axis=1)
    scores = [f1(((labels == s) & (truth == s)).sum(), (labels == s).sum(), (truth == s).sum()) for s in range(guess.shape[1])]
    return (float((labels == truth).mean()) + (mean(scores) or 0.0)) / 2, loss
