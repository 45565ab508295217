"""Random variables: Theano's `shared_randomstreams`, `raw_random` and `rng_mrg`.

    srng = RandomStreams(seed=234)
    mask = srng.binomial(x.shape, p=0.5, dtype="floatX")
    f = ar.function([x], x * mask)          # another mask in every call

The functions are the same draws with the state as an argument: (state, size, ...) -> (state afterwards, draw).
"""

from arignote.frontends.tensor.random.choices import (
    choice,
    choice_of_rows,
    multinomial,
    permutation,
    randint,
    random_integers,
    shuffle_row_elements,
)
from arignote.frontends.tensor.random.continuous import (
    beta,
    exponential,
    gamma,
    laplace,
    normal,
    truncated_normal,
    uniform,
)
from arignote.frontends.tensor.random.counts import binomial, geometric, poisson
from arignote.frontends.tensor.random.streams import (
    MRG_RandomStream,
    MRG_RandomStreams,
    RandomStateSharedVariable,
    RandomStreams,
)
from arignote.frontends.tensor.tensortype import TensorType

#: The type of a state.
random_state_type = TensorType("int64", shape=(3,))

__all__ = [
    "MRG_RandomStream",
    "MRG_RandomStreams",
    "RandomStateSharedVariable",
    "RandomStreams",
    "beta",
    "binomial",
    "choice",
    "choice_of_rows",
    "exponential",
    "gamma",
    "geometric",
    "laplace",
    "multinomial",
    "normal",
    "permutation",
    "poisson",
    "randint",
    "random_integers",
    "random_state_type",
    "shuffle_row_elements",
    "truncated_normal",
    "uniform",
]
