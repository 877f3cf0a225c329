"""TF-IDF of character n-grams and logistic regression on the same labelled reviews: what a pair of models must beat.

    python benchmarks/baseline.py --train FILE... --test FILE... [--output JSON]

Keywords: one-against-rest on the text. Sentiment: on the text, its clauses that hold the evidence being unknown, with the
keyword crossed into the n-grams, so that the same words may mean different things for different keywords.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.multiclass import OneVsRestClassifier

from ftapp.bench.environment import describe
from ftapp.reviews import LabelledReview, read_labelled
from ftapp.schema import LabelScheme

SCHEME = LabelScheme()


def vectorizer() -> TfidfVectorizer:
    """Return character 1- to 4-grams inside word bounds, sublinear counts."""
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True)


def crossed(features: csr_matrix, keywords: np.ndarray) -> csr_matrix:
    """Return the features, and beside them one copy for each keyword that is 0 except in that keyword's rows."""
    blocks = [features]
    for k in range(len(SCHEME.keywords)):
        blocks.append(features.multiply((keywords == k)[:, None]).tocsr())
    return hstack(blocks).tocsr()


@dataclass(frozen=True)
class Baseline:
    """The fitted vectorizer and classifiers."""

    words: TfidfVectorizer
    keyword: OneVsRestClassifier
    crossings: np.ndarray  # of the features crossed with the keywords those that the training rows have
    sentiment: LogisticRegression
    overall: LogisticRegression


def gold_of(reviews: list[LabelledReview]) -> np.ndarray:
    """Return int [reviews, keywords]: the sentiment of each labelled keyword, -1 for the others."""
    table = np.full((len(reviews), len(SCHEME.keywords)), -1)
    for i, review in enumerate(reviews):
        for label in review.labels:
            table[i, SCHEME.keywords.index(label.keyword)] = label.sentiment
    return table


def fit(train: list[LabelledReview]) -> Baseline:
    """Fit all on the reviews."""
    words = vectorizer()
    x = words.fit_transform([review.text for review in train])
    gold = gold_of(train)
    keyword = OneVsRestClassifier(LogisticRegression(C=20, max_iter=2000, class_weight="balanced")).fit(x, gold >= 0)
    rows, columns = np.nonzero(gold >= 0)
    pairs = crossed(x[rows], columns)
    crossings = np.flatnonzero(pairs.getnnz(axis=0))  # the rest would get no weight, and are most of them
    sentiment = LogisticRegression(C=10, max_iter=2000).fit(pairs[:, crossings], gold[rows, columns])
    overall = LogisticRegression(C=10, max_iter=2000).fit(x, [review.overall for review in train])
    return Baseline(words, keyword, crossings, sentiment, overall)


def measure(baseline: Baseline, test: list[LabelledReview]) -> dict[str, float]:
    """Return the metrics on `test`, by the definitions of `ftapp evaluate`."""
    x = baseline.words.transform([review.text for review in test])
    gold = gold_of(test)
    there, found = gold >= 0, baseline.keyword.predict(x) > 0
    rows, columns = np.nonzero(there | found)
    guess = np.full_like(gold, -1)
    guess[rows, columns] = baseline.sentiment.predict(crossed(x[rows], columns)[:, baseline.crossings])
    exact = (guess == gold) & there & found
    seen = there.any(0) | found.any(0)
    figures = {
        "keyword_micro_f1": f1_score(there, found, average="micro"),
        "keyword_macro_f1": f1_score(there[:, seen], found[:, seen], average="macro"),
        "sentiment_accuracy": accuracy_score(gold[there], guess[there]),
        "sentiment_macro_f1": f1_score(gold[there], guess[there], average="macro"),
        "pair_f1": 2 * exact.sum() / (found.sum() + there.sum()),
        "overall_accuracy": accuracy_score([review.overall for review in test], baseline.overall.predict(x)),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def main() -> None:
    """Read the files, fit, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--test", nargs="+", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    train = {path.name: read_labelled(path, SCHEME) for path in arguments.train}
    baseline = fit([review for reviews in train.values() for review in reviews])
    tests = {path.name: read_labelled(path, SCHEME) for path in arguments.test}
    result = {
        "train": {name: len(reviews) for name, reviews in train.items()},
        "test": {name: {"reviews": len(reviews), **measure(baseline, reviews)} for name, reviews in tests.items()},
        "environment": describe(),
    }
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
