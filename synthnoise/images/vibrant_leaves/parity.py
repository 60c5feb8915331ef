"""The layers put together as the reference code does, 8-bit steps included: for comparison, not for training.

Its quirks: every step is truncated to 8 bits; the foreground's blurred mask is rounded back to 0 or 1,
so its edges are soft inside and cut outside; where the foreground is empty its canvas holds 1, which
wraps 255 of what is behind to 0; and without depth of field a sigma of 2 is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from synthnoise.images.vibrant_leaves.depth import BARE, GAUSSIAN_REACH
from synthnoise.images.vibrant_leaves.shading import shade_layer
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE

AUTOMATIC_SIGMA = 2.0
"""What a sigma of zero means to the reference's library, for a kernel of 11 pixels."""

Bytes = NDArray[np.uint8]


def fuse(
    labels: NDArray[np.int32], looks: tuple[Any, ...], sigma: float, reduction: int
) -> NDArray[np.float32]:
    """Return float32 [3, H, W], sRGB in whole steps of 1 / 255, of ``render``'s labels.

    ``looks`` is that of :func:`~synthnoise.images.vibrant_leaves.shading.shade`.
    """
    far, middle, near = (_shaded(labels[k], looks) for k in (BACKGROUND, MIDDLE, FOREGROUND))
    covered = labels >= 0
    near = np.where(covered[FOREGROUND], near, np.uint8(1))
    behind = np.where(covered[MIDDLE], middle, _blurred(far, sigma))
    # In the reference the two are added in 8 bits, each zero where the other counts.
    before = np.where(covered[FOREGROUND], near, near + behind)
    mask = _blurred(covered[FOREGROUND].astype(np.uint8)[None], sigma)
    fused = np.where(mask > 0, _blurred(before, sigma), behind)
    height, width = labels.shape[1] // reduction, labels.shape[2] // reduction
    blocks = fused.reshape(3, height, reduction, width, reduction).mean((2, 4))
    return _truncated(blocks).astype(np.float32) / np.float32(255)


def _shaded(labels: NDArray[np.int32], looks: tuple[Any, ...]) -> Bytes:
    """Return a layer, uint8 [3, H, W]."""
    rows = np.empty((len(labels), 3, labels.shape[1]), dtype=np.float32)
    shade_layer(labels, looks, BARE, rows)
    return _truncated(255 * rows).transpose(1, 0, 2)


def _truncated(values: NDArray[Any]) -> Bytes:
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def _blurred(planes: Bytes, sigma: float) -> Bytes:
    """Return planes [n, H, W] blurred by an 11 x 11 Gaussian and rounded."""
    offsets = np.arange(-GAUSSIAN_REACH, GAUSSIAN_REACH + 1)
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-3)) ** 2)
    weights /= weights.sum()
    down = correlate1d(planes.astype(np.float32), weights, axis=1, mode="mirror")
    across = correlate1d(down, weights, axis=2, mode="mirror")
    return np.asarray(np.rint(across), dtype=np.uint8)
