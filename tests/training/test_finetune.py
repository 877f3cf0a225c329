"""Fine-tuning: rows as at prediction time, augmentation that keeps labels true, splits by review, runs that resume."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REVIEWS
from safetensors.torch import load_file
from transformers import RobertaConfig, RobertaForMaskedLM

import ftapp
from ftapp.checkpoint import Manifest, write_checkpoint
from ftapp.errors import CheckpointError, InputError
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import KEYWORDS, LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.training import finetune as module
from ftapp.training.examples import cut_examples, join_examples, keyword_rows, named_examples, read_examples, sentiment_rows
from ftapp.training.finetune import FinetuneSettings, finetune, split
from ftapp.training.precision import halved
from ftapp.training.vocabulary import save_tokenizer, train_vocabulary

SCHEME = LabelScheme()


def review(number: int, good: bool) -> LabelledReview:
    """Return one of two kinds of review that a tiny model can tell apart."""
    first, second = ("디자인은 예쁜데", "배송이 늦었어요") if good else ("사이즈가 작고", "품질이 별로예요")
    names = ("디자인", "배송") if good else ("사이즈", "품질")
    labels = (Label(names[0], 3, first), Label(names[1], 1, second))
    return LabelledReview(f"r{number}", f"{first} {second} {number}", labels, 3 if good else 1)


@pytest.fixture(scope="module")
def reviews() -> list[LabelledReview]:
    return [review(i, i % 2 == 0) for i in range(60)]


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory, reviews: list[LabelledReview]) -> Path:
    folder = tmp_path_factory.mktemp("body")
    tokenizer = train_vocabulary([*REVIEWS, *(r.text for r in reviews)], 500, 300)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, initializer_range=0.2,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder, 128)
    return folder


@pytest.fixture(scope="module")
def tokenizer(body: Path) -> Tokenizer:
    return Tokenizer.open(body)


def test_a_pair_that_was_trained_here_reads_what_it_was_taught(body: Path, reviews: list, tmp_path: Path) -> None:
    folders = [
        finetune(
            body, reviews, tmp_path / task, FinetuneSettings(task, epochs=25, learning_rate=2e-3, batch_tokens=256, dropout=0.0)
        )
        for task in ("keyword", "sentiment")
    ]
    with halved(folders[0]) as keyword, halved(folders[1]) as sentiment:
        model = write_checkpoint(tmp_path / "model", keyword, sentiment, Manifest("made-here"))
    size = sum((model / half / "model.safetensors").stat().st_size for half in ("keyword", "sentiment"))
    assert size < 0.6 * sum((folder / "model.safetensors").stat().st_size for folder in folders)
    analyses = ftapp.load(model, device="cpu").analyze([reviews[0].text, reviews[1].text], threshold=0.01)
    for analysis, names, overall in zip(analyses, ({"디자인", "배송"}, {"사이즈", "품질"}), ("긍정", "부정"), strict=True):
        likeliest = sorted(analysis.keywords, key=lambda k: -k.probability)[:2]
        assert {k.keyword for k in likeliest} == names
        assert analysis.overall
        assert analysis.overall.sentiment == overall
    log = [json.loads(line) for line in (folders[0] / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["epoch"] for row in log] == list(range(1, 26))
    assert log[-1]["validation_score"] > log[0]["validation_score"]


def test_a_stopped_run_continues_to_the_same_weights(
    body: Path, reviews: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FinetuneSettings("sentiment", epochs=2, batch_tokens=512)
    whole = finetune(body, reviews, tmp_path / "whole", settings)
    train = module._validate
    calls = 0

    def interrupted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(module, "_validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finetune(body, reviews, tmp_path / "stopped", settings)
    monkeypatch.setattr(module, "_validate", train)
    stopped = finetune(body, reviews, tmp_path / "stopped", settings)
    expected, got = (load_file(folder / "resume.safetensors") for folder in (whole, stopped))
    for name, value in expected.items():
        np.testing.assert_allclose(got[name].numpy(), value.numpy(), atol=1e-6, err_msg=name)


def test_a_run_with_other_settings_or_no_body_is_refused(body: Path, reviews: list, tmp_path: Path) -> None:
    settings = FinetuneSettings("keyword", epochs=1)
    finetune(body, reviews[:10], tmp_path / "run", settings)
    with pytest.raises(InputError, match="other settings"):
        finetune(body, reviews[:10], tmp_path / "run", replace(settings, seed=1))
    with pytest.raises(CheckpointError, match="no pretrained model"):
        finetune(tmp_path / "nowhere", reviews, tmp_path / "other", settings)
    with pytest.raises(InputError, match="neither keyword nor sentiment"):
        FinetuneSettings("stars")


def test_rows_are_what_the_predictor_would_send(tokenizer: Tokenizer, reviews: list) -> None:
    examples = read_examples(reviews[:1], tokenizer)
    (row,) = keyword_rows(examples, tokenizer, SCHEME, 128)
    assert row.ids == tokenizer.plain_frame().wrap(examples[0].encoded.ids)
    assert [KEYWORDS[i] for i in np.flatnonzero(row.target)] == ["디자인", "배송"]
    rows = sentiment_rows(examples, tokenizer, SCHEME, Manifest("x").template, 128)
    assert [row.target for row in rows] == [3, 1, 3]
    frame = tokenizer.prompt_frame(Manifest("x").template, "만족도")
    assert rows[-1].ids == frame.wrap(examples[0].encoded.ids)


def test_a_split_keeps_every_review_once(reviews: list) -> None:
    train, held = split(reviews, 0.1, 0)
    assert len(held) == 6
    assert sorted(r.id for r in train + held) == sorted(r.id for r in reviews)
    assert split(reviews, 0.1, 0)[1] == held


def test_joined_reviews_have_the_labels_and_words_of_both(tokenizer: Tokenizer, reviews: list) -> None:
    examples = read_examples(reviews[:10], tokenizer)
    joined = join_examples(examples, 50, np.random.default_rng(0))
    assert joined
    for example in joined:
        assert set(example.sentiments) == {"디자인", "배송", "사이즈", "품질"}
        assert example.overall is None
        assert example.encoded.bounds[-1] == len(example.encoded.ids)


def test_cut_reviews_carry_only_the_labels_whose_words_they_hold(tokenizer: Tokenizer) -> None:
    text = "색이 예쁘고 탄탄한 원단인데 비싸요"
    labels = (Label("색상", 3, "색이 예쁘고"), Label("소재", 3, "탄탄한 원단"), Label("품질", 3, "탄탄한"))
    cuts = cut_examples([LabelledReview("x", text, labels, 3)], tokenizer)
    assert [example.sentiments for example in cuts] == [{"색상": 3}, {"소재": 3, "품질": 3}]
    crossing = (*labels, Label("가격", 1, "원단인데 비싸요"))
    cuts = cut_examples([LabelledReview("x", text, crossing, 3)], tokenizer)
    assert [example.sentiments for example in cuts] == [{"색상": 3}]


def test_a_named_cut_masks_the_verdict_and_keeps_the_keyword(tokenizer: Tokenizer) -> None:
    text = "배송이 너무 늦었어요 예뻐요 진짜 예뻐요"
    labels = (Label("배송", 0, "배송이 너무 늦었어요"), Label("디자인", 4, "진짜 예뻐요"))
    (named,) = named_examples([LabelledReview("x", text, labels, 1)], tokenizer)
    (shown,) = tokenizer.encode([["배송이", "너무"]])
    assert named.encoded.ids == (*shown.ids, tokenizer.mask)
    assert named.encoded.bounds == (*shown.bounds, len(named.encoded.ids))
    assert named.sentiments == {"배송": 0}
