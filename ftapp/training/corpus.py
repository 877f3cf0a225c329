"""Plain text for pretraining: files in, lists of texts out, and a deterministic held-out share."""

import csv
import json
import lzma
import random
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ftapp.errors import InputError
from ftapp.reviews import LabelledReview

HELD_OUT_ONE_IN = 100
RATINGS = {str(rating) for rating in range(1, 11)}


@dataclass(frozen=True)
class TextSource:
    """A text file and how often its texts are seen in one pass."""

    path: Path
    repeat: int = 1

    @classmethod
    def parse(cls, word: str) -> "TextSource":
        """Read `FILE` or `FILE:REPEAT`, as the command line takes it."""
        path, _, repeat = word.rpartition(":")
        if path and repeat.isdigit():
            if int(repeat) < 1:
                raise InputError(f"The repeat of {word!r} is {repeat}; it must be at least 1.")
            return cls(Path(path), int(repeat))
        return cls(Path(word))


def read_texts(path: Path) -> list[str]:
    """Return the texts of a file: lines of .txt, `text` of .jsonl, `review` of .tsv or .tsv.xz.

    Raises InputError when the file is absent, of another kind, or has no text.
    """
    if not path.is_file():
        raise InputError(f"The text file {str(path)!r} does not exist.")
    name = path.name
    if name.endswith(".jsonl"):
        with path.open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines if line.strip()]
    elif name.endswith((".tsv", ".tsv.xz")):
        texts = [row["review"] or "" for row in _read_tsv(path)]
    elif name.endswith(".txt"):
        texts = path.read_text(encoding="utf-8").splitlines()
    else:
        raise InputError(f"{str(path)!r} is no .txt, .jsonl, .tsv or .tsv.xz file.")
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise InputError(f"{str(path)!r} holds no text.")
    return texts


def read_ratings(path: Path, count: int, seed: int) -> list[LabelledReview]:
    """Return at most `count` reviews drawn from a .tsv or .tsv.xz of `rating` (1-10) and `review`: overall labels alone.

    Two ratings make a sentiment (1-2 the lowest, 9-10 the highest), all five equally often. Held-out texts are left out.
    Raises InputError when the file is absent, a rating is none of 1-10, or `count` is below 5.
    """
    if count < 5:
        raise InputError(f"{count} rated reviews are too few for five sentiments; ask for at least 5.")
    graded: dict[int, list[str]] = defaultdict(list)
    for rating, text in rated_texts(path):
        if not held_out(text):
            graded[(rating - 1) // 2].append(text)
    draw = random.Random(seed)
    return [
        LabelledReview(f"rating-{grade}-{i}", text, (), grade)
        for grade, texts in sorted(graded.items())
        for i, text in enumerate(draw.sample(texts, min(len(texts), count // 5)))
    ]


def rated_texts(path: Path) -> list[tuple[int, str]]:
    """Return (rating, text) of each row with a text; raises InputError for an absent file or a rating that is none of 1-10."""
    if not path.is_file():
        raise InputError(f"The file of ratings {str(path)!r} does not exist.")
    rated = []
    for number, row in enumerate(_read_tsv(path), 2):
        rating, text = row.get("rating") or "", (row.get("review") or "").strip()
        if rating not in RATINGS:
            raise InputError(
                f"Line {number} of {str(path)!r} has the rating {rating!r}; it must be a whole number from 1 to 10."
            )
        if text:
            rated.append((int(rating), text))
    return rated


def _read_tsv(path: Path) -> list[dict[str, str]]:
    with (lzma.open if path.name.endswith(".xz") else open)(path, "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def held_out(text: str) -> bool:
    """Whether a text belongs to the share that is never trained on; depends on the text alone, so repeats agree."""
    return zlib.crc32(text.encode("utf-8", "replace")) % HELD_OUT_ONE_IN == 0


def split_held_out(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return (texts to train on, held-out texts)."""
    train: list[str] = []
    held: list[str] = []
    for text in texts:
        (held if held_out(text) else train).append(text)
    return train, held
