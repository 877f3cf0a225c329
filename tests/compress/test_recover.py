"""The loop that pruning and distillation share: its losses, its settings, what it leaves behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ftapp.compress.distil import DistilSettings
from ftapp.compress.prune import PruneSettings, SparseSettings
from ftapp.compress.recover import (
    TeachSettings,
    distance,
    draw_reviews,
    forward,
    read_settings,
    state_distance,
    teach,
    watched,
)
from ftapp.engines.torch import load_model
from ftapp.errors import InputError
from ftapp.reviews import Label, LabelledReview
from ftapp.training.examples import Row
from ftapp.training.finetune import label_loss, padded, soft_loss

ROWS = [Row([0, 30 + i, 40 + i, 50 + i, 2], np.eye(14, dtype=np.float32)[i % 14]) for i in range(12)]


@pytest.fixture
def pair_of_models(plain_pair: tuple[Path, Path]) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return (student, teacher): keyword models that differ by noise."""
    student, teacher = (load_model(plain_pair[0]) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return student, teacher


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_soft_losses_are_divergences_of_the_probabilities(temperature: float) -> None:
    ours, theirs = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    p, q = (torch.softmax(x / temperature, dim=-1) for x in (theirs, ours))
    expected = (p * (p / q).log()).sum(dim=-1).mean() * temperature**2
    torch.testing.assert_close(soft_loss(ours, theirs, "sentiment", temperature), expected)
    p, q = (torch.sigmoid(x / temperature) for x in (theirs, ours))
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean() * temperature**2
    torch.testing.assert_close(soft_loss(ours, theirs, "keyword", temperature), expected)


@pytest.mark.parametrize("half", ["keyword", "sentiment"])
def test_the_soft_loss_is_zero_for_the_teacher_itself_even_when_it_is_sure(half: str) -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    loss = soft_loss(logits, logits.detach(), half, 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_padding_does_not_count_in_hidden_states() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    theirs = torch.zeros(2, 3, 4)
    ours = torch.ones(2, 3, 4)
    ours[1, 1:] = 100
    assert state_distance(ours, theirs, mask).item() == 1
    assert state_distance(ours[:, :1] * 2, theirs, mask).item() == 4


def test_watched_modules_are_let_go(pair_of_models: tuple) -> None:
    model, _ = pair_of_models
    dense = model.roberta.encoder.layer[0].attention.output.dense
    ids, mask = padded(ROWS[:2], 1, model.device)
    with watched([dense]) as outputs, watched([dense], inputs=True) as inputs:
        forward(model, ids, mask)
        assert [tuple(seen[0].shape) for seen in (outputs, inputs)] == [(2, 5, 32)] * 2
        torch.testing.assert_close(dense(inputs[0]), outputs[0])
    assert not dense._forward_hooks


def test_teaching_lowers_the_distance_and_leaves_the_teacher_alone(pair_of_models: tuple) -> None:
    student, teacher = pair_of_models
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    apart = distance(student, teacher, ROWS, half="keyword", pad=1)
    lines: list[str] = []
    settings = TeachSettings(epochs=12, learning_rate=2e-3, label_weight=0, hidden_weight=0.5, batch_tokens=30)
    teach(
        student, teacher, lambda epoch: ROWS, settings, half="keyword", pad=1, say=lines.append, matched=[(0, 0), (1, 1)]
    )  # fmt: skip
    assert distance(student, teacher, ROWS, half="keyword", pad=1) < 0.6 * apart
    assert distance(teacher, teacher, ROWS, half="keyword", pad=1) == pytest.approx(0, abs=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not student.training
    assert len(lines) == 12
    assert lines[-1].startswith("epoch 12 of 12, step 2 of 2, loss ")


def test_the_labels_own_loss_teaches_what_the_labels_say(pair_of_models: tuple) -> None:
    student, teacher = pair_of_models
    settings = TeachSettings(epochs=15, learning_rate=3e-3, label_weight=100.0, batch_tokens=30)
    teach(student, teacher, lambda epoch: ROWS, settings, half="keyword", pad=1, say=lambda line: None)
    with torch.inference_mode():
        after, before = (
            label_loss(forward(model, *padded(ROWS, 1, model.device)), ROWS, "keyword") for model in (student, teacher)
        )
    assert after < 0.4 * before


def test_long_epochs_have_a_line_every_few_hundred_steps(pair_of_models: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftapp.compress.recover.STEPS_A_LINE", 5)
    lines: list[str] = []
    settings = TeachSettings(batch_tokens=5)
    teach(*pair_of_models, lambda epoch: ROWS, settings, half="keyword", pad=1, say=lines.append)
    assert [line.partition(", loss")[0] for line in lines] == [f"epoch 1 of 1, step {step} of 12" for step in (5, 10, 12)]


def test_reviews_are_drawn_by_the_seed() -> None:
    reviews = [LabelledReview(str(i), "굿", (Label("품질", 3),)) for i in range(20)]
    few = TeachSettings(most_reviews=5)
    drawn = draw_reviews(reviews, few)
    assert len({review.id for review in drawn}) == 5
    assert drawn == draw_reviews(reviews, few) != draw_reviews(reviews, replace(few, seed=1))
    assert sorted(draw_reviews(reviews, TeachSettings()), key=lambda review: int(review.id)) == reviews


def test_options_become_settings() -> None:
    settings = read_settings(PruneSettings, {"epochs": 2, "head_share": 0, "learning_rate": 3e-4})
    assert (settings.epochs, settings.head_share, settings.learning_rate) == (2, 0.0, 3e-4)
    assert read_settings(DistilSettings, {"layers": 3}) == DistilSettings(layers=3)
    assert read_settings(SparseSettings, {}) == SparseSettings(share=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 1}, "no option 'epoch' here; choose among .*epochs"),
        ({"epochs": 1.5}, "epochs=1.5 is no whole number"),
        ({"epochs": True}, "epochs=True is no whole number"),
        ({"epochs": "many"}, "epochs='many' is no whole number"),
        ({"learning_rate": "fast"}, "learning_rate='fast' is no number"),
        ({"epochs": -1}, "epochs=-1 must be at least 0"),
        ({"learning_rate": 0}, r"learning_rate=0\.0 must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan must be above 0"),
        ({"temperature": -2}, r"temperature=-2\.0 must be above 0"),
        ({"most_reviews": 0}, "most_reviews=0 must be above 0"),
        ({"warmup_share": 1}, r"warmup_share=1\.0 must lie between 0 and 1"),
        ({"hidden_weight": -1}, r"hidden_weight=-1\.0"),
    ],
)
def test_impossible_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(TeachSettings, options)
