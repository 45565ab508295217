"""Random sparse matrices, and the arrays that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import settings
from hypothesis import strategies as st

#: Sizes of two matrices that can be multiplied, n by k and k by m, and a seed.
sizes = st.tuples(*(st.integers(1, 7),) * 3, st.integers(0, 2**32 - 1))
many = settings(max_examples=60, deadline=None, derandomize=True)


def random_matrix(rows: int, columns: int, rng: Any, format: str = "csr", dtype: str = "float64") -> Any:
    """A sparse matrix, some of which have no element in some rows, or none at all."""
    density = rng.choice([0.0, 0.3, 0.8])
    mask = rng.random((rows, columns)) < density
    values = rng.integers(-4, 5, (rows, columns)) if dtype.startswith("int") else rng.normal(size=(rows, columns))
    dense = np.where(mask, values, 0).astype(dtype)
    return getattr(scipy.sparse, f"{format}_matrix")(dense)


def same(found: Any, want: Any, format: str | None = None, tolerance: float = 1e-12) -> None:
    """Equality of values, of dtypes, and of the format where one is given."""
    if format is not None:
        assert found.format == format
        found.check_format(full_check=True)
        found = found.toarray()
    want = want.toarray() if scipy.sparse.issparse(want) else np.asarray(want)
    assert found.shape == want.shape
    assert found.dtype == want.dtype
    np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance)
