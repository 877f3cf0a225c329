"""What a method of compression is given, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftapp.checkpoint import Checkpoint
from ftapp.reviews import LabelledReview


@dataclass(frozen=True)
class Job:
    """One variant to be made of an opened pair.

    A method fills `output`/keyword and `output`/sentiment and returns a `Made`. `train` are labelled reviews to calibrate,
    score and recover on, `check` labelled ones that no training saw. `options` are the method's own, by name; a method
    takes its defaults for those that are absent. `say` prints one progress line.
    """

    checkpoint: Checkpoint
    output: Path
    train: Sequence[LabelledReview]
    check: Sequence[LabelledReview]
    say: Callable[[str], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def halves(self) -> dict[str, Path]:
        """The folders of the full weights, by half."""
        return {"keyword": self.checkpoint.keyword, "sentiment": self.checkpoint.sentiment}


@dataclass(frozen=True)
class Made:
    """How a variant was made: the method in a sentence, its parameters, and what it measured on the way."""

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
