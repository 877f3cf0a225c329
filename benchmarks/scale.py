"""Whether a review costs the same in a large file as in a small one: seconds and memory for growing numbers of reviews.

    python benchmarks/scale.py [--variant onnx-int8] [--reviews 1000 --reviews 5000 --reviews 20000] [--output FILE]

Each number of reviews is analyzed by `ftapp analyze --input FILE --json`, as a user would, in a process of its own, in rounds
by turns; the reviews are those of data/reviews.jsonl in a fixed shuffled order, begun again where they do not suffice. What it
takes to start (a file of one review) is measured beside it and taken off. Run it while nothing else does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ftapp.bench.environment import describe
from ftapp.reviews import read_texts, write_text

ROOT = Path(__file__).parent.parent
SIZES = (1000, 5000, 20000)
PEAK = "import sys; from ftapp.cli import main; from ftapp.bench.child import peak_memory; import atexit; "
PEAK += "atexit.register(lambda: print(peak_memory(), file=sys.stderr)); main()"


def run(model: Path, variant: str, options: list[str], reviews: Path) -> tuple[float, float, int]:
    """Return the seconds of the whole command, its highest memory in MiB, and how many lines it wrote."""
    command = [sys.executable, "-c", PEAK, "analyze", "--model", str(model), "--variant", variant, "--device", "cpu"]
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, *options, "--json", "--input", str(reviews)],
            check=True,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - begun
        output.seek(0)
        return seconds, float(done.stderr.splitlines()[-1]), sum(1 for _ in output)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "review-small")
    parser.add_argument("--variant", default="onnx-int8")
    parser.add_argument("--highlight", choices=("none", "fast", "exact"), default="none")
    parser.add_argument("--reviews", type=int, action="append", help=f"may be given often [default: {SIZES}]")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    options = {"none": ["--no-highlight"], "fast": ["--fast-highlight"], "exact": []}[arguments.highlight]
    sizes = [1, *(arguments.reviews or SIZES)]
    texts = read_texts(ROOT / "data" / "reviews.jsonl")
    order = np.random.default_rng(0).permutation(len(texts))
    seen: dict[int, list[tuple[float, float, int]]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            lines = [json.dumps({"text": texts[order[i % len(texts)]]}, ensure_ascii=False) for i in range(size)]
            Path(folder, f"{size}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for number in range(arguments.rounds):
            for size, runs in seen.items():
                runs.append(run(arguments.model, arguments.variant, options, Path(folder, f"{size}.jsonl")))
                assert runs[-1][2] == size, f"{size} reviews in, {runs[-1][2]} lines out"
                print(f"round {number + 1}, {size} reviews: {runs[-1][0]:.1f} s, {runs[-1][1]:.0f} MiB", file=sys.stderr)
    start = statistics.median(seconds for seconds, _, _ in seen[1])
    rows = [
        {
            "reviews": size,
            "seconds": [round(seconds, 2) for seconds, _, _ in runs],
            "ms_a_review": round(1000 * (statistics.median(seconds for seconds, _, _ in runs) - start) / size, 2),
            "memory_mib": round(statistics.median(memory for _, memory, _ in runs)),
        }
        for size, runs in seen.items()
        if size > 1
    ]
    result = {
        "environment": describe(),
        "variant": arguments.variant,
        "highlight": arguments.highlight,
        "start_s": round(start, 2),
    }
    text = json.dumps(result | {"sizes": rows}, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        write_text(arguments.output, text + "\n")


if __name__ == "__main__":
    main()
