"""How long `ftapp analyze TEXT` takes from nothing to its answer, for each variant.

    python benchmarks/cold.py [--variant onnx-int8 --variant full ...] [--rounds 7] [--output FILE]

Each run is a process of its own, in rounds by turns, after one round that fills the disk cache and is not counted. Beside
them, also in processes of their own: the preparing of the same text alone (kiwipiepy's spaces and sentences), which every
variant waits for, and an interpreter that does nothing. Run it while nothing else does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ftapp.bench.environment import describe
from ftapp.reviews import write_text

ROOT = Path(__file__).parent.parent
TEXT = "디자인은 예쁜데 배송이 늦었어요"
VARIANTS = ("onnx-int8", "full")


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "review-small")
    parser.add_argument("--variant", action="append", help=f"may be given often [default: {VARIANTS}]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    analyze = ["-m", "ftapp", "analyze", "--model", str(arguments.model), "--device", "cpu"]
    contenders = {
        **{name: [*analyze, "--variant", name, TEXT] for name in arguments.variant or VARIANTS},
        "preparing alone": ["-c", f"from ftapp.text import prepare; prepare({TEXT!r})"],
        "interpreter alone": ["-c", "pass"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(1 + arguments.rounds):
        for name, options in contenders.items():
            begun = time.perf_counter()
            done = subprocess.run([sys.executable, *options], capture_output=True, text=True, encoding="utf-8")
            spent = time.perf_counter() - begun
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.strip()}")
            if number:
                seconds[name].append(round(spent, 3))
                print(f"round {number}, {name}: {spent:.2f} s", file=sys.stderr)
    rows = [
        {"contender": name, "median_s": round(statistics.median(runs), 2), "seconds": runs} for name, runs in seconds.items()
    ]
    text = json.dumps({"environment": describe(), "text": TEXT, "contenders": rows}, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        write_text(arguments.output, text + "\n")


if __name__ == "__main__":
    main()
