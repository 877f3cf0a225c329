"""How fast a file of reviews is analyzed: the origin's way, transformers' pipeline, and ours with every variant.

    python benchmarks/cascade.py [--data FILE]... [--klue FOLDER] [--output benchmarks/results/cascade.json]

Each data file is a workload of its own. Two shapes: the given model, and, where --klue names a folder with
klue/roberta-small's config and vocabulary, random weights of that shape with a threshold at which about 3 keywords a review
are found, with ONNX and OpenVINO variants made of them on the spot. Each contender runs in a process of its own, on the same
reviews, in interleaved rounds; the figure is the median round. Contenders: with exact highlights against the origin's way,
with fast ones, and without any against the pipeline of transformers (batches of 1 and 32) for the two classifications; and a
single pass of the keyword model over one row of 32 tokens. A variant that has not been made is left out. Beside them what the
cores can multiply at most (`ceiling.py`), and the share of it that each variant's linear layers reach. Run it while nothing
else does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import origin
from ceiling import ceilings
from pipeline import Pipelines

from ftapp.bench.environment import describe
from ftapp.checkpoint import Manifest, open_checkpoint, write_checkpoint
from ftapp.engines import Engine, StreamingEngine
from ftapp.predictor import Predictor, load
from ftapp.reviews import read_labelled, read_texts, write_text
from ftapp.variants import VARIANTS, read_recipe

ROOT = Path(__file__).parent.parent
OURS = ("full", "dynamic-int8", "onnx", "onnx-optimized", "onnx-int8", "openvino-int8", "pruned", "distilled", "distilled-int8")
EXACT = {"origin, dynamic-int8": ("stock", "dynamic-int8")}  # one pass at a time, the forward pass of transformers
CLASSIFY = {"pipeline of 32, float32": ("pipeline-32", "full"), "pipeline of 1, float32": ("pipeline-1", "full")}
CONTENDERS = {  # the first of each task is what the others are compared with
    "exact": EXACT | {f"batched, {variant}": ("exact", variant) for variant in OURS},
    "fast": EXACT | {f"fast, {variant}": ("fast", variant) for variant in OURS},
    "classify": CLASSIFY | {f"ours, {variant}": ("classify", variant) for variant in OURS},
    "one row": {variant: ("one", variant) for variant in OURS},
}
OTHERS = ("stock", "pipeline-32", "pipeline-1")  # always there, whichever variants are asked for
ROW_TOKENS, ROW_SECONDS = 32, 3.0
INT8 = ("dynamic-int8", "onnx-int8", "openvino-int8", "distilled-int8")
KEYWORDS_A_REVIEW = 3
RANDOM = "klue-small-random"  # the name of the model of random weights
MADE = ("onnx-optimized", "onnx-int8", "openvino-int8")  # of the random weights, before anything is measured
LABELLED = ROOT / "data" / "reviews.jsonl"  # what int8 is calibrated and checked on


@dataclass
class CountingEngine:
    """An engine that counts what passes through it."""

    engine: Engine
    passes: int = 0
    tokens: int = 0
    computed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def labels(self) -> int:
        """Labels of the engine inside."""
        return self.engine.labels

    @property
    def streams(self) -> int:
        """Streams of the engine inside."""
        return self.engine.streams if isinstance(self.engine, StreamingEngine) else 1

    def stream_logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Count a batch and compute it in a stream."""
        return self.count(self.engine.stream_logits, ids, mask)

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Count a batch and compute it."""
        return self.count(self.engine.logits, ids, mask)

    def count(self, compute: Callable[[np.ndarray, np.ndarray], np.ndarray], ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Count a batch and compute it in one of the engine's ways."""
        with self.lock:
            self.passes += 1
            self.tokens += int(mask.sum())
            self.computed += mask.size
        return compute(ids, mask)


def choose_reviews(path: Path, count: int) -> list[str]:
    """Return reviews spread evenly over the lengths of a file, in a fixed shuffled order."""
    texts = sorted(read_texts(path), key=lambda text: (len(text), text))
    chosen = [texts[round(i * (len(texts) - 1) / (count - 1))] for i in range(count)]
    return [chosen[i] for i in np.random.default_rng(0).permutation(count)]


