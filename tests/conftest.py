"""A tiny random pair (2 layers, hidden 32) with a real WordPiece vocabulary, made once a session; no network, no GPU."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification

import ftapp
from ftapp.checkpoint import TEMPLATE, Manifest, write_checkpoint
from ftapp.predictor import Predictor
from ftapp.schema import KEYWORDS, OVERALL, SENTIMENTS, Analysis
from ftapp.training.vocabulary import SPECIAL_TOKENS, save_tokenizer, train_vocabulary

ROOT = Path(__file__).parent.parent
BUNDLED = ROOT / "models" / "review-small"
KLUE = ROOT.parent / "shared" / "klue-roberta"

settings.register_profile("ftapp", deadline=None, max_examples=50, derandomize=True, database=None)
settings.load_profile("ftapp")

REVIEWS = [
    "디자인은 예쁜데 배송이 늦었어요",
    "품질은 좀 별로지만 값이 싸서 괜찮아요. 그래도 사이즈는 딱 맞네요!",
    "단추가 금방 떨어질 것 같아요\n색감은 정말 예쁘고 신축성도 좋아요",
    "굿",
    "기장이길어서수선했는데핏이예뻐서만족해요 다음에 또 살게요 ㅎㅎ 근데 소매는 조금 짧아요 ㅠㅠ",
    "원단이 부드럽고 착용감이 편해서 매일 입어요. 보풀은 조금 생겼지만 가격 생각하면 만족합니다. 배송도 하루 만에 왔어요",
]


def assert_same(analysis: Analysis, expected: Analysis, tolerance: float = 1e-5) -> None:
    """Assert that two analyses say the same, probabilities and contributions within a tolerance."""

    def split(one: Analysis) -> tuple[list, list[float]]:
        words = [one.text, one.words, [(warning.code, warning.keyword, warning.count) for warning in one.warnings]]
        numbers: list[float] = []
        for result in one.keywords:
            words.append((result.keyword, result.threshold, result.sentiment, [*result.probabilities], result.highlight))
            words.append(len(result.contributions))
            numbers += [result.probability, *result.probabilities.values(), *result.contributions]
        if one.overall:
            words.append((one.overall.sentiment, [*one.overall.probabilities]))
            numbers += one.overall.probabilities.values()
        return words, numbers

    (words, numbers), (expected_words, expected_numbers) = split(analysis), split(expected)
    assert words == expected_words
    assert numbers == pytest.approx(expected_numbers, abs=tolerance, rel=0)


def save_body(folder: Path, texts: list[str]) -> Path:
    """Write a random one-layer body for training tests, with a vocabulary of these texts."""
    tokenizer = small_tokenizer(texts)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, initializer_range=0.2,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder, 128)
    return folder


def save_classifier(folder: Path, labels: tuple[str, ...], seed: int, *, vocabulary: int, problem: str, **shape: int) -> Path:
    """Write a random RoBERTa classifier whose logits are spread out around 0, so that labels differ between reviews."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64} | shape
    config = RobertaConfig(
        vocab_size=vocabulary, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
        problem_type=problem, initializer_range=0.2, layer_norm_eps=1e-5,
    )  # fmt: skip
    for name, value in sizes.items():
        setattr(config, name, value)
    model = RobertaForSequenceClassification(config)
    torch.nn.init.normal_(model.roberta.embeddings.word_embeddings.weight, std=1.0)
    torch.nn.init.normal_(model.classifier.out_proj.weight, std=1.0)
    rows = torch.randint(5, vocabulary, (64, 24))
    rows[:, 0], rows[:, -1] = 0, 2
    with torch.inference_mode():
        center = model.eval()(input_ids=rows).logits.mean(dim=0)
    model.classifier.out_proj.bias.data = -center
    model.save_pretrained(folder)
    return folder


def small_tokenizer(texts: Sequence[str] = (*REVIEWS, *KEYWORDS, OVERALL, TEMPLATE)) -> Tokenizer:
    """Return a WordPiece tokenizer of the texts' syllables, pairs and beginnings; unlike a trained one, always the same."""
    tokenizer = train_vocabulary(texts, 600, 300)
    words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(" ".join(texts))]
    heads = {word[:size] for word in words for size in (1, 2, 3)}
    inner = {"##" + word[i : i + size] for word in words for i in range(1, len(word)) for size in (1, 2)}
    vocabulary = {piece: i for i, piece in enumerate([*SPECIAL_TOKENS, *sorted(heads), *sorted(inner)])}
    tokenizer.model = WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    return tokenizer


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch run on one thread: for tiny models waiting for a second one on a busy machine costs more than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ftapp.engines.torch.granted_cores", lambda: 1)
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="session")
def plain_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two ordinary classifier folders, (keyword, sentiment), without a manifest."""
    root = tmp_path_factory.mktemp("pair")
    tokenizer = small_tokenizer()
    keyword, sentiment = root / "keyword", root / "sentiment"
    size = tokenizer.get_vocab_size()
    save_classifier(keyword, KEYWORDS, 1, vocabulary=size, problem="multi_label_classification")
    save_classifier(sentiment, SENTIMENTS, 2, vocabulary=size, problem="single_label_classification")
    for folder in (keyword, sentiment):
        save_tokenizer(tokenizer, folder, 128)
    return keyword, sentiment


@pytest.fixture(scope="session")
def tiny_model(plain_pair: tuple[Path, Path]) -> Path:
    """Return a model folder of the tiny pair."""
    return write_checkpoint(plain_pair[0].parent / "tiny", *plain_pair, Manifest("tiny"))


@pytest.fixture(scope="session")
def predictor(tiny_model: Path) -> Predictor:
    """Return the tiny pair, loaded."""
    return ftapp.load(tiny_model, device="cpu")


@pytest.fixture
def edited_model(tiny_model: Path, tmp_path: Path):
    """Return a function that copies the tiny model folder with values of a JSON file in it replaced."""
    import shutil

    def edit(file: str = "manifest.json", **values: object) -> Path:
        folder = tmp_path / "edited"
        if not folder.exists():
            shutil.copytree(tiny_model, folder)
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
        return folder

    return edit
