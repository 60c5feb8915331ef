"""From camera space to sRGB: matrices, white balance, tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.raw.frame import Frame

SRGB_FROM_XYZ = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
"""Linear sRGB from XYZ under D65 (IEC 61966-2-1)."""

CLIPPING = (0.85, 0.97)
"""Shares of a channel's white level from which it is doubted, and from which it is not believed at all."""
BRIGHT = 0.6
KNEE = np.float32(0.5)
"""Linear light from which the shoulder bends."""
CONTRAST = np.float32(0.2)

XYZ_FROM_SRGB = np.linalg.inv(SRGB_FROM_XYZ)

LUMINANCE = XYZ_FROM_SRGB[1].astype(np.float32)
"""Weights of linear sRGB in luminance Y."""

BAND_ROWS = 128
"""Rows that are toned at a time."""


def neutral(frame: Frame) -> NDArray[np.float64]:
    """Return the camera-space RGB of a neutral patch, float64 [3], green 1; ones where unknown."""
    values = np.array(frame.as_shot_neutral or (1.0, 1.0, 1.0), np.float64)
    return values if np.all(np.isfinite(values)) and np.all(values > 0) else np.ones(3)


def colour_matrix(frame: Frame) -> NDArray[np.float64]:
    """Return XYZ to camera space, float64 [3, 3]: the frame's, or a stand-in that renders neutrals neutral.

    The stand-in is a camera with sRGB primaries whose channel gains put D65 at the as-shot neutral.
    """
    matrix = frame.colour_matrix
    if matrix is not None and np.all(np.isfinite(matrix)) and abs(np.linalg.det(matrix)) > 1e-6:
        return matrix
    stand_in: NDArray[np.float64] = neutral(frame)[:, None] * SRGB_FROM_XYZ
    return stand_in


def srgb_from_camera(frame: Frame) -> NDArray[np.float32]:
    """Return the float32 [3, 3] that takes white-balanced camera RGB to linear sRGB; rows sum to one.

    Neutral stays neutral by construction: the rows of sRGB to camera are normalised before inverting.
    """
    camera_from_srgb = colour_matrix(frame) @ XYZ_FROM_SRGB
    camera_from_srgb /= camera_from_srgb.sum(1, keepdims=True)
    if not np.all(np.isfinite(camera_from_srgb)) or abs(np.linalg.det(camera_from_srgb)) < 1e-6:
        return np.eye(3, dtype=np.float32)
    return np.linalg.inv(camera_from_srgb).astype(np.float32)


def balance(frame: Frame) -> NDArray[np.float32]:
    """Return the channel gains float32 [3] that make the as-shot neutral grey, the smallest being 1.

    A monochrome frame has nothing to balance: ones.
    """
    if frame.is_monochrome:
        return np.ones(3, np.float32)
    gains = 1 / neutral(frame)
    return np.asarray(gains / gains.min(), np.float32)


def headroom(frame: Frame) -> float:
    """Return how bright white-balanced light may be before the last channel clips; the first does at 1."""
    return float(balance(frame).max())


def linear_srgb(balanced: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Return linear sRGB [..., 3] of white-balanced camera RGB [..., 3], both up to :func:`headroom`.

    What one clipped channel does not know is taken from the mean of the others; where two are clipped,
    nothing is known of the colour, and the pixel is as neutral as it is bright. Blown highlights are white
    so, and not of the colour of the gains.
    """
    if frame.is_monochrome:
        return np.clip(balanced, 0, 1)
    lifted = balanced.copy()
    clipping = (balanced > CLIPPING[0] * balance(frame)).any(-1)
    if clipping.any():
        lifted[clipping] = _lifted(balanced[clipping], balance(frame))
    return np.asarray(lifted @ srgb_from_camera(frame).T, np.float32)


def _lifted(balanced: NDArray[np.float32], gains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return balanced RGB [n, 3] with what clipped channels do not know taken from the others."""
    doubt = (balanced / gains - CLIPPING[0]) * np.float32(1 / (CLIPPING[1] - CLIPPING[0]))
    np.clip(doubt, 0, 1, out=doubt)
    others = (balanced.sum(-1, keepdims=True) - balanced) / 2
    lifted: NDArray[np.float32] = balanced + doubt * np.maximum(others - balanced, 0)
    brightest = lifted.max(-1, keepdims=True)
    red, green, blue = doubt[:, 0], doubt[:, 1], doubt[:, 2]
    second = np.maximum(np.minimum(red, green), np.minimum(np.maximum(red, green), blue))
    lifted += second[:, None] * (brightest - lifted)
    return lifted


@dataclass(frozen=True)
class Tone:
    """From linear light to what a screen shows: exposure, shoulder, contrast, the curve of sRGB.

    Attributes
    ----------
    gain
        Factor on linear light.
    white
        Linear light before the gain that becomes 1.
    """

    gain: float = 1.0
    white: float = 1.0

    @classmethod
    def metered(cls, linear: NDArray[np.float32], white: float) -> Tone:
        """Return a gentle automatic exposure of linear sRGB [..., 3]: a gain between 1 and 4.

        The brightest hundredth of the picture is to reach 0.6.
        """
        brightest = float(np.percentile(linear @ LUMINANCE, 99.0)) if linear.size else 0.0
        return cls(float(np.clip(BRIGHT / max(brightest, 1e-6), 1.0, 4.0)), white)

    def apply(self, linear: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return sRGB [..., 3] in [0, 1] of linear sRGB.

        Above the knee, light follows Reinhard's extended operator (Reinhard et al. 2002, equation 4);
        with gain and white of 1 that changes nothing. Contrast about the middle is raised a little and
        falls towards both ends; the transfer curve is IEC 61966-2-1's.
        """
        light = np.clip(linear, 0, np.float32(self.white)) * np.float32(self.gain)
        span = np.float32(1 - KNEE)
        above = np.maximum(light - KNEE, 0) / span
        light -= above * span
        above *= (1 + above * np.float32((span / (self.gain * self.white - KNEE)) ** 2)) / (1 + above)
        light += above * span
        np.clip(light, 0, 1, out=light)
        encoded = np.where(
            light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055
        )
        encoded += CONTRAST * encoded * (1 - encoded) * (2 * encoded - 1)
        return np.asarray(encoded, np.float32)

    def levels(
        self, linear: NDArray[np.float32], dtype: type[np.uint8 | np.uint16] = np.uint8
    ) -> NDArray[Any]:
        """Return :meth:`apply` of [h, ...] in whole numbers up to the largest of ``dtype``."""
        levels = np.empty(linear.shape, dtype)
        # Band by band, as it takes six times the memory of what it is given.
        for top in range(0, len(linear), BAND_ROWS):
            band = slice(top, top + BAND_ROWS)
            levels[band] = _whole(self.apply(linear[band]), dtype)
        return levels


@dataclass(frozen=True)
class Linear:
    """Linear light as it is; ``white`` becomes 1."""

    white: float = 1.0

    def levels(
        self, linear: NDArray[np.float32], dtype: type[np.uint8 | np.uint16] = np.uint16
    ) -> NDArray[Any]:
        """Return whole numbers up to the largest of ``dtype``."""
        return _whole(np.clip(linear / np.float32(self.white), 0, 1), dtype)


def _whole(values: NDArray[np.float32], dtype: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    values *= np.float32(np.iinfo(dtype).max)
    values += np.float32(0.5)
    return values.astype(dtype)
