"""Pretraining: begins where it should, masks words or tokens, keeps held-out texts out, and resumes as if never stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REVIEWS
from safetensors.torch import load_file
from transformers import RobertaConfig, RobertaForMaskedLM

from ftapp.errors import InputError
from ftapp.training import pretrain as module
from ftapp.training.corpus import TextSource, held_out, read_ratings, read_texts, split_held_out
from ftapp.training.initialize import initialize, widen
from ftapp.training.pretrain import MASK, SEP, PretrainSettings, draw_rows, mask_units, pretrain, schedule, word_starts
from ftapp.training.vocabulary import train_vocabulary

TINY = PretrainSettings(
    tokens=6 * 128, vocabulary=400, alphabet=300, layers=1, hidden=32, heads=2, intermediate=64, max_length=64,
    row_length=32, batch_tokens=128, vector_epochs=1,
)  # fmt: skip


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    lines = [f"{review} {i}번째 주문" for i in range(40) for review in REVIEWS]
    path.write_text("\n".join(line.replace("\n", " ") for line in lines), encoding="utf-8")
    return path


def test_a_stopped_run_continues_to_the_same_weights(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TINY, vector_epochs=0)
    whole = pretrain([TextSource(text_file)], tmp_path / "whole", settings)

    stopped = tmp_path / "stopped"  # the vocabulary's trainer settles ties by chance: give both runs the same one
    stopped.mkdir()
    shutil.copyfile(whole / "tokenizer.json", stopped / "tokenizer.json")
    masks = module.masked_loss
    calls = 0

    def interrupted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return masks(*arguments)

    monkeypatch.setattr(module, "SAVE_SECONDS", -1)
    monkeypatch.setattr(module, "masked_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain([TextSource(text_file)], stopped, settings)
    monkeypatch.setattr(module, "masked_loss", masks)
    pretrain([TextSource(text_file)], stopped, settings)

    expected, got = load_file(whole / "model.safetensors"), load_file(stopped / "model.safetensors")
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name].numpy(), value.numpy(), atol=1e-6, err_msg=name)
    losses = [json.loads(line) for line in (stopped / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    held = {line["masked"]: line["held_out_loss"] for line in losses if "held_out_loss" in line}
    assert held.keys() == {"token", "word"}
    assert all(0 < loss < 10 for loss in held.values())


def test_other_settings_are_refused_rather_than_mixed(text_file: Path, tmp_path: Path) -> None:
    pretrain([TextSource(text_file)], tmp_path / "run", TINY)
    with pytest.raises(InputError, match=r"learning_rate=0\.001, not 0\.5"):
        pretrain([TextSource(text_file)], tmp_path / "run", replace(TINY, learning_rate=0.5))


def test_vectors_of_gensim_fill_the_embedding_table(text_file: Path, tmp_path: Path) -> None:
    body = pretrain([TextSource(text_file)], tmp_path / "run", replace(TINY, tokens=128))
    table = load_file(body / "model.safetensors")["roberta.embeddings.word_embeddings.weight"].numpy()
    assert table[5:, 16:].std() == pytest.approx(32**-0.5, rel=0.2)


@pytest.mark.parametrize(("layer", "head", "offset"), [(0, 0, -1), (0, 1, 1), (0, 2, -2), (0, 3, 2), (1, 3, 3)])
def test_a_fresh_body_looks_at_its_neighbours(layer: int, head: int, offset: int) -> None:
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=50, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, pad_token_id=1,
        type_vocab_size=1, max_position_embeddings=66, initializer_range=128**-0.5, attn_implementation="eager",
    )  # fmt: skip
    model = RobertaForMaskedLM(config).eval()
    initialize(model, torch.randn(50, 96))
    with torch.inference_mode():
        looks = model.roberta(torch.randint(5, 50, (1, 64)), output_attentions=True).attentions[layer][0, head]
    inside = range(4, 60)
    assert [int(looks[place].argmax()) for place in inside] == [place + offset for place in inside]


def test_masks_can_be_of_single_tokens() -> None:
    rows = np.full((200, 50), 7)
    _, labels = mask_units(rows, np.ones(10, dtype=bool), 10, 0.2, np.random.default_rng(0))
    assert (labels != -100).mean() == pytest.approx(0.2, abs=0.02)


def test_masks_cover_whole_words_and_ask_for_what_stood_there() -> None:
    tokenizer = train_vocabulary(REVIEWS, 200, 150)
    starts = word_starts(tokenizer)
    rows = np.array([tokenizer.encode(" ".join(REVIEWS)).ids[:60]] * 50)
    ids, labels = mask_units(rows, starts, tokenizer.get_vocab_size(), 0.3, np.random.default_rng(0))
    asked = labels != -100
    assert np.array_equal(labels[asked], rows[asked])
    assert np.array_equal(ids[~asked], rows[~asked])
    assert (ids[asked] == MASK).mean() == pytest.approx(0.8, abs=0.05)
    continuation = ~starts[rows]
    assert np.array_equal(asked[:, 1:][continuation[:, 1:]], asked[:, :-1][continuation[:, 1:]])
    assert not asked[rows <= MASK].any()


def test_rows_begin_with_cls_at_the_start_of_a_text() -> None:
    stream = np.array([10, 11, SEP, 20, 21, 22, SEP, 30, SEP] * 40, dtype=np.int32)
    rows = draw_rows(stream, 0, np.random.default_rng(0), TINY)
    assert rows.shape == (4, 32)
    assert (rows[:, 0] == 0).all()
    assert set(rows[:, 1]) <= {10, 20, 30}


def test_the_learning_rate_warms_up_and_falls() -> None:
    settings = replace(TINY, tokens=128 * 1000)
    rates = [schedule(step, settings) for step in range(settings.steps)]
    assert rates.index(max(rates)) == pytest.approx(40, abs=1)
    assert rates[-1] < 0.03


def test_held_out_texts_are_the_same_in_every_run() -> None:
    texts = [f"리뷰 {i}" for i in range(3000)]
    train, held = split_held_out(texts)
    assert 10 < len(held) < 60
    assert sorted(train + held) == sorted(texts)
    assert all(held_out(text) for text in held)


@pytest.mark.parametrize(("name", "content"), [("a.txt", "하나\n\n둘\n"), ("a.jsonl", '{"text": "하나"}\n{"text": "둘"}\n'),
                                               ("a.tsv", "rating\treview\n1\t하나\n9\t둘\n")])  # fmt: skip
def test_texts_are_read_from_each_kind_of_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_texts(tmp_path / name) == ["하나", "둘"]


def test_unusable_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("x")
    for word, message in ((tmp_path / "none.txt", "does not exist"), (tmp_path / "a.pdf", "is no .txt")):
        with pytest.raises(InputError, match=message):
            read_texts(word)
    with pytest.raises(InputError, match="at least 1"):
        TextSource.parse("a.txt:0")
    assert TextSource.parse("a.txt:3") == TextSource(Path("a.txt"), 3)
    with pytest.raises(InputError, match="must be a multiple"):
        PretrainSettings(hidden=30, heads=4)


def test_ratings_become_overall_sentiments_each_equally_often(tmp_path: Path) -> None:
    path = tmp_path / "ratings.tsv"
    texts = {f'영화 {i} "편': rating for i, rating in enumerate([*range(1, 11)] * 20)}
    path.write_text("rating\treview\n" + "".join(f"{rating}\t{text}\n" for text, rating in texts.items()), encoding="utf-8")
    reviews = read_ratings(path, 50, seed=3)
    assert [sum(review.overall == grade for review in reviews) for grade in range(5)] == [10] * 5
    assert all((texts[review.text] - 1) // 2 == review.overall and not review.labels for review in reviews)
    assert not any(held_out(review.text) for review in reviews)
    assert read_ratings(path, 50, seed=3) == reviews
    assert len({review.id for review in reviews}) == 50


def test_unusable_ratings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.tsv"
    path.write_text("rating\treview\n8\t좋아요\n11\t최고\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 3 .* rating '11'"):
        read_ratings(path, 50, seed=0)
    with pytest.raises(InputError, match="too few"):
        read_ratings(path, 4, seed=0)
    with pytest.raises(InputError, match="does not exist"):
        read_ratings(tmp_path / "none.tsv", 50, seed=0)


def test_a_widened_body_says_the_same_and_learns_two_things(text_file: Path, tmp_path: Path) -> None:
    body = pretrain([TextSource(text_file)], tmp_path / "body", TINY)
    model = RobertaForMaskedLM.from_pretrained(body).eval()
    wide = widen(model).eval()
    ids = torch.arange(5, 45).view(2, 20)
    with torch.inference_mode():
        torch.testing.assert_close(wide(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-5)
    config = wide.config
    assert (config.hidden_size, config.num_attention_heads, config.intermediate_size) == (64, 4, 128)
    assert wide.lm_head.decoder.weight is wide.roberta.embeddings.word_embeddings.weight
    wide(ids).logits.logsumexp(dim=-1).sum().backward()
    query = wide.roberta.encoder.layer[0].attention.self.query.weight.grad
    assert query is not None
    assert not torch.allclose(query[:32], query[32:], rtol=1e-2)  # what is there twice does not stay the same


def test_a_run_goes_on_from_a_body_made_twice_as_wide(text_file: Path, tmp_path: Path) -> None:
    body = pretrain([TextSource(text_file)], tmp_path / "body", TINY)
    settings = replace(TINY, body=str(body), widen=True, tokens=256)
    output = pretrain([TextSource(text_file)], tmp_path / "wide", settings)
    assert RobertaForMaskedLM.from_pretrained(output).config.hidden_size == 64
    pretrain([TextSource(text_file)], output, settings)  # a finished run is found finished
    with pytest.raises(InputError, match="nothing to widen"):
        replace(TINY, widen=True)


def test_a_run_goes_on_from_a_classifiers_body(text_file: Path, tmp_path: Path, plain_pair: tuple[Path, Path]) -> None:
    body = plain_pair[0]
    settings = replace(TINY, body=str(body), tokens=128, learning_rate=1e-9)
    output = pretrain([TextSource(text_file)], tmp_path / "on", settings)
    before, after = load_file(body / "model.safetensors"), load_file(output / "model.safetensors")
    name = "roberta.encoder.layer.1.output.dense.weight"
    np.testing.assert_allclose(after[name].numpy(), before[name].numpy(), atol=1e-6)
    assert (output / "tokenizer.json").read_bytes() == (body / "tokenizer.json").read_bytes()
    with pytest.raises(InputError, match="no model in"):
        pretrain([TextSource(text_file)], tmp_path / "off", replace(TINY, body=str(tmp_path / "nowhere")))
