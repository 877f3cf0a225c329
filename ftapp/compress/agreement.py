"""The rows that both halves of a pair really read, and how far another engine's answers on them are from full's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ftapp import batching
from ftapp.checkpoint import Checkpoint
from ftapp.compress.job import Job
from ftapp.engines import Engine
from ftapp.engines.torch import TorchEngine
from ftapp.errors import CheckpointError, InputError
from ftapp.reviews import LabelledReview
from ftapp.training.examples import keyword_rows, read_examples, sentiment_rows

BUDGET = 2048  # padded tokens in a batch, as the predictor has it
MARGIN = 0.002  # agreements this close are alike: it is one of 500 sentiments
ALONE = 16  # rows that are also read one by one, without padding


def real_rows(checkpoint: Checkpoint, reviews: Sequence[LabelledReview]) -> dict[str, list[list[int]]]:
    """Return the token rows of reviews, by half: plain ones, and those in the frames of their labelled keywords and overall.

    Raises InputError where no review has a token, or none a label.
    """
    manifest, tokenizer = checkpoint.manifest, checkpoint.tokenizer
    examples = read_examples(reviews, tokenizer, spacing=manifest.spacing)
    found = {
        "keyword": keyword_rows(examples, tokenizer, manifest.scheme, checkpoint.max_length),
        "sentiment": sentiment_rows(examples, tokenizer, manifest.scheme, manifest.template, checkpoint.max_length),
    }
    for half, rows in found.items():
        if not rows:
            raise InputError(f"Among the {len(reviews)} labelled reviews there is none to try the {half} model on.")
    return {half: [row.ids for row in rows] for half, rows in found.items()}


@dataclass(frozen=True)
class Reference:
    """What full answers on the reviews that a variant is checked on: each half's rows and float32 [rows, labels] logits."""

    checkpoint: Checkpoint
    rows: Mapping[str, Sequence[Sequence[int]]]
    logits: Mapping[str, np.ndarray] = field(repr=False)

    @classmethod
    def of(cls, job: Job) -> "Reference":
        """Ask the full models of a job."""
        rows = real_rows(job.checkpoint, job.check)
        pad = job.checkpoint.tokenizer.pad
        logits = {half: answers(TorchEngine(folder, device="cpu"), rows[half], pad) for half, folder in job.halves.items()}
        return cls(job.checkpoint, rows, logits)

    def difference(self, half: str, engine: Engine) -> float:
        """Return the largest difference of a logit, over rows in padded batches and rows alone; NaN if there is one."""
        pad, rows, expected = self.checkpoint.tokenizer.pad, self.rows[half], self.logits[half]
        together = answers(engine, rows, pad) - expected
        alone = np.concatenate([answers(engine, [row], pad) for row in rows[:ALONE]]) - expected[:ALONE]
        return float(np.abs(np.concatenate([together, alone])).max())

    def agreement(self, half: str, engine: Engine) -> float:
        """Return the share of equal decisions: of all keywords in all reviews, or of the labelled keywords' sentiments."""
        said = answers(engine, self.rows[half], self.checkpoint.tokenizer.pad)
        return float((self._decisions(half, said) == self._decisions(half, self.logits[half])).mean())

    def _decisions(self, half: str, logits: np.ndarray) -> np.ndarray:
        manifest = self.checkpoint.manifest
        if half == "sentiment":
            return logits.argmax(axis=1)
        limits = np.array([manifest.threshold_of(keyword) for keyword in manifest.scheme.keywords])
        return batching.sigmoid(logits / manifest.temperatures.get(half, 1.0)) >= limits


def answers(engine: Engine, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """Return float32 [rows, labels], computed in batches as the predictor's."""
    groups = batching.run(engine, [[row] for row in rows], pad=pad, budget=BUDGET)
    return np.concatenate([group.rows for group in groups])


def check_difference(reference: Reference, half: str, engine: Engine, tolerance: float) -> float:
    """Return the largest difference of a logit; raises CheckpointError where it is above the tolerance."""
    worst = reference.difference(half, engine)
    if not worst <= tolerance:  # NaN is not
        raise CheckpointError(
            f"The exported {half} model answers differently: a logit is {worst:.2g} from full's, more than {tolerance:g}."
        )
    return worst
