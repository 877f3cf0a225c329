"""Made-up results of `ftapp bench`, in the shape that ftapp.bench writes; for tests alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftapp.bench.rows import Seen, row_of
from ftapp.evaluate import FIGURES as METRICS

FELL = "keyword_micro_f1 fell from 0.903 to 0.871, more than 0.020"
ENVIRONMENT = {
    "date": "2026-01-02", "cpu": "Test CPU 9", "instruction_sets": ["avx2", "avx512_vnni"], "cores": 2, "memory_gib": 8.0,
    "python": "3.11.7", "libraries": {"ftapp": "0.1.0", "torch": "2.13.0"},
}  # fmt: skip


def measured(
    name: str, p50: float, score: float, size: int, reasons: Sequence[str] = (), *, highlights: bool = True
) -> dict[str, Any]:
    """Return a row of a variant that ran: its latency in ms, each of its metrics, its bytes on disk."""
    latency = {"p50": p50, "p95": 2 * p50, "p99": 3 * p50}
    figures = {
        "load_s": 1.5, "first_ms": 3 * p50, "latency_ms": latency,
        "latency_highlights_ms": {key: 5 * value for key, value in latency.items()} if highlights else None,
        "reviews_per_s": 1000 / p50, "reviews_per_s_highlights": 200 / p50 if highlights else None,
        "memory_mib": 300.0, "gpu_memory_mib": None,
    }  # fmt: skip
    metrics = {metric: score for metric in METRICS if highlights or metric != "highlight_f1"}
    quality = {"metrics": metrics, "predicted": [[0, -1]], "spans": [[[0, 2], None]]}
    seen = Seen("ok", size_bytes=size, facts={"device": "cpu", "gpu": None}, rounds=[figures], quality=quality)
    return row_of(name, seen, seen, reasons)


def unmeasured(name: str, status: str, reason: str) -> dict[str, Any]:
    """Return a row of a variant that did not run."""
    return row_of(name, Seen(status, reason), Seen(), ())


def results(rows: Sequence[Mapping[str, Any]] | None = None, **values: Any) -> dict[str, Any]:
    """Return a whole measurement of four variants that ran and two that did not, unless other rows are given."""
    if rows is None:
        rows = [
            measured("full", 12.0, 0.62, 22_400_000),
            unmeasured("bf16", "unsupported", "bf16 is not supported here: this CPU has no bf16 instructions, and so on."),
            measured("dynamic-int8", 8.0, 0.618, 22_400_000),
            unmeasured(
                "onnx", "not made", "The variant 'onnx' of tiny has not been made; run `ftapp compress tiny --variant onnx`."
            ),
            measured("onnx-int8", 4.0, 0.617, 5_900_000),
            measured("distilled", 3.0, 0.58, 9_000_000, [FELL]),
        ]
    settings = {"reviews": {"quality": 1099, "throughput": 64}, "latency_review": {"id": "a", "characters": 47, "keywords": 2}}
    known = {"environment": ENVIRONMENT, "model": "tiny", "data": "test.jsonl", "settings": settings, "variants": list(rows)}
    return known | values
