"""From what was pasted into one text area to reviews, and the limits of one run."""

import re

MAX_CHARACTERS = 20_000
MAX_REVIEWS = 200
BROWSER_CHARACTERS = 200_000  # the text area silently refuses more; below, a sentence says what is too much

BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


def split_reviews(text: str) -> list[str]:
    """Return the reviews: what stands between blank lines if there is one, else every line; without empty ones.

    Blank lines before the first and after the last review do not count as separators.
    """
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").strip()
    parts = BLANK_LINE.split(text) if BLANK_LINE.search(text) else text.split("\n")
    return [part.strip() for part in parts if part.strip()]


def limit_exceeded(text: str, reviews: list[str]) -> tuple[str, int, int] | None:
    """Return (name of the limit, how much was given, how much is allowed), or None if all fits."""
    if len(text) > MAX_CHARACTERS:
        return "characters", len(text), MAX_CHARACTERS
    if len(reviews) > MAX_REVIEWS:
        return "reviews", len(reviews), MAX_REVIEWS
    return None
