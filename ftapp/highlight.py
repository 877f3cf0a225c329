"""Which words say so: occlusion (Zeiler and Fergus 2014) of one eojeol at a time, batched over reviews and keywords.

The origin's rule, exactly: the fall of a probability when a word is replaced by [MASK] is the word's contribution; the
mean over the word and its neighbours is added; the best word is the anchor. The keyword model's anchor chooses the
sentence, the sentiment model's anchor is sought inside it, and the highlight runs from one to the other.
"""

from collections.abc import Sequence

import numpy as np

from ftapp.schema import Highlight, Word
from ftapp.tokenizer import EncodedText, Frame

TIE = 1e-6  # scores closer than this are equal, and the earlier word wins: engines differ in the last bits


def occlusion_rows(
    encoded: EncodedText, frame: Frame, max_length: int, mask: int, words: Sequence[int]
) -> tuple[list[list[int]], list[int]]:
    """Return (rows, visible): the whole input first, then one row for each visible word with that word masked.

    `words` are the indexes asked for; those behind the model's limit are not visible.
    """
    ids = encoded.ids[: frame.room(max_length)]
    visible = visible_words(encoded, frame, max_length, words)
    rows = [frame.wrap(ids)]
    for word in visible:
        begin, end = encoded.bounds[word], encoded.bounds[word + 1]
        rows.append(frame.wrap([*ids[:begin], mask, *ids[end:]]))
    return rows, visible


def visible_words(encoded: EncodedText, frame: Frame, max_length: int, words: Sequence[int]) -> list[int]:
    """Return those of the words that the model reads at least the first token of.

    The rest are behind its limit, or have no token (a private-use character): a [MASK] for one would lengthen the input.
    """
    end = min(len(encoded.ids), frame.room(max_length))
    return [word for word in words if encoded.bounds[word] < min(end, encoded.bounds[word + 1])]


def smooth(contributions: np.ndarray) -> np.ndarray:
    """Return each contribution plus the mean over it and its neighbours along the first axis."""
    total = contributions.astype(np.float64).copy()
    count = np.ones(len(contributions))
    total[1:] += contributions[:-1]
    count[1:] += 1
    total[:-1] += contributions[1:]
    count[:-1] += 1
    return contributions + (total.T / count).T


def anchor(contributions: np.ndarray) -> int:
    """Return the index of the highest smoothed contribution, the first of equals."""
    scores = smooth(contributions)
    return int(np.flatnonzero(scores >= scores.max() - TIE)[0])


def between(text: str, words: Sequence[Word], first: int, second: int) -> Highlight:
    """Return the highlight from one word to another, whichever comes first, as the user typed it."""
    first, second = sorted((first, second))
    start, end = words[first].start, words[second].end
    return Highlight(start, end, text[start:end])
