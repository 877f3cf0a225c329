"""The machine and the libraries that a figure was measured with."""

import platform
from datetime import date
from pathlib import Path

from ftapp.checkpoint import library_versions
from ftapp.engines.machine import cpu_flags, granted_cores

NOTED_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def describe() -> dict[str, object]:
    """Return CPU, instruction sets, cores granted, memory, library versions and the date."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    models = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text(encoding="utf-8").split()[1] if Path("/proc/meminfo").is_file() else "0"
    return {
        "date": date.today().isoformat(),
        "cpu": models[0] if models else platform.processor(),
        "instruction_sets": [flag for flag in NOTED_FLAGS if flag in cpu_flags()],
        "cores": granted_cores(),
        "memory_gib": round(int(memory) / 2**20, 1),
        "python": platform.python_version(),
        "libraries": library_versions(),
    }
