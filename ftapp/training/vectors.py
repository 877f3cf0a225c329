"""Subword vectors by skip-gram with negative sampling (Mikolov et al. 2013), to start an embedding table from.

A random body learns masked-language modelling far sooner on top of these than from a random table.
"""

import logging
from collections.abc import Sequence

import numpy as np

from ftapp.errors import UnsupportedError

logger = logging.getLogger(__name__)


def subword_vectors(
    sequences: Sequence[Sequence[int]], vocabulary: int, size: int, *, epochs: int, workers: int, seed: int
) -> np.ndarray:
    """Return float32 [vocabulary, size]: skip-gram vectors of token ids, centred, of unit variance; rare ids are random.

    With more than one worker the result varies a little from run to run. Raises UnsupportedError without gensim.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise UnsupportedError("Subword vectors need gensim: pip install 'ftapp[train]'.") from error
    sentences = [[str(token) for token in sequence] for sequence in sequences]
    model = Word2Vec(
        sentences, vector_size=size, sg=1, window=5, negative=5, min_count=5, sample=1e-3, epochs=epochs,
        workers=workers, seed=seed,
    )  # fmt: skip
    random = np.random.default_rng(seed)
    table = random.normal(0.0, 1.0, (vocabulary, size)).astype(np.float32)
    seen = np.array([int(token) for token in model.wv.index_to_key])
    vectors = model.wv.vectors - model.wv.vectors.mean(axis=0)
    table[seen] = vectors / vectors.std()
    logger.info("skip-gram: %d of %d ids have vectors", len(seen), vocabulary)
    return table
