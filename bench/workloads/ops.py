"""One row per memory-bound op: a single op on float32 arrays that are there already, its result kept.

Of n elements as a matrix `x`, a second one `y`, a row `v`, and the numbers of rows `i`. What the op is in each library
is in `bench/peers/ops.py`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

#: Rows and columns for each size.
SHAPES = {1_000: (10, 100), 1_000_000: (1000, 1000)}

#: Op -> (elements of a matrix read, elements written), in matrices; a row of a matrix counts as nothing.
TRAFFIC: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        """exp log log1p expm1 tanh sigmoid softplus relu sqrt abs neg sqr floor sin cos erf gammaln clip transpose
        reverse cumsum softmax logsoftmax sort gather roll astype add-row""".split(),  # noqa: SIM905  # a list of words
        (1, 1),
    ),
    **dict.fromkeys("add sub mul div maximum pow arctan2 less switch scatter-add".split(), (2, 1)),  # noqa: SIM905
    **dict.fromkeys("sum sum-rows sum-columns mean max-rows argmax-rows var-rows logsumexp-rows".split(), (1, 0)),  # noqa: SIM905
    "argsort": (1, 2), "concatenate": (2, 2), "repeat": (1, 2), "tile": (1, 2), "set-rows": (1.5, 1), "one-hot": (0, 1),
    "fill": (0, 1), "eye": (0, 1),
}  # fmt: skip


def op_arrays(rng: np.random.Generator, size: int) -> Params:
    """Positive numbers around 1, for which all the ops are defined; rows in random order, with repetitions."""
    rows, columns = SHAPES[size]
    x, y = (rng.uniform(0.1, 2, (rows, columns)).astype(np.float32) for _ in range(2))
    v = rng.uniform(0.1, 2, columns).astype(np.float32)
    return {"x": x, "y": y, "v": v, "i": rng.integers(0, rows, rows), "out": np.zeros((), np.float32)}


def op(name: str, size: int) -> Workload:
    """A workload of one op."""
    read, written = TRAFFIC[name]
    return Workload(
        name=f"op-{name}-{size}",
        title=name,
        family="op",
        sizes={"n": size},
        maker=partial(op_arrays, size=size),
        trained=("out",),
        flops=float(size),
        resident=4.0 * size * (read + written),
        has_loss=False,
    )


OPS: dict[str, Workload] = {w.name: w for size in SHAPES for w in (op(name, size) for name in TRAFFIC)}
