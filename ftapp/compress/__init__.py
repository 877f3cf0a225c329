"""A model folder in, variants of it out: half precision, quantized, exported, pruned, distilled; each checked against full.

A variant is made beside its place and renamed at the end, so that a run that is stopped leaves nothing half made.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ftapp.checkpoint import Checkpoint, library_versions, open_checkpoint
from ftapp.compress.job import Job, Made
from ftapp.engines import open_engine
from ftapp.errors import InputError
from ftapp.evaluate import Metrics, measure, observe
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview
from ftapp.variants import HALVES, RECIPE, VARIANTS, Recipe, digest, get_variant, halves_of, source_digests, variant_folder

LIMIT = 0.02  # of keyword micro-F1 or sentiment accuracy that a variant may lose and still be chosen by default
Method = Callable[[Job], Made]


def makeable() -> list[str]:
    """Return the names of the variants that can be made, in an order in which what is needed comes first."""
    return [name for name in VARIANTS if name != "full"]


def compress(
    model: Path,
    name: str,
    *,
    train: Sequence[LabelledReview],
    check: Sequence[LabelledReview],
    say: Callable[[str], None],
    limit: float = LIMIT,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Recipe:
    """Make one variant of a model folder, replacing an earlier one, and return its recipe.

    `train` are labelled reviews to calibrate, score and recover on, `check` others to measure the loss on: a variant whose
    keyword micro-F1 or sentiment accuracy falls more than `limit` below full's is written, but its recipe says why it must
    not be chosen by default. Raises InputError, CheckpointError or UnsupportedError; nothing is left half made.
    """
    get_variant(name)
    if name == "full":
        raise InputError("full is the model itself; there is nothing to make.")
    if not check:
        raise InputError("There is no labelled review to check the variant on.")
    checkpoint = open_checkpoint(model)
    if checkpoint.folder is None:
        raise InputError(f"{str(model)!r} is no model folder; put the two models together with `ftapp assemble` first.")
    place = variant_folder(checkpoint.folder, name)
    temporary = place.with_name(name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    for half in HALVES:
        (temporary / half).mkdir(parents=True)
    try:
        job = Job(checkpoint, temporary, train, check, lambda line: say(f"{name}: {line}"), options or {}, device)
        made = _method(name)(job)
        job.say(f"checking against full on {len(check)} reviews")
        folders = [temporary / half if get_variant(name).stored else job.halves[half] for half in HALVES]
        checks, reasons = check_against_full(checkpoint, folders, name, check, limit, device)
        if not get_variant(name).stored:
            for half in HALVES:
                (temporary / half).rmdir()
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        recipe = Recipe(
            variant=name,
            method=made.method,
            parameters=made.parameters,
            versions=library_versions(),
            source=source_digests(checkpoint),
            digests={path.relative_to(temporary).as_posix(): digest(path) for path in files},
            checks={**made.checks, **checks},
            reasons=reasons,
        )
        (temporary / RECIPE).write_text(json.dumps(recipe.to_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)
    temporary.rename(place)
    job.say("; ".join(reasons) if reasons else "done")
    return recipe


def check_against_full(
    checkpoint: Checkpoint, folders: Sequence[Path], name: str, reviews: Sequence[LabelledReview], limit: float, device: str
) -> tuple[dict[str, Any], list[str]]:
    """Return what a variant does beside full on labelled reviews, and why it must not be chosen by default, if so.

    `label_agreement` is the share of (review, keyword) cells, of all keywords, on which both say the same: no keyword, or
    the same sentiment. It is computed without highlights.
    """
    full = predictor_of(checkpoint, [checkpoint.keyword, checkpoint.sentiment], "full", device)
    other = predictor_of(checkpoint, folders, name, device)
    outcomes = [observe(predictor, reviews, highlights=False) for predictor in (full, other)]
    scheme = checkpoint.manifest.scheme
    before, after = (measure(outcome, scheme.keywords, len(scheme.sentiments)) for outcome in outcomes)
    texts = [review.text for review in reviews]
    shift = np.abs(full.keyword_probabilities(texts) - other.keyword_probabilities(texts))
    checks: dict[str, Any] = {
        "reviews": len(reviews),
        "label_agreement": round(float((outcomes[0].predicted == outcomes[1].predicted).mean()), 4),
        "keyword_probability_shift": {"mean": round(float(shift.mean()), 5), "max": round(float(shift.max()), 5)},
        **{figure: {"full": _rounded(before, figure), "variant": _rounded(after, figure)} for figure in GUARDED},
    }
    reasons = []
    for figure in GUARDED:
        was, now = getattr(before, figure), getattr(after, figure)
        if was is not None and now is not None and was - now > limit:
            reasons.append(f"{figure} fell from {was:.3f} to {now:.3f}, more than {limit:.3f}")
    return checks, reasons


GUARDED = ("keyword_micro_f1", "sentiment_accuracy")


def predictor_of(checkpoint: Checkpoint, folders: Sequence[Path], name: str, device: str) -> Predictor:
    """Return a predictor whose two engines open the given folders as the variant."""
    keyword, sentiment = (open_engine(folder, name, device) for folder in folders)
    return Predictor(checkpoint.manifest, checkpoint.tokenizer, keyword, sentiment, checkpoint.max_length)


def _rounded(metrics: Metrics, figure: str) -> float | None:
    value = getattr(metrics, figure)
    return None if value is None else round(value, 4)


def _method(name: str) -> Method:
    """Return what makes a variant; its libraries are imported only here."""
    if name in ("bf16", "fp16", "dynamic-int8"):
        return _made_when_opened
    if name in ("onnx", "onnx-optimized"):
        from ftapp.compress import export

        return export.make_onnx if name == "onnx" else export.make_onnx_optimized
    if name in ("onnx-int8", "distilled-int8"):
        from ftapp.compress.quantize import make_onnx_int8

        return make_onnx_int8 if name == "onnx-int8" else lambda job: make_onnx_int8(_on_top(job, "distilled"))
    if name == "openvino-int8":
        from ftapp.compress.openvino import make_openvino_int8

        return make_openvino_int8
    if name == "distilled":
        from ftapp.compress.distil import make_distilled

        return make_distilled
    from ftapp.compress import prune

    return prune.make_pruned if name == "pruned" else prune.make_sparse


def _made_when_opened(job: Job) -> Made:
    """Store a recipe alone: these are made of the full weights whenever they are opened.

    Raises UnsupportedError where the device does not compute the format.
    """
    from ftapp.engines.torch import check_format, resolve_device

    name = job.output.name.removesuffix(".partial")
    methods = {
        "bf16": "weights and computation in bfloat16",
        "fp16": "weights and computation in float16",
        "dynamic-int8": "torch dynamic quantization of the linear layers: weights scaled per output, activations per batch",
    }
    check_format(get_variant(name).format, resolve_device(job.device))
    return Made(methods[name], {"format": get_variant(name).format})


def _on_top(job: Job, base: str) -> Job:
    """Return the job with another variant's weights in place of the full ones; raises UnsupportedError if it is not made."""
    keyword, sentiment = halves_of(job.checkpoint, base)
    return replace(job, checkpoint=replace(job.checkpoint, keyword=keyword, sentiment=sentiment))
