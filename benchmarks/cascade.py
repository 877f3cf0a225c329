"""How fast a file of reviews is analyzed with exact highlights: the origin's way against the batched one.

    python benchmarks/cascade.py [--data FILE]... [--klue FOLDER] [--output benchmarks/results/cascade.json]

Each data file is a workload of its own. Two shapes: the given model, and, where --klue names a folder with
klue/roberta-small's config and vocabulary, random weights of that shape with a threshold at which about 3 keywords a review
are found. Each contender runs in a process of its own, on the same reviews, in interleaved rounds; the figure is the median
round. Run it while nothing else does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import origin
from environment import describe

from ftapp.checkpoint import Manifest, open_checkpoint, write_checkpoint
from ftapp.engines import Engine
from ftapp.predictor import Predictor, load
from ftapp.reviews import read_texts

ROOT = Path(__file__).parent.parent
CONTENDERS = {
    "origin, dynamic-int8": ("stock", "dynamic-int8"),  # one pass at a time, the forward pass of transformers
    "one at a time, dynamic-int8": ("single", "dynamic-int8"),  # one pass at a time, our engine: what batching alone brings
    "batched, dynamic-int8": ("batched", "dynamic-int8"),
    "batched, full": ("batched", "full"),
}
BASE = "origin, dynamic-int8"
KEYWORDS_A_REVIEW = 3


@dataclass
class CountingEngine:
    """An engine that counts what passes through it."""

    engine: Engine
    passes: int = 0
    tokens: int = 0
    computed: int = 0

    @property
    def labels(self) -> int:
        """Labels of the engine inside."""
        return self.engine.labels

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Count a batch and compute it."""
        self.passes += 1
        self.tokens += int(mask.sum())
        self.computed += mask.size
        return self.engine.logits(ids, mask)


def choose_reviews(path: Path, count: int) -> list[str]:
    """Return reviews spread evenly over the lengths of a file, in a fixed shuffled order."""
    texts = sorted(read_texts(path), key=lambda text: (len(text), text))
    chosen = [texts[round(i * (len(texts) - 1) / (count - 1))] for i in range(count)]
    return [chosen[i] for i in np.random.default_rng(0).permutation(count)]


def run_contender(model: Path, way: str, variant: str, texts: list[str]) -> dict[str, object]:
    """Analyze the reviews once after a warm-up; return seconds, counts and the labels found."""
    predictor = load(model, variant, "cpu")
    predictor = replace(predictor, manifest=replace(predictor.manifest, highlight="origin"))  # what the other ways can do
    if way == "stock":
        halves = open_checkpoint(model)
        engines = [origin.StockEngine(folder) for folder in (halves.keyword, halves.sentiment)]
        predictor = replace(predictor, keyword_engine=engines[0], sentiment_engine=engines[1])
    analyze(predictor, way, texts[:2])
    counted = [CountingEngine(predictor.keyword_engine), CountingEngine(predictor.sentiment_engine)]
    predictor = replace(predictor, keyword_engine=counted[0], sentiment_engine=counted[1])
    begun = time.perf_counter()
    found = analyze(predictor, way, texts)
    seconds = time.perf_counter() - begun
    computed = sum(engine.computed for engine in counted)
    tokens = sum(engine.tokens for engine in counted)
    return {
        "seconds": seconds,
        "forward_passes": sum(engine.passes for engine in counted),
        "tokens_computed": computed,
        "padding_share": round(1 - tokens / computed, 4),
        "found": found,
    }


def analyze(predictor: Predictor, way: str, texts: list[str]) -> list[list[tuple[str, str, int, int]]]:
    """Return (keyword, sentiment, start, end) of every keyword of every review, by one way or the other."""
    if way != "batched":
        return [[(k, s, h.start, h.end) for k, s, h in origin.analyze(predictor, text)] for text in texts]
    return [
        [(k.keyword, k.sentiment, k.highlight.start, k.highlight.end) for k in analysis.keywords if k.highlight]
        for analysis in predictor.analyze(texts)
    ]


def random_klue(klue: Path, folder: Path, texts: list[str]) -> Path:
    """Write random weights of klue/roberta-small's shape as a model folder that finds about 3 keywords a review."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    manifest = Manifest("klue-small-random")
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
    return write_checkpoint(
        folder.with_name("klue-small"), checkpoint.keyword, checkpoint.sentiment, replace(manifest, threshold=threshold)
    )


def compare(model: Path, data: Path, count: int, rounds: int) -> dict[str, object]:
    """Run every contender in interleaved rounds and return their figures and ratios."""
    seen: dict[str, list[dict]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name, (way, variant) in CONTENDERS.items():
            command = [sys.executable, __file__, "--model", str(model), "--data", str(data), "--reviews", str(count)]
            output = subprocess.run([*command, "--child", way, variant], check=True, capture_output=True, text=True)
            seen[name].append(json.loads(output.stdout.splitlines()[-1]))
            print(f"round {number + 1} {name}: {seen[name][-1]['seconds']:.1f} s", file=sys.stderr)
    table = {}
    base = statistics.median(run["seconds"] for run in seen[BASE])
    for name, runs in seen.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        first = runs[0]
        labels = [{(k, s) for k, s, *_ in review} for review in first["found"]]
        labels_base = [{(k, s) for k, s, *_ in review} for review in seen[BASE][0]["found"]]
        spans = [{tuple(x) for x in review} for review in first["found"]]
        spans_base = [{tuple(x) for x in review} for review in seen[BASE][0]["found"]]
        table[name] = {
            "reviews_per_s": round(count / seconds, 3),
            "seconds": [round(run["seconds"], 2) for run in runs],
            "times_faster": round(base / seconds, 2),
            "keywords_a_review": round(sum(map(len, labels)) / count, 2),
            "labels_equal": agreement(labels, labels_base),
            "highlights_equal": agreement(spans, spans_base),
            **{key: first[key] for key in ("forward_passes", "tokens_computed", "padding_share")},
        }
    return table


def agreement(one: list[set], other: list[set]) -> float:
    """Return the share of the entries of either side that both have (Jaccard over all reviews)."""
    union = sum(len(a | b) for a, b in zip(one, other, strict=True))
    return round(sum(len(a & b) for a, b in zip(one, other, strict=True)) / union, 4) if union else 1.0


def main() -> None:
    """Compare on each shape, print and store; or, as a child, run one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "review-small")
    parser.add_argument("--klue", type=Path, help="folder with config.klue-roberta-small.json and its tokenizer")
    parser.add_argument("--data", type=Path, action="append", help="reviews; may be given often [default: data/reviews.jsonl]")
    parser.add_argument("--reviews", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    files = arguments.data or [ROOT / "data" / "reviews.jsonl"]
    if arguments.child:
        texts = choose_reviews(files[0], arguments.reviews)
        print(json.dumps(run_contender(arguments.model, *arguments.child, texts), ensure_ascii=False))
        return
    workloads = {}
    for data in files:
        texts = choose_reviews(data, arguments.reviews)
        lengths = [len(text) for text in texts]
        shapes = {"bundled": arguments.model}
        with tempfile.TemporaryDirectory() as temporary:
            if arguments.klue:
                shapes["klue-roberta-small, random weights"] = random_klue(arguments.klue, Path(temporary) / "plain", texts)
            workloads[data.name] = {
                "reviews": len(texts),
                "rounds": arguments.rounds,
                "characters_mean": round(statistics.mean(lengths), 1),
                "characters_max": max(lengths),
                "shapes": {name: compare(model, data, len(texts), arguments.rounds) for name, model in shapes.items()},
            }
    result = {"environment": describe(), "workloads": workloads}
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
