"""Labelled reviews to training rows: token ids and a target, made by the same steps as at prediction time.

Two augmentations keep labels true. A joined review is two reviews in a row, with the labels of both; it teaches the
sentiment model to look for its own keyword. A cut review is the evidence of one label alone; it teaches both models what
the shortest text says, which is what an occlusion and a hurried customer show them. For keywords alone there is a third: a
named cut has its last word, in Korean the verdict, masked, so that the keyword is read off the words that name it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftapp.reviews import LabelledReview
from ftapp.schema import LabelScheme
from ftapp.text import prepare
from ftapp.tokenizer import EncodedText, Frame, Tokenizer

PARTICLES = ("은", "는", "이", "가", "도", "을", "를")  # of topics, subjects and objects


@dataclass(frozen=True)
class Example:
    """A prepared text and its labels: {keyword: sentiment index}, and the overall index, None where it is not known."""

    encoded: EncodedText
    sentiments: dict[str, int]
    overall: int | None


@dataclass(frozen=True)
class Row:
    """One training input: whole token ids, and a float32 target [labels] (multi-label) or a class index."""

    ids: list[int]
    target: np.ndarray | int


def read_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Prepare and encode whole reviews."""
    words = [[word.text for word in prepare(review.text, spacing=spacing).words] for review in reviews]
    return [
        Example(encoded, {label.keyword: label.sentiment for label in review.labels}, review.overall)
        for review, encoded in zip(reviews, tokenizer.encode(words), strict=True)
    ]


def cut_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Return an example for each evidence that no other evidence of the review cuts across."""
    cuts = _cuts(reviews, spacing)
    encoded = tokenizer.encode([words for words, _ in cuts])
    return [Example(text, labels, None) for text, (_, labels) in zip(encoded, cuts, strict=True)]


def named_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Return the cuts of one label alone in which a word before the last has a subject's particle, the last word masked."""
    cuts = [
        (words[:-1], labels)
        for words, labels in _cuts(reviews, spacing)
        if len(labels) == 1 and any(word.endswith(PARTICLES) for word in words[:-1])
    ]
    named = []
    for text, (_, labels) in zip(tokenizer.encode([words for words, _ in cuts]), cuts, strict=True):
        ids = (*text.ids, tokenizer.mask)
        named.append(Example(EncodedText(ids, (*text.bounds, len(ids)), text.unknown), labels, None))
    return named


def _cuts(reviews: Sequence[LabelledReview], spacing: bool) -> list[tuple[list[str], dict[str, int]]]:
    """Return (words, labels) of each evidence that no other evidence of the review cuts across."""
    cuts = []
    for review in reviews:
        spans = [(start := review.text.index(x.evidence), start + len(x.evidence), x) for x in review.labels]
        for begin, end, label in spans:
            inside = {x.keyword: x.sentiment for b, e, x in spans if b >= begin and e <= end}
            crossing = [x for b, e, x in spans if b < end and e > begin and x.keyword not in inside]
            if not crossing:
                cuts.append(([word.text for word in prepare(label.evidence, spacing=spacing).words], inside))
    return cuts


def join_examples(
    examples: Sequence[Example], count: int, rng: np.random.Generator, *, contrast: bool = False
) -> list[Example]:
    """Return up to `count` joins of two random examples that have no keyword in common.

    With `contrast` only of two whose sentiments lie at least two steps apart: what the one says must not leak into the other.
    """
    joined = []
    for first, second in rng.integers(0, len(examples), (count, 2)):
        a, b = examples[first], examples[second]
        apart = not contrast or all(abs(x - y) >= 2 for x in a.sentiments.values() for y in b.sentiments.values())
        if first != second and apart and not a.sentiments.keys() & b.sentiments.keys():
            shifted = tuple(bound + len(a.encoded.ids) for bound in b.encoded.bounds[1:])
            encoded = EncodedText(
                a.encoded.ids + b.encoded.ids, a.encoded.bounds + shifted, a.encoded.unknown + b.encoded.unknown
            )
            joined.append(Example(encoded, a.sentiments | b.sentiments, None))
    return joined


def keyword_rows(examples: Sequence[Example], tokenizer: Tokenizer, scheme: LabelScheme, max_length: int) -> list[Row]:
    """Return one multi-label row for each example that has a token."""
    frame = tokenizer.plain_frame()
    rows = []
    for example in examples:
        if example.encoded.ids:
            target = np.array([keyword in example.sentiments for keyword in scheme.keywords], dtype=np.float32)
            rows.append(Row(frame.wrap(example.encoded.ids[: frame.room(max_length)]), target))
    return rows


def sentiment_rows(
    examples: Sequence[Example], tokenizer: Tokenizer, scheme: LabelScheme, template: str, max_length: int
) -> list[Row]:
    """Return one row for each (example, keyword), and one for the overall label where it is known."""
    words = [*scheme.keywords, *([scheme.overall] if scheme.overall else [])]
    frames: dict[str, Frame] = {word: tokenizer.prompt_frame(template, word) for word in words}
    rows = []
    for example in examples:
        labels = dict(example.sentiments)
        if scheme.overall is not None and example.overall is not None:
            labels[scheme.overall] = example.overall
        for keyword, sentiment in labels.items():
            frame = frames[keyword]
            if example.encoded.ids:
                rows.append(Row(frame.wrap(example.encoded.ids[: frame.room(max_length)]), sentiment))
    return rows
