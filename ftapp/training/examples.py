"""Labelled reviews to training rows: token ids and a target, made by the same steps as at prediction time.

Augmentations keep labels true. A joined review is two reviews in a row, with the labels of both; it teaches the sentiment
model to look for its own keyword. A cut review is the evidence of one label alone; it teaches both models what the shortest
text says, which is what an occlusion and a hurried customer show them. A noisy review is the same one typed badly. For
keywords alone there are two more: a named cut has its last word, in Korean the verdict, masked, so that the keyword is read
off the words that name it; a blanked review has a label's evidence masked and lacks that label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ftapp.reviews import LabelledReview
from ftapp.schema import LabelScheme, Word
from ftapp.text import prepare
from ftapp.tokenizer import EncodedText, Frame, Tokenizer
from ftapp.training.noise import noisy

LONGEST_CHAIN = 5  # cuts in a row
PARTICLES = ("은", "는", "이", "가", "도", "을", "를")  # of topics, subjects and objects


@dataclass(frozen=True)
class Example:
    """A prepared text and its labels: {keyword: sentiment index}, and the overall index, None where it is not known.

    `evidence` gives the words [begin, end) that show each label; None where that is not known of all of them.
    """

    encoded: EncodedText
    sentiments: dict[str, int]
    overall: int | None
    evidence: dict[str, tuple[int, int]] | None = None


@dataclass(frozen=True)
class Row:
    """One training input: whole token ids, and a float32 target [labels] (multi-label), a class index, or None if not known.

    `evidence` [tokens, labels] is 1 where a token shows that label; None where that is not known.
    """

    ids: list[int]
    target: np.ndarray | int | None
    evidence: np.ndarray | None = None


def read_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Prepare and encode whole reviews."""
    prepared = [prepare(review.text, spacing=spacing, sentences=False).words for review in reviews]
    return [
        Example(encoded, _sentiments(review), review.overall, _evidence(review, words))
        for review, words, encoded in zip(reviews, prepared, _encode(prepared, tokenizer), strict=True)
    ]


def noisy_examples(
    reviews: Sequence[LabelledReview], tokenizer: Tokenizer, rng: np.random.Generator, *, spacing: bool = True
) -> list[Example]:
    """Return the reviews typed badly, each in a way of its own."""
    prepared = [prepare(noisy(review.text, rng), spacing=spacing, sentences=False).words for review in reviews]
    return [
        Example(encoded, _sentiments(review), review.overall)
        for review, encoded in zip(reviews, _encode(prepared, tokenizer), strict=True)
    ]


def blanked_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Return, for each evidence apart from the others of its review, the review with it masked and without its label."""
    blanked = []
    for whole in read_examples(reviews, tokenizer, spacing=spacing):
        for keyword, (begin, end) in (whole.evidence or {}).items():
            others = {name: span for name, span in (whole.evidence or {}).items() if name != keyword}
            apart = all(last <= begin or first >= end for first, last in others.values())
            if apart and begin < end < begin + len(whole.encoded.bounds) - 1:
                labels = {name: sentiment for name, sentiment in whole.sentiments.items() if name != keyword}
                blanked.append(Example(_masked(whole.encoded, range(begin, end), tokenizer.mask), labels, None, others))
    return blanked


def cut_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Return an example for each evidence that no other evidence of the review cuts across."""
    cuts = _cuts(reviews)
    prepared = [prepare(cut.text, spacing=spacing, sentences=False).words for cut in cuts]
    return [
        Example(encoded, _sentiments(cut), None, _evidence(cut, words))
        for cut, words, encoded in zip(cuts, prepared, _encode(prepared, tokenizer), strict=True)
    ]


