"""Many token rows, few forward passes: sort by length, cut where it costs least within a token budget, restore the order.

Rows come in groups. A group's first row is its reference (the unmasked review of an occlusion) and rides in every batch
that holds rows of the group: an int8 engine scales activations per batch, so only rows of one batch compare fairly.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from ftapp.engines import Engine, StreamingEngine

TokenRow = Sequence[int]
PASS_COST = 32  # a forward pass costs about as much as so many more tokens in one that is made anyway (measured: 20 to 85)


@dataclass(frozen=True)
class GroupLogits:
    """float32 [rows, labels]: the logits of each row, and of the group's first row as computed in that row's batch."""

    rows: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class TokenBatch:
    """int64 [rows, length] ids and attention mask; `origin[i]` is the (group, row) that row i came from."""

    ids: np.ndarray
    mask: np.ndarray
    origin: tuple[tuple[int, int], ...]


def plan(groups: Sequence[Sequence[TokenRow]], budget: int) -> list[list[tuple[int, int]]]:
    """Return batches as lists of (group, row): longest groups first, at most `budget` padded tokens each.

    A group stays whole where it fits; a larger one is split, with its first row repeated in each part. Of all ways to cut
    the sorted groups into batches it is the one with the smallest sum of padded tokens and PASS_COST for each batch.
    """
    parts: list[tuple[int, list[tuple[int, int]]]] = []
    for number, group in enumerate(groups):
        if not group:
            continue
        length = max(len(row) for row in group)
        room = max(1, budget // length - 1)
        rest = range(1, len(group))
        for start in range(0, len(rest), room) or [0]:
            parts.append((length, [(number, 0), *((number, row) for row in rest[start : start + room])]))
    parts.sort(key=lambda part: (-part[0], part[1][0]))
    cuts = _cuts([length for length, _ in parts], [len(rows) for _, rows in parts], budget)
    return [[place for _, rows in parts[begin:end] for place in rows] for begin, end in cuts]


def _cuts(lengths: Sequence[int], rows: Sequence[int], budget: int) -> list[tuple[int, int]]:
    """Return the (begin, end) of each batch of parts sorted by falling length, the cheapest way (dynamic programming)."""
    cost = [0.0] + [float("inf")] * len(lengths)  # of the first i parts
    begins = [0] * (len(lengths) + 1)  # of the batch that ends before part i
    for begin, length in enumerate(lengths):
        tokens = 0
        for end in range(begin + 1, len(lengths) + 1):
            tokens += length * rows[end - 1]
            if tokens > budget and end > begin + 1:
                break
            if cost[begin] + tokens + PASS_COST < cost[end]:
                cost[end], begins[end] = cost[begin] + tokens + PASS_COST, begin
    cuts: list[tuple[int, int]] = []
    end = len(lengths)
    while end:
        cuts.append((begins[end], end))
        end = begins[end]
    return cuts[::-1]


def collate(groups: Sequence[Sequence[TokenRow]], origin: Sequence[tuple[int, int]], pad: int) -> TokenBatch:
    """Return the rows named by `origin` as one padded batch."""
    rows = [groups[group][row] for group, row in origin]
    length = max(len(row) for row in rows)
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return TokenBatch(ids, mask, tuple(origin))


def run(
    engine: Engine,
    groups: Sequence[Sequence[TokenRow]],
    *,
    pad: int,
    budget: int,
    after_batch: Callable[[], None] | None = None,
) -> list[GroupLogits]:
    """Return the logits of every row of every group, in the order given; `after_batch` may raise to stop the work."""
    empty = np.zeros((0, engine.labels), dtype=np.float32)
    rows = [np.zeros((len(group), engine.labels), dtype=np.float32) if group else empty for group in groups]
    reference = [array.copy() for array in rows]
    batches = [collate(groups, origin, pad) for origin in plan(groups, budget)]
    with closing(compute(engine, batches)) as computed:
        for batch, logits in zip(batches, computed, strict=True):
            first = logits[0]
            for (group, row), values in zip(batch.origin, logits, strict=True):
                if row == 0:
                    first = values
                rows[group][row] = values
                reference[group][row] = first
            if after_batch:
                after_batch()
    return [GroupLogits(*pair) for pair in zip(rows, reference, strict=True)]


def compute(engine: Engine, batches: Sequence[TokenBatch]) -> Generator[np.ndarray]:
    """Yield the logits of each batch in order, side by side in the engine's streams while there is one batch for each of them.

    Closed early, it ends when the batches that are being computed have ended.
    """
    if isinstance(engine, StreamingEngine) and len(batches) >= engine.streams > 1:
        aside = len(batches) - len(batches) % engine.streams
        shared, batches = batches[:aside], batches[aside:]
        pool = ThreadPoolExecutor(engine.streams)
        try:
            yield from pool.map(engine.stream_logits, [batch.ids for batch in shared], [batch.mask for batch in shared])
        finally:
            pool.shutdown(cancel_futures=True)
    for batch in batches:
        yield engine.logits(batch.ids, batch.mask)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the logistic function, without overflow for large negative logits."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
