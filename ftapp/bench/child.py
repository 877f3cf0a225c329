"""One variant, measured in the process that `python -m ftapp.bench.child FOLDER` is; FOLDER/task.json says what to do.

Only what the variant needs is imported: an ONNX variant is measured without torch in its memory. What was measured, or why
it could not be, is FOLDER/result.json.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ftapp.bench.task import RESULT, TASK, Task
from ftapp.errors import FtappError, UnsupportedError
from ftapp.evaluate import measure, observe
from ftapp.predictor import Predictor, load
from ftapp.reviews import read_labelled, write_text
from ftapp.schema import Analysis

WARM_UP = 5  # runs before a latency counts, and reviews before a throughput does


@dataclass(frozen=True)
class Remembering(Predictor):
    """A predictor that keeps what it said: one pass serves both the metrics and the comparison with full."""

    said: list[Analysis] = field(default_factory=list)

    def analyze(self, *args: Any, **kwargs: Any) -> list[Analysis]:
        """Analyze as ever, and keep the analyses."""
        analyses = super().analyze(*args, **kwargs)
        self.said.extend(analyses)
        return analyses


def perform(task: Task) -> dict[str, Any]:
    """Open the variant and return its figures; raises UnsupportedError or another FtappError where it cannot be opened."""
    predictor = load(task.model, task.variant, task.device)
    ready = time.time() - task.started
    figures = {"load_s": round(ready, 3), **measure_speed(predictor, task), **memory()} if task.timed else None
    device = str(getattr(predictor.keyword_engine, "device", "cpu"))
    return {
        "status": "ok",
        "device": device,
        "gpu": gpu_name(device),
        "figures": figures,
        "quality": judge(predictor, Path(task.quality), task.highlights) if task.quality else None,
    }


def measure_speed(predictor: Predictor, task: Task) -> dict[str, Any]:
    """Return the first prediction, latencies of one review and throughputs of a mixed batch, without highlights and with."""
    first = seconds_of(lambda: predictor.analyze([task.text], False))  # what is loaded at first use is part of it
    plain = paces(predictor, task, False)
    marked = paces(predictor, task, True) if task.highlights else (None, None)
    return {
        "first_ms": round(1000 * first, 3),
        "latency_ms": plain[0],
        "latency_highlights_ms": marked[0],
        "reviews_per_s": plain[1],
        "reviews_per_s_highlights": marked[1],
    }


def paces(predictor: Predictor, task: Task, highlights: bool) -> tuple[dict[str, float], float]:
    """Return the percentiles of one review's latency, and the reviews a second of the mixed batch."""
    for _ in range(WARM_UP):
        predictor.analyze([task.text], highlights)
    latencies = times(lambda: predictor.analyze([task.text], highlights), task.runs, task.seconds)
    predictor.analyze(task.texts[:WARM_UP], highlights)
    passes = times(lambda: predictor.analyze(task.texts, highlights), 1, task.seconds)
    return percentiles(latencies), round(len(task.texts) * len(passes) / sum(passes), 3)


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def times(work: Callable[[], object], runs: int, seconds: float) -> list[float]:
    """Return the seconds of each run: as many as asked for, and more until the time is up."""
    begun = time.perf_counter()
    taken: list[float] = []
    while len(taken) < runs or time.perf_counter() - begun < seconds:
        taken.append(seconds_of(work))
    return taken


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile in milliseconds, interpolated between neighbours."""
    return {f"p{q}": round(1000 * float(np.percentile(seconds, q)), 3) for q in (50, 95, 99)}


def memory() -> dict[str, float | None]:
    """Return this process's highest memory so far in MiB, and the highest that torch held on a GPU, where it runs on one."""
    torch = _torch_on_gpu()
    gpu = sum(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) if torch else None
    return {"memory_mib": round(peak_memory(), 1), "gpu_memory_mib": None if gpu is None else round(gpu / 2**20, 1)}


def peak_memory() -> float:
    """Return the highest resident memory of this process so far, in MiB.

    Linux's VmHWM, as `ru_maxrss` begins there at what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / (2**20 if sys.platform == "darwin" else 1024)


def gpu_name(device: str) -> str | None:
    """Return the name of the GPU that torch runs on, None where it runs on none."""
    torch = _torch_on_gpu()
    return torch.cuda.get_device_name(device) if torch else None


def judge(predictor: Predictor, data: Path, highlights: bool) -> dict[str, Any]:
    """Return the metrics on labelled reviews, and what was said: sentiments and spans, [reviews][keywords].

    A sentiment is an index, -1 where the keyword was not found; a span is [start, end], None where there is none.
    """
    scheme = predictor.scheme
    reviews = read_labelled(data, scheme)
    predictor = Remembering(*(getattr(predictor, part.name) for part in fields(Predictor)))
    outcome = observe(predictor, reviews, highlights=highlights)
    spans = []
    for analysis in predictor.said:
        marked = {result.keyword: result.highlight for result in analysis.keywords if result.highlight}
        spans.append([[marked[k].start, marked[k].end] if k in marked else None for k in scheme.keywords])
    metrics = measure(outcome, scheme.keywords, len(scheme.sentiments))
    return {"metrics": metrics.to_dict(), "predicted": outcome.predicted.tolist(), "spans": spans}


def _torch_on_gpu() -> Any:
    """Return torch where it is imported and has used a GPU, else None; never imports it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def main(folder: Path) -> None:
    """Do the task of the folder and write its result there."""
    task = Task(**json.loads((folder / TASK).read_text(encoding="utf-8")))
    try:
        result = perform(task)
    except FtappError as error:
        result = {"status": "unsupported" if isinstance(error, UnsupportedError) else "failed", "reason": str(error)}
    write_text(folder / RESULT, json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
