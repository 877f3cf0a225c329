"""From what the rounds measured to one row a variant: medians, agreement with full, the Pareto line."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftapp.variants import get_variant

# From the start of a process until the predictor is ready; its first review without highlights; percentiles of one review's
# latency, and reviews a second of a mixed batch, without highlights and with; the highest memory of the process and of the GPU.
FIGURES = (
    "load_s", "first_ms", "latency_ms", "latency_highlights_ms", "reviews_per_s", "reviews_per_s_highlights",
    "memory_mib", "gpu_memory_mib",
)  # fmt: skip


@dataclass
class Seen:
    """What is known of a variant so far: the figures of each finished round, and its quality from the first."""

    status: str = "cancelled"  # until a round is finished
    reason: str | None = None
    size_bytes: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rounds: list[Mapping[str, Any]] = field(default_factory=list)
    quality: Mapping[str, Any] | None = None

    @property
    def refused(self) -> bool:
        """Whether there is no use in another round."""
        return self.status not in ("ok", "cancelled")

    def add(self, result: Mapping[str, Any]) -> None:
        """Take in what a child found."""
        self.status, self.reason = result["status"], result.get("reason")
        if self.status != "ok":
            return
        self.facts = {name: result[name] for name in ("device", "gpu")}
        if result["figures"]:
            self.rounds.append(result["figures"])
        self.quality = result["quality"] or self.quality


def row_of(name: str, seen: Seen, full: Seen, reasons: Sequence[str]) -> dict[str, Any]:
    """Return the variant's row, of the same keys whatever was found; `reasons` are those against choosing it by default."""
    labels = marks = None
    if seen.quality and full.quality:
        labels = label_agreement(seen.quality["predicted"], full.quality["predicted"])
        marks = highlight_agreement(seen.quality["spans"], full.quality["spans"])
    return {
        "variant": name,
        "engine": get_variant(name).engine,
        "status": seen.status,
        "reason": seen.reason,
        "accepted": not reasons,
        "reasons": list(reasons),
        "pareto": False,  # known when all rows are
        "size_bytes": seen.size_bytes,
        **{key: seen.facts.get(key) for key in ("device", "gpu")},
        **(medians(seen.rounds) if seen.rounds else dict.fromkeys(FIGURES)),
        "metrics": seen.quality["metrics"] if seen.quality else None,
        "label_agreement": labels,
        "highlight_agreement": marks,
        "rounds": list(seen.rounds),
    }


def medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the median over the rounds of each figure, a figure of figures likewise; None where one is not known."""
    found: dict[str, Any] = {}
    for name, first in rounds[0].items():
        values = [figures[name] for figures in rounds]
        if isinstance(first, Mapping):
            found[name] = medians(values)
        else:
            found[name] = None if None in values else round(statistics.median(values), 3)
    return found


def label_agreement(predicted: Sequence[Sequence[int]], reference: Sequence[Sequence[int]]) -> float | None:
    """Return the share of (review, keyword) cells, of all keywords, with the same answer: none, or the same sentiment."""
    cells = _cells(predicted, reference)
    return round(sum(one == other for one, other in cells) / len(cells), 4) if cells else None


def highlight_agreement(spans: Sequence[Sequence[Any]], reference: Sequence[Sequence[Any]]) -> float | None:
    """Return the share of equal spans among the (review, keyword) cells in which both have one."""
    both = [(one, other) for one, other in _cells(spans, reference) if one is not None and other is not None]
    return round(sum(list(one) == list(other) for one, other in both) / len(both), 4) if both else None


def mark_pareto(rows: Sequence[dict[str, Any]]) -> None:
    """Set `pareto` of each row: it is accepted, and no other accepted one is both faster and at least as good.

    Faster is by the median latency of one review without highlights, good by pair_f1.
    """
    known = [row for row in rows if row["status"] == "ok" and row["accepted"]]
    for row in known:
        row["pareto"] = not any(_speed(other) < _speed(row) and _quality(other) >= _quality(row) for other in known)


def _cells(one: Sequence[Sequence[Any]], other: Sequence[Sequence[Any]]) -> list[tuple[Any, Any]]:
    return [cells for rows in zip(one, other, strict=True) for cells in zip(*rows, strict=True)]


def _speed(row: Mapping[str, Any]) -> float:
    return row["latency_ms"]["p50"]


def _quality(row: Mapping[str, Any]) -> float:
    return row["metrics"]["pair_f1"] or 0.0
