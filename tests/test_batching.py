"""Many token rows, few forward passes, and every result back in its place."""

import threading
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftapp import batching

PAD = 1
ROW = st.lists(st.integers(2, 50), min_size=1, max_size=30)
GROUPS = st.lists(st.lists(ROW, max_size=9), max_size=8)
BUDGETS = st.integers(1, 200)


def row_logits(row: list[int]) -> list[float]:
    """Return three numbers that tell one row from another: its sum, its sum by position, its length."""
    return [sum(row), sum(i * token for i, token in enumerate(row, 1)) / 8, len(row)]


class RowEngine:
    """A model whose logits are a pure function of each row's own tokens; it keeps the batches that it was given."""

    labels = 3

    def __init__(self) -> None:
        """Start without batches."""
        self.batches: list[tuple[np.ndarray, np.ndarray]] = []

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, 3]."""
        self.batches.append((ids, mask))
        rows = [row[: int(seen.sum())].tolist() for row, seen in zip(ids, mask, strict=True)]
        return np.array([row_logits(row) for row in rows], dtype=np.float32)


class BatchEngine(RowEngine):
    """A model that adds the number of the batch to its logits, as int8 scales differ from batch to batch."""

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, 3]."""
        return super().logits(ids, mask) + np.float32(10_000 * len(self.batches))


def run(groups: list[list[list[int]]], budget: int, engine: RowEngine | None = None) -> list[batching.GroupLogits]:
    """Run groups on a row engine."""
    return batching.run(engine or RowEngine(), groups, pad=PAD, budget=budget)


@given(GROUPS, BUDGETS)
@example([[[5]] * 9, [], [[6] * 30]], 1)
def test_every_result_comes_back_in_its_place(groups: list[list[list[int]]], budget: int) -> None:
    results = run(groups, budget)
    assert len(results) == len(groups)
    for group, result in zip(groups, results, strict=True):
        assert result.rows.dtype == result.reference.dtype == np.float32
        assert result.rows.shape == result.reference.shape == (len(group), 3)
        np.testing.assert_array_equal(result.rows, np.array([row_logits(r) for r in group]).reshape(-1, 3))
        np.testing.assert_array_equal(result.reference, np.array([row_logits(group[0]) for _ in group]).reshape(-1, 3))


