"""The origin's way to analyze a review, kept as the thing to be faster than: one forward pass at a time.

For every keyword that is found the whole occlusion is done again: 1 + K x (1 + W + w) + 1 passes for K keywords, W words and
w words in the anchor's sentence. Same preparation, tokenizer and rules as `Predictor.analyze`.
"""

from pathlib import Path

import numpy as np
import torch

from ftapp.batching import sigmoid, softmax
from ftapp.engines import Engine
from ftapp.engines.torch import load_model
from ftapp.highlight import anchor, between
from ftapp.predictor import Predictor
from ftapp.schema import Highlight
from ftapp.text import prepare
from ftapp.tokenizer import Frame


class StockEngine:
    """A classifier in torch's dynamic int8, run by the forward pass that transformers gives it, as the origin ran it."""

    def __init__(self, folder: Path) -> None:
        """Load and quantize the weights; torch keeps the threads that it has."""
        model = load_model(folder)
        self.labels: int = model.config.num_labels
        self._model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return float32 [rows, labels] for int64 [rows, length] token ids and attention mask."""
        with torch.inference_mode():
            return self._model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()


def forward(engine: Engine, row: list[int]) -> np.ndarray:
    """Return float32 [labels] for one row."""
    ids = np.array([row], dtype=np.int64)
    return engine.logits(ids, np.ones_like(ids))[0]


def analyze(predictor: Predictor, text: str) -> list[tuple[str, str, Highlight]]:
    """Return (keyword, sentiment, highlight) of each keyword found in one review."""
    scheme, tokenizer = predictor.scheme, predictor.tokenizer
    prepared = prepare(text, spacing=predictor.manifest.spacing, sentences=predictor.manifest.sentences)
    words = prepared.words
    plain = tokenizer.plain_frame()

    def row(frame: Frame, masked: int | None = None) -> list[int]:
        shown = ["[MASK]" if i == masked else word.text for i, word in enumerate(words)]
        return frame.wrap(tokenizer.encode([shown])[0].ids[: frame.room(predictor.max_length)])

    probabilities = sigmoid(forward(predictor.keyword_engine, row(plain)))
    results = []
    for k, keyword in enumerate(scheme.keywords):
        if probabilities[k] < predictor.manifest.threshold_of(keyword):
            continue
        frame = tokenizer.prompt_frame(predictor.manifest.template, keyword)
        sentiment = softmax(forward(predictor.sentiment_engine, row(frame)))
        label = int(sentiment.argmax())
        fall = [
            probabilities[k] - sigmoid(forward(predictor.keyword_engine, row(plain, word)))[k] for word in range(len(words))
        ]
        first = anchor(np.array(fall))
        sentence = [i for i, word in enumerate(words) if word.sentence == words[first].sentence]
        fall = [sentiment[label] - softmax(forward(predictor.sentiment_engine, row(frame, word)))[label] for word in sentence]
        second = sentence[anchor(np.array(fall))]
        results.append((keyword, scheme.sentiments[label], between(text, words, first, second)))
    if scheme.overall:
        forward(predictor.sentiment_engine, row(tokenizer.prompt_frame(predictor.manifest.template, scheme.overall)))
    return results
