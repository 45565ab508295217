"""`RandomStreams` and `MRG_RandomStreams`: draws that differ from one call of a function to the next.

Every draw that is written gets a stream of its own: a shared variable with a state, and a default update that advances
it. Streams of one object have the same key, made of the seed, and their numbers in the counter, so that no two of them
ever take the same block, however long they run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.graph import Leaf
from arignote.frontends.tensor.random import choices, continuous, counts
from arignote.frontends.tensor.sharedvar import Container, SharedVariable, aligned_copy

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

    class Drawn(TensorVariable):
        """What type checkers know of a draw: a variable with its stream."""

        rng: RandomStateSharedVariable
        update: tuple[RandomStateSharedVariable, TensorVariable]

_WORD = 1 << 64
_MRG_SEED = 12345


class RandomStateSharedVariable(SharedVariable):
    """The state of a stream: int64[3], as `arignote.ir.ops.random` has it."""


def key_of(seed: Any) -> int:
    """The key that a seed gives: a whole number below 2**64 itself, several numbers by NumPy's `SeedSequence`.

    Raises:
        TypeError, ValueError: it is no such number.
    """
    if seed is None:
        return secrets.randbits(64)
    if isinstance(seed, (list, tuple, np.ndarray)):
        return int(np.random.SeedSequence([int(s) for s in seed]).generate_state(1, np.uint64)[0])
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"a seed is an integer, or a list of them, not {seed!r}")
    if not 0 <= seed < _WORD:
        raise ValueError(f"a seed is 0 or more, and below 2**64, not {seed}")
    return int(seed)


def state_of(key: int, stream: int) -> np.ndarray[Any, Any]:
    """The first state of a stream."""
    return np.array([key - _WORD if key >= _WORD // 2 else key, 0, stream], np.int64)


class RandomStreams:
    """Random variables, as `theano.tensor.shared_randomstreams` has them.

    The methods draw: their arguments are those of the functions of the same names in `arignote.tensor.random`,
    without the state. A draw has the attributes `rng`, the shared variable with its state, and `update`, the pair of
    that and its next value, which functions apply unless `no_default_updates` says otherwise.

    Args:
        seed: a whole number below 2**64, or a list of numbers; None for one that differs from run to run.
    """

    def __init__(self, seed: Any = None) -> None:
        self.default_instance_seed = seed
        self.state_updates: list[tuple[RandomStateSharedVariable, TensorVariable]] = []
        self._key = key_of(seed)

    # ------------------------------------------------------------ streams
    def gen(self, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A draw by `op`, a function (state, *args, **kwargs) -> (state afterwards, draw), from a new stream."""
        number = len(self.state_updates)
        leaf = Leaf("i64", (3,), f"rng{number}")
        container = Container(aligned_copy(state_of(self._key, number)), leaf.name)
        state = RandomStateSharedVariable(leaf, container, strict=False, downcast=None)
        following, out = op(state, *args, **kwargs)
        state.default_update = following
        out.rng = state
        out.update = (state, following)
        self.state_updates.append(out.update)
        return out

    def updates(self) -> list[tuple[RandomStateSharedVariable, TensorVariable]]:
        """The pairs of states and their next values, of all draws so far."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Start all streams again: as they were made with `seed`, or (None) with the object's own."""
        self._key = key_of(self.default_instance_seed if seed is None else seed)
        for number, (state, _) in enumerate(self.state_updates):
            state.set_value(state_of(self._key, number))

    def __getitem__(self, item: Any) -> np.ndarray[Any, Any]:
        """The state of a stream: of the variable that holds it, or of a draw."""
        return self._stream(item).get_value()

    def __setitem__(self, item: Any, value: Any) -> None:
        """Set the state of a stream."""
        self._stream(item).set_value(value)

    def _draw(self, op: Callable[..., Any], *args: Any) -> Drawn:
        out: Drawn = self.gen(op, *args)
        return out

    def _stream(self, item: Any) -> RandomStateSharedVariable:
        wanted = getattr(item, "rng", item)
        states = [state for state, _ in self.state_updates]
        found = [i for i, state in enumerate(states) if state is wanted]
        if not found:
            raise KeyError(f"{item} is no stream of this object, nor drawn from one")
        return states[found[0]]

    # ------------------------------------------------------------ draws
    def uniform(
        self, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Uniform in [low, high)."""
        return self._draw(continuous.uniform, size, low, high, ndim, dtype)

    def normal(
        self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Normal with mean `avg` and standard deviation `std`."""
        return self._draw(continuous.normal, size, avg, std, ndim, dtype)

    def truncated_normal(
        self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Normal, within two standard deviations of `avg`."""
        return self._draw(continuous.truncated_normal, size, avg, std, ndim, dtype)

    def exponential(self, size: Any = None, scale: Any = 1.0, ndim: Any = None, dtype: Any = None) -> Drawn:
        """Exponential with mean `scale`."""
        return self._draw(continuous.exponential, size, scale, ndim, dtype)

    def laplace(
        self, size: Any = None, loc: Any = 0.0, scale: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Laplace around `loc`, with mean distance `scale`."""
        return self._draw(continuous.laplace, size, loc, scale, ndim, dtype)

    def gamma(
        self, size: Any = None, alpha: Any = 1.0, scale: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Gamma of shape `alpha` and mean alpha * scale."""
        return self._draw(continuous.gamma, size, alpha, scale, ndim, dtype)

    def beta(
        self, size: Any = None, a: Any = 1.0, b: Any = 1.0, ndim: Any = None, dtype: Any = None
    ) -> Drawn:
        """Beta of shapes `a` and `b`."""
        return self._draw(continuous.beta, size, a, b, ndim, dtype)

    def binomial(
        self, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64", prob: Any = None
    ) -> Drawn:
        """Successes in `n` trials of probability `p`; a mask, for one trial."""
        return self._draw(counts.binomial, size, n, p, ndim, dtype, prob)

    def poisson(self, size: Any = None, lam: Any = 1.0, ndim: Any = None, dtype: Any = "int64") -> Drawn:
        """Events where `lam` are expected."""
        return self._draw(counts.poisson, size, lam, ndim, dtype)

    def geometric(self, size: Any = None, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64") -> Drawn:
        """Trials up to the first success."""
        return self._draw(counts.geometric, size, p, ndim, dtype)

    def random_integers(
        self, size: Any = None, low: Any = 0, high: Any = 1, ndim: Any = None, dtype: Any = "int64"
    ) -> Drawn:
        """Uniform integers from `low` to `high`, both included."""
        return self._draw(choices.random_integers, size, low, high, ndim, dtype)

    def randint(
        self, size: Any = None, low: Any = 0, high: Any = None, ndim: Any = None, dtype: Any = "int64"
    ) -> Drawn:
        """Uniform integers from `low` to `high`, which is excluded; from 0 to `low` with one bound."""
        return self._draw(choices.randint, size, low, high, ndim, dtype)

    def choice(
        self, size: Any = None, a: Any = 2, replace: bool = True, p: Any = None, ndim: Any = None, dtype: Any = "int64"
    ) -> Drawn:
        """Elements of the vector `a`, or of 0 .. a - 1."""
        return self._draw(choices.choice, size, a, replace, p, ndim, dtype)

    def multinomial(
        self, size: Any = None, n: Any = 1, pvals: Any = (0.5, 0.5), ndim: Any = None, dtype: Any = "int64"
    ) -> Drawn:
        """How often each category comes up in `n` trials."""
        return self._draw(choices.multinomial, size, n, pvals, ndim, dtype)

    def permutation(self, size: Any = None, n: Any = 1, ndim: Any = None, dtype: Any = "int64") -> Drawn:
        """Orders of 0 .. n - 1."""
        return self._draw(choices.permutation, size, n, ndim, dtype)

    def shuffle_row_elements(self, input: Any) -> Drawn:
        """`input` with the elements of each row in an order of its own."""
        return self._draw(choices.shuffle_row_elements, input)


class MRG_RandomStreams(RandomStreams):
    """Random variables, as `theano.sandbox.rng_mrg` has them: from Philox too, whatever the name says.

    As `RandomStreams`, but for a default seed, `multinomial` and `choice`, which draw for each row of a matrix of
    probabilities, and arguments that are accepted for old programs: `nstreams` and `use_cuda` change nothing.
    """

    def __init__(self, seed: Any = _MRG_SEED, use_cuda: Any = None) -> None:
        super().__init__(seed)

    def uniform(
        self, size: Any = None, low: Any = 0.0, high: Any = 1.0, ndim: Any = None, dtype: Any = None,
        nstreams: Any = None,
    ) -> Drawn:  # fmt: skip
        """Uniform in [low, high)."""
        return super().uniform(size, low, high, ndim, dtype)

    def normal(
        self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None,
        nstreams: Any = None, truncate: bool = False,
    ) -> Drawn:  # fmt: skip
        """Normal with mean `avg` and standard deviation `std`; within two of these, with `truncate`."""
        if truncate:
            return super().truncated_normal(size, avg, std, ndim, dtype)
        return super().normal(size, avg, std, ndim, dtype)

    def truncated_normal(
        self, size: Any = None, avg: Any = 0.0, std: Any = 1.0, ndim: Any = None, dtype: Any = None,
        nstreams: Any = None,
    ) -> Drawn:  # fmt: skip
        """Normal, within two standard deviations of `avg`."""
        return super().truncated_normal(size, avg, std, ndim, dtype)

    def binomial(  # type: ignore[override]  # each has the order of arguments that Theano's has
        self, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64", nstreams: Any = None,
        prob: Any = None,
    ) -> Drawn:  # fmt: skip
        """Successes in `n` trials of probability `p`; a mask, for one trial."""
        return super().binomial(size, n, p, ndim, dtype, prob)

    def multinomial(
        self, size: Any = None, n: Any = 1, pvals: Any = None, ndim: Any = None, dtype: Any = "int64",
        nstreams: Any = None,
    ) -> Drawn:  # fmt: skip
        """For each row of the matrix `pvals`, how often each category comes up in `n` trials."""
        if pvals is None:
            raise TypeError("multinomial needs pvals, the probabilities of the categories")
        return super().multinomial(size, n, pvals, ndim, dtype)

    def choice(
        self, size: Any = 1, a: Any = None, replace: bool = True, p: Any = None, ndim: Any = None,
        dtype: Any = "int64", nstreams: Any = None,
    ) -> Drawn:  # fmt: skip
        """For each row of the matrix `p`, the numbers of `size` categories: a matrix of `size` columns."""
        if a is not None:
            raise TypeError("choice: a must be None: rows of p choose among their own categories")
        return self._draw(choices.choice_of_rows, size, replace, p, dtype)

    def multinomial_wo_replacement(
        self, size: Any = None, n: Any = 1, pvals: Any = None, ndim: Any = None, dtype: Any = "int64",
        nstreams: Any = None, replace: bool = False,
    ) -> Drawn:  # fmt: skip
        """`choice` of `n` categories without replacement."""
        if size is not None:
            raise TypeError("multinomial_wo_replacement: size must be None; n says how many are drawn")
        return self._draw(choices.choice_of_rows, n, replace, pvals, dtype)


MRG_RandomStream = MRG_RandomStreams

