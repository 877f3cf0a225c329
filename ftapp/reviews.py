"""Labelled reviews and plain texts, read from files: every fault names its line."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftapp.errors import InputError
from ftapp.schema import LabelScheme

TEXT_COLUMNS = ("text", "review", "리뷰", "내용", "review_text")


@dataclass(frozen=True)
class Label:
    """What a review says about one keyword: the sentiment's index in label order, and the words that say so, if known."""

    keyword: str
    sentiment: int
    evidence: str | None = None


@dataclass(frozen=True)
class LabelledReview:
    """A review with a label for each keyword that it is about, and its overall sentiment's index, None where not known."""

    id: str
    text: str
    labels: tuple[Label, ...]
    overall: int | None = None


def read_labelled(path: Path, scheme: LabelScheme) -> list[LabelledReview]:
    """Read JSON Lines of `{"id", "text", "labels": [{"keyword", "sentiment", "evidence"}], "overall"}`.

    `evidence` and `overall` may be absent or null: what needs them leaves such labels out. Raises InputError that lists
    every bad line: broken JSON, unknown keyword, sentiment out of range, evidence that is not in the text, a keyword or an
    id that stands twice.
    """
    reviews: list[LabelledReview] = []
    faults: list[str] = []
    ids: set[str] = set()
    for number, line in enumerate(decode(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            review = _parse(json.loads(line), scheme)
        except (KeyError, TypeError, ValueError) as error:
            faults.append(f"line {number}: {error if isinstance(error, ValueError) else f'lacks or misuses {error}'}")
            continue
        if review.id in ids:
            faults.append(f"line {number}: the id {review.id!r} stands twice")
        ids.add(review.id)
        reviews.append(review)
    if faults:
        shown = "; ".join(faults[:10]) + (f"; and {len(faults) - 10} more" if len(faults) > 10 else "")
        raise InputError(f"{str(path)!r} has {len(faults)} bad lines: {shown}.")
    if not reviews:
        raise InputError(f"{str(path)!r} holds no labelled review.")
    return reviews


def read_texts(path: Path, column: str | None = None) -> list[str]:
    """Return one text for each row of a .txt (a line each), .jsonl (`text`) or .csv file; blank lines stay rows.

    A CSV's text column is `column`, or the first of text, review, 리뷰, 내용 that it has, or its only column.
    Raises InputError for an absent file, an unknown encoding, a bad line or no text column.
    """
    content = decode(path)
    if path.suffix == ".jsonl":
        texts = []
        for number, line in enumerate(content.splitlines(), 1):
            try:
                texts.append(str(json.loads(line)[column or "text"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"Line {number} of {str(path)!r} is no JSON object with {column or 'text'!r}: {line[:60]!r}."
                ) from error
        return texts
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(content, newline=""))
        columns = list(rows.fieldnames or [])
        if column is None:
            known = [name for name in TEXT_COLUMNS if name in columns]
            column = known[0] if known else columns[0] if len(columns) == 1 else None
        if column not in columns:
            raise InputError(f"{str(path)!r} has the columns {', '.join(columns)}; name the one with the reviews (--column).")
        return [row[column] or "" for row in rows]
    if path.suffix in (".txt", ""):
        return content.splitlines()
    raise InputError(f"{str(path)!r} is no .txt, .jsonl or .csv file.")


def _parse(row: Any, scheme: LabelScheme) -> LabelledReview:
    """Return a checked review; raises ValueError with what is wrong."""
    if not isinstance(row, dict):
        raise ValueError(f"is no JSON object: {str(row)[:40]!r}")
    text = str(row["text"])
    labels = tuple(Label(label["keyword"], label["sentiment"], label.get("evidence")) for label in row["labels"])
    indexes = range(len(scheme.sentiments))
    for label in labels:
        if label.keyword not in scheme.keywords:
            raise ValueError(f"unknown keyword {label.keyword!r}")
        if label.sentiment not in indexes:
            raise ValueError(f"the sentiment {label.sentiment!r} of {label.keyword} is not 0..{indexes[-1]}")
        if label.evidence is not None and (not label.evidence or label.evidence not in text):
            raise ValueError(f"the evidence {label.evidence!r} of {label.keyword} is not in the text")
    keywords = [label.keyword for label in labels]
    if len(set(keywords)) != len(keywords):
        raise ValueError(f"a keyword stands twice in {keywords}")
    overall = row.get("overall")
    if overall is not None and overall not in indexes:
        raise ValueError(f"overall {overall!r} is not 0..{indexes[-1]}")
    return LabelledReview(str(row["id"]), text, labels, overall)


def decode(path: Path) -> str:
    """Return a file's text: UTF-8 with or without BOM, else cp949 as Korean Excel writes it."""
    if not path.is_file():
        raise InputError(f"The file {str(path)!r} does not exist.")
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{str(path)!r} is neither UTF-8 nor cp949; save it as UTF-8.")


def dump_labelled(reviews: Iterable[LabelledReview]) -> str:
    """Return reviews as JSON Lines, in the form that `read_labelled` reads."""
    lines = []
    for review in reviews:
        labels = [{"keyword": x.keyword, "sentiment": x.sentiment, "evidence": x.evidence} for x in review.labels]
        row = {"id": review.id, "text": review.text, "labels": labels, "overall": review.overall}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def write_text(path: Path, content: str) -> None:
    """Write a file in UTF-8, beside its place first and then renamed, so that a kill never leaves half of it."""
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)