def named_examples(reviews: Sequence[LabelledReview], tokenizer: Tokenizer, *, spacing: bool = True) -> list[Example]:
    """Return the cuts of one label alone in which a word before the last has a subject's particle, the last word masked."""
    alone = [cut for cut in _cuts(reviews) if len(cut.labels) == 1]
    prepared = [prepare(cut.text, spacing=spacing, sentences=False).words for cut in alone]
    return [
        Example(
            _masked(encoded, [len(words) - 1], tokenizer.mask), _sentiments(cut), None, {cut.labels[0].keyword: (0, len(words))}
        )
        for cut, words, encoded in zip(alone, prepared, _encode(prepared, tokenizer), strict=True)
        if any(word.text.endswith(PARTICLES) for word in words[:-1])
    ]


def _cuts(reviews: Sequence[LabelledReview]) -> list[LabelledReview]:
    """Return each evidence that no other evidence of its review cuts across, as a review of its own."""
    cuts = []
    for review in reviews:
        spans = [(start := review.text.index(x.evidence), start + len(x.evidence), x) for x in review.labels if x.evidence]
        for begin, end, label in spans:
            inside = tuple(x for b, e, x in spans if b >= begin and e <= end)
            crossing = [x for b, e, x in spans if b < end and e > begin and x not in inside]
            if not crossing:
                cuts.append(LabelledReview(f"{review.id}-{label.keyword}", review.text[begin:end], inside))
    return cuts


def _encode(prepared: Sequence[Sequence[Word]], tokenizer: Tokenizer) -> list[EncodedText]:
    return tokenizer.encode([[word.text for word in words] for words in prepared])


def _sentiments(review: LabelledReview) -> dict[str, int]:
    return {label.keyword: label.sentiment for label in review.labels}


def _evidence(review: LabelledReview, words: Sequence[Word]) -> dict[str, tuple[int, int]] | None:
    """Return the words [begin, end) that each label's evidence touches; None where a label has none."""
    found = {}
    for label in review.labels:
        if label.evidence is None:
            return None
        start = review.text.index(label.evidence)
        touched = [w for w, word in enumerate(words) if word.start < start + len(label.evidence) and word.end > start]
        found[label.keyword] = (touched[0], touched[-1] + 1) if touched else (0, 0)
    return found


def _masked(text: EncodedText, words: Sequence[int], mask: int) -> EncodedText:
    """Return the text with one mask in place of each of the words."""
    ids: list[int] = []
    bounds = [0]
    for word, (begin, end) in enumerate(zip(text.bounds, text.bounds[1:], strict=False)):
        ids += [mask] if word in words else text.ids[begin:end]
        bounds.append(len(ids))
    return EncodedText(tuple(ids), tuple(bounds), text.unknown)


def join_examples(examples: Sequence[Example], count: int, rng: np.random.Generator) -> list[Example]:
    """Return up to `count` joins of two random examples that have no keyword in common."""
    drawn = ([examples[i] for i in pair] for pair in rng.integers(0, len(examples), (count, 2)) if pair[0] != pair[1])
    return [_joined(a, b) for a, b in drawn if not a.sentiments.keys() & b.sentiments.keys()]


def chain_examples(cuts: Sequence[Example], count: int, rng: np.random.Generator) -> list[Example]:
    """Return `count` rows of 2 to LONGEST_CHAIN random cuts, no keyword twice, each two steps of sentiment from the one before.

    Each says something else than its neighbours, so only a model that finds its own keyword gets them right.
    """
    chains = []
    for length in rng.integers(2, LONGEST_CHAIN + 1, count):
        chain = last = cuts[int(rng.integers(len(cuts)))]
        links = 1
        for i in rng.integers(0, len(cuts), 4 * length):
            apart = all(abs(x - y) >= 2 for x in last.sentiments.values() for y in cuts[i].sentiments.values())
            if apart and not chain.sentiments.keys() & cuts[i].sentiments.keys():
                chain, last, links = _joined(chain, cuts[i]), cuts[i], links + 1
                if links == length:
                    break
        if links > 1:
            chains.append(chain)
    return chains


