"""What each step of fine-tuning brings: one left out at a time, at a size that a core trains in minutes.

    python benchmarks/ablation.py --body runs/body --real real_train.jsonl --validation real_dev.jsonl --ratings nsmc.tsv.xz

The lower LAYERS layers of a pretrained body learn from the labelled reviews of --real and OWN of our own (sentiments from
half of either), in steps of 1,024 tokens, without a teacher; sentiments from a warm-up on RATINGS ratings, which learns nothing
else. The figure of a run is its best epoch's validation score, on --validation and data/validation.jsonl together: keyword
micro-F1, or the mean of the sentiments' accuracy and macro-F1. A run that is finished in --work is not repeated, and one that
was stopped goes on, so that several processes, begun one after the other, can share the tasks or seeds out among cores.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM

from ftapp.bench.environment import describe
from ftapp.reviews import write_text

ROOT = Path(__file__).parent.parent
LAYERS, OWN, RATINGS = 3, 1600, 20_000
DRAWN = 14_758  # of data/reviews.jsonl our own are drawn from the first so many, those that the pair's teachers learned from
EPOCHS, RATES = {"keyword": 8, "sentiment": 5}, {"keyword": "6e-4", "sentiment": "4e-4"}
SHARED = {"evidence head": "--evidence-weight 1", "moving average": "--average 0.99"}
STEPS = {  # the options of each step that can be left out; `cuts and joins` are on unless told otherwise
    "keyword": SHARED
    | {
        "cuts and joins": "--join-share 0.3 --cut-share 0.3",
        "cuts without their verdict": "--name-share 0.3",
        "evidence masked": "--blank-share 0.15",
        "bad spellings": "--noise-share 0.2",
    },
    "sentiment": SHARED
    | {
        "cuts and joins": "--join-share 0.1 --cut-share 0.2",
        "chains": "--chain-share 0.25",
        "bad spellings": "--noise-share 0.1",
        "weights for rare sentiments": "--rare-weight 0.2",
    },
}
STARTS = {"keyword": ("pretraining",), "sentiment": ("warm-up", "pretraining")}
SOURCES = ("our own reviews", "real reviews")


def prepare(body: Path, real: Path, work: Path) -> None:
    """Write the small body, one of the same shape with random weights, and the reviews to learn from."""
    small, blank = work / "body", work / "random"
    if not blank.exists():
        weights = load_file(body / "model.safetensors")
        config = json.loads((body / "config.json").read_text(encoding="utf-8"))
        above = tuple(f"encoder.layer.{layer}." for layer in range(LAYERS, config["num_hidden_layers"]))
        shutil.copytree(body, small)
        kept = {name: value.float() for name, value in weights.items() if not any(part in name for part in above)}
        save_file(kept, small / "model.safetensors", metadata={"format": "pt"})
        write_text(small / "config.json", json.dumps(config | {"num_hidden_layers": LAYERS}))
        shutil.copytree(small, blank)
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(small)).save_pretrained(blank)
    own = (ROOT / "data" / "reviews.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:DRAWN]
    drawn, reviews = random.Random(20).sample(own, OWN), real.read_text(encoding="utf-8").splitlines(keepends=True)
    half = random.Random(21)
    for name, lines in (
        ("real", reviews),
        ("own", drawn),
        ("real-half", half.sample(reviews, len(reviews) // 2)),
        ("own-half", half.sample(drawn, len(drawn) // 2)),
    ):
        write_text(work / f"{name}.jsonl", "".join(lines))


def command(task: str, left_out: str, work: Path) -> list[str]:
    """Return the options of a run without one step; with a source of reviews left out, more epochs for as many rows."""
    files = {"real reviews": "real", "our own reviews": "own"}
    half = "" if task == "keyword" else "-half"
    sources = {source: work / f"{name}{half}.jsonl" for source, name in files.items() if source != left_out}
    epochs = EPOCHS[task] * {"our own reviews": 3, "real reviews": 1.5}.get(left_out, 1)
    first = "warm" if task == "sentiment" and left_out != "warm-up" else "body"
    options = ["--body", str(work / ("random" if left_out == "pretraining" else first))]
    for path in sources.values():
        options += ["--data", str(path)]
    options += ["--epochs", str(round(epochs)), "--learning-rate", RATES[task]]
    for step, words in STEPS[task].items():
        if step != left_out:
            options += words.split()
        elif step == "cuts and joins":
            options += ["--join-share", "0", "--cut-share", "0"]
    return options


def train(task: str, output: Path, validation: list[Path], options: list[str]) -> list[float]:
    """Fine-tune unless that is done, and return the validation score of each epoch."""
    epochs = int(options[options.index("--epochs") + 1])
    log = output / "log.jsonl"
    if not log.is_file() or len(log.read_text(encoding="utf-8").splitlines()) < epochs:
        held = [word for path in validation for word in ("--validation", str(path))]
        run = [sys.executable, "-m", "ftapp", "train", task, *held, "--patience", "99", "--batch-tokens", "1024"]
        subprocess.run([*run, *options, "--output", str(output)], check=True)
    return [round(json.loads(line)["validation_score"], 4) for line in log.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Train what is not trained yet, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--body", type=Path, required=True, help="folder of the pretrained body")
    parser.add_argument("--real", type=Path, required=True, help="labelled real reviews to train on")
    parser.add_argument("--validation", type=Path, required=True, help="labelled real reviews to validate on")
    parser.add_argument("--ratings", type=Path, required=True, help="reviews with ratings, for the warm-up")
    parser.add_argument("--task", choices=list(STEPS), action="append", help="may be given often [default: both]")
    parser.add_argument("--seed", type=int, action="append", help="may be given often [default: 0]")
    parser.add_argument("--left-out", action="append", help="steps to leave out; may be given often [default: each]")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "ablation")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    prepare(arguments.body, arguments.real, arguments.work)
    validation = [arguments.validation, ROOT / "data" / "validation.jsonl"]
    tasks, seeds = arguments.task or list(STEPS), arguments.seed or [0]
    if "sentiment" in tasks:
        warm = (
            f"--ratings {arguments.ratings}:{RATINGS} --no-spacing --epochs 1 --learning-rate 4e-4 --join-share 0 --cut-share 0"
        )
        train("sentiment", arguments.work / "warm", validation, ["--body", str(arguments.work / "body"), *warm.split()])
    results: dict[str, dict[str, object]] = {}
    for task in tasks:
        every = ["nothing", *STEPS[task], *STARTS[task], *SOURCES]
        for left_out in [name for name in every if name in (arguments.left_out or every)]:
            runs = []
            for seed in seeds:
                output = arguments.work / f"{task}-{left_out.replace(' ', '-')}-{seed}"
                runs.append(train(task, output, validation, [*command(task, left_out, arguments.work), "--seed", str(seed)]))
            best = [max(scores) for scores in runs]
            results.setdefault(task, {})[left_out] = {"mean": round(statistics.mean(best), 4), "best": best, "epochs": runs}
            print(task, left_out, best)
    if arguments.output:
        record = {"environment": describe(), "seeds": seeds, "left_out": results}
        write_text(arguments.output, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
