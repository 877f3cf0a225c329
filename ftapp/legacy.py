"""The origin's checkpoint, `best_model_weights.pt`, to a model folder, without loss.

The origin's module is a RobertaModel with its pooler (`bert_model.*`), dropout and `linear`; `RobertaForSequenceClassification`
computes the same from `classifier.dense` (the pooler's weights; both apply tanh on the first token) and `classifier.out_proj`.
"""

import json
import pickle
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ftapp.checkpoint import TOKENIZER_FILES, Manifest, write_checkpoint
from ftapp.engines.torch import load_model
from ftapp.errors import CheckpointError
from ftapp.schema import LabelScheme

RENAMED = {
    "bert_model.pooler.dense.": "classifier.dense.",
    "linear.": "classifier.out_proj.",
    "bert_model.": "roberta.",
}
HEAD_SIZE = 64  # of every klue/roberta, and of RoBERTa in general


def import_legacy(weights: Path, tokenizer: Path, sentiment: Path, output: Path) -> Path:
    """Write a model folder from the origin's keyword weights, a tokenizer folder and its sentiment model's folder.

    Raises CheckpointError when the file is no state dict of that module (every missing or unexpected name in one error)
    or does not fit the sentiment model; InputError when `output` exists.
    """
    state = read_state(weights)
    scheme = LabelScheme()
    labels = scheme.keywords
    if len(state["classifier.out_proj.weight"]) != len(labels):
        raise CheckpointError(
            f"{str(weights)!r} has {len(state['classifier.out_proj.weight'])} labels; the origin's model has {len(labels)}."
        )
    config = _config(state) | {
        "architectures": ["RobertaForSequenceClassification"],
        "problem_type": "multi_label_classification",
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }
    with tempfile.TemporaryDirectory() as temporary:
        keyword = Path(temporary) / "keyword"
        keyword.mkdir()
        save_file(state, keyword / "model.safetensors", metadata={"format": "pt"})
        (keyword / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        _copy_tokenizer(tokenizer, keyword)
        load_model(keyword)  # names every weight that is missing or unexpected in a layer
        sentiment_copy = Path(temporary) / "sentiment"
        if not sentiment.is_dir():
            raise CheckpointError(f"There is no sentiment model folder {str(sentiment)!r}.")
        shutil.copytree(sentiment, sentiment_copy)
        if not any((sentiment / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
            _copy_tokenizer(tokenizer, sentiment_copy)
        return write_checkpoint(output, keyword, sentiment_copy, Manifest(output.name, scheme))


def read_state(weights: Path) -> dict[str, torch.Tensor]:
    """Return the state dict under `RobertaForSequenceClassification`'s names; raises CheckpointError."""
    if not weights.is_file():
        raise CheckpointError(f"There is no file {str(weights)!r}.")
    try:
        pickled = torch.load(weights, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{str(weights)!r} is not a plain state dict and is not opened: {reason}") from error
    if not isinstance(pickled, Mapping) or not all(isinstance(value, torch.Tensor) for value in pickled.values()):
        raise CheckpointError(f"{str(weights)!r} holds {type(pickled).__name__}, not a state dict of tensors.")
    state = {}
    unexpected = []
    for name, value in pickled.items():
        if name.endswith((".position_ids", ".token_type_ids")):
            continue  # a buffer that old versions of transformers saved; it is made anew
        prefix = next((prefix for prefix in RENAMED if name.startswith(prefix)), None)
        if prefix is None:
            unexpected.append(name)
        else:
            state[RENAMED[prefix] + name[len(prefix) :]] = value.contiguous().clone()
    needed = ["classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias",
              "roberta.embeddings.word_embeddings.weight", "roberta.embeddings.position_embeddings.weight",
              "roberta.encoder.layer.0.intermediate.dense.weight"]  # fmt: skip
    missing = [name for name in needed if name not in state]
    if missing or unexpected:
        raise CheckpointError(
            f"{str(weights)!r} is no state dict of the origin's keyword model: missing {missing}, unexpected {unexpected}."
        )
    return state


def _config(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the config of the shape that the weights have."""
    vocabulary, hidden = state["roberta.embeddings.word_embeddings.weight"].shape
    layers = {int(found[1]) for name in state if (found := re.match(r"roberta\.encoder\.layer\.(\d+)\.", name))}
    return {
        "model_type": "roberta",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": max(layers) + 1,
        "num_attention_heads": max(1, hidden // HEAD_SIZE),
        "intermediate_size": state["roberta.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": state["roberta.embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": 1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-05,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }


def _copy_tokenizer(source: Path, target: Path) -> None:
    found = [source / name for name in TOKENIZER_FILES if (source / name).is_file()]
    if not found:
        raise CheckpointError(f"There is no tokenizer (tokenizer.json or vocab.txt) in {str(source)!r}.")
    for path in found:
        shutil.copyfile(path, target / path.name)