def _joined(a: Example, b: Example) -> Example:
    """Return two examples in a row, with the labels of both and no overall one."""
    shifted = tuple(bound + len(a.encoded.ids) for bound in b.encoded.bounds[1:])
    encoded = EncodedText(a.encoded.ids + b.encoded.ids, a.encoded.bounds + shifted, a.encoded.unknown + b.encoded.unknown)
    evidence = None
    if a.evidence is not None and b.evidence is not None:
        words = len(a.encoded.bounds) - 1
        evidence = a.evidence | {name: (begin + words, end + words) for name, (begin, end) in b.evidence.items()}
    return Example(encoded, a.sentiments | b.sentiments, None, evidence)


def keyword_rows(examples: Sequence[Example], tokenizer: Tokenizer, scheme: LabelScheme, max_length: int) -> list[Row]:
    """Return one multi-label row for each example that has a token."""
    frame = tokenizer.plain_frame()
    column = {keyword: i for i, keyword in enumerate(scheme.keywords)}
    rows = []
    for example in examples:
        if example.encoded.ids:
            target = np.array([keyword in example.sentiments for keyword in scheme.keywords], dtype=np.float32)
            shown = None
            if example.evidence is not None:
                shown = [(column[keyword], words) for keyword, words in example.evidence.items()]
            rows.append(_row(example, frame, max_length, target, len(column), shown))
    return rows


def sentiment_rows(
    examples: Sequence[Example], tokenizer: Tokenizer, scheme: LabelScheme, template: str, max_length: int
) -> list[Row]:
    """Return one row for each (example, keyword), and one for the overall label where it is known."""
    frames = task_frames("sentiment", tokenizer, scheme, template)
    rows = []
    for example in examples:
        labels = dict(example.sentiments)
        if scheme.overall is not None and example.overall is not None:
            labels[scheme.overall] = example.overall
        for keyword, sentiment in labels.items():
            if example.encoded.ids:
                shown = None
                if example.evidence is not None and keyword in example.evidence:
                    shown = [(sentiment, example.evidence[keyword])]
                rows.append(_row(example, frames[keyword], max_length, sentiment, len(scheme.sentiments), shown))
    return rows


def task_frames(task: str, tokenizer: Tokenizer, scheme: LabelScheme, template: str) -> dict[str, Frame]:
    """Return what stands around a review for each question that the task's model is asked; for keywords it is one."""
    if task == "keyword":
        return {"": tokenizer.plain_frame()}
    words = [*scheme.keywords, *([scheme.overall] if scheme.overall else [])]
    return {word: tokenizer.prompt_frame(template, word) for word in words}


def unlabelled_rows(
    texts: Sequence[EncodedText], frames: Mapping[str, Frame], max_length: int, rng: np.random.Generator
) -> list[Row]:
    """Return a row without a target for each text that has a token, in a frame drawn at random."""
    choice = [*frames.values()]
    drawn = [choice[i] for i in rng.integers(0, len(choice), len(texts))]
    return [
        Row(frame.wrap(text.ids[: frame.room(max_length)]), None) for text, frame in zip(texts, drawn, strict=True) if text.ids
    ]


def _row(
    example: Example,
    frame: Frame,
    max_length: int,
    target: np.ndarray | int,
    labels: int,
    shown: Sequence[tuple[int, tuple[int, int]]] | None,
) -> Row:
    """Return the example in its frame; `shown` says which words show which label."""
    ids = example.encoded.ids[: frame.room(max_length)]
    if shown is None:
        return Row(frame.wrap(ids), target)
    evidence = np.zeros((len(frame.head) + len(ids) + len(frame.tail), labels), dtype=np.float32)
    for label, (begin, end) in shown:
        first, last = (min(example.encoded.bounds[word], len(ids)) for word in (begin, end))
        evidence[len(frame.head) + first : len(frame.head) + last, label] = 1
    return Row(frame.wrap(ids), target, evidence)
