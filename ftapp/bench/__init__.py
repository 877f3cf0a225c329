"""Latency, throughput, memory, size and quality of variants, each measured in a process of its own, in interleaved rounds.

Importing this imports neither torch nor streamlit; what a variant needs is imported by the child that measures it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ftapp.bench.environment import describe
from ftapp.bench.rows import Seen, mark_pareto, row_of
from ftapp.bench.settings import MIXED, BenchSettings, spread, typical
from ftapp.bench.task import ERRORS, RESULT, TASK, Task
from ftapp.checkpoint import Checkpoint, open_checkpoint
from ftapp.errors import CheckpointError, FtappError, InputError, UnsupportedError
from ftapp.reviews import dump_labelled, read_labelled
from ftapp.variants import VARIANTS, get_variant, halves_of, read_recipe, source_digests

Progress = Callable[[int, int, str], None]
Stopped = threading.Event | Callable[[], bool]

CHILD = "ftapp.bench.child"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # a child measures; it downloads nothing
PATIENCE = 0.1  # seconds between two looks at whether to stop
WEIGHTS = {  # the files of a half that each engine reads its weights from
    "torch": ("model*.safetensors",),
    "onnx": ("*.onnx", "*.onnx_data", "*.onnx.data"),
    "openvino": ("*.xml", "*.bin"),
}


def bench(
    model: str | Path,
    variants: Sequence[str],
    *,
    data: Path,
    settings: BenchSettings = BenchSettings(),
    progress: Progress | None = None,
    stopped: Stopped | None = None,
) -> dict[str, Any]:
    """Measure variants of a model on labelled reviews; return plain values for JSON, one row a variant in the order given.

    A row's `status` is "ok", "unsupported", "not made", "failed" or "cancelled", with the `reason`; its keys are always the
    same. `progress(done, total, name)` is called when the child that measures `name` starts. `stopped` kills the child that
    runs: what has no finished round by then is a cancelled row.
    Raises InputError for unknown variants and unusable data, CheckpointError for a model that cannot be opened.
    """
    names = list(dict.fromkeys(variants))
    for name in names:
        get_variant(name)
    if not names:
        raise InputError(f"There is no variant to measure; choose from {', '.join(VARIANTS)}.")
    checkpoint = open_checkpoint(model)
    labelled = read_labelled(data, checkpoint.manifest.scheme)
    judged = labelled if settings.reviews is None else spread(labelled, settings.reviews)
    mixed = spread(labelled, min(settings.reviews or MIXED, MIXED))
    one = typical(labelled)

    seen = {name: _look_up(checkpoint, name) for name in names}
    full = seen.get("full", Seen())
    queue = [(seen[name], name, number) for number in range(settings.repeats) for name in names if not seen[name].refused]
    if queue and "full" not in seen:
        queue.insert(0, (full, "full", 0))  # not timed: the others are compared with what it says
    halt = stopped.is_set if isinstance(stopped, threading.Event) else stopped or (lambda: False)
    with tempfile.TemporaryDirectory(prefix="ftapp-bench-") as temporary:
        reviews = Path(temporary, "reviews.jsonl")
        reviews.write_text(dump_labelled(judged), encoding="utf-8")
        done = 0
        while queue and not halt():
            found, name, number = queue.pop(0)
            if progress:
                progress(done, done + 1 + len(queue), name)
            task = Task(
                str(model), name, settings.device, settings.runs, settings.seconds, settings.highlights,
                text=one.text, texts=[review.text for review in mixed],
                quality=str(reviews) if number == 0 else None, timed=name in seen,
            )  # fmt: skip
            result = run_child(Path(temporary), task, halt)
            if result is None:
                break
            found.add(result)
            done += 1
            queue = [job for job in queue if not job[0].refused]

    rows = [row_of(name, seen[name], full, _against(checkpoint, name)) for name in names]
    mark_pareto(rows)
    return {
        "environment": describe(),
        "model": checkpoint.manifest.name,
        "data": data.name,
        "settings": {
            **asdict(settings),
            "reviews": {"quality": len(judged), "throughput": len(mixed)},
            "latency_review": {"id": one.id, "characters": len(one.text), "keywords": len(one.labels)},
        },
        "variants": rows,
    }


def choose(names: str) -> list[str]:
    """Return the variants of a comma-separated list, or every one for `all`; raises InputError for a name there is not."""
    if names == "all":
        return list(VARIANTS)
    return [get_variant(name.strip()).name for name in names.split(",")]


def run_child(folder: Path, task: Task, halt: Callable[[], bool]) -> dict[str, Any] | None:
    """Measure in a fresh process and return its result, None where `halt` ended it; one that crashes has failed."""
    result, errors = folder / RESULT, folder / ERRORS
    result.unlink(missing_ok=True)
    (folder / TASK).write_text(json.dumps(asdict(replace(task, started=time.time())), ensure_ascii=False), encoding="utf-8")
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(folder)], env={**os.environ, **OFFLINE},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sink,
            start_new_session=True,  # Ctrl-C is for us: what was measured is kept
        )  # fmt: skip
        try:
            while process.poll() is None:
                if halt():
                    return None
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if result.is_file():
        return json.loads(result.read_text(encoding="utf-8"))
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return {"status": "failed", "reason": _ending(process.returncode, said)}


def _ending(code: int, said: Sequence[str]) -> str:
    """Return why a child ended without a result: its last words, unless it was killed."""
    if code < 0:
        memory = ", as when memory runs out" if code == -signal.SIGKILL else ""
        return f"Its process was ended by signal {-code} ({signal.strsignal(-code)}){memory}."
    return said[-1] if said else f"Its process ended with {code} and said nothing."


def _look_up(checkpoint: Checkpoint, name: str) -> Seen:
    """Return what is known of a variant before it is measured: its size on disk, or that it was not made or is broken.

    The size is that of the weights it reads: of the full ones where it is made of them when it is opened.
    """
    try:
        folders = halves_of(checkpoint, name)
    except UnsupportedError as error:
        return Seen("not made", str(error))
    except CheckpointError as error:
        return Seen("failed", str(error))
    patterns = WEIGHTS[get_variant(name).engine]
    files = {path for folder in folders for pattern in patterns for path in folder.glob(pattern)}
    return Seen(size_bytes=sum(path.stat().st_size for path in files))


def _against(checkpoint: Checkpoint, name: str) -> Sequence[str]:
    """Return why a variant must not be chosen by default: what its recipe says, or that there is none for these weights."""
    if name == "full":
        return ()
    try:
        recipe = read_recipe(checkpoint.folder, name) if checkpoint.folder else None
    except FtappError as error:
        return (str(error),)
    if recipe is None or dict(recipe.source) != source_digests(checkpoint):
        return (f"It has not been checked against full; `ftapp compress` with `--variant {name}` does that.",)
    return tuple(recipe.reasons)
