"""What this machine's cores can multiply at most: float32, bf16 and int8 matrix products of a model's own shapes.

    python benchmarks/ceiling.py [--hidden 256] [--intermediate 1024]

The rates are of torch's own kernels (oneDNN or FBGEMM, whichever is faster for int8) on 2,048 tokens, as a variant's
feed-forward layer multiplies them; each in a process of its own, the best of several seconds.
"""

import argparse
import json
import subprocess
import sys
import time

TOKENS = 2048
SECONDS = 2.0
FORMATS = ("float32", "bf16", "int8")


def rate(name: str, hidden: int, intermediate: int) -> dict[str, object]:
    """Return the highest rate seen, in 10^9 multiplications and additions a second, and whose kernels reached it."""
    import torch

    from ftapp.engines.machine import bf16_pays, granted_cores

    torch.set_num_threads(granted_cores())
    if name == "bf16" and not bf16_pays("cpu"):
        return {"format": name, "giga_operations_per_s": None, "reason": "this CPU has no bf16 instructions"}
    best, kernels = 0.0, ""
    engines = [engine for engine in torch.backends.quantized.supported_engines if engine in ("fbgemm", "onednn", "x86")]
    for engine in engines if name == "int8" else ["torch"]:
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        linear = torch.nn.Sequential(torch.nn.Linear(hidden, intermediate, dtype=dtype))
        rows = torch.randn(TOKENS, hidden, dtype=dtype)
        if name == "int8":
            torch.backends.quantized.engine = engine
            linear = torch.ao.quantization.quantize_dynamic(linear, {torch.nn.Linear}, dtype=torch.qint8)
        with torch.inference_mode():
            shortest, until = float("inf"), time.perf_counter() + SECONDS
            while time.perf_counter() < until:
                begun = time.perf_counter()
                linear(rows)
                shortest = min(shortest, time.perf_counter() - begun)
        reached = 2 * TOKENS * hidden * intermediate / shortest / 1e9
        if reached > best:
            best, kernels = reached, engine
    return {"format": name, "giga_operations_per_s": round(best, 1), "kernels": kernels}


def ceilings(hidden: int, intermediate: int) -> dict[str, dict]:
    """Return each format's rate, measured in a process of its own."""
    found = {}
    for name in FORMATS:
        command = [sys.executable, __file__, "--hidden", str(hidden), "--intermediate", str(intermediate), "--child", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(output.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print; or, as a child, one format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--intermediate", type=int, default=1024)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(rate(arguments.child, arguments.hidden, arguments.intermediate)))
        return
    print(json.dumps(ceilings(arguments.hidden, arguments.intermediate), indent=2))


if __name__ == "__main__":
    main()
