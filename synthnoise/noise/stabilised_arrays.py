"""The stabilising transform and its inverse for arrays in memory: one compiled pass over the pixels.

What the numbers mean is said in :mod:`synthnoise.noise.stabilise`, which has the same for tensors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

Plane = NDArray[np.float32]

_TWO, _QUARTER, _ZERO = np.float32(2), np.float32(0.25), np.float32(0)


@compiled
def root(values: Plane, numbers: Plane, out: Plane) -> None:
    """Store the transform of float32 [H, W].

    ``numbers`` are what the values are multiplied by, where the tangent begins, what is added below the
    root, and the slope of the tangent.
    """
    scale, join, offset, slope = numbers[0], numbers[1], numbers[2], numbers[3]
    height, width = values.shape
    for i in range(height):
        for j in range(width):
            y = values[i, j] * scale
            out[i, j] = _TWO * np.sqrt(max(y, join) + offset) + min(y - join, _ZERO) * slope


@compiled
def unroot(values: Plane, numbers: Plane, bias: Plane, out: Plane) -> None:
    """Store the unbiased inverse of float32 [H, W].

    ``numbers`` are the transform where the tangent begins, what is added below the root, one over the slope
    of the tangent; what is added to a value and what the sum is multiplied by to find its place in ``bias``
    [N]; and what the result is multiplied by.
    """
    join, offset, steepness = numbers[0], numbers[1], numbers[2]
    shift, rate, scale = numbers[3], numbers[4], numbers[5]
    height, width = values.shape
    last = np.float32(len(bias) - 1.001)
    for i in range(height):
        for j in range(width):
            z = values[i, j]
            place = (z + shift) * rate
            if not place > _ZERO:  # nor is NaN
                place = _ZERO
            if place > last:
                place = last
            low = int(place)
            added = bias[low] + (bias[low + 1] - bias[low]) * (place - np.float32(low))
            above = max(z, join)
            plain = above * above * _QUARTER - offset + min(z - join, _ZERO) * steepness
            out[i, j] = (plain + added) * scale
