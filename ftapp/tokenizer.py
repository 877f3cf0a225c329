"""The one tokenizer wrapper: WordPiece words to ids, on the `tokenizers` library alone, safe to share between threads.

Words are encoded one by one. A BERT pre-tokenizer cuts at spaces anyway, so the ids of a text are the ids of its words
in a row (checked when a tokenizer is opened); that makes a masked copy of a text a cut in a list, not a second encoding.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from ftapp.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as RawTokenizer

LONGEST_RUN = 100  # WordPiece makes one [UNK] of a longer run without a space
PROBE = "디자인은 예쁜데, 배송이(정말) 늦었어요! ### 리뷰: L 사이즈ㅠㅠ"


@dataclass(frozen=True)
class EncodedText:
    """Ids of a text's words in a row, without special tokens; word i has `ids[bounds[i]:bounds[i + 1]]`."""

    ids: tuple[int, ...]
    bounds: tuple[int, ...]
    unknown: int

    @property
    def readable(self) -> bool:
        """Whether any token is known to the vocabulary."""
        return self.unknown < len(self.ids)


@dataclass(frozen=True)
class Frame:
    """What stands around a review in a model's input: `[CLS] ...` before it, `... [SEP]` after it."""

    head: tuple[int, ...]
    tail: tuple[int, ...]

    def room(self, max_length: int) -> int:
        """Return how many review tokens fit, so that what follows the review is never cut off."""
        return max(0, max_length - len(self.head) - len(self.tail))

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """Return the whole input for review tokens that fit."""
        return [*self.head, *ids, *self.tail]


class Tokenizer:
    """A klue/roberta-like WordPiece tokenizer. One lock, settings that never change, padding left to `batching`."""

    def __init__(self, raw: "RawTokenizer", where: str = "tokenizer") -> None:
        """Wrap a `tokenizers.Tokenizer`; raises CheckpointError if it lacks a special token or joins words."""
        raw.no_truncation()
        raw.no_padding()
        self._raw = raw
        self._lock = threading.Lock()
        special = {name: raw.token_to_id(name) for name in ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")}
        absent = [name for name, index in special.items() if index is None]
        if absent:
            raise CheckpointError(f"The tokenizer of {where} has no {', '.join(absent)}; a klue/roberta tokenizer is needed.")
        self.cls, self.pad, self.sep, self.unk, self.mask = special.values()
        self.size: int = raw.get_vocab_size()
        if self.encode([PROBE.split()])[0].ids != tuple(raw.encode(PROBE, add_special_tokens=False).ids):
            raise CheckpointError(
                f"The tokenizer of {where} does not treat words one by one; a WordPiece tokenizer as klue/roberta's is needed."
            )

    @classmethod
    def open(cls, folder: Path) -> "Tokenizer":
        """Open `tokenizer.json`, or else `vocab.txt` with `tokenizer_config.json`; raises CheckpointError."""
        from tokenizers import Tokenizer as RawTokenizer
        from tokenizers.implementations import BertWordPieceTokenizer

        if (folder / "tokenizer.json").is_file():
            try:
                return cls(RawTokenizer.from_file(str(folder / "tokenizer.json")), str(folder))
            except CheckpointError:
                raise
            except Exception as error:  # the library raises bare Exception for a broken file
                raise CheckpointError(f"{str(folder / 'tokenizer.json')!r} cannot be read: {error}.") from error
        if (folder / "vocab.txt").is_file():
            config = folder / "tokenizer_config.json"
            try:
                settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
                lowercase, strip_accents = bool(settings.get("do_lower_case", False)), settings.get("strip_accents")
            except (OSError, ValueError, AttributeError) as error:
                raise CheckpointError(f"{str(config)!r} cannot be read: {error}.") from error
            try:
                vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
                entries = {token: index for index, token in enumerate(vocabulary) if token}
                raw = BertWordPieceTokenizer(entries, lowercase=lowercase, strip_accents=strip_accents)
            except (OSError, ValueError, TypeError) as error:  # TypeError for a vocabulary without [CLS] or [SEP]
                raise CheckpointError(f"{str(folder / 'vocab.txt')!r} cannot be used: {error}.") from error
            return cls(raw._tokenizer, str(folder))
        raise CheckpointError(f"{str(folder)!r} has neither tokenizer.json nor vocab.txt.")

    def encode(self, texts: Iterable[Sequence[str]]) -> list[EncodedText]:
        """Encode texts given as words; runs of over 100 characters are broken softly rather than lost as one [UNK]."""
        texts = [tuple(words) for words in texts]
        distinct = list(dict.fromkeys(word for words in texts for word in words))
        pieces = [(word, piece) for word in distinct for piece in self._pieces(word)]
        with self._lock:
            encodings = self._raw.encode_batch([piece for _, piece in pieces], add_special_tokens=False)
        known: dict[str, list[int]] = {word: [] for word in distinct}
        for (word, _), encoding in zip(pieces, encodings, strict=True):
            known[word] += encoding.ids
        encoded = []
        for words in texts:
            ids = tuple(index for word in words for index in known[word])
            bounds = tuple(accumulate((len(known[word]) for word in words), initial=0))
            encoded.append(EncodedText(ids, bounds, ids.count(self.unk)))
        return encoded

    def _pieces(self, word: str) -> list[str]:
        """Return what the model is looked up with: the word, or the parts of one that holds too long a run."""
        if len(word) <= LONGEST_RUN:
            return [word]
        content = self._raw.normalizer.normalize_str(word) if self._raw.normalizer else word
        runs = [run for run, _ in self._raw.pre_tokenizer.pre_tokenize_str(content)]
        if all(len(run) <= LONGEST_RUN for run in runs):
            return [word]
        return [run[i : i + LONGEST_RUN] for run in runs for i in range(0, len(run), LONGEST_RUN)]

    def plain_frame(self) -> Frame:
        """Return the frame `[CLS] review [SEP]`."""
        return Frame((self.cls,), (self.sep,))

    def prompt_frame(self, template: str, keyword: str) -> Frame:
        """Return the frame of a prompt template for one keyword, e.g. `### 리뷰: {review} ### 키워드: {keyword} `.

        Raises CheckpointError unless {review} and {keyword} stand once each, {review} between spaces or at an end.
        """
        if template.count("{review}") != 1 or template.count("{keyword}") != 1:
            raise CheckpointError(f"The prompt template {template!r} must hold {{review}} and {{keyword}} once each.")
        before, after = template.split("{review}")
        if (before and not before[-1].isspace()) or (after and not after[0].isspace()):
            raise CheckpointError(f"In the prompt template {template!r} a space must stand on both sides of {{review}}.")
        head, tail = self.encode([part.replace("{keyword}", keyword).split() for part in (before, after)])
        return Frame((self.cls, *head.ids), (*tail.ids, self.sep))

    def decode_token(self, index: int) -> str:
        """Return a token's text as it stands in the vocabulary."""
        return self._raw.id_to_token(index)

    def fingerprint(self) -> str:
        """Return a digest of the vocabulary and of how text is normalised and cut; equal tokenizers have equal ones."""
        content = json.loads(self._raw.to_str())
        parts = [content[name] for name in ("normalizer", "pre_tokenizer", "model")]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
