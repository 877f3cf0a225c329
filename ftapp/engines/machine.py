"""What the machine under us can do: cores that are really granted, instruction sets that make a number format pay."""

import ctypes
import math
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ftapp.errors import InputError


def granted_cores() -> int:
    """Return the cores this process may use: its CPU affinity, cut by the container's cgroup quota.

    Libraries size their pools from the host, which is many times too much in a container.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, _, period = quota.read_text(encoding="ascii").strip().partition(" ")
        if limit.isdigit() and period.isdigit():
            cores = min(cores, math.ceil(int(limit) / int(period)))
    return max(1, cores)


MOST_STREAMS = 4  # batches side by side: each holds memory


class Gate:
    """Room for so many at a time: a batch on a share of the cores takes one place, a batch on all of them every place."""

    def __init__(self, size: int) -> None:
        """Begin with all places free."""
        self.size = size
        self._turn = threading.Lock()  # who waits for places is not overtaken
        self._free = threading.Semaphore(size)

    @contextmanager
    def take(self, places: int) -> Iterator[None]:
        """Hold so many places inside the block; waits until they are free."""
        with self._turn:
            for _ in range(places):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(places)


KEPT = {-1: 256 << 20, -3: 256 << 20, -2: 64 << 20}  # of malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_TOP_PAD, in bytes


@cache
def keep_freed_memory() -> bool:
    """Have this process keep what one batch frees for the next, where the allocator is glibc's; return whether it is.

    By default glibc gives blocks of many megabytes back to the system after each use, and every page that is taken anew is
    a fault: on a virtual machine they were up to a tenth of the time of a batch of `dynamic-int8`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all(mallopt(option, value) for option, value in KEPT.items())


@cache
def cpu_flags() -> frozenset[str]:
    """Return the CPU's instruction-set flags as Linux names them; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return frozenset()
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lower().startswith(("flags", "features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def bf16_pays(device: str) -> bool:
    """Whether bfloat16 is computed natively: without the instructions it is a hundred times slower than float32."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(cpu_flags() & {"avx512_bf16", "amx_bf16"})


def int8_pays() -> bool:
    """Whether the CPU multiplies int8 natively; elsewhere oneDNN may saturate, and torch's own kernels are the safe ones."""
    return bool(cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8"})


def cuda_number(device: str) -> int | None:
    """Return the number of the CUDA device that `cuda` or `cuda:N` names, None for `cpu`; raises InputError for other names."""
    if device == "cpu":
        return None
    if not re.fullmatch(r"cuda(:\d+)?", device):
        raise InputError(f"There is no device {device!r}; choose auto, cpu, cuda or cuda:N.")
    return int(device.partition(":")[2] or 0)
