"""TF-IDF of character n-grams and logistic regression on the same labelled reviews: what a pair of models must beat.

    python benchmarks/baseline.py --train FILE... --test FILE [--output JSON]

Keywords: one-against-rest on the text. Sentiment: on the text, its clauses that hold the evidence being unknown, with the
keyword crossed into the n-grams, so that the same words may mean different things for different keywords.
"""

import argparse
import json
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


def measure(train: list[LabelledReview], test: list[LabelledReview]) -> dict[str, float]:
    """Fit on `train` and return the metrics on `test`, by the definitions of `ftapp evaluate`."""
    index = {keyword: k for k, keyword in enumerate(SCHEME.keywords)}
    gold = [np.full((len(part), len(index)), -1) for part in (train, test)]
    for part, table in zip((train, test), gold, strict=True):
        for i, review in enumerate(part):
            for label in review.labels:
                table[i, index[label.keyword]] = label.sentiment
    texts = [[review.text for review in part] for part in (train, test)]

    words = vectorizer().fit(texts[0])
    x_train, x_test = words.transform(texts[0]), words.transform(texts[1])
    keyword_model = OneVsRestClassifier(LogisticRegression(C=20, max_iter=2000, class_weight="balanced"))
    keyword_model.fit(x_train, gold[0] >= 0)
    found = keyword_model.predict(x_test) > 0
    there = gold[1] >= 0

    i_train, k_train = np.nonzero(gold[0] >= 0)
    sentiment_model = LogisticRegression(C=10, max_iter=2000)
    sentiment_model.fit(crossed(x_train[i_train], k_train), gold[0][i_train, k_train])
    i_test, k_test = np.nonzero(there | found)
    guess = np.full_like(gold[1], -1)
    guess[i_test, k_test] = sentiment_model.predict(crossed(x_test[i_test], k_test))

    overall_model = LogisticRegression(C=10, max_iter=2000).fit(x_train, [review.overall for review in train])
    exact = (guess == gold[1]) & there & found
    return {
        "keyword_micro_f1": f1_score(there, found, average="micro"),
        "keyword_macro_f1": f1_score(
            there[:, there.any(0) | found.any(0)], found[:, there.any(0) | found.any(0)], average="macro"
        ),
        "sentiment_accuracy": accuracy_score(gold[1][there], guess[there]),
        "sentiment_macro_f1": f1_score(gold[1][there], guess[there], average="macro"),
        "pair_f1": 2 * exact.sum() / (found.sum() + there.sum()),
        "overall_accuracy": accuracy_score([review.overall for review in test], overall_model.predict(x_test)),
    }


def main() -> None:
    """Read the files, fit, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    train = [review for path in arguments.train for review in read_labelled(path, SCHEME)]
    test = read_labelled(arguments.test, SCHEME)
    result = {
        "train": {path.name: len(read_labelled(path, SCHEME)) for path in arguments.train},
        "test": {arguments.test.name: len(test)},
        "metrics": {name: round(float(value), 4) for name, value in measure(train, test).items()},
        "environment": describe(),
    }
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
