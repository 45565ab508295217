"""Sparse matrices, with the names of Theano's `sparse`: `import arignote.sparse`."""

from arignote.frontends.sparse.basic import *  # noqa: F403
from arignote.frontends.sparse.basic import __all__ as __all__
from arignote.frontends.sparse.basic import _is_sparse as _is_sparse
from arignote.frontends.sparse.basic import _is_sparse_variable as _is_sparse_variable
