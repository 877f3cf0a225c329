"""Fine-tuning: rows as at prediction time, augmentation that keeps labels true, splits by review, runs that resume."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REVIEWS, save_body
from safetensors.torch import load_file
from transformers import RobertaConfig, RobertaForMaskedLM

import ftapp
from ftapp.checkpoint import Manifest, write_checkpoint
from ftapp.errors import CheckpointError, InputError
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import KEYWORDS, LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.training import finetune as module
from ftapp.training.examples import (
    Row,
    blanked_examples,
    chain_examples,
    cut_examples,
    join_examples,
    keyword_rows,
    named_examples,
    noisy_examples,
    read_examples,
    sentiment_rows,
)
from ftapp.training.finetune import FinetuneSettings, finetune, split
from ftapp.training.initialize import deepen
from ftapp.training.precision import halved

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
    return save_body(tmp_path_factory.mktemp("body"), [*REVIEWS, *(r.text for r in reviews)])


@pytest.fixture(scope="module")
def tokenizer(body: Path) -> Tokenizer:
    return Tokenizer.open(body)


def test_a_pair_that_was_trained_here_reads_what_it_was_taught(body: Path, reviews: list, tmp_path: Path) -> None:
    folders = [
        finetune(
            body,
            reviews,
            tmp_path / task,
            FinetuneSettings(task, epochs=25, learning_rate=2e-3, batch_tokens=256, dropout=0.0, patience=25),
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
    assert log[-1]["score"] > log[0]["score"]
    assert log[-1]["loss"] < log[0]["loss"]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_stopped_run_continues_to_the_same_weights(
    body: Path, reviews: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: float
) -> None:
    settings = FinetuneSettings("sentiment", epochs=2, batch_tokens=512, noise_share=0.5, rare_weight=0.5, average=average)
    whole = finetune(body, reviews, tmp_path / "whole", settings)
    train = module._validate
    calls = 0

    def interrupted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:  # two calls an epoch: validation and training reviews
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


def test_training_stops_when_validation_no_longer_gets_better(
    body: Path, reviews: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.6, 0.55, 0.6, 0.4, 0.9])
    seen: list[float] = []

    def validate(*arguments: object) -> tuple[float, float]:
        score = next(scores) if len(seen) % 2 == 0 else 1.0  # validation reviews first, then training ones
        seen.append(score)
        return score, 1.0

    monkeypatch.setattr(module, "_validate", validate)
    output = finetune(body, reviews[:10], tmp_path / "run", FinetuneSettings("keyword", epochs=9, patience=2))
    log = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["validation_score"] for row in log] == [0.5, 0.6, 0.55, 0.6]
    assert all(row["score"] == 1.0 for row in log)


def test_an_average_moves_slower_than_the_weights(body: Path, reviews: list, tmp_path: Path) -> None:
    start = load_file(body / "model.safetensors")["roberta.encoder.layer.0.output.dense.weight"]
    moved = {}
    for average in (0.0, 0.99):
        settings = FinetuneSettings("keyword", epochs=1, batch_tokens=512, average=average, learning_rate=1e-3)
        folder = finetune(body, reviews, tmp_path / str(average), settings)
        weight = load_file(folder / "model.safetensors")["roberta.encoder.layer.0.output.dense.weight"]
        moved[average] = float((weight - start).abs().mean())
    assert 0 < moved[0.99] < moved[0.0]
    with pytest.raises(InputError, match=r"average=1\.0"):
        FinetuneSettings("keyword", average=1.0)


@pytest.mark.parametrize("task", ["keyword", "sentiment"])
def test_the_second_head_learns_which_tokens_are_evidence_and_is_left_behind(
    body: Path, reviews: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    losses: list[float] = []
    loss_of = module._evidence_loss

    def watched(*arguments: object) -> torch.Tensor:
        loss = loss_of(*arguments)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(module, "_evidence_loss", watched)
    settings = FinetuneSettings(task, epochs=8, batch_tokens=256, learning_rate=2e-3, evidence_weight=1.0, average=0.5)
    folder = finetune(body, reviews, tmp_path / "run", settings)
    known = [loss for loss in losses if loss]  # a batch may hold no row with evidence
    assert np.mean(known[-5:]) < 0.8 * np.mean(known[:5])
    assert not any("evidence" in name for name in load_file(folder / "model.safetensors"))
    assert any(name == "model.evidence_head.weight" for name in load_file(folder / "resume.safetensors"))


def test_the_evidence_loss_counts_only_rows_whose_evidence_is_known() -> None:
    tokens = torch.zeros(2, 3, 5)
    tokens[0, :2, 3] = torch.tensor([20.0, -20.0])
    tokens[0, :2, :3], tokens[0, :2, 4] = -20.0, -20.0
    evidence = np.zeros((2, 5), dtype=np.float32)
    evidence[0, 3] = 1
    rows = [Row([0, 2], 3, evidence), Row([0, 5, 2], 1)]
    assert module._evidence_loss(tokens, rows, "sentiment").item() == pytest.approx(0, abs=1e-6)
    assert module._evidence_loss(-tokens, rows, "sentiment").item() == pytest.approx(5 * 20)
    assert module._evidence_loss(tokens, rows[1:], "sentiment").item() == 0


def test_rare_sentiments_weigh_more() -> None:
    rows = [Row([0, 2], 3)] * 90 + [Row([0, 2], 1)] * 10
    settings = FinetuneSettings("sentiment", rare_weight=0.5)
    weights = module._class_weights(rows, 5, settings, "cpu")
    assert weights is not None
    assert float(weights[1] / weights[3]) == pytest.approx(3.0)
    assert float((weights[3] * 90 + weights[1] * 10) / 100) == pytest.approx(1.0)
    assert module._class_weights(rows, 5, replace(settings, rare_weight=0.0), "cpu") is None


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


def test_rows_say_which_tokens_are_evidence(tokenizer: Tokenizer, reviews: list) -> None:
    (example,) = read_examples(reviews[:1], tokenizer)  # 디자인은 예쁜데 배송이 늦었어요 0
    assert example.evidence == {"디자인": (0, 2), "배송": (2, 4)}
    (row,) = keyword_rows([example], tokenizer, SCHEME, 128)
    bounds = example.encoded.bounds
    assert row.evidence is not None
    assert row.evidence.shape == (len(row.ids), len(KEYWORDS))
    shown = np.flatnonzero(row.evidence[:, KEYWORDS.index("배송")]) - 1  # after [CLS]
    assert shown.tolist() == list(range(bounds[2], bounds[4]))
    _, second, overall = sentiment_rows([example], tokenizer, SCHEME, Manifest("x").template, 128)
    assert overall.evidence is None
    head = len(tokenizer.prompt_frame(Manifest("x").template, "배송").head)
    assert second.evidence is not None
    assert np.flatnonzero(second.evidence.any(axis=1)).tolist() == [head + i for i in range(bounds[2], bounds[4])]
    assert np.flatnonzero(second.evidence.any(axis=0)).tolist() == [1]
    (joined, *_) = join_examples(read_examples(reviews[:2], tokenizer), 20, np.random.default_rng(0))
    words = [joined.evidence[name] for name in ("디자인", "사이즈")]
    assert sorted(words) == [(0, 2), (5, 7)]
    (short,) = keyword_rows([example], tokenizer, SCHEME, bounds[3] + 2)
    assert short.evidence is not None
    assert len(short.evidence) == len(short.ids)


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


def test_chains_set_contrasting_cuts_beside_each_other(tokenizer: Tokenizer) -> None:
    verdicts = {0: "최악이에요", 1: "별로예요", 3: "좋아요", 4: "최고예요"}
    cuts = cut_examples(
        [
            LabelledReview(f"{k}{s}", f"{k} {words}", (Label(k, s, f"{k} {words}"),), None)
            for k in ("디자인", "배송", "사이즈", "품질", "색상", "가격")
            for s, words in verdicts.items()
        ],
        tokenizer,
    )
    chains = chain_examples(cuts, 200, np.random.default_rng(0))
    assert {len(chain.sentiments) for chain in chains} == {2, 3, 4, 5}
    for chain in chains:
        said = list(chain.sentiments.values())
        assert all(abs(one - other) >= 2 for one, other in pairwise(said))
        assert chain.overall is None
        assert [chain.evidence[keyword] for keyword in chain.sentiments] == [(2 * i, 2 * i + 2) for i in range(len(said))]
        assert chain.encoded.bounds[-1] == len(chain.encoded.ids)
    alike = [cut for cut in cuts if 3 in cut.sentiments.values()]
    assert chain_examples(alike, 20, np.random.default_rng(0)) == []


def test_a_model_is_given_more_layers_than_its_body(body: Path, reviews: list, tmp_path: Path) -> None:
    settings = FinetuneSettings("sentiment", layers=2, epochs=1)
    output = finetune(body, reviews, tmp_path / "deep", settings)
    assert json.loads((output / "config.json").read_text())["num_hidden_layers"] == 2
    assert "roberta.encoder.layer.1.output.dense.weight" in load_file(output / "model.safetensors")
    with pytest.raises(InputError, match="A body of 1 layers cannot be given 3; choose 1 to 2"):
        finetune(body, reviews, tmp_path / "deeper", replace(settings, layers=3))


def test_added_layers_are_copies_of_the_upper_ones() -> None:
    config = RobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8, type_vocab_size=1
    )
    model = RobertaForMaskedLM(config)
    deepen(model, 5)
    weights = [layer.output.dense.weight for layer in model.roberta.encoder.layer]
    assert len(weights) == model.config.num_hidden_layers == 5
    assert torch.equal(weights[3], weights[1])
    assert torch.equal(weights[4], weights[2])
    assert weights[3] is not weights[1]


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


def test_noisy_reviews_keep_their_labels(tokenizer: Tokenizer, reviews: list) -> None:
    plain = read_examples(reviews[:8], tokenizer)
    noise = noisy_examples(reviews[:8], tokenizer, np.random.default_rng(0))
    assert [x.sentiments for x in noise] == [x.sentiments for x in plain]
    assert [x.overall for x in noise] == [x.overall for x in plain]
    assert any(a.encoded.ids != b.encoded.ids for a, b in zip(noise, plain, strict=True))


def test_a_blanked_review_masks_the_evidence_and_loses_its_label(tokenizer: Tokenizer) -> None:
    text = "배송이 너무 늦었어요 디자인은 예뻐요 정말"
    labels = (Label("배송", 0, "배송이 너무 늦었어요"), Label("디자인", 4, "예뻐요"), Label("스타일", 4, "예뻐요 정말"))
    (blanked,) = blanked_examples([LabelledReview("x", text, labels, 1)], tokenizer)
    (shown,) = tokenizer.encode([["디자인은", "예뻐요", "정말"]])
    assert blanked.encoded.ids == (*[tokenizer.mask] * 3, *shown.ids)
    assert blanked.encoded.bounds[-1] == len(blanked.encoded.ids)
    assert blanked.sentiments == {"디자인": 4, "스타일": 4}
    assert blanked_examples([LabelledReview("x", "예뻐요", (Label("디자인", 3, "예뻐요"),), 3)], tokenizer) == []
    assert blanked_examples([LabelledReview("x", "예뻐요 배송", (Label("디자인", 3),), 3)], tokenizer) == []
