"""Our forward pass: the stock logits, less work."""

from pathlib import Path

import pytest
import torch

from ftapp.engines import roberta
from ftapp.engines.torch import load_model

# Three rows as occlusion makes them, a mask (4) for one token or for two, and one of its own.
IDS = torch.tensor([[0, 40, 50, 60, 40, 2], [0, 4, 50, 60, 40, 2], [0, 40, 4, 40, 2, 1], [0, 80, 90, 2, 1, 1]])
MASK = IDS != 1


@pytest.fixture
def model(plain_pair: tuple[Path, Path]) -> torch.nn.Module:
    """Return the keyword model."""
    return load_model(plain_pair[0])


@pytest.mark.parametrize("fused", [False, True])
def test_logits_are_those_of_the_stock_forward_pass(model: torch.nn.Module, fused: bool) -> None:
    with torch.inference_mode():
        expected = model(input_ids=IDS, attention_mask=MASK.long()).logits
        if fused:
            roberta.fuse(model)
        torch.testing.assert_close(roberta.first_token_logits(model, IDS, MASK), expected, atol=1e-5, rtol=0)


def test_a_token_is_projected_once_for_each_place(model: torch.nn.Module) -> None:
    roberta.fuse(model)
    seen = []
    for layer in model.roberta.encoder.layer[:-1]:
        layer.attention.self.query_key_value.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[:-1]))
    with torch.inference_mode():
        roberta.first_token_logits(model, IDS, MASK)
    distinct = {(int(token), place if token != 1 else None) for row in IDS for place, token in enumerate(row)}
    assert seen == [(1, len(distinct))]
    assert len(distinct) < IDS.numel()


def test_the_last_layer_computes_no_keys_or_values(model: torch.nn.Module) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("run")

    for name in roberta.unread_projections(model):
        model.get_submodule(name).register_forward_hook(refuse)
    with torch.inference_mode():
        roberta.first_token_logits(model, IDS, MASK)
        with pytest.raises(AssertionError, match="run"):
            model(input_ids=IDS, attention_mask=MASK.long())


def test_dropped_attention_is_dropped_from_the_values_with_their_bias(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    attention = model.roberta.encoder.layer[-1].attention.self
    torch.nn.init.normal_(attention.value.bias)
    hidden = torch.randn(len(IDS), IDS.shape[1], model.config.hidden_size)
    heads, size = attention.num_attention_heads, attention.attention_head_size
    kept = (torch.rand(len(IDS), heads, IDS.shape[1]) > 0.3) / 0.7
    monkeypatch.setattr(roberta, "dropout", lambda weights, share: weights * kept)

    def split(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(-1, (heads, size)).transpose(1, 2)

    query, key, value = (split(linear(hidden)) for linear in (attention.query, attention.key, attention.value))
    weights = (query[:, :, :1] @ key.transpose(-1, -2) / size**0.5).softmax(-1) * kept[:, :, None]
    expected = (weights @ value).transpose(1, 2).flatten(2)
    torch.testing.assert_close(roberta.attend_first(attention, hidden, None, 0.3), expected, atol=1e-5, rtol=0)
