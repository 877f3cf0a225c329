"""How a pair bears what customers do to text, how far its probabilities can be trusted, and six small cases.

    python benchmarks/robustness.py [--model FOLDER] [--data FILE] [--seed 0] [--highlights COUNT] [--output FILE]

The metrics of `ftapp evaluate` on the reviews as they are, without their spaces, with typos, in casual spellings, and joined
two by two so that they are twice as long (pairs that share no keyword; the labels of both, no overall). The expected
calibration error of both halves, at temperature 1 and at the manifest's. Marks take many times longer and are measured on
COUNT of the reviews, spread over the lengths. Evidence moves with the text; where noise changes it, it is left out of their
figure.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ftapp.batching import sigmoid, softmax
from ftapp.bench.environment import describe
from ftapp.bench.settings import spread
from ftapp.calibrate import binary_error, class_error, labelled_logits
from ftapp.evaluate import FIGURES, evaluate
from ftapp.predictor import Predictor, load
from ftapp.reviews import Label, LabelledReview, read_labelled
from ftapp.training.noise import casual, drop_spaces, slip

ROOT = Path(__file__).parent.parent
GOOD, BAD, MIDDLE = {"긍정", "매우긍정"}, {"부정", "매우부정"}, {"중립"}
CASES: dict[str, dict[str, set[str]]] = {
    "디자인은 예쁜데 배송이 늦었어요": {"디자인": GOOD, "배송": BAD},
    "색감이 정말 예뻐요": {"색상": GOOD},
    "품질은 좀 별로지만 값이 싸서 괜찮아요": {"품질": BAD, "가격": GOOD},
    "단추가 금방 떨어질 것 같아요. 그래도 배송은 빨랐습니다": {"마감처리": BAD, "배송": GOOD},
    "흰색이라 속이 비치지만 라인은 예쁘게 나와요": {"소재": BAD, "라인(핏)": GOOD},
    "화면은 하늘색인데 받아 보니 진한 파랑이에요. 세탁했더니 보풀도 생겼어요": {"색상": BAD, "품질": BAD},
}


def changed(reviews: list[LabelledReview], change: Callable[[str], str]) -> list[LabelledReview]:
    """Return the reviews with another text; evidence is changed likewise, and left out where it is not found again."""
    out = []
    for review in reviews:
        text = change(review.text)
        labels = []
        for label in review.labels:
            start = review.text.index(label.evidence) if label.evidence else 0
            same_length = len(text) == len(review.text)
            words = text[start : start + len(label.evidence or "")] if same_length else (label.evidence or "").replace(" ", "")
            labels.append(replace(label, evidence=words if words and words in text else None))
        out.append(replace(review, text=text, labels=tuple(labels)))
    return out


def doubled(reviews: list[LabelledReview], rng: np.random.Generator) -> list[LabelledReview]:
    """Return joins of two reviews each without a keyword in common, about as many as there are pairs of reviews."""
    out = []
    order = rng.permutation(len(reviews))
    for one, other in zip(order[::2], order[1::2], strict=False):
        a, b = reviews[one], reviews[other]
        if not {x.keyword for x in a.labels} & {x.keyword for x in b.labels}:
            labels: tuple[Label, ...] = a.labels + tuple(x for x in b.labels if not x.evidence or x.evidence not in a.text)
            out.append(LabelledReview(f"{a.id}+{b.id}", f"{a.text}\n{b.text}", labels, None))
    return out


def calibration(predictor: Predictor, reviews: list[LabelledReview]) -> dict[str, dict[str, float]]:
    """Return the expected calibration error of each half at temperature 1 and at the manifest's."""
    keyword, there, sentiment, truth = labelled_logits(predictor, reviews)
    temperatures = [predictor.manifest.temperatures.get(half, 1.0) for half in ("keyword", "sentiment")]
    return {
        "keyword": {
            "temperature": temperatures[0],
            "before": binary_error(sigmoid(keyword), there),
            "after": binary_error(sigmoid(keyword / temperatures[0]), there),
        },
        "sentiment": {
            "temperature": temperatures[1],
            "before": class_error(softmax(sentiment), truth),
            "after": class_error(softmax(sentiment / temperatures[1]), truth),
        },
    }


def cases(predictor: Predictor) -> dict[str, dict[str, object]]:
    """Return what the pair says of each small case, and whether it is right: these keywords alone, on these sides."""
    said = {}
    for text, analysis in zip(CASES, predictor.analyze(list(CASES)), strict=True):
        found = {k.keyword: k.sentiment for k in analysis.keywords}
        right = found.keys() == CASES[text].keys() and all(found[k] in side for k, side in CASES[text].items())
        marks = {k.keyword: k.highlight.text for k in analysis.keywords if k.highlight}
        said[text] = {"right": right, "found": found, "marks": marks}
    return said


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "review-small")
    parser.add_argument("--variant", default="full")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "test.jsonl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--highlights", type=int, default=300, help="reviews that highlight_f1 is measured on, 0 for none")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    predictor = load(arguments.model, arguments.variant, "cpu")
    reviews = read_labelled(arguments.data, predictor.scheme)
    rng = np.random.default_rng(arguments.seed)
    texts = {
        "as they are": reviews,
        "no spaces": changed(reviews, lambda text: drop_spaces(text, rng)),
        "typos in 4% of syllables": changed(reviews, lambda text: slip(text, rng)),
        "casual spellings": changed(reviews, lambda text: casual(text, rng, 1.0)),
        "twice as long": doubled(reviews, rng),
    }
    table = {}
    for name, rows in texts.items():
        values = evaluate(predictor, rows, highlights=False).to_dict()
        table[name] = {"reviews": values["reviews"]} | {figure: values[figure] for figure in FIGURES}
        if arguments.highlights:
            marked = evaluate(predictor, spread(rows, arguments.highlights), highlights=True).to_dict()
            table[name] |= {"reviews_highlights": marked["reviews"], "highlight_f1": marked["highlight_f1"]}
    result = {
        "environment": describe(), "model": arguments.model.name, "variant": arguments.variant, "data": arguments.data.name,
        "metrics": table, "expected_calibration_error": calibration(predictor, reviews), "cases": cases(predictor),
    }  # fmt: skip
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
