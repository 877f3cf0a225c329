"""A table of labels, one row for each review and keyword, to labelled reviews: every bad row is reported, none is lost."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ftapp.errors import InputError
from ftapp.reviews import TEXT_COLUMNS, Label, LabelledReview, decode
from ftapp.schema import LabelScheme

KEYWORD_COLUMNS = ("keyword", "키워드", "aspect", "속성")
SCORE_COLUMNS = ("score", "점수", "sentiment", "감성", "평가")


@dataclass(frozen=True)
class BadRow:
    """A row that could not be taken: its line in the file, what is wrong, and its cells."""

    line: int
    reason: str
    text: str
    keyword: str
    score: str


def read_table(
    path: Path, scheme: LabelScheme, *, text: str | None = None, keyword: str | None = None, score: str | None = None
) -> tuple[list[LabelledReview], list[BadRow]]:
    """Read a CSV of (text, keyword, score) and return (reviews in order of first appearance, rows that are wrong).

    Scores run from -n to n for 2n + 1 sentiments: -2 매우부정 to 2 매우긍정. The overall label counts as a keyword. Rows of the
    same text make one review; a row that says the same again is taken once, one that says otherwise is bad. Columns are
    found by their usual names unless named. Raises InputError when a column is absent or no row is good.
    """
    rows = csv.DictReader(io.StringIO(decode(path), newline=""))
    columns = list(rows.fieldnames or [])
    names = [
        _column(columns, text, TEXT_COLUMNS, "reviews", path),
        _column(columns, keyword, KEYWORD_COLUMNS, "keywords", path),
        _column(columns, score, SCORE_COLUMNS, "scores", path),
    ]
    found: dict[str, dict[str, tuple[int, int]]] = {}  # text -> keyword -> (sentiment, line)
    bad: list[BadRow] = []
    for row in rows:
        cells = [(row[name] or "").strip() for name in names]
        try:
            sentiment = _sentiment(cells, scheme)
            said, line = found.get(cells[0], {}).get(cells[1], (sentiment, 0))
            if said != sentiment:
                raise ValueError(f"line {line} gives this review and keyword another score")
        except ValueError as error:
            bad.append(BadRow(rows.line_num, str(error), *cells))
            continue
        found.setdefault(cells[0], {}).setdefault(cells[1], (sentiment, rows.line_num))
    if not found:
        reason = f"; the first: line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise InputError(f"{str(path)!r} has no row that can be used ({len(bad)} bad ones{reason}).")
    reviews = []
    for number, (content, labels) in enumerate(found.items(), 1):
        overall = labels.pop(scheme.overall, (None, 0))[0] if scheme.overall else None
        kept = tuple(Label(name, sentiment) for name, (sentiment, _) in labels.items())
        reviews.append(LabelledReview(f"{path.stem}-{number}", content, kept, overall))
    return reviews, bad


def dump_bad_rows(rows: Sequence[BadRow]) -> str:
    """Return the bad rows as a CSV with a line and a reason for each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["line", "reason", "text", "keyword", "score"])
    writer.writerows([row.line, row.reason, row.text, row.keyword, row.score] for row in rows)
    return out.getvalue()


def _column(columns: Sequence[str], asked: str | None, usual: Sequence[str], what: str, path: Path) -> str:
    known = [name for name in ([asked] if asked else usual) if name in columns]
    if not known:
        raise InputError(f"{str(path)!r} has the columns {', '.join(columns) or 'none'}; name the one with the {what}.")
    return known[0]


def _sentiment(cells: Sequence[str], scheme: LabelScheme) -> int:
    """Return the sentiment's index of a row; raises ValueError with what is wrong."""
    text, keyword, score = cells
    if not text:
        raise ValueError("the review is empty")
    if keyword not in (*scheme.keywords, scheme.overall):
        raise ValueError(f"unknown keyword {keyword!r}")
    middle = len(scheme.sentiments) // 2
    try:
        value = float(score)
    except ValueError:
        raise ValueError(f"the score {score!r} is no number") from None
    if value != round(value) or abs(value) > middle:
        raise ValueError(f"the score {score} is not a whole number from {-middle} to {middle}")
    return round(value) + middle
