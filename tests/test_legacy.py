"""The origin's checkpoint converts without loss: same logits as a module of the origin's shape."""

import json
from pathlib import Path

import pytest
import torch
from conftest import KLUE, save_classifier
from torch import nn
from transformers import RobertaConfig, RobertaModel

import ftapp
from ftapp.engines.torch import TorchEngine
from ftapp.errors import CheckpointError, InputError
from ftapp.legacy import import_legacy
from ftapp.schema import KEYWORDS, SENTIMENTS


class OriginModel(nn.Module):
    """The origin's keyword model: RobertaModel with its pooler, dropout and a linear layer."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.bert_model = RobertaModel(config, add_pooling_layer=True)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(config.hidden_size, len(KEYWORDS))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.linear(self.dropout(self.bert_model(input_ids=ids, attention_mask=mask).pooler_output))


def origin_model(**shape: int) -> OriginModel:
    torch.manual_seed(0)
    config = RobertaConfig(type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5, **shape)
    config.hidden_act = "gelu"
    return OriginModel(config).eval()


@pytest.fixture
def small(plain_pair: tuple[Path, Path], tmp_path: Path) -> tuple[OriginModel, Path]:
    """Return an origin model for the tiny pair's tokenizer (heads of 64), and its pickled state dict."""
    vocabulary = json.loads((plain_pair[0] / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    model = origin_model(
        vocab_size=vocabulary, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96,
        max_position_embeddings=130,
    )  # fmt: skip
    path = tmp_path / "best_model_weights.pt"
    torch.save(model.state_dict(), path)
    return model, path


def same_logits(model: OriginModel, folder: Path, vocabulary: int, length: int) -> float:
    """Return the greatest difference of logits over a padded random batch."""
    ids = torch.randint(5, vocabulary, (4, length))
    mask = torch.ones_like(ids)
    for row, keep in enumerate((length, length - 1, length // 2, 3)):
        ids[row, keep:], mask[row, keep:] = 1, 0
    with torch.inference_mode():
        expected = model(ids, mask).numpy()
    return float(abs(TorchEngine(folder, device="cpu").logits(ids.numpy(), mask.numpy()) - expected).max())


def test_a_small_state_dict_gives_the_same_logits_and_a_model_that_loads(
    small: tuple[OriginModel, Path], plain_pair: tuple[Path, Path], tmp_path: Path
) -> None:
    model, weights = small
    output = import_legacy(weights, plain_pair[0], plain_pair[1], tmp_path / "imported")
    assert same_logits(model, output / "keyword", model.bert_model.config.vocab_size, 40) < 1e-5
    assert ftapp.load(output, device="cpu").analyze(["배송이 늦었어요"])[0].overall is not None


def test_the_real_klue_roberta_small_shape_gives_the_same_logits(tmp_path: Path) -> None:
    if not KLUE.is_dir():
        pytest.skip("klue/roberta's vocabulary and configs (../shared/klue-roberta) are not here")
    config = json.loads((KLUE / "config.klue-roberta-small.json").read_text(encoding="utf-8"))
    shape = {name: config[name] for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                             "intermediate_size", "max_position_embeddings")}  # fmt: skip
    model = origin_model(**shape)
    state = model.state_dict() | {"bert_model.embeddings.position_ids": torch.arange(514)[None]}
    torch.save(state, tmp_path / "best_model_weights.pt")
    sentiment = save_classifier(tmp_path / "sentiment", SENTIMENTS, 0, vocabulary=32000, problem="single_label_classification")
    output = import_legacy(tmp_path / "best_model_weights.pt", KLUE, sentiment, tmp_path / "imported")
    assert same_logits(model, output / "keyword", 32000, 64) < 1e-5
    assert (output / "sentiment" / "tokenizer.json").is_file()


def test_every_missing_and_unexpected_weight_is_named(
    small: tuple[OriginModel, Path], plain_pair: tuple, tmp_path: Path
) -> None:
    model, weights = small
    state = model.state_dict()
    torch.save({**state, "crf.weight": torch.zeros(1)}, weights)
    with pytest.raises(CheckpointError, match=r"unexpected \['crf.weight'\]"):
        import_legacy(weights, *plain_pair, tmp_path / "imported")
    torch.save({name: value for name, value in state.items() if "1.output.dense" not in name}, weights)
    with pytest.raises(CheckpointError) as caught:
        import_legacy(weights, *plain_pair, tmp_path / "imported")
    for name in ("missing roberta.encoder.layer.1.output.dense.weight", "missing roberta.encoder.layer.1.output.dense.bias"):
        assert name in str(caught.value)
    assert not (tmp_path / "imported").exists()


class Evil:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple:
        return print, ("code ran",)


def test_a_pickle_that_runs_code_is_not_opened(plain_pair: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"linear.weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="not opened"):
        import_legacy(tmp_path / "evil.pt", *plain_pair, tmp_path / "imported")
    assert "code ran" not in capsys.readouterr().out


def test_what_is_absent_or_in_the_way_is_named(small: tuple[OriginModel, Path], plain_pair: tuple, tmp_path: Path) -> None:
    weights = small[1]
    with pytest.raises(CheckpointError, match="no file"):
        import_legacy(tmp_path / "none.pt", *plain_pair, tmp_path / "imported")
    with pytest.raises(CheckpointError, match="no tokenizer"):
        import_legacy(weights, tmp_path, plain_pair[1], tmp_path / "imported")
    with pytest.raises(CheckpointError, match="no sentiment model"):
        import_legacy(weights, plain_pair[0], tmp_path / "none", tmp_path / "imported")
    with pytest.raises(InputError, match="exists already"):
        import_legacy(weights, *plain_pair, tmp_path)