@given(GROUPS, BUDGETS)
def test_a_rows_reference_was_computed_in_the_rows_own_batch(groups: list[list[list[int]]], budget: int) -> None:
    for group, result in zip(groups, run(groups, budget, BatchEngine()), strict=True):
        batches = (result.rows[:, 0] // 10_000).astype(int)
        expected = [10_000 * batch + row_logits(group[0])[0] for batch in batches]
        np.testing.assert_array_equal(result.reference[:, 0], expected)


@given(GROUPS, BUDGETS)
def test_every_row_is_planned_and_only_first_rows_are_repeated(groups: list[list[list[int]]], budget: int) -> None:
    planned = [place for batch in batching.plan(groups, budget) for place in batch]
    assert set(planned) == {(g, r) for g, group in enumerate(groups) for r in range(len(group))}
    others = [place for place in planned if place[1] != 0]
    assert len(others) == len(set(others))


@given(GROUPS, BUDGETS)
def test_a_batch_keeps_to_the_budget_unless_one_row_and_its_first_row_are_too_much(
    groups: list[list[list[int]]], budget: int
) -> None:
    for batch in batching.plan(groups, budget):
        longest = max(len(groups[group][row]) for group, row in batch)
        tokens = longest * len(batch)
        least = len({group for group, _ in batch}) == 1 and sum(row != 0 for _, row in batch) <= 1 and len(batch) <= 2
        assert tokens <= budget or least


@given(GROUPS, BUDGETS)
def test_a_groups_first_row_rides_in_every_batch_that_holds_the_group(groups: list[list[list[int]]], budget: int) -> None:
    for batch in batching.plan(groups, budget):
        seen = set()
        for group, row in batch:
            if row == 0:
                seen.add(group)
            assert group in seen


@given(st.lists(ROW, min_size=1, max_size=9))
def test_a_group_that_fits_stays_whole(group: list[list[int]]) -> None:
    budget = len(group) * max(map(len, group))
    assert batching.plan([group], budget) == [[(0, row) for row in range(len(group))]]


def test_short_rows_share_batches_and_long_ones_go_first() -> None:
    groups = [[[5] * 2], [[5] * 10], [[5] * 2], [[5] * 9]]
    assert batching.plan(groups, 20) == [[(1, 0), (3, 0)], [(0, 0), (2, 0)]]


def test_batches_are_cut_where_padding_would_cost_more_than_another_pass() -> None:
    apart = [[[5] * 100]] * 2 + [[[5] * (100 - batching.PASS_COST)]] * 2
    assert batching.plan(apart, 1000) == [[(0, 0), (1, 0)], [(2, 0), (3, 0)]]
    near = [[[5] * 100]] * 2 + [[[5] * (100 - batching.PASS_COST // 4)]] * 2
    assert batching.plan(near, 1000) == [[(0, 0), (1, 0), (2, 0), (3, 0)]]


@given(st.lists(st.integers(1, 90), min_size=1, max_size=7), st.integers(1, 300))
def test_no_other_way_to_cut_costs_less(lengths: list[int], budget: int) -> None:
    lengths.sort(reverse=True)

    def cost(cuts: list[int]) -> float:
        """Return what the batches that begin at `cuts` cost, infinite where one is over the budget."""
        total = 0.0
        for begin, end in zip(cuts, [*cuts[1:], len(lengths)], strict=True):
            tokens = lengths[begin] * (end - begin)
            total += tokens + batching.PASS_COST if tokens <= budget or end == begin + 1 else float("inf")
        return total

    planned = batching.plan([[[5] * length] for length in lengths], budget)
    begins = [batch[0][0] for batch in planned]
    inner = range(1, len(lengths))
    ways = [[0, *cuts] for count in range(len(lengths)) for cuts in combinations(inner, count)]
    assert cost(begins) == min(map(cost, ways))


def test_the_engine_sees_padded_rows_and_a_mask_over_them() -> None:
    engine = RowEngine()
    run([[[7, 8, 9]], [[5]]], 100, engine)
    ((ids, mask),) = engine.batches
    assert (ids.dtype, mask.dtype) == (np.int64, np.int64)
    assert ids.tolist() == [[7, 8, 9], [5, PAD, PAD]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_batch_is_padded_to_its_own_longest_row_only() -> None:
    engine = RowEngine()
    run([[[5] * 30], [[6] * 3], [[7] * 2]], 30, engine)
    assert [ids.shape for ids, _ in engine.batches] == [(1, 30), (2, 3)]


@pytest.mark.parametrize("groups", [[], [[]], [[], []]])
def test_without_rows_no_forward_pass_is_made(groups: list[list[list[int]]]) -> None:
    engine = RowEngine()
    results = run(groups, 100, engine)
    assert engine.batches == []
    assert [result.rows.shape for result in results] == [(0, 3)] * len(groups)


def test_after_batch_is_called_after_each_batch() -> None:
    engine = RowEngine()
    calls: list[int] = []
    batching.run(engine, [[[5] * 10]] * 4, pad=PAD, budget=10, after_batch=lambda: calls.append(len(engine.batches)))
    assert calls == [1, 2, 3, 4]


def test_after_batch_stops_the_work_by_raising() -> None:
    engine = RowEngine()

    def stop() -> None:
        if len(engine.batches) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batching.run(engine, [[[5] * 10]] * 4, pad=PAD, budget=10, after_batch=stop)
    assert len(engine.batches) == 2


def test_an_error_of_the_engine_is_not_swallowed() -> None:
    class Broken(RowEngine):
        def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        run([[[5]]], 10, Broken())


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9))
@example([-1e4, 0.0, 1e4])
def test_probabilities_are_probabilities_for_any_logits(values: list[float]) -> None:
    logits = np.array(values, dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        several, one = batching.sigmoid(logits), batching.softmax(logits)
    assert np.all((several >= 0) & (several <= 1))
    assert np.all((one >= 0) & (one <= 1))
    assert one.sum() == pytest.approx(1)


def test_sigmoid_and_softmax_are_the_textbooks() -> None:
    logits = np.array([-2.0, 0.0, 1.5], dtype=np.float32)
    np.testing.assert_allclose(batching.sigmoid(logits), 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-12)
    table = np.stack([logits, logits + 100])
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    np.testing.assert_allclose(batching.softmax(table), [expected, expected], rtol=1e-6)


class StreamEngine(RowEngine):
    """A model of two streams; it keeps how many rows each of its two ways was given, in how many threads at a time."""

    streams = 2

    def __init__(self) -> None:
        """Start without batches."""
        super().__init__()
        self.aside, self.inside, self.most = [], 0, 0
        self._lock = threading.Lock()

    def stream_logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, 3], the later batches sooner."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.aside.append(len(ids))
        time.sleep(0.001 * ids.shape[1])
        with self._lock:
            self.inside -= 1
        return RowEngine().logits(ids, mask)


@settings(max_examples=20)
@given(GROUPS, BUDGETS)
def test_streams_change_no_result(groups: list[list[list[int]]], budget: int) -> None:
    engine = StreamEngine()
    for result, plain in zip(run(groups, budget, engine), run(groups, budget), strict=True):
        np.testing.assert_array_equal(result.rows, plain.rows)
        np.testing.assert_array_equal(result.reference, plain.reference)
    planned = len(batching.plan(groups, budget))
    assert (len(engine.aside), len(engine.batches)) == (planned - planned % 2, planned % 2)
    assert engine.most <= 2


def test_streams_run_side_by_side() -> None:
    engine = StreamEngine()
    run([[[5] * 10]] * 4, 10, engine)
    assert engine.most == 2


def test_what_stops_the_work_stops_the_streams() -> None:
    engine = StreamEngine()

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batching.run(engine, [[[5] * 10]] * 40, pad=PAD, budget=10, after_batch=stop)
    assert engine.inside == 0
    assert len(engine.aside) < 10
