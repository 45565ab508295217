"""Theano's first interface of convolutions: two borders, no dilation, no groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.nnet import abstract_conv

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["conv2d"]


def conv2d(
    input: Any, filters: Any, image_shape: Any = None, filter_shape: Any = None, border_mode: str = "valid",
    subsample: Any = (1, 1), **options: Any,
) -> TensorVariable:  # fmt: skip
    """The convolution [N, K, rows, columns] of images [N, C, rows, columns] with filters [K, C, rows, columns], which
    are turned around; `border_mode` is `valid` or `full`. Options that tuned Theano's code (`unroll_batch` and others)
    are accepted and have no effect."""
    known = {
        "unroll_batch", "unroll_kern", "unroll_patch", "version", "direction_hint", "verbose", "imshp_logical",
        "kshp_logical", "kshp_logical_top_aligned", "openmp",
    }  # fmt: skip
    unknown = sorted(set(options) - known)
    if unknown:
        raise TypeError(f"conv2d() got an unexpected keyword argument {unknown[0]!r}")
    if border_mode not in ("valid", "full"):
        raise ValueError(
            f"conv.conv2d: border_mode {border_mode!r} is neither 'valid' nor 'full'; nnet.conv2d has more"
        )
    return abstract_conv.conv2d(input, filters, image_shape, filter_shape, border_mode, subsample)
