"""The arrays of one ISO in a safetensors file: what they must look like, and reading them guardedly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, UsageError
from synthnoise.files import existing_file

MAX_BYTES = 64 << 20
"""A profile describes noise of any size in some hundred kilobytes; what is larger is not one."""

KNOWN: dict[str, tuple[type[np.generic], int]] = {
    "shading": (np.float32, 3),
    "hot_pixels": (np.int32, 2),
    "row_spectrum": (np.float32, 1),
    "column_spectrum": (np.float32, 1),
    "marginal": (np.float32, 2),
    "pixel_quantiles": (np.float32, 2),
    "pixel_covariance": (np.float32, 4),
    "row_cross_spectrum": (np.float32, 4),
    "column_cross_spectrum": (np.float32, 4),
    "fixed_covariance": (np.float32, 4),
    "fixed_row_cross_spectrum": (np.float32, 4),
    "fixed_column_cross_spectrum": (np.float32, 4),
    "waves": (np.float32, 2),
    "shading_detail": (np.float32, 3),
    "row_quantiles": (np.float32, 1),
    "local_deviation": (np.float32, 2),
    "row_modes": (np.float32, 2),
    "row_mode_cross_spectrum": (np.float32, 4),
    "hot_quantiles": (np.float32, 1),
    "hot_rate": (np.float32, 1),
}
"""Type and number of axes of each array (:class:`synthnoise.profiles.schema.IsoNoise`)."""


NARROWER: dict[type[np.generic], type[np.generic]] = {np.float32: np.float16, np.int32: np.int16}
"""Types that arrays are stored in where these hold every value exactly."""


def encode_arrays(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of a safetensors file.

    Raises
    ------
    UsageError
        An array is not of the type and number of axes that the schema says.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if problem := _problem(name, array):
            raise UsageError(f"array {name}: {problem}")
    return save({name: np.ascontiguousarray(_narrowed(array)) for name, array in arrays.items()})


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in half the bytes, if that loses nothing."""
    narrower = NARROWER.get(array.dtype.type)
    if narrower is None:
        return array
    limits: Any = np.finfo(narrower) if np.issubdtype(narrower, np.floating) else np.iinfo(narrower)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        return array
    short = array.astype(narrower)
    return short if np.array_equal(short, array) else array


def read_arrays(path: Path, sha256: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file whose SHA-256 is known.

    Raises
    ------
    InputError
        The file is missing, too large, damaged, another than when the profile was written, or an array
        is not what the schema says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    size = existing_file(path).stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes, more than the {MAX_BYTES} of the largest profile")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{path}: is not the file the profile was written with", hint="calibrate anew")
    try:
        arrays: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from error
    for name, array in arrays.items():
        dtype = KNOWN[name][0] if name in KNOWN else array.dtype.type
        if NARROWER.get(dtype) is array.dtype.type:
            arrays[name] = array.astype(dtype)
        if problem := _problem(name, arrays[name]):
            raise InputError(f"{path}: array {name}: {problem}")
    return arrays


def _problem(name: str, array: NDArray[Any]) -> str:
    """Return what is wrong with an array, or nothing. Names that this version does not know pass."""
    if not np.issubdtype(array.dtype, np.number):
        return f"holds {array.dtype}, not numbers"
    if not np.isfinite(array).all():
        return "holds values that are not finite"
    if name in KNOWN:
        dtype, axes = KNOWN[name]
        if array.dtype != dtype or array.ndim != axes:
            return f"is {array.dtype} {list(array.shape)}, not {np.dtype(dtype)} with {axes} axes"
    return ""
