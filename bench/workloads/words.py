"""Workload 5: the continuous bag of words, windows looked up in a resident text, a full softmax."""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

WORDS, EMBEDDING, BATCH, WINDOW = 10_000, 128, 64, 2
EXAMPLES = 64_000
FLOAT = 4


def text_arrays(rng: np.random.Generator, words: int, embedding: int, examples: int) -> Params:
    """A text whose words have frequencies as in Zipf's law, and vectors that are not small."""
    text = np.minimum(words * rng.random(examples + 2 * WINDOW) ** 4, words - 1).astype(np.int32)
    size = (words, embedding)
    return {
        "text": text,
        "W": rng.uniform(-0.5, 0.5, size).astype(np.float32),
        "U": rng.uniform(-0.1, 0.1, size).astype(np.float32),
    }


def cbow(
    words: int = WORDS,
    embedding: int = EMBEDDING,
    batch: int = BATCH,
    examples: int = EXAMPLES,
    name: str = "cbow",
) -> Workload:
    """Three products with the output vectors; of the input vectors only the rows of the windows."""
    rows = batch * 2 * WINDOW * embedding
    return Workload(
        name=name,
        title=f"CBOW {words}x{embedding}, batch {batch}",
        family="cbow",
        sizes={
            "batch": batch,
            "examples": examples,
            "words": words,
            "embedding": embedding,
            "window": WINDOW,
        },
        maker=partial(text_arrays, words=words, embedding=embedding, examples=examples),
        trained=("W", "U"),
        flops=3 * 2.0 * batch * words * embedding,
        resident=float(FLOAT * 2 * (words * embedding + rows)),
        rate=0.5,
    )
