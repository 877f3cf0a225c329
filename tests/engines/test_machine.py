"""What the machine says that it grants."""

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from ftapp.engines import machine

Machine = Callable[..., None]


@pytest.fixture
def fake_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Return a function that sets the affinity, the cgroup's cpu.max and the text of /proc/cpuinfo; None for absent ones."""

    def fake(cores: int | None = None, quota: str | None = None, info: str | None = None) -> None:
        if cores is None:
            monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        else:
            monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
        for name, content in (("cpu.max", quota), ("cpuinfo", info)):
            if content is not None:
                (tmp_path / name).write_text(content, encoding="utf-8")
        monkeypatch.setattr(machine, "Path", lambda path: tmp_path / Path(path).name)

    return fake


@pytest.mark.parametrize(
    ("cores", "quota", "granted"),
    [
        (8, None, 8),
        (8, "max 100000\n", 8),
        (8, "200000 100000\n", 2),
        (8, "150000 100000\n", 2),
        (8, "10000 100000\n", 1),
        (2, "800000 100000\n", 2),
        (8, "", 8),
        (8, "nonsense\n", 8),
    ],
)
def test_granted_cores_are_the_affinity_cut_by_the_containers_quota(
    fake_machine: Machine, cores: int, quota: str | None, granted: int
) -> None:
    fake_machine(cores, quota)
    assert machine.granted_cores() == granted


@pytest.mark.parametrize(("count", "granted"), [(6, 6), (None, 1)])
def test_without_an_affinity_the_cpus_are_counted(
    fake_machine: Machine, monkeypatch: pytest.MonkeyPatch, count: int | None, granted: int
) -> None:
    fake_machine()
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert machine.granted_cores() == granted


@pytest.mark.parametrize(
    ("info", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\nflags\t\t: other\n", {"fpu", "avx2", "avx512_vnni"}),
        ("processor : 0\nFeatures : fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("processor : 0\n", set()),
        (None, set()),
    ],
)
def test_cpu_flags_are_read_as_linux_names_them(fake_machine: Machine, info: str | None, flags: set[str]) -> None:
    fake_machine(info=info)
    assert machine.cpu_flags.__wrapped__() == flags


@pytest.mark.parametrize(
    ("flags", "pays"), [({"avx512_bf16"}, True), ({"amx_bf16", "avx2"}, True), ({"avx2"}, False), (set(), False)]
)
def test_bf16_pays_on_a_cpu_that_has_the_instructions(monkeypatch: pytest.MonkeyPatch, flags: set[str], pays: bool) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
    assert machine.bf16_pays("cpu") is pays


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_bf16_pays_on_a_gpu_that_says_so(monkeypatch: pytest.MonkeyPatch, device: str, supported: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    assert machine.bf16_pays(device) is supported


@pytest.mark.parametrize(
    ("flags", "pays"), [({"avx512_vnni"}, True), ({"avx_vnni", "avx2"}, True), ({"avx2", "avx512f"}, False), (set(), False)]
)
def test_int8_pays_on_a_cpu_that_has_the_instructions(monkeypatch: pytest.MonkeyPatch, flags: set[str], pays: bool) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
    assert machine.int8_pays() is pays


def test_a_gate_lets_in_as_many_as_it_has_places() -> None:
    gate, inside, most, lock = machine.Gate(3), 0, 0, threading.Lock()

    def visit(places: int) -> None:
        nonlocal inside, most
        with gate.take(places):
            with lock:
                inside += places
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                inside -= places

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, [1, 3, 2] * 40))
    assert (inside, most) == (0, 3)


def test_who_waits_for_every_place_is_not_overtaken() -> None:
    gate, order = machine.Gate(2), []
    first, second = gate.take(1), gate.take(1)
    first.__enter__()
    second.__enter__()

    def visit(places: int) -> None:
        with gate.take(places):
            order.append(places)

    whole = threading.Thread(target=visit, args=(2,))
    whole.start()
    while not gate._turn.locked():
        time.sleep(0.001)
    later = threading.Thread(target=visit, args=(1,))
    later.start()
    first.__exit__(None, None, None)
    later.join(0.02)
    assert order == []
    second.__exit__(None, None, None)
    whole.join()
    later.join()
    assert order == [2, 1]


def test_an_error_gives_the_places_back() -> None:
    gate = machine.Gate(2)
    with pytest.raises(KeyboardInterrupt), gate.take(2):
        raise KeyboardInterrupt
    with gate.take(2):
        pass


# Memory

FAULTS = """
import resource, sys
import numpy as np
from ftapp.engines.machine import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()

def batch():
    blocks = [np.empty(6 << 20, dtype=np.float32) for _ in range(4)]  # of 24 MB, as a batch's feed-forward
    for block in blocks:
        block.fill(1)

for _ in range(3):
    batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_memory_that_a_batch_frees_is_kept_for_the_next() -> None:
    usual, kept = (
        int(subprocess.run([sys.executable, "-c", FAULTS, way], check=True, capture_output=True, text=True).stdout)
        for way in ("usual", "kept")
    )
    assert kept < usual / 10


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: object())
    assert not machine.keep_freed_memory.__wrapped__()
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine.ctypes, "CDLL", None)
    assert not machine.keep_freed_memory.__wrapped__()
