"""How far two labellers of the same reviews agree.

    python benchmarks/agreement.py data/reviews.jsonl data/test.jsonl --second data/second.jsonl [--output FILE]

The second file holds a second labeller's labels of some of the reviews, by id, and in `first` what the first labeller had
said where that was changed when the two were settled. Keyword F1 and keyword-and-sentiment F1 are micro-averaged and
symmetric; the sentiment and the overlap of evidence (F1 in characters) are taken over the keywords that both gave.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ftapp.reviews import Label, LabelledReview, read_labelled
from ftapp.schema import LabelScheme


def agreement(pairs: list[tuple[LabelledReview, LabelledReview]]) -> dict[str, float | int]:
    """Return the figures over pairs of one review as its two labellers see it."""
    counts = dict.fromkeys(("labels", "keywords", "sentiments", "overall", "overall_within_one"), 0)
    shared_characters = characters = 0
    for first, second in pairs:
        one, other = ({label.keyword: label for label in review.labels} for review in (first, second))
        counts["labels"] += len(one) + len(other)
        for keyword in one.keys() & other.keys():
            a, b = one[keyword], other[keyword]
            counts["keywords"] += 1
            counts["sentiments"] += a.sentiment == b.sentiment
            spans = [(start := first.text.index(x.evidence), start + len(x.evidence)) for x in (a, b)]
            places = [set(range(*span)) for span in spans]
            shared_characters += 2 * len(places[0] & places[1])
            characters += len(places[0]) + len(places[1])
        counts["overall"] += first.overall == second.overall
        counts["overall_within_one"] += abs(first.overall - second.overall) <= 1
    return {
        "reviews": len(pairs),
        "keyword_f1": round(2 * counts["keywords"] / counts["labels"], 4),
        "same_sentiment": round(counts["sentiments"] / counts["keywords"], 4),
        "pair_f1": round(2 * counts["sentiments"] / counts["labels"], 4),
        "overall": round(counts["overall"] / len(pairs), 4),
        "overall_within_one": round(counts["overall_within_one"] / len(pairs), 4),
        "evidence_overlap": round(shared_characters / characters, 4),
    }


def main() -> None:
    """Compare, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, nargs="+")
    parser.add_argument("--second", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    first = {review.id: review for path in arguments.first for review in read_labelled(path, LabelScheme())}
    second = read_labelled(arguments.second, LabelScheme())
    for line in arguments.second.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "first" in row:
            labels = tuple(Label(**label) for label in row["first"]["labels"])
            first[row["id"]] = replace(first[row["id"]], labels=labels, overall=row["first"]["overall"])
    text = json.dumps(agreement([(first[review.id], review) for review in second]), indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