def run_contender(model: Path, way: str, variant: str, texts: list[str]) -> dict[str, object]:
    """Analyze the reviews once after a warm-up; return seconds, counts and what was found."""
    predictor = load(model, variant, "cpu")
    if way == "one":
        return one_row(predictor, texts)
    predictor = replace(predictor, manifest=replace(predictor.manifest, highlight="origin"))  # what the other ways can do
    halves = open_checkpoint(model)
    if way == "stock":
        engines = [origin.StockEngine(folder) for folder in (halves.keyword, halves.sentiment)]
        predictor = replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1])
    counted = [CountingEngine(predictor.keyword_engine), CountingEngine(predictor.sentiment_engine)]
    predictor = replace(predictor, keyword_engine=counted[0], sentiment_engine=counted[1])
    if way.startswith("pipeline"):
        pipelines = Pipelines(halves.keyword, halves.sentiment, predictor, int(way.partition("-")[2]))
        run = pipelines.classify
    else:
        run = partial(analyze, predictor, way)
    run(texts[:2])
    for engine in counted:
        engine.passes = engine.tokens = engine.computed = 0
    begun = time.perf_counter()
    found = run(texts)
    seconds = time.perf_counter() - begun
    computed = sum(engine.computed for engine in counted)
    return {
        "seconds": seconds,
        "reviews": len(texts),
        "forward_passes": sum(engine.passes for engine in counted) or None,
        "tokens_computed": computed or None,
        "operations": sum(
            engine.computed * operations_a_token(folder)
            for engine, folder in zip(counted, (halves.keyword, halves.sentiment), strict=True)
        ),
        "padding_share": round(1 - sum(engine.tokens for engine in counted) / computed, 4) if computed else None,
        "found": found,
    }


def one_row(predictor: Predictor, texts: list[str]) -> dict[str, object]:
    """Return the median seconds of a pass of the keyword model over one row, over several seconds after a warm-up."""
    frame = predictor.tokenizer.plain_frame()
    tokens = [token for encoded in predictor.tokenizer.encode([[" ".join(texts)]]) for token in encoded.ids]
    ids = np.array([frame.wrap(tokens[: frame.room(ROW_TOKENS)])], dtype=np.int64)
    mask = np.ones_like(ids)
    for _ in range(5):
        predictor.keyword_engine.logits(ids, mask)
    took, until = [], time.perf_counter() + ROW_SECONDS
    while time.perf_counter() < until:
        begun = time.perf_counter()
        predictor.keyword_engine.logits(ids, mask)
        took.append(time.perf_counter() - begun)
    counts = {"forward_passes": 1, "tokens_computed": ids.size, "padding_share": 0.0}
    return {"seconds": statistics.median(took), "reviews": 1, "operations": None, "found": [], **counts}


def analyze(predictor: Predictor, way: str, texts: list[str]) -> list[list[tuple]]:
    """Return (keyword, sentiment, start, end) of every keyword of every review, by one way or the other; no place without
    highlights.
    """
    if way == "stock":
        return [[(k, s, h.start, h.end) for k, s, h in origin.analyze(predictor, text)] for text in texts]
    analyses = predictor.analyze(texts, False if way == "classify" else way)
    return [
        [(k.keyword, k.sentiment, *((k.highlight.start, k.highlight.end) if k.highlight else ())) for k in analysis.keywords]
        for analysis in analyses
    ]


def operations_a_token(folder: Path) -> float:
    """Return the multiplications and additions for a token that a model's logits need of its linear layers.

    The last layer is left out: it computes the first token alone, and none of the others' keys or values.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    hidden, intermediate = config["hidden_size"], config["intermediate_size"]
    layer = 2 * (4 * hidden**2 + 2 * hidden * intermediate)
    return (config["num_hidden_layers"] - 1) * layer


def random_klue(klue: Path, folder: Path, texts: list[str], variants: list[str]) -> Path:
    """Write random weights of klue/roberta-small's shape as a model folder that finds about 3 keywords a review.

    Of `variants` those in MADE are made of it.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    from ftapp.compress import compress

    manifest = Manifest(RANDOM)
    halves = {"keyword": manifest.scheme.keywords, "sentiment": manifest.scheme.sentiments}
    for seed, (half, labels) in enumerate(halves.items()):
        torch.manual_seed(seed)
        config = AutoConfig.for_model(**json.loads((klue / "config.klue-roberta-small.json").read_text(encoding="utf-8")))
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
        config.problem_type = "multi_label_classification" if half == "keyword" else "single_label_classification"
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder / half)
        AutoTokenizer.from_pretrained(klue).save_pretrained(folder / half)
    checkpoint = open_checkpoint(folder)
    probabilities = load(folder, device="cpu").keyword_probabilities(texts)
    threshold = float(np.quantile(probabilities, 1 - KEYWORDS_A_REVIEW / probabilities.shape[1]))
    model = write_checkpoint(
        folder.with_name("klue-small"), checkpoint.keyword, checkpoint.sentiment, replace(manifest, threshold=threshold)
    )
    labelled = read_labelled(LABELLED, manifest.scheme)
    for variant in [v for v in MADE if v in variants]:
        compress(model, variant, train=labelled[100:400], check=labelled[:20], say=partial(print, file=sys.stderr))
    return model


