"""Calibration: temperatures that undo a distortion, thresholds of the best F1, errors as in a case counted by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_evaluate import labelled

import ftapp
from ftapp.batching import sigmoid, softmax
from ftapp.calibrate import (
    binary_loss,
    calibrate,
    class_error,
    class_loss,
    expected_error,
    fit_temperature,
    fit_thresholds,
    labelled_logits,
    logit,
)
from ftapp.errors import InputError
from ftapp.predictor import Predictor
from ftapp.reviews import LabelledReview


def test_a_temperature_undoes_what_made_a_model_too_sure() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    truth = (softmax(logits).cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)
    assert fit_temperature(lambda t: class_loss(3 * logits / t, truth)) == pytest.approx(3, rel=0.05)
    assert class_error(softmax(3 * logits), truth) > 0.1 > 0.02 > class_error(softmax(logits), truth)
    yes = rng.random(logits.shape) < sigmoid(logits)
    assert fit_temperature(lambda t: binary_loss(0.5 * logits / t, yes)) == pytest.approx(0.5, rel=0.05)


def test_the_expected_error_is_the_mean_gap_between_confidence_and_accuracy() -> None:
    confidence, right = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5]), np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    assert expected_error(confidence, right) == pytest.approx((4 * abs(0.75 - 0.9) + 2 * 0) / 6, abs=1e-4)
    assert expected_error(np.array([1.0]), np.array([True])) == 0


def test_thresholds_separate_what_can_be_separated() -> None:
    rng = np.random.default_rng(0)
    there = rng.random((400, 2)) < 0.3
    probabilities = np.where(there, 0.45, 0.35) + rng.uniform(-0.04, 0.04, there.shape)
    found = probabilities >= fit_thresholds(probabilities, there)
    assert (found == there).all()


def test_a_keyword_without_examples_takes_the_others_threshold() -> None:
    there = np.zeros((400, 2), dtype=bool)
    there[:200, 0] = True
    probabilities = np.where(there, 0.7, 0.3)
    probabilities[:, 1] = 0.4
    first, second = fit_thresholds(probabilities, there)
    assert 0.3 < first <= 0.7
    assert 0.4 < second <= 0.7


def test_logits_come_back_from_the_pairs_probabilities(predictor: Predictor) -> None:
    reviews = [*labelled(0), LabelledReview("emoji", "👍", (), 3)]
    keyword, there, sentiment, truth = labelled_logits(predictor, reviews)
    probabilities = predictor.keyword_probabilities([review.text for review in reviews])
    assert keyword.shape == there.shape == (len(reviews) - 1, 14)
    np.testing.assert_allclose(sigmoid(keyword), probabilities[:-1], atol=1e-9)
    assert len(sentiment) == len(truth) == there.sum() + len(reviews) - 1
    hot = replace(predictor, manifest=replace(predictor.manifest, temperatures={"keyword": 3.0, "sentiment": 2.0}))
    np.testing.assert_allclose(labelled_logits(hot, reviews)[0], keyword, atol=1e-6)
    np.testing.assert_allclose(logit(np.array([0.0, 0.5, 1.0]))[1], 0.0)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


def test_calibrating_lessens_the_loss_and_goes_into_the_manifest(predictor: Predictor) -> None:
    found = calibrate(predictor, labelled(0))
    applied = replace(predictor, manifest=found.apply(predictor.manifest))
    assert dict(applied.manifest.temperatures) == found.temperatures
    keyword, there, sentiment, truth = labelled_logits(applied, labelled(0))
    hot, hotter = found.temperatures["keyword"], found.temperatures["sentiment"]
    assert binary_loss(keyword / hot, there) <= binary_loss(keyword, there)
    assert class_loss(sentiment / hotter, truth) <= class_loss(sentiment, truth)
    assert applied.manifest.threshold_of("가격") == found.thresholds["가격"]
    with pytest.raises(InputError, match="no labelled review"):
        calibrate(predictor, [LabelledReview("emoji", "👍", (), 3)])


def test_temperatures_soften_every_probability_and_keep_the_order(edited_model, predictor: Predictor) -> None:
    folder: Path = edited_model(temperatures={"keyword": 2.0, "sentiment": 2.0})
    hot = ftapp.load(folder, device="cpu")
    texts = ["디자인은 예쁜데 배송이 늦었어요"]
    cold, warm = predictor.keyword_probabilities(texts), hot.keyword_probabilities(texts)
    np.testing.assert_allclose(logit(warm), logit(cold) / 2, atol=1e-5)
    (first,), (second,) = predictor.analyze(texts), hot.analyze(texts)
    assert [k.keyword for k in first.keywords] == [k.keyword for k in second.keywords]
    assert [k.sentiment for k in first.keywords] == [k.sentiment for k in second.keywords]
    for a, b in zip(first.keywords, second.keywords, strict=True):
        assert max(b.probabilities.values()) < max(a.probabilities.values())
