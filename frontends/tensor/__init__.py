"""The tensor DSL: Theano's `theano.tensor`, `theano.function`, `theano.shared` and friends.

    import arignote as ar
    import arignote.tensor as T

    x = T.matrix("x")
    w = ar.shared(weights, "w")
    f = ar.function([x], T.tanh(T.dot(x, w)))
"""

from typing import TYPE_CHECKING, Any

import arignote.ir.ops as _ops  # noqa: F401  (fills the registry of ops)
from arignote.frontends.tensor import nnet as nnet
from arignote.frontends.tensor.callable import Function as Function
from arignote.frontends.tensor.config import ConfigError as ConfigError
from arignote.frontends.tensor.config import config as config
from arignote.frontends.tensor.convert import as_tensor_variable as as_tensor_variable
from arignote.frontends.tensor.convert import constant as constant
from arignote.frontends.tensor.creation import CONSTRUCTORS as _CONSTRUCTORS
from arignote.frontends.tensor.creation import (
    alloc,
    arange,
    col,
    eye,
    fill,
    full,
    full_like,
    identity_like,
    matrix,
    ones,
    ones_like,
    row,
    scalar,
    tensor,
    tensor3,
    tensor4,
    tensor5,
    vector,
    zeros,
    zeros_like,
)
from arignote.frontends.tensor.elementwise import (
    abs_,
    add,
    and_,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    cast,
    ceil,
    clip,
    cos,
    cosh,
    divmod,
    eq,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    floor_div,
    ge,
    gt,
    int_div,
    inv,
    invert,
    isclose,
    isinf,
    isnan,
    le,
    log,
    log1p,
    log2,
    log10,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    neq,
    or_,
    pow,
    reciprocal,
    rint,
    round,
    sgn,
    sigmoid,
    sin,
    sinh,
    softplus,
    sqr,
    sqrt,
    square,
    sub,
    switch,
    tan,
    tanh,
    true_div,
    trunc,
    where,
    xor,
)
from arignote.frontends.tensor.errors import (
    DisconnectedInputError,
    GradientError,
    MissingInputError,
    UnusedInputError,
)
from arignote.frontends.tensor.function import function as function
from arignote.frontends.tensor.gradient import grad as grad
from arignote.frontends.tensor.indexing import inc_subtensor, set_subtensor
from arignote.frontends.tensor.io import In, Out, Param
from arignote.frontends.tensor.joining import concatenate, join, split, stack, stacklists
from arignote.frontends.tensor.linear import (
    batched_dot,
    batched_tensordot,
    dot,
    norm,
    outer,
    tensordot,
)
from arignote.frontends.tensor.modes import Mode as Mode
from arignote.frontends.tensor.printing import debugprint as debugprint
from arignote.frontends.tensor.printing import pp as pp
from arignote.frontends.tensor.reduction import (
    all,
    any,
    argmax,
    argmin,
    logsumexp,
    max,
    max_and_argmax,
    mean,
    min,
    prod,
    ptp,
    std,
    sum,
    var,
)
from arignote.frontends.tensor.shapes import (
    addbroadcast,
    dimshuffle,
    flatten,
    patternbroadcast,
    reshape,
    shape,
    shape_padaxis,
    shape_padleft,
    shape_padright,
    squeeze,
    swapaxes,
    transpose,
    unbroadcast,
)
from arignote.frontends.tensor.shared import SharedVariable as SharedVariable
from arignote.frontends.tensor.shared import TensorSharedVariable as TensorSharedVariable
from arignote.frontends.tensor.shared import shared as shared
from arignote.frontends.tensor.tensortype import TensorType as TensorType
from arignote.frontends.tensor.variable import TensorConstant as TensorConstant
from arignote.frontends.tensor.variable import TensorVariable as TensorVariable

as_tensor = as_tensor_variable
Variable = TensorVariable
globals().update(_CONSTRUCTORS)

__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and name not in ("TYPE_CHECKING", "Any")
)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The typed constructors: `fmatrix`, `ivectors` and so on."""
