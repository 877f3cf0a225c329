"""The two classifications by the `pipeline` of transformers, with its own batching: what an engineer would write first."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from ftapp.engines.machine import granted_cores
from ftapp.predictor import Predictor
from ftapp.text import prepare


class Pipelines:
    """A pair as two text-classification pipelines in float32."""

    def __init__(self, keyword: Path, sentiment: Path, predictor: Predictor, batch: int) -> None:
        """Open both; thresholds, template and preparation of texts are the predictor's."""
        torch.set_num_threads(granted_cores())
        self._predictor, self._batch = predictor, batch
        self._keyword, self._sentiment = (self._open(folder) for folder in (keyword, sentiment))

    def _open(self, folder: Path):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # klue/roberta takes no segment ids
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
        return pipeline("text-classification", model=model, tokenizer=tokenizer, batch_size=self._batch, device="cpu")

    def classify(self, texts: list[str]) -> list[list[tuple[str, str]]]:
        """Return (keyword, sentiment) of every keyword found in every review."""
        manifest, scheme = self._predictor.manifest, self._predictor.scheme
        prepared = [prepare(text, spacing=manifest.spacing, sentences=manifest.sentences).words for text in texts]
        reviews = [" ".join(word.text for word in words) for words in prepared]
        limits = {"truncation": True, "max_length": self._predictor.max_length}
        scores = self._keyword(reviews, top_k=None, function_to_apply="sigmoid", **limits)
        found = [
            [x["label"] for x in sorted(row, key=lambda x: scheme.keywords.index(x["label"]))
             if x["score"] >= manifest.threshold_of(x["label"])]
            for row in scores
        ]  # fmt: skip
        asked = [(i, keyword) for i, keywords in enumerate(found) for keyword in [*keywords, scheme.overall]]
        prompts = [manifest.template.format(review=reviews[i], keyword=keyword) for i, keyword in asked]
        answers: list[list[tuple[str, str]]] = [[] for _ in texts]
        for (i, keyword), said in zip(asked, self._sentiment(prompts, **limits), strict=True):
            if keyword != scheme.overall:
                answers[i].append((keyword, said["label"]))
        return answers
