"""Cut a fine-tuned classifier down to a smaller plain one, before it learns from its larger self (`ftapp train --teacher`).

Where `prune.py` makes a variant, this makes the beginning of a model: whole layers and, alike in every layer, feed-forward
columns are left out, so that any library opens what is left.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ftapp.checkpoint import TEMPLATE
from ftapp.compress.distil import make_student
from ftapp.compress.prune import COLUMN_STEP, best_columns, importance, keep_columns
from ftapp.compress.store import store
from ftapp.engines.torch import load_model
from ftapp.errors import CheckpointError, InputError
from ftapp.reviews import LabelledReview
from ftapp.schema import LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.training.examples import keyword_rows, read_examples, sentiment_rows


def cut(
    folder: Path,
    reviews: Sequence[LabelledReview],
    output: Path,
    *,
    drop_layers: Sequence[int] = (),
    columns: int = 0,
    scored_rows: int = 512,
    scheme: LabelScheme = LabelScheme(),
) -> Path:
    """Write the classifier in `folder` without some layers (counted from 0), `columns` wide between; return `output`.

    The columns kept in each layer are those on which the labels' loss depends most (`prune.importance`), over `scored_rows`
    random rows of the reviews; 0 keeps all. Raises InputError, or CheckpointError for a model of other labels.
    """
    model = load_model(folder)
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    if labels not in (list(scheme.keywords), list(scheme.sentiments)):
        named = ", ".join(labels)
        raise CheckpointError(f"The model in {str(folder)!r} knows {named}: neither the keywords nor the sentiments.")
    half = "keyword" if labels == list(scheme.keywords) else "sentiment"
    of, width = model.config.num_hidden_layers, model.config.intermediate_size
    unknown = sorted(set(drop_layers) - set(range(of)))
    if unknown or len(set(drop_layers)) == of:
        raise InputError(f"Layers {sorted(set(drop_layers))} cannot be left out of 0 to {of - 1}; one must stay.")
    if columns % COLUMN_STEP or not 0 <= columns <= width:
        raise InputError(f"columns={columns} must be a multiple of {COLUMN_STEP} and at most {width}; 0 keeps all.")
    kept = [layer for layer in range(of) if layer not in drop_layers]
    student = make_student(model, kept)
    if columns:
        tokenizer = Tokenizer.open(folder)
        length = model.config.max_position_embeddings - tokenizer.pad - 1
        examples = read_examples(reviews, tokenizer)
        if half == "keyword":
            rows = keyword_rows(examples, tokenizer, scheme, length)
        else:
            rows = sentiment_rows(examples, tokenizer, scheme, TEMPLATE, length)
        if not rows:
            raise InputError("There is no labelled review to score columns on.")
        drawn = np.random.default_rng(0).permutation(len(rows))[:scored_rows]
        scores = importance(model, [rows[i] for i in drawn], half=half, pad=tokenizer.pad)
        keep_columns(student, best_columns([scores.columns[layer] for layer in kept], 1 - columns / width))
    store(student, folder, output)
    return output
