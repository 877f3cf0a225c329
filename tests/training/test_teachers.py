"""Distillation while fine-tuning: a student hears its teachers, of texts without labels them alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import save_body

from ftapp.cli import main
from ftapp.engines.torch import load_model
from ftapp.errors import CheckpointError, InputError
from ftapp.reviews import Label, LabelledReview, dump_labelled
from ftapp.schema import KEYWORDS, LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.training import finetune as module
from ftapp.training.examples import Row, task_frames, unlabelled_rows
from ftapp.training.finetune import FinetuneSettings, finetune, padded

REVIEWS = [
    LabelledReview(f"r{i}", f"{words} {i}", (Label(keyword, sentiment, words),), sentiment)
    for i in range(40)
    for words, keyword, sentiment in [(("배송이 늦었어요", "배송", 1), ("색이 예뻐요", "색상", 3))[i % 2]]
]
QUIET = {"batch_tokens": 64, "dropout": 0.0, "join_share": 0.0, "cut_share": 0.0, "patience": 99}


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_body(tmp_path_factory.mktemp("body"), [*(review.text for review in REVIEWS), *KEYWORDS])


@pytest.fixture(scope="module")
def teacher(body: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = FinetuneSettings("keyword", epochs=25, learning_rate=3e-3, **QUIET)  # type: ignore[arg-type]
    return finetune(body, REVIEWS, tmp_path_factory.mktemp("teacher"), settings)


def probabilities(folder: Path, texts: list[str]) -> np.ndarray:
    """Return what a keyword model says of these texts, [texts, keywords]."""
    tokenizer = Tokenizer.open(folder)
    rows = unlabelled_rows(
        tokenizer.encode([text.split() for text in texts]), {"": tokenizer.plain_frame()}, 128, np.random.default_rng(0)
    )
    with torch.inference_mode():
        return torch.sigmoid(module._forward(load_model(folder), *padded(rows, tokenizer.pad, "cpu"))[0]).numpy()


def test_a_student_says_what_its_teacher_says_also_where_its_labels_say_otherwise(
    body: Path, teacher: Path, tmp_path: Path
) -> None:
    mislabelled = [LabelledReview(r.id, r.text, (Label("가격", 2, r.labels[0].evidence),), 2) for r in REVIEWS]
    settings = FinetuneSettings(
        "keyword", epochs=60, learning_rate=3e-3, teachers=[str(teacher)], teacher_weight=1.0, **QUIET  # type: ignore[arg-type]
    )  # fmt: skip
    student = finetune(body, mislabelled, tmp_path / "student", settings, validation=REVIEWS)
    texts = ["배송이 늦었어요 3", "색이 예뻐요 4"]
    said, heard = probabilities(student, texts), probabilities(teacher, texts)
    assert [KEYWORDS[i] for i in heard.argmax(axis=1)] == ["배송", "색상"]
    assert (said.argmax(axis=1) == heard.argmax(axis=1)).all()
    assert (said[:, KEYWORDS.index("가격")] < 0.5).all()  # what its labels say


def test_texts_without_labels_are_rows_that_the_teacher_alone_judges(
    body: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Row] = []
    loss_of = module.label_loss

    def watched(logits: torch.Tensor, batch: list[Row], *rest: object) -> torch.Tensor:
        seen.extend(batch)
        return loss_of(logits, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "label_loss", watched)
    settings = FinetuneSettings("keyword", epochs=1, teachers=[str(teacher)], **QUIET)  # type: ignore[arg-type]
    finetune(body, REVIEWS[:10], tmp_path / "student", settings, unlabelled=["색이 늦었어요", "예뻐요"])
    assert sum(row.target is None for row in seen) == 2
    assert any(row.target is not None for row in seen)


def test_rows_without_a_label_are_no_part_of_the_labels_loss() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]], requires_grad=True)
    rows = [Row([0, 2], 0), Row([0, 2], None)]
    assert module.label_loss(logits, rows, "sentiment").item() < 0.01
    nothing = module.label_loss(logits, rows[1:], "sentiment")
    nothing.backward()
    assert nothing.item() == 0
    assert not logits.grad.any()  # type: ignore[union-attr]


def test_a_text_without_labels_is_asked_another_keyword_each_time(body: Path) -> None:
    tokenizer = Tokenizer.open(body)
    frames = task_frames("sentiment", tokenizer, LabelScheme(), "### 리뷰: {review} ### 키워드: {keyword} ")
    assert list(frames) == [*KEYWORDS, "만족도"]
    texts = tokenizer.encode([["색이", "예뻐요"], []] * 60)
    rows = unlabelled_rows(texts, frames, 128, np.random.default_rng(0))
    assert len(rows) == 60  # those without a word are left out
    assert len({tuple(row.ids) for row in rows}) > 5
    assert all(
        len(row.ids) <= 10 for row in unlabelled_rows(texts, {"": tokenizer.plain_frame()}, 10, np.random.default_rng(0))
    )


def test_teachers_that_do_not_fit_are_refused(body: Path, teacher: Path, tmp_path: Path) -> None:
    def student(task: str, folder: Path, unlabelled: tuple[str, ...] = ()) -> None:
        teachers = [str(folder)] if folder != tmp_path else []
        finetune(body, REVIEWS[:10], tmp_path / "student", FinetuneSettings(task, teachers=teachers), unlabelled=unlabelled)

    with pytest.raises(CheckpointError, match="has 14 labels, the task has 5"):
        student("sentiment", teacher)
    with pytest.raises(CheckpointError, match="no model in"):
        student("keyword", tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="another vocabulary"):
        student("keyword", save_body(tmp_path / "other", ["전혀 다른 글"]))
    with pytest.raises(InputError, match="nothing without a teacher"):
        student("keyword", tmp_path, ("색이 예뻐요",))


def test_the_command_line_hands_teachers_and_texts_on(body: Path, teacher: Path, tmp_path: Path) -> None:
    data, texts, output = tmp_path / "data.jsonl", tmp_path / "texts.txt", tmp_path / "student"
    data.write_text(dump_labelled(REVIEWS), encoding="utf-8")
    texts.write_text("색이 늦었어요\n예뻐요\n", encoding="utf-8")
    options = [
        "--teacher",
        teacher,
        "--teacher-weight",
        "0.7",
        "--temperature",
        "3",
        "--unlabelled",
        texts,
        "--no-spacing",
        "--join-share",
        "0",
    ]
    command = ["train", "keyword", "--body", body, "--data", data, "--output", output, "--epochs", "1", *options]
    done = CliRunner().invoke(main, [str(word) for word in command])
    assert done.exit_code == 0, done.output
    settings = json.loads((output / "settings.json").read_text(encoding="utf-8"))
    assert settings["teachers"] == [str(teacher)]
    assert (settings["teacher_weight"], settings["temperature"], settings["spacing"]) == (0.7, 3.0, False)
    log = json.loads((output / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert log["rows"] == 36 + 18 + 2  # whole and cut reviews, and the texts; a tenth of the reviews is held out


@pytest.mark.parametrize("values", [{"teacher_weight": 1.5}, {"teacher_weight": -0.1}, {"temperature": 0.0}])
def test_impossible_settings_are_named(values: dict[str, float]) -> None:
    (name, value), *_ = values.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        FinetuneSettings("keyword", **values)  # type: ignore[arg-type]


def test_spaces_are_left_as_typed_where_that_is_asked(body: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftapp import text

    corrected: list[str] = []
    spacing_of = text.correct_spacing
    monkeypatch.setattr(text, "correct_spacing", lambda aligned: corrected.append(aligned.text) or spacing_of(aligned))
    for spacing in (False, True):
        assert not corrected
        settings = FinetuneSettings("keyword", epochs=1, noise_share=0.5, spacing=spacing, **QUIET)  # type: ignore[arg-type]
        finetune(body, REVIEWS[:10], tmp_path / str(spacing), settings)
    assert corrected
