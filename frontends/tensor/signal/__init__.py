"""Signals: pooling, and convolution of images without channels."""

from arignote.frontends.tensor.signal import conv, downsample, pool

__all__ = ["conv", "downsample", "pool"]
