"""The tensor DSL: Theano's `theano.tensor`, `theano.function`, `theano.shared` and friends.

    import arignote as ar
    import arignote.tensor as T

    x = T.matrix("x")
    w = ar.shared(weights, "w")
    f = ar.function([x], T.tanh(T.dot(x, w)))
"""

from typing import TYPE_CHECKING, Any

import arignote.ir.ops as _ops  # noqa: F401  (fills the registry of ops)
from arignote.frontends.tensor import (
    asserting,
    builders,
    constants,
    cumulative,
    derivatives,
    distinct,
    grids,
    linalg,
    masks,
    nlinalg,
    nnet,
    padding,
    positions,
    random,
    rearranging,
    slinalg,
    sorting,
    updates,
)
from arignote.frontends.tensor.asserting import *  # noqa: F403
from arignote.frontends.tensor.builders import *  # noqa: F403
from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.checks import numeric_grad, verify_grad
from arignote.frontends.tensor.cloning import clone
from arignote.frontends.tensor.compat import _allclose as _allclose
from arignote.frontends.tensor.compat import _asarray as _asarray
from arignote.frontends.tensor.compiling import function
from arignote.frontends.tensor.constants import *  # noqa: F403
from arignote.frontends.tensor.convert import as_tensor_variable, constant
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
from arignote.frontends.tensor.cumulative import *  # noqa: F403
from arignote.frontends.tensor.derivatives import *  # noqa: F403
from arignote.frontends.tensor.diagonals import alloc_diag, diag, diagonal, extract_diag, trace, tri, tril, triu
from arignote.frontends.tensor.distinct import *  # noqa: F403
from arignote.frontends.tensor.elementwise import (
    abs_,
    add,
    and_,
    angle,
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
    conj,
    cos,
    cosh,
    deg2rad,
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
    imag,
    int_div,
    inv,
    invert,
    iround,
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
    power,
    rad2deg,
    real,
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
from arignote.frontends.tensor.folds import foldl as foldl
from arignote.frontends.tensor.folds import foldr as foldr
from arignote.frontends.tensor.folds import map as map
from arignote.frontends.tensor.folds import reduce as reduce
from arignote.frontends.tensor.folds import unroll_scan as unroll_scan
from arignote.frontends.tensor.gradient import consider_constant, grad
from arignote.frontends.tensor.grids import *  # noqa: F403
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
from arignote.frontends.tensor.masks import *  # noqa: F403
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.padding import *  # noqa: F403
from arignote.frontends.tensor.positions import *  # noqa: F403
from arignote.frontends.tensor.printing import debugprint, pp
from arignote.frontends.tensor.rearranging import *  # noqa: F403
from arignote.frontends.tensor.reduction import (
    all,
    allclose,
    any,
    argmax,
    argmin,
    average,
    largest,
    logsumexp,
    max,
    max_and_argmax,
    mean,
    min,
    prod,
    ptp,
    smallest,
    std,
    sum,
    var,
)
from arignote.frontends.tensor.scanning import scan as scan
from arignote.frontends.tensor.scanning import scan_checkpoints as scan_checkpoints
from arignote.frontends.tensor.scanning import until as until
from arignote.frontends.tensor.settings import ConfigError, change_flags, config
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
from arignote.frontends.tensor.sharedvar import SharedVariable, TensorSharedVariable, shared
from arignote.frontends.tensor.slinalg import kron
from arignote.frontends.tensor.sorting import *  # noqa: F403
from arignote.frontends.tensor.tensortype import TensorType
from arignote.frontends.tensor.updates import *  # noqa: F403
from arignote.frontends.tensor.variable import TensorConstant, TensorVariable

abs = abs_
as_tensor = as_tensor_variable
Constant = TensorConstant
Tensor = TensorType
Variable = TensorVariable
setattr(var, "TensorVariable", TensorVariable)  # Theano's `tensor.var` is a module and a function  # noqa: B010
globals().update(_CONSTRUCTORS)

__all__ = [
    "ConfigError",
    "Constant",
    "DisconnectedInputError",
    "Function",
    "GradientError",
    "In",
    "MissingInputError",
    "Mode",
    "Out",
    "Param",
    "SharedVariable",
    "Tensor",
    "TensorConstant",
    "TensorSharedVariable",
    "TensorType",
    "TensorVariable",
    "UnusedInputError",
    "Variable",
    "abs",
    "abs_",
    "add",
    "addbroadcast",
    "all",
    "allclose",
    "alloc",
    "alloc_diag",
    "and_",
    "angle",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "as_tensor",
    "as_tensor_variable",
    "average",
    "batched_dot",
    "batched_tensordot",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "cast",
    "ceil",
    "change_flags",
    "clip",
    "clone",
    "col",
    "concatenate",
    "config",
    "conj",
    "consider_constant",
    "constant",
    "cos",
    "cosh",
    "debugprint",
    "deg2rad",
    "diag",
    "diagonal",
    "dimshuffle",
    "divmod",
    "dot",
    "eq",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "extract_diag",
    "eye",
    "fill",
    "flatten",
    "floor",
    "floor_div",
    "full",
    "full_like",
    "function",
    "ge",
    "grad",
    "gt",
    "identity_like",
    "imag",
    "inc_subtensor",
    "int_div",
    "inv",
    "invert",
    "iround",
    "isclose",
    "isinf",
    "isnan",
    "join",
    "kron",
    "largest",
    "le",
    "linalg",
    "log",
    "log1p",
    "log2",
    "log10",
    "logsumexp",
    "lt",
    "matrix",
    "max",
    "max_and_argmax",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mod",
    "mul",
    "neg",
    "neq",
    "nlinalg",
    "nnet",
    "norm",
    "numeric_grad",
    "ones",
    "ones_like",
    "or_",
    "outer",
    "patternbroadcast",
    "pow",
    "power",
    "pp",
    "prod",
    "ptp",
    "rad2deg",
    "random",
    "real",
    "reciprocal",
    "reshape",
    "rint",
    "round",
    "row",
    "scalar",
    "set_subtensor",
    "sgn",
    "shape",
    "shape_padaxis",
    "shape_padleft",
    "shape_padright",
    "shared",
    "sigmoid",
    "sin",
    "sinh",
    "slinalg",
    "smallest",
    "softplus",
    "split",
    "sqr",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "stacklists",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "switch",
    "tan",
    "tanh",
    "tensor",
    "tensor3",
    "tensor4",
    "tensor5",
    "tensordot",
    "trace",
    "transpose",
    "tri",
    "tril",
    "triu",
    "true_div",
    "trunc",
    "unbroadcast",
    "var",
    "vector",
    "verify_grad",
    "where",
    "xor",
    "zeros",
    "zeros_like",
]
__all__.extend(_CONSTRUCTORS)
for _module in (
    asserting, builders, constants, cumulative, derivatives, distinct, grids, masks, padding, positions, rearranging,
    sorting, updates,
):  # fmt: skip
    __all__.extend(_module.__all__)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The typed constructors: `fmatrix`, `ivectors` and so on."""
