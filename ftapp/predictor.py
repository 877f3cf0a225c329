"""The cascade: keywords of every review, the sentiment of every (review, keyword), the words that say so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ftapp import batching
from ftapp.checkpoint import Manifest, open_checkpoint
from ftapp.engines import Engine, open_engine
from ftapp.errors import InputError
from ftapp.highlight import TIE, anchor, between, clause, occlusion_rows, segment_rows, segments, visible_words
from ftapp.schema import Analysis, Highlight, KeywordResult, LabelScheme, Notice, SentimentResult
from ftapp.text import PreparedText, has_hangul, prepare
from ftapp.tokenizer import EncodedText, Frame, Tokenizer
from ftapp.variants import halves_of

CHUNK = 256  # reviews whose masked copies are held at once: memory stays flat for any number of reviews
CHARACTERS_A_TOKEN = 8  # a text longer than this times the model's limit is cut before it is prepared
UNSURE_MARGIN = 0.1  # a keyword this close above its threshold is called unsure
UNSURE_SENTIMENT = 0.5  # a sentiment less probable than this is called unsure

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Review:
    """One review on its way through the cascade."""

    prepared: PreparedText
    encoded: EncodedText

    @property
    def readable(self) -> bool:
        """Whether there is anything for a model to read."""
        return bool(self.encoded.ids) and self.encoded.readable


@dataclass(frozen=True)
class Predictor:
    """A pair of models ready to read reviews; its fields are its stages. Safe to share between threads."""

    manifest: Manifest
    tokenizer: Tokenizer
    keyword_engine: Engine
    sentiment_engine: Engine
    max_length: int
    budget: int = 2048  # padded tokens in a batch

    @property
    def scheme(self) -> LabelScheme:
        """What the pair can say."""
        return self.manifest.scheme

    def analyze(
        self,
        texts: Sequence[str],
        highlights: bool | str = True,
        *,
        threshold: float | None = None,
        progress: Progress | None = None,
    ) -> list[Analysis]:
        """Return one Analysis for each text, same length and order.

        `highlights` is True (or "exact": the occlusion of every word), "fast" (of every clause, several times fewer passes)
        or False for none.
        `threshold` replaces the model's own thresholds (`Analysis.above` filters again, without inference).
        `progress(done, total)` is called after every batch and may raise to stop the work.
        Raises InputError when `texts` is a string, holds something else than strings, `threshold` is no probability, or
        `highlights` something else.
        """
        _check_texts(texts)
        if highlights not in (True, False, "exact", "fast"):
            raise InputError(f"highlights={highlights!r} must be True, False, 'exact' or 'fast'.")
        if threshold is not None and not 0 <= threshold <= 1:
            raise InputError(f"The threshold {threshold} must lie between 0 and 1.")
        analyses: list[Analysis] = []
        after_batch = (lambda: progress(len(analyses), len(texts))) if progress else None
        for start in range(0, len(texts), CHUNK):
            analyses += self._analyze_chunk(self._read(texts[start : start + CHUNK]), highlights, threshold, after_batch)
            if progress:
                progress(len(analyses), len(texts))
        return analyses

    def keyword_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return float64 [texts, keywords], the probability of every keyword in every text; 0 where nothing is readable."""
        _check_texts(texts)
        return self._keyword_probabilities(self._read(texts), None)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[SentimentResult | None]:
        """Return the sentiment of each (text, keyword), same length and order; None where the text is not readable.

        The overall label counts as a keyword. Raises InputError for a keyword that is not of the scheme.
        """
        _check_texts([text for text, _ in pairs])
        reviews = self._read([text for text, _ in pairs])
        frames = self._frames
        for _, keyword in pairs:
            if keyword not in frames:
                raise InputError(f"{keyword!r} is no keyword of this model; it knows {', '.join(frames)}.")
        groups = [
            [self._row(review.encoded, frames[keyword])] if review.readable else []
            for review, (_, keyword) in zip(reviews, pairs, strict=True)
        ]
        logits = self._run("sentiment", groups, None)
        return [self._sentiment(group.rows[0]) if len(group.rows) else None for group in logits]

    def _read(self, texts: Sequence[str]) -> list[Review]:
        limit = CHARACTERS_A_TOKEN * self.max_length
        prepared = [
            prepare(text, spacing=self.manifest.spacing, sentences=self.manifest.sentences, limit=limit) for text in texts
        ]
        encoded = self.tokenizer.encode([word.text for word in review.words] for review in prepared)
        return [Review(*pair) for pair in zip(prepared, encoded, strict=True)]

    def _analyze_chunk(
        self,
        reviews: Sequence[Review],
        highlights: bool | str,
        threshold: float | None,
        after_batch: Callable[[], None] | None,
    ) -> list[Analysis]:
        probabilities = self._keyword_probabilities(reviews, after_batch)
        own = [self.manifest.threshold_of(keyword) for keyword in self.scheme.keywords]
        limits = np.array(own if threshold is None else [threshold] * len(own))
        found: list[list[int]] = [
            np.flatnonzero(row >= limits).tolist() if review.readable else []
            for review, row in zip(reviews, probabilities, strict=True)
        ]
        fast = highlights == "fast"
        contributions = self._keyword_contributions(reviews, found, after_batch, fast) if highlights else None

        # One pass of the sentiment model: every (review, keyword) with its masked copies, and overall of every review.
        frames = self._frames
        groups: list[list[list[int]]] = []
        keys: list[tuple[int, int | None]] = []  # (review, keyword), None for overall
        # The keyword's anchor, the words of its sentence that the keyword model read, those masked for the sentiment model.
        anchors: dict[tuple[int, int | None], tuple[int, list[int], list[int]]] = {}
        for i, review in enumerate(reviews):
            for k in found[i]:
                frame = frames[self.scheme.keywords[k]]
                keys.append((i, k))
                if contributions is None or fast:
                    groups.append([self._row(review.encoded, frame)])
                    continue
                words = review.prepared.words
                # An unread word contributes 0: it must not win where every read one speaks against the keyword.
                read = visible_words(review.encoded, self.tokenizer.plain_frame(), self.max_length, range(len(words)))
                best = read[anchor(contributions[i][read, k])]
                sentence = [w for w, word in enumerate(words) if word.sentence == words[best].sentence]
                if len(sentence) == 1:
                    sentence = []  # one word is its own anchor: nothing to compare
                rows, visible = occlusion_rows(review.encoded, frame, self.max_length, self.tokenizer.mask, sentence)
                groups.append(rows)
                anchors[i, k] = (best, [w for w in read if words[w].sentence == words[best].sentence], visible)
            if review.readable and self.scheme.overall is not None:
                keys.append((i, None))
                groups.append([self._row(review.encoded, frames[self.scheme.overall])])
        logits = dict(zip(keys, self._run("sentiment", groups, after_batch), strict=True))

        analyses = []
        for i, review in enumerate(reviews):
            results = []
            for k in found[i]:
                group = logits[i, k]
                sentiment = self._sentiment(group.rows[0])
                highlight = None
                if contributions is not None and fast:
                    highlight = self._fast_highlight(review, contributions[i][:, k])
                elif contributions is not None:
                    highlight = self._highlight(review, group, contributions[i][:, k], *anchors[i, k])
                results.append(
                    KeywordResult(
                        self.scheme.keywords[k], float(probabilities[i, k]), own[k], sentiment.sentiment,
                        sentiment.probabilities, highlight,
                        () if contributions is None else tuple(map(float, contributions[i][:, k])),
                    )
                )  # fmt: skip
            overall = self._sentiment(logits[i, None].rows[0]) if (i, None) in logits else None
            analysis = Analysis(review.prepared.original, tuple(results), overall, words=review.prepared.words)
            analyses.append(replace(analysis, warnings=tuple(self._notices(review, analysis))))
        return analyses

    def _keyword_probabilities(self, reviews: Sequence[Review], after_batch: Callable[[], None] | None) -> np.ndarray:
        frame = self.tokenizer.plain_frame()
        groups = [[self._row(review.encoded, frame)] if review.readable else [] for review in reviews]
        out = np.zeros((len(reviews), len(self.scheme.keywords)))
        for i, group in enumerate(self._run("keyword", groups, after_batch)):
            if len(group.rows):
                out[i] = batching.sigmoid(group.rows[0])
        return out

    def _keyword_contributions(
        self,
        reviews: Sequence[Review],
        found: Sequence[Sequence[int]],
        after_batch: Callable[[], None] | None,
        fast: bool = False,
    ) -> list[np.ndarray]:
        """Return [words, keywords] for each review: computed once, it serves all its keywords; 0 for words not visible.

        `fast` masks whole clauses and shares the fall out equally among a clause's words.
        """
        frame = self.tokenizer.plain_frame()
        groups: list[list[list[int]]] = []
        seen: list[list[list[int]]] = []
        for review, keywords in zip(reviews, found, strict=True):
            rows: list[list[int]] = []
            visible: list[list[int]] = []
            if len(keywords) and fast:
                pieces = segments(review.prepared.words)
                rows, visible = segment_rows(review.encoded, frame, self.max_length, self.tokenizer.mask, pieces)
            elif len(keywords):
                words = range(len(review.prepared.words))
                rows, single = occlusion_rows(review.encoded, frame, self.max_length, self.tokenizer.mask, words)
                visible = [[word] for word in single]
            groups.append(rows)
            seen.append(visible)
        out = []
        for review, group, visible in zip(reviews, self._run("keyword", groups, after_batch), seen, strict=True):
            contributions = np.zeros((len(review.prepared.words), len(self.scheme.keywords)))
            if visible:
                fall = batching.sigmoid(group.reference) - batching.sigmoid(group.rows)
                for masked, value in zip(visible, fall[1:], strict=True):
                    contributions[masked] = value / len(masked)
            out.append(contributions)
        return out

    def _fast_highlight(self, review: Review, falls: np.ndarray) -> Highlight:
        """Return the clause whose masking lowers the keyword most, the first of equals; `falls` [words] are contributions."""
        words = review.prepared.words
        pieces = segments(words)
        totals = np.array([falls[list(piece)].sum() for piece in pieces])
        best = pieces[int(np.flatnonzero(totals >= totals.max() - TIE)[0])]
        return between(review.prepared.original, words, best[0], best[-1])

    def _highlight(
        self, review: Review, group: batching.GroupLogits, falls: np.ndarray, best: int, sentence: list[int], visible: list[int]
    ) -> Highlight:
        """Return the highlight by the manifest's rule, inside one sentence; `falls` are the keyword's contributions."""
        words = review.prepared.words
        first = last = best
        if visible:
            label = int(group.rows[0].argmax())
            other = batching.softmax(group.reference)[1:, label] - batching.softmax(group.rows)[1:, label]
            if self.manifest.highlight == "origin":
                last = visible[anchor(other)]
            else:
                sentiment_falls = np.zeros(len(words))
                sentiment_falls[visible] = other
                shown = [words[word].text for word in sentence]
                ends = clause(shown, falls[sentence], sentiment_falls[sentence], sentence.index(best))
                first, last = (sentence[end] for end in ends)
        return between(review.prepared.original, words, first, last)

    def _notices(self, review: Review, analysis: Analysis) -> list[Notice]:
        encoded = review.encoded
        if not encoded.ids:
            return [Notice("empty", "There is no text to read.")]
        if not encoded.readable:
            return [Notice("unreadable", "Nothing in the text is in the model's vocabulary.")]
        notices = []
        if not has_hangul(analysis.text):
            notices.append(Notice("no_hangul", "The text holds no Korean; the model was trained on Korean reviews."))
        frames = [self.tokenizer.plain_frame(), *self._frames.values()]
        room = min(frame.room(self.max_length) for frame in frames)
        if review.prepared.cut or len(encoded.ids) > room:
            notices.append(
                Notice("truncated", f"The text is longer than the model reads; only its first {room} tokens count.", count=room)
            )
        if encoded.unknown:
            notices.append(
                Notice(
                    "unknown_tokens",
                    f"{encoded.unknown} of {len(encoded.ids)} tokens are not in the model's vocabulary.",
                    count=encoded.unknown,
                )
            )
        for result in analysis.keywords:
            if result.probability < result.threshold + UNSURE_MARGIN:
                message = f"{result.keyword} is close to its threshold ({result.probability:.2f})."
                notices.append(Notice("unsure_keyword", message, result.keyword))
            best = result.probabilities[result.sentiment]
            if best < UNSURE_SENTIMENT:
                message = f"The sentiment of {result.keyword} is unsure ({result.sentiment} {best:.2f})."
                notices.append(Notice("unsure_sentiment", message, result.keyword))
        return notices

    @cached_property
    def _frames(self) -> dict[str, Frame]:
        """Return the sentiment model's frame for every keyword and for overall."""
        words = [*self.scheme.keywords, *([self.scheme.overall] if self.scheme.overall else [])]
        return {word: self.tokenizer.prompt_frame(self.manifest.template, word) for word in words}

    def _row(self, encoded: EncodedText, frame: Frame) -> list[int]:
        return frame.wrap(encoded.ids[: frame.room(self.max_length)])

    def _sentiment(self, logits: np.ndarray) -> SentimentResult:
        probabilities = batching.softmax(logits)
        label = self.scheme.sentiments[int(probabilities.argmax())]
        return SentimentResult(label, dict(zip(self.scheme.sentiments, map(float, probabilities), strict=True)))

    def _run(
        self, half: str, groups: Sequence[Sequence[batching.TokenRow]], after_batch: Callable[[], None] | None
    ) -> list[batching.GroupLogits]:
        """Return the logits of one half of the pair, at its temperature."""
        engine = self.keyword_engine if half == "keyword" else self.sentiment_engine
        runs = batching.run(engine, groups, pad=self.tokenizer.pad, budget=self.budget, after_batch=after_batch)
        temperature = self.manifest.temperatures.get(half, 1.0)
        if temperature == 1.0:
            return runs
        return [batching.GroupLogits(group.rows / temperature, group.reference / temperature) for group in runs]


def load(source: str | Path | tuple[str | Path, str | Path], variant: str = "full", device: str = "auto") -> Predictor:
    """Open a model folder or hub id, or a pair (keyword, sentiment) of them, as a variant on a device.

    Raises CheckpointError when the model cannot be used, InputError for an unknown variant or device, UnsupportedError
    when this machine cannot run it or the variant has not been made.
    """
    checkpoint = open_checkpoint(source)
    keyword, sentiment = (open_engine(folder, variant, device) for folder in halves_of(checkpoint, variant))
    return Predictor(checkpoint.manifest, checkpoint.tokenizer, keyword, sentiment, checkpoint.max_length)


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InputError("analyze takes a list of texts, not one string; put the text into a list.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Text {i} is {type(text).__name__} {text!r}, not a string.")
