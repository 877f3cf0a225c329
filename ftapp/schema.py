"""The words that everything speaks: label schemes going in, analyses coming out. Plain frozen data, no behaviour of models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ftapp.errors import InputError

KEYWORDS = (
    "가격", "기능성", "길이", "디자인", "라인(핏)", "마감처리", "배송",
    "사이즈", "색상", "소재", "스타일", "신축성", "착용감", "품질",
)  # fmt: skip
SENTIMENTS = ("매우부정", "부정", "중립", "긍정", "매우긍정")
OVERALL = "만족도"


@dataclass(frozen=True)
class LabelScheme:
    """What a pair of models can say: keywords and sentiments in label order, sentiments from worst to best.

    `overall` is the extra keyword whose sentiment every review gets; None when the sentiment model does not know one.
    """

    keywords: tuple[str, ...] = KEYWORDS
    sentiments: tuple[str, ...] = SENTIMENTS
    overall: str | None = OVERALL

    def __post_init__(self) -> None:
        """Raise InputError for empty, repeated or colliding labels."""
        for name, labels in (("keywords", self.keywords), ("sentiments", self.sentiments)):
            if not labels or any(not label.strip() for label in labels):
                raise InputError(f"The label scheme's {name} {list(labels)} are empty or hold an empty label.")
            if len(set(labels)) != len(labels):
                raise InputError(f"The label scheme's {name} {list(labels)} hold a label twice.")
        if self.overall is not None and not self.overall.strip():
            raise InputError("The label scheme's overall label is empty; give it a name, or null where there is none.")
        if self.overall in self.keywords:
            raise InputError(f"The overall label {self.overall!r} is a keyword too; give it a name of its own.")


@dataclass(frozen=True)
class Highlight:
    """A stretch of the user's text: `text == analysis.text[start:end]`."""

    start: int
    end: int
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"start": self.start, "end": self.end, "text": self.text}


@dataclass(frozen=True)
class Word:
    """An eojeol after spacing correction, placed in the user's text; `sentence` numbers the sentence it stands in."""

    start: int
    end: int
    text: str
    sentence: int


@dataclass(frozen=True)
class SentimentResult:
    """The most probable sentiment and the probability of each, in label order."""

    sentiment: str
    probabilities: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"sentiment": self.sentiment, "probabilities": _rounded(self.probabilities)}


@dataclass(frozen=True)
class KeywordResult:
    """A keyword that a review is about.

    `threshold` is the model's own for this keyword. `contributions[i]` is the fall of `probability` when
    `Analysis.words[i]` is masked; empty when highlights were not asked for.
    """

    keyword: str
    probability: float
    threshold: float
    sentiment: str
    probabilities: Mapping[str, float]
    highlight: Highlight | None = None
    contributions: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "keyword": self.keyword,
            "probability": round(self.probability, 4),
            "sentiment": self.sentiment,
            "probabilities": _rounded(self.probabilities),
            "highlight": self.highlight.to_dict() if self.highlight else None,
        }


@dataclass(frozen=True)
class Notice:
    """Something the reader of an analysis should know. `code` is for programs, `message` for people.

    Codes: empty, unreadable, no_hangul, truncated, unknown_tokens, unsure_keyword, unsure_sentiment.
    """

    code: str
    message: str
    keyword: str | None = None
    count: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Analysis:
    """Everything that was read in one review. `overall` is None when there was nothing to read."""

    text: str
    keywords: tuple[KeywordResult, ...] = ()
    overall: SentimentResult | None = None
    warnings: tuple[Notice, ...] = ()
    words: tuple[Word, ...] = ()

    def above(self, threshold: float | None = None) -> "Analysis":
        """Return the analysis with only the keywords at or above `threshold`, each one's own where that is None."""
        kept = tuple(k for k in self.keywords if k.probability >= (k.threshold if threshold is None else threshold))
        names = {k.keyword for k in kept} | {None}
        return replace(self, keywords=kept, warnings=tuple(w for w in self.warnings if w.keyword in names))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the keys are the same for every review."""
        return {
            "text": self.text,
            "keywords": [keyword.to_dict() for keyword in self.keywords],
            "overall": self.overall.to_dict() if self.overall else None,
            "warnings": [warning.to_dict() for warning in self.warnings],
        }


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {label: round(float(value), 4) for label, value in probabilities.items()}
