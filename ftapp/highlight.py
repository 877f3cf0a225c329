"""Which words say so: occlusion (Zeiler and Fergus 2014) of one eojeol at a time, batched over reviews and keywords.

The origin's rule, exactly: the fall of a probability when a word is replaced by [MASK] is the word's contribution; the
mean over the word and its neighbours is added; the best word is the anchor. The keyword model's anchor chooses the
sentence, the sentiment model's anchor is sought inside it, and the highlight runs from one to the other.

Fast highlights mask whole clauses, for the keyword model alone, and mark the one that it misses most: a pass for each
clause instead of one for each word and another for each word of the sentence.

The rule `clause` marks more nearly what a person marks (figures in the model card): the words of that sentence that both models
miss, and on to the verdict, which in Korean closes the clause.
"""

from collections.abc import Sequence

import numpy as np

from ftapp.schema import Highlight, Word
from ftapp.tokenizer import EncodedText, Frame

RULES = ("origin", "clause")
SENTIMENT_WEIGHT = 0.2  # of the sentiment model's falls beside the keyword model's; with the two below chosen on 500 reviews
SPREAD = 0.25  # a neighbour is marked too from this share of the best word's score
RUN_ON = 3  # words to go on at most until one closes the clause
CLAUSE_ENDS = (
    "요", "다", "음", "함", "임", "네", "죠", "데", "고", "지만", "서", "며", "나", "면", "니", "라",
    "ㅋ", "ㅎ", "ㅠ", "!", ".", "~",
)  # fmt: skip
CONNECTIVES = ("지만", "데", "고", "서", "요", "다")  # what an earlier clause ends in
LONGEST_SEGMENT = 5  # words that fast highlights mask at once
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


def segment_rows(
    encoded: EncodedText, frame: Frame, max_length: int, mask: int, pieces: Sequence[range]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return (rows, visible): the whole input first, then one row for each piece with a mask for each of its visible words.

    `visible` are those words of each piece; a piece without any is left out.
    """
    ids = encoded.ids[: frame.room(max_length)]
    seen = [visible_words(encoded, frame, max_length, piece) for piece in pieces]
    visible = [words for words in seen if words]
    rows = [frame.wrap(ids)]
    for words in visible:
        begin, end = encoded.bounds[words[0]], encoded.bounds[words[-1] + 1]
        rows.append(frame.wrap([*ids[:begin], *[mask] * len(words), *ids[end:]]))
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


def clause(words: Sequence[str], keyword_falls: np.ndarray, sentiment_falls: np.ndarray, best: int) -> tuple[int, int]:
    """Return the first and last of a sentence's words to mark, both included.

    `keyword_falls` and `sentiment_falls` [words] are contributions; `best` is the keyword's anchor, which stands where no word
    speaks for either. The mark grows from the best word over neighbours, on to the word that closes the clause, and leaves
    out words at its beginning that close an earlier one.
    """
    parts = [np.clip(falls, 0, None) / max(falls.max(), TIE) for falls in (keyword_falls, sentiment_falls)]
    scores = smooth((1 - SENTIMENT_WEIGHT) * parts[0] + SENTIMENT_WEIGHT * parts[1])
    top = scores.max()
    first = last = int(np.flatnonzero(scores >= top - TIE)[0]) if top > TIE else best
    while top > TIE:
        left = scores[first - 1] if first > 0 else -1.0
        right = scores[last + 1] if last + 1 < len(words) else -1.0
        if max(left, right) < SPREAD * top:
            break
        first, last = (first - 1, last) if left >= right else (first, last + 1)
    for _ in range(RUN_ON):
        if last + 1 < len(words) and not words[last].endswith(CLAUSE_ENDS):
            last += 1
    while first < last and words[first].endswith(CONNECTIVES) and scores[first] < 0.7 * top:
        first += 1
    return first, last


def segments(words: Sequence[Word]) -> list[range]:
    """Return the words cut into clauses, for masking whole ones: a piece ends with its sentence, with a word that closes a
    clause, or with LONGEST_SEGMENT words.
    """
    pieces: list[range] = []
    begin = 0
    for i, word in enumerate(words):
        last = i + 1 == len(words) or words[i + 1].sentence != word.sentence
        if last or word.text.endswith(CLAUSE_ENDS) or i + 1 - begin == LONGEST_SEGMENT:
            pieces.append(range(begin, i + 1))
            begin = i + 1
    return pieces


def between(text: str, words: Sequence[Word], first: int, second: int) -> Highlight:
    """Return the highlight from one word to another, whichever comes first, as the user typed it."""
    first, second = sorted((first, second))
    start, end = words[first].start, words[second].end
    return Highlight(start, end, text[start:end])
