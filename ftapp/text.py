"""From what a person typed to words and sentences, every one with its place in what was typed.

Nothing here loses the way back: each character of the cleaned and re-spaced text knows the span of the original that it
stands for, so that a highlight marks the text as it was typed.
"""

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ftapp.schema import Word

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

HIDDEN = ("Cc", "Cf", "Cs")  # categories without a glyph: control, format, surrogate
# Words of shopping reviews that the analyser knows in some places only: it spaces 탄 탄, 짱짱 하다, 기 장, 보 풀.
DOUBLED = ("낙낙", "딱딱", "은은", "짱짱", "쫀쫀", "쫙쫙", "쭉쭉", "축축", "탄탄", "톡톡")  # roots: 하다 is written to them
NOUNS = ("기장", "길이감", "넥라인", "두께감", "밑단", "박음질", "밴딩", "보풀", "색감", "스판", "실밥", "어깨선", "원단")

_kiwi_lock = threading.Lock()


@dataclass(frozen=True)
class AlignedText:
    """A text and, for each of its characters, the span [starts[i], ends[i]) of the original it stands for."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


@dataclass(frozen=True)
class PreparedText:
    """One review, ready for a tokenizer: its words are what stands between the spaces of the cleaned text.

    `cut` says that the original was longer than the limit and only its beginning was prepared.
    """

    original: str
    words: tuple[Word, ...]
    cut: bool = False


def normalize(text: str) -> AlignedText:
    """Return the text in NFC, without control characters, each run of whitespace as one space or one line break.

    A run that holds a line break stays a line break, since it ends a sentence. Control, format and surrogate
    characters (zero-width, right-to-left marks, ...) are dropped, before composing: one may stand between two letters
    that compose.
    """
    places = [i for i, character in enumerate(text) if character.isspace() or unicodedata.category(character) not in HIDDEN]
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    pending: tuple[str, int, int] | None = None  # whitespace seen since the last visible character
    for piece, head, tail in _nfc_pieces("".join(text[i] for i in places)):
        start, end = places[head], places[tail - 1] + 1
        for character in piece:
            if character.isspace():
                mark = "\n" if unicodedata.category(character) != "Zs" and character not in "\t\x1f" else " "
                first, begin, _ = pending or (mark, start, end)
                pending = ("\n" if "\n" in (first, mark) else " ", begin, end)
            else:
                if pending and out:
                    out.append(pending[0])
                    starts.append(pending[1])
                    ends.append(pending[2])
                pending = None
                out.append(character)
                starts.append(start)
                ends.append(end)
    return AlignedText("".join(out), starts, ends)


def _nfc_pieces(text: str) -> list[tuple[str, int, int]]:
    """Cut the text where no composition can cross, and compose each piece."""
    if unicodedata.is_normalized("NFC", text):
        return [(character, i, i + 1) for i, character in enumerate(text)]
    pieces: list[tuple[str, int, int]] = []
    start = 0
    composed = ""
    for i, character in enumerate(text):
        alone = unicodedata.normalize("NFC", character)
        grown = unicodedata.normalize("NFC", text[start : i + 1])
        apart = not unicodedata.combining(alone[0]) and grown == composed + alone
        if i > start and (apart or text[i - 1].isspace()):
            pieces.append((composed, start, i))
            start, composed = i, alone
        else:
            composed = grown
    pieces.append((composed, start, len(text)))
    return pieces


def correct_spacing(aligned: AlignedText) -> AlignedText:
    """Return the text with the spaces that kiwipiepy puts; every other character and its place stay as they are."""
    with _kiwi_lock:
        spaced = "\n".join(_kiwi().space(line) for line in aligned.text.split("\n"))
    return respace(aligned, spaced)


def respace(aligned: AlignedText, spaced: str) -> AlignedText:
    """Return `spaced` with the places of `aligned`; if they differ in more than spaces, `aligned` itself.

    A space before a combining mark or inside what one span stands for is left out; where taking one out would make
    letters compose, `aligned` stays too.
    """
    if spaced == aligned.text:
        return aligned
    if "".join(spaced.split()) != "".join(aligned.text.split()) or not unicodedata.is_normalized("NFC", spaced):
        return aligned
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for character in spaced:
        while position < len(aligned.text) and aligned.text[position].isspace():
            position += 1
        if character.isspace():
            if _joined(aligned, position):
                continue
            edge = aligned.ends[position - 1] if position else 0
            starts.append(edge)
            ends.append(edge)
        else:
            starts.append(aligned.starts[position])
            ends.append(aligned.ends[position])
            position += 1
        text.append(character)
    return AlignedText("".join(text), starts, ends)


def _joined(aligned: AlignedText, position: int) -> bool:
    """Whether no space can stand before the character at `position`, since it belongs to the one before."""
    if not 0 < position < len(aligned.text) or aligned.text[position - 1].isspace():
        return False
    shared = aligned.starts[position] == aligned.starts[position - 1]
    return shared or unicodedata.combining(aligned.text[position]) > 0


def sentence_ends(text: str) -> list[int]:
    """Return where each sentence of the text ends, by kiwipiepy inside each line; the last is len(text)."""
    ends: list[int] = []
    offset = 0
    for line in text.split("\n"):
        if line.strip():
            with _kiwi_lock:
                ends += [offset + sentence.end for sentence in _kiwi().split_into_sents(line)]
        offset += len(line) + 1
    return [*ends[:-1], len(text)]


def prepare(text: str, *, spacing: bool = True, sentences: bool = True, limit: int | None = None) -> PreparedText:
    """Return the words of a review with their places in it.

    `spacing` corrects the spaces, `sentences` splits sentences (else a line is one); `limit` cuts the original to so
    many characters first, since no model reads further and long texts cost time.
    """
    cut = limit is not None and len(text) > limit
    aligned = normalize(text[:limit] if cut else text)
    if spacing and aligned.text:
        aligned = correct_spacing(aligned)
    if sentences:
        ends = sentence_ends(aligned.text)
    else:
        ends = [i for i, character in enumerate(aligned.text) if character == "\n"] + [len(aligned.text)]
    words: list[Word] = []
    sentence = 0
    start = 0
    for word in aligned.text.split():
        start = aligned.text.index(word, start)
        stop = start + len(word)
        while sentence < len(ends) - 1 and start >= ends[sentence]:
            sentence += 1
        words.append(Word(aligned.starts[start], aligned.ends[stop - 1], word, sentence))
        start = stop
    return PreparedText(text, tuple(words), cut)


def has_hangul(text: str) -> bool:
    """Whether the text holds a Hangul syllable or letter."""
    return any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" or "ᄀ" <= c <= "ᇿ" for c in text)


@cache
def _kiwi() -> "Kiwi":
    """Load the analyser once a process; a second or so, its model comes with the package. Called under the lock.

    Without its dictionary of names of several words it is ready in half the time; one shopping review in 2,000 is spaced
    otherwise.
    """
    from kiwipiepy import Kiwi

    kiwi = Kiwi(num_workers=1, load_multi_dict=False)
    for words, tag in ((DOUBLED, "XR"), (NOUNS, "NNG")):
        for word in words:
            kiwi.add_user_word(word, tag)
    return kiwi
