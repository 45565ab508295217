"""Workloads 1 and 2: classifiers on data of MNIST's shape, sliced from a resident array."""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

EXAMPLES, PIXELS, CLASSES = 50_000, 784, 10
FLOAT = 4


def digits(rng: np.random.Generator, examples: int = EXAMPLES) -> Params:
    """Images in [0, 1) with a fifth of the pixels lit, labelled by a hidden linear teacher."""
    x = rng.random((examples, PIXELS), dtype=np.float32)
    # A lit pixel keeps the upper fifth of the draw, stretched to [0, 1): one draw a pixel.
    np.subtract(x, np.float32(0.8), out=x)
    np.maximum(x, np.float32(0.0), out=x)
    np.multiply(x, np.float32(4.999), out=x)
    teacher = rng.standard_normal((PIXELS, CLASSES), dtype=np.float32)
    y = np.argmax(x @ teacher, axis=1).astype(np.int32)
    return {"x": x, "y": y}


def logreg_arrays(rng: np.random.Generator, examples: int = EXAMPLES) -> Params:
    """Softmax regression from zeros."""
    arrays = digits(rng, examples)
    arrays["W"] = np.zeros((PIXELS, CLASSES), np.float32)
    arrays["b"] = np.zeros(CLASSES, np.float32)
    return arrays


def mlp_arrays(rng: np.random.Generator, hidden: int, examples: int = EXAMPLES) -> Params:
    """One tanh layer, Glorot uniform; the output layer starts from zeros."""
    arrays = digits(rng, examples)
    high = np.sqrt(6.0 / (PIXELS + hidden))
    arrays["W1"] = rng.uniform(-high, high, (PIXELS, hidden)).astype(np.float32)
    arrays["b1"] = np.zeros(hidden, np.float32)
    arrays["W2"] = np.zeros((hidden, CLASSES), np.float32)
    arrays["b2"] = np.zeros(CLASSES, np.float32)
    return arrays


def logreg(batch: int = 600, examples: int = EXAMPLES, name: str = "logreg") -> Workload:
    """Softmax regression: forward product and weight gradient, no gradient of the data."""
    weights = PIXELS * CLASSES + CLASSES
    return Workload(
        name=name,
        title=f"logreg {batch}x{PIXELS}x{CLASSES}",
        family="logreg",
        sizes={"batch": batch, "examples": examples, "pixels": PIXELS, "classes": CLASSES},
        maker=partial(logreg_arrays, examples=examples),
        trained=("W", "b"),
        flops=2.0 * 2 * batch * PIXELS * CLASSES,
        streamed=float(FLOAT * batch * PIXELS),
        resident=float(FLOAT * 2 * weights),
        rate=0.13,
    )


def mlp(
    batch: int, hidden: int = 500, examples: int = EXAMPLES, name: str | None = None
) -> Workload:
    """784-hidden-10: two products in the first layer, three in the second."""
    first, second = PIXELS * hidden + hidden, hidden * CLASSES + CLASSES
    return Workload(
        name=name or f"mlp-{batch}",
        title=f"MLP {PIXELS}-{hidden}-{CLASSES}, batch {batch}",
        family="mlp",
        sizes={
            "batch": batch,
            "examples": examples,
            "pixels": PIXELS,
            "hidden": hidden,
            "classes": CLASSES,
        },
        maker=partial(mlp_arrays, hidden=hidden, examples=examples),
        trained=("W1", "b1", "W2", "b2"),
        flops=2.0 * batch * hidden * (2 * PIXELS + 3 * CLASSES),
        streamed=float(FLOAT * batch * PIXELS),
        resident=float(FLOAT * 2 * (first + second)),
        rate=0.01,
    )
