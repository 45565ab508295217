"""Literals of the textual IR: keywords, and the elements of constant arrays."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.ir.diag import IRError
from arignote.ir.types import TensorType, is_complex, is_float

#: Words that mean themselves as attributes, and hence cannot name dimensions.
KEYWORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "none": None,
    "nan": float("nan"),
    "inf": float("inf"),
}

_MAX_BYTES = 1 << 40


def array_of_elements(type: TensorType, texts: Sequence[str]) -> np.ndarray:
    """An array of the static `type` from the texts of its elements."""
    if len(texts) != type.size:
        raise IRError(f"an array of type {type} has {type.size} elements, got {len(texts)}")
    with np.errstate(all="ignore"):  # 1e39 as an f32 is inf
        return _frozen(np.array([_element(type, t) for t in texts], type.numpy_dtype), type)


def array_of_base64(type: TensorType, text: str) -> np.ndarray:
    """An array of the static `type` from the base64 of its zlib-compressed little-endian bytes."""
    size = type.size
    assert isinstance(size, int), "the type is static"
    expected = size * type.itemsize
    if expected > _MAX_BYTES:
        raise IRError(f"an array of type {type} is too large")
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(text, validate=True), expected + 1)
        if len(data) != expected or not unpack.eof:
            raise IRError(f"the data of an array of type {type} has not {expected} bytes")
        little = type.numpy_dtype.newbyteorder("<")
        return _frozen(np.frombuffer(data, little).astype(type.numpy_dtype), type)
    except (ValueError, OverflowError, MemoryError, zlib.error):
        raise IRError(f"damaged array data of type {type}: not the base64 of zlib-compressed bytes") from None


def _frozen(flat: np.ndarray, type: TensorType) -> np.ndarray:
    shape: tuple[Any, ...] = type.shape
    array = flat.reshape(shape)
    array.flags.writeable = False
    return array


def _element(type: TensorType, text: str) -> np.generic | bool:
    try:
        if type.dtype == "bool":
            return {"true": True, "false": False}[text]
        read = complex if is_complex(type.dtype) else float if is_float(type.dtype) else int
        element: np.generic = type.numpy_dtype.type(read(text))
        return element
    except (KeyError, ValueError, OverflowError):
        raise IRError(f"{text[:40]!r} is not an element of {type}") from None
