"""What `ftapp bench` measured, as the compare page reads it: rows of figures, filters, the Pareto line, the story they tell."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ftapp
from ftapp.errors import InputError
from ftapp.evaluate import FIGURES as METRICS

ROOT = Path(ftapp.__file__).parent.parent  # of a checkout; an installed package has neither results nor data
STORED = ROOT / "benchmarks" / "results" / "variants.json"
TEST = ROOT / "data" / "test.jsonl"
REFERENCE = "full"
STATUSES = ("ok", "unsupported", "not made", "failed", "cancelled")
AGREEMENTS = ("label_agreement", "highlight_agreement")
SCORES = (*METRICS, *AGREEMENTS)  # between 0 and 1, more is better
PLAIN = ("load_s", "first_ms", "reviews_per_s", "reviews_per_s_highlights", "memory_mib", "gpu_memory_mib", "size_bytes")
LATENCIES = {"latency_ms": "", "latency_highlights_ms": "_highlights"}
MORE_IS_BETTER = (*SCORES, "reviews_per_s", "reviews_per_s_highlights")


@dataclass(frozen=True)
class Row:
    """One variant: its status (ok, unsupported, not made, failed, cancelled) and its figures by name, without unknown ones.

    Figures are METRICS and AGREEMENTS from 0 to 1, PLAIN ones, and latencies p50, p95, p99 of one review in milliseconds,
    with `_highlights` behind the name where highlights are computed too.
    """

    variant: str
    status: str
    reason: str = ""
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    device: str = ""

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return self.status == "ok"

    @property
    def accepted(self) -> bool:
        """Whether it may be chosen by default."""
        return not self.reasons

    def get(self, figure: str) -> float | None:
        """Return a figure, None where it is not known."""
        return self.figures.get(figure)


@dataclass(frozen=True)
class Results:
    """A whole measurement: which model, on which reviews, on which machine; `raw` is the JSON it came from."""

    model: str
    data: str
    environment: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: tuple[Row, ...]
    raw: Mapping[str, Any]

    @property
    def measured(self) -> list[Row]:
        """The rows that have figures."""
        return [row for row in self.rows if row.measured]


@dataclass(frozen=True)
class Story:
    """What changes from the full model to the variant that the figures speak for: factors, sizes, score difference."""

    variant: str
    times_faster: float
    size_before: float | None
    size_after: float | None
    metric: str
    difference: float | None


def load_results(path: Path = STORED) -> Results | None:
    """Return the results stored in a file, None where there is none; raises InputError for a file that is none."""
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read: {error}.") from error
    try:
        return read_results(json.loads(content))
    except ValueError as error:
        raise InputError(f"{path.name} is no JSON: {error}.") from error


def read_results(values: Any) -> Results:
    """Return what `ftapp.bench.bench` returned, checked; raises InputError for anything else."""
    try:
        rows = tuple(_row(entry) for entry in values["variants"])
        environment, settings = dict(values["environment"]), dict(values.get("settings") or {})
        return Results(str(values["model"]), str(values["data"]), environment, settings, rows, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"These are no results of `ftapp bench`: {error!r}.") from error


def chosen(rows: Sequence[Row], variants: Sequence[str] | None, *, accepted_only: bool) -> list[Row]:
    """Return the measured rows that pass the filters, fastest first; every variant where none is named."""
    kept = [row for row in rows if row.measured and (not variants or row.variant in variants)]
    kept = [row for row in kept if row.accepted or not accepted_only]
    return sorted(kept, key=lambda row: row.get("p50") or float("inf"))


def pareto(rows: Sequence[Row], cost: str, score: str) -> list[Row]:
    """Return the rows that no other accepted one beats at both lower cost and higher score, cheapest first."""
    known = [row for row in rows if row.accepted and row.get(cost) is not None and row.get(score) is not None]
    line: list[Row] = []
    for row in sorted(known, key=lambda row: (row.figures[cost], -row.figures[score])):
        if not line or row.figures[score] > line[-1].figures[score]:
            line.append(row)
    return line


def best(rows: Sequence[Row], figure: str) -> float | None:
    """Return the best value of a figure, None where no row has it."""
    values = [value for row in rows if (value := row.get(figure)) is not None]
    pick: Callable[[Sequence[float]], float] = max if figure in MORE_IS_BETTER else min
    return pick(values) if values else None


def story(rows: Sequence[Row], cost: str, metric: str) -> Story | None:
    """Return the change from full to the fastest accepted variant; None where full, or any other accepted one, is missing."""
    full = next((row for row in rows if row.variant == REFERENCE and row.get(cost)), None)
    others = [row for row in rows if row.variant != REFERENCE and row.accepted and row.get(cost)]
    if full is None or not others:
        return None
    fastest = min(others, key=lambda row: row.figures[cost])
    scores = fastest.get(metric), full.get(metric)
    return Story(
        fastest.variant,
        full.figures[cost] / fastest.figures[cost],
        full.get("size_bytes"),
        fastest.get("size_bytes"),
        metric,
        None if scores[0] is None or scores[1] is None else scores[0] - scores[1],
    )


def _row(entry: Mapping[str, Any]) -> Row:
    """Return one row; what is no finite number is no figure."""
    flat = {name: entry.get(name) for name in (*PLAIN, *AGREEMENTS)}
    flat |= {name: (entry.get("metrics") or {}).get(name) for name in METRICS}
    for name, suffix in LATENCIES.items():
        flat |= {f"{percentile}{suffix}": value for percentile, value in (entry.get(name) or {}).items()}
    figures = {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}
    reasons = tuple(map(str, entry.get("reasons") or ()))
    if not entry.get("accepted", True) and not reasons:
        reasons = ("accepted: false",)
    device = str(entry.get("gpu") or entry.get("device") or "")
    return Row(str(entry["variant"]), str(entry["status"]), str(entry.get("reason") or ""), reasons, figures, device)
