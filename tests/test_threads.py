"""One predictor serves many threads, and none of them sees another's work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import numpy as np
import pytest
from conftest import REVIEWS, assert_same

import ftapp
from ftapp.predictor import Predictor
from ftapp.schema import Analysis, SentimentResult
from ftapp.text import prepare

THREADS = 16
LONG = " ".join(REVIEWS) * 3

T = TypeVar("T")


def at_once(work: Callable[[int], T]) -> list[T]:
    """Return what 16 threads make of their numbers when they all start together; an error in one is raised."""
    barrier = Barrier(THREADS)

    def start(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(start, range(THREADS)))


def texts_of(number: int) -> list[list[str]]:
    """Return the calls of one thread: other texts, other lengths, another order than its neighbours."""
    turned = REVIEWS[number % len(REVIEWS) :] + REVIEWS[: number % len(REVIEWS)]
    return [turned[:1], turned[: 1 + number % 3], [LONG[: 5 * (number + 1)], "", turned[0]]]


@pytest.mark.parametrize("cores", [1, 3])
def test_sixteen_threads_get_the_answers_of_one(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr("ftapp.engines.torch.granted_cores", lambda: cores)
    predictor = replace(ftapp.load(tiny_model, device="cpu"), budget=512)  # many batches, so that the threads take turns
    expected = [[predictor.analyze(texts) for texts in texts_of(number)] for number in range(THREADS)]
    answers = at_once(lambda number: [predictor.analyze(texts) for texts in texts_of(number)])
    for calls, expected_calls in zip(answers, expected, strict=True):
        for call, expected_call in zip(calls, expected_calls, strict=True):
            for analysis, expected_analysis in zip(call, expected_call, strict=True):
                assert_same(analysis, expected_analysis)


def test_threads_may_do_different_things_at_once(predictor: Predictor) -> None:
    table = predictor.keyword_probabilities(REVIEWS)
    judged = predictor.judge([(text, "배송") for text in REVIEWS])
    plain = predictor.analyze(REVIEWS, False)

    def work(number: int) -> np.ndarray | list[SentimentResult | None] | list[Analysis]:
        if number % 3 == 0:
            return predictor.keyword_probabilities(REVIEWS)
        if number % 3 == 1:
            return predictor.judge([(text, "배송") for text in REVIEWS])
        return predictor.analyze(REVIEWS, False)

    for number, answer in enumerate(at_once(work)):
        if number % 3 == 0:
            np.testing.assert_allclose(answer, table, atol=1e-6)
        elif number % 3 == 1:
            assert [result.sentiment for result in answer] == [result.sentiment for result in judged]
        else:
            for analysis, expected in zip(answer, plain, strict=True):
                assert_same(analysis, expected)


def test_a_tokenizer_is_never_found_already_borrowed(predictor: Predictor) -> None:
    words = [text.split() for text in [*REVIEWS, LONG]]
    expected = predictor.tokenizer.encode(words)
    assert at_once(lambda number: [predictor.tokenizer.encode(words) for _ in range(20)]) == [[expected] * 20] * THREADS


def test_spacing_and_sentences_are_the_same_in_every_thread() -> None:
    expected = [prepare(text) for text in REVIEWS]
    assert at_once(lambda number: [prepare(text) for text in REVIEWS]) == [expected] * THREADS


def test_an_error_in_one_thread_leaves_the_others_alone(predictor: Predictor) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyError("stopped")

    def work(number: int) -> list[Analysis] | str:
        if number % 2:
            return predictor.analyze(REVIEWS[:2])
        try:
            predictor.analyze(REVIEWS[:2], progress=stop)
        except KeyError:
            return "stopped"
        return "not stopped"

    expected = predictor.analyze(REVIEWS[:2])
    for number, answer in enumerate(at_once(work)):
        if number % 2:
            for analysis, expected_analysis in zip(answer, expected, strict=True):
                assert_same(analysis, expected_analysis)
        else:
            assert answer == "stopped"
