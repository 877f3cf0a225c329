"""What a parent asks of the child that measures one variant, and the files of the folder that both use."""

from collections.abc import Sequence
from dataclasses import dataclass

TASK, RESULT, ERRORS = "task.json", "result.json", "errors.txt"


@dataclass(frozen=True)
class Task:
    """One variant in one round: if `timed` its speed on `text` and `texts`, and its quality on the labelled reviews of a file.

    `runs`, `seconds` and `highlights` are those of BenchSettings. `started` is when the child was started, in seconds since
    1970.
    """

    model: str
    variant: str
    device: str
    runs: int
    seconds: float
    highlights: bool
    text: str
    texts: Sequence[str]
    quality: str | None
    timed: bool
    started: float = 0.0