def compare(model: Path, data: Path, count: int, rounds: int, tasks: list[str], variants: list[str]) -> dict[str, object]:
    """Run the contenders of each task that are ours in one of `variants`, or what these are compared with, in interleaved
    rounds, and return their figures and ratios.
    """
    checkpoint = open_checkpoint(model)
    config = json.loads((checkpoint.keyword / "config.json").read_text(encoding="utf-8"))
    limits = ceilings(config["hidden_size"], config["intermediate_size"])
    made = [v for v in variants if not VARIANTS[v].stored or (checkpoint.folder and read_recipe(checkpoint.folder, v))]
    contenders = {
        task: {name: way for name, way in CONTENDERS[task].items() if way[1] in made or way[0] in OTHERS} for task in tasks
    }  # fmt: skip
    seen: dict[tuple[str, str], list[dict]] = {way: [] for ways in contenders.values() for way in ways.values()}
    for number in range(rounds):
        for way, runs in seen.items():
            command = [sys.executable, __file__, "--model", str(model), "--data", str(data), "--reviews", str(count)]
            output = subprocess.run([*command, "--child", *way], check=True, capture_output=True, text=True)
            runs.append(json.loads(output.stdout.splitlines()[-1]))
            print(f"round {number + 1} {' '.join(way)}: {runs[-1]['seconds']:.2f} s", file=sys.stderr)
    full = next((seen[way] for way in (("classify", "full"), ("exact", "full"), ("fast", "full")) if way in seen), None)
    return {
        "ceiling": limits,
        "tasks": {
            task: {name: _figures(way, seen, ways, full, limits) for name, way in ways.items()}
            for task, ways in contenders.items()
        },
    }


def _figures(
    way: tuple[str, str],
    seen: dict[tuple[str, str], list[dict]],
    ways: dict[str, tuple[str, str]],
    full: list[dict] | None,
    limits: dict[str, dict],
) -> dict[str, object]:
    """Return one contender's figures; `times_as_fast` beside the first contender of its task."""
    runs = seen[way]
    first, base = runs[0], seen[next(iter(ways.values()))]
    seconds = statistics.median(run["seconds"] for run in runs)
    figures: dict[str, object] = {
        "reviews_per_s": round(first["reviews"] / seconds, 3),
        "seconds": [round(run["seconds"], 5) for run in runs],
        "times_as_fast": round(statistics.median(run["seconds"] for run in base) / seconds, 2),
        **{key: first[key] for key in ("forward_passes", "tokens_computed", "padding_share")},
    }
    if way[0] == "one":
        return figures
    figures |= {
        "keywords_a_review": round(sum(map(len, first["found"])) / first["reviews"], 2),
        "labels_as_base": agreement(first["found"], base[0]["found"], 2),
        "labels_as_full": agreement(first["found"], full[0]["found"], 2) if full else None,
    }
    if way[0] in ("stock", "exact"):
        figures["highlights_as_base"] = agreement(first["found"], base[0]["found"], 4)
    limit = limits["int8" if way[1] in INT8 else "float32"]["giga_operations_per_s"]
    if first["operations"] and limit and way[1] not in ("pruned", "distilled", "distilled-int8"):
        figures["share_of_ceiling"] = round(first["operations"] / seconds / 1e9 / limit, 3)
    return figures


def agreement(one: list[list], other: list[list], fields: int) -> float:
    """Return the share of the entries of either side that both have (Jaccard over all reviews), by their first `fields`."""
    pairs = [({tuple(x[:fields]) for x in a}, {tuple(x[:fields]) for x in b}) for a, b in zip(one, other, strict=True)]
    union = sum(len(a | b) for a, b in pairs)
    return round(sum(len(a & b) for a, b in pairs) / union, 4) if union else 1.0


def main() -> None:
    """Compare on each shape, print and store; or, as a child, run one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "review-small")
    parser.add_argument("--klue", type=Path, help="folder with config.klue-roberta-small.json and its tokenizer")
    parser.add_argument("--data", type=Path, action="append", help="reviews; may be given often [default: data/reviews.jsonl]")
    parser.add_argument("--reviews", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", choices=list(CONTENDERS), action="append", help="may be given often [default: all]")
    parser.add_argument("--variant", choices=OURS, action="append", help="of ours; may be given often [default: all]")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    files = arguments.data or [ROOT / "data" / "reviews.jsonl"]
    if arguments.child:
        texts = choose_reviews(files[0], arguments.reviews)
        print(json.dumps(run_contender(arguments.model, *arguments.child, texts), ensure_ascii=False))
        return
    tasks, variants = arguments.task or list(CONTENDERS), arguments.variant or list(OURS)
    workloads = {}
    for data in files:
        texts = choose_reviews(data, arguments.reviews)
        lengths = [len(text) for text in texts]
        shapes = {open_checkpoint(arguments.model).manifest.name: arguments.model}
        with tempfile.TemporaryDirectory() as temporary:
            if arguments.klue:
                shapes[RANDOM] = random_klue(arguments.klue, Path(temporary) / "plain", texts, variants)
            workloads[data.name] = {
                "reviews": len(texts),
                "rounds": arguments.rounds,
                "characters_mean": round(statistics.mean(lengths), 1),
                "characters_max": max(lengths),
                "shapes": {
                    name: compare(model, data, len(texts), arguments.rounds, tasks, variants) for name, model in shapes.items()
                },
            }
    result = {"environment": describe(), "workloads": workloads}
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        write_text(arguments.output, text + "\n")


if __name__ == "__main__":
    main()
