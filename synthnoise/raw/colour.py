"""From camera space to sRGB: matrices, white balance, tone."""

from __future__ import annotations

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

XYZ_FROM_SRGB = np.linalg.inv(SRGB_FROM_XYZ)

LUMINANCE = XYZ_FROM_SRGB[1].astype(np.float32)
"""Weights of linear sRGB in luminance Y."""


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


def exposure_gain(linear: NDArray[np.float32]) -> float:
    """Return a gentle auto-exposure gain between 1 and 4 for linear sRGB [..., 3]."""
    brightest = float(np.percentile(linear @ LUMINANCE, 99.0)) if linear.size else 0.0
    return float(np.clip(0.8 / max(brightest, 1e-6), 1.0, 4.0))


def linear_srgb(camera: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Return linear sRGB [..., 3] of camera RGB [..., 3] in [0, 1] (1 = white level).

    Channels are clipped at white after balancing, so blown highlights stay neutral.
    """
    if frame.is_monochrome:
        return np.clip(camera, 0, 1)
    balanced = np.clip(camera * balance(frame), 0, 1)
    return np.asarray(balanced @ srgb_from_camera(frame).T, np.float32)


def encode_srgb(linear: NDArray[np.float32], gain: float = 1.0) -> NDArray[np.uint8]:
    """Return uint8 sRGB of linear light [..., 3], after ``gain`` and a soft shoulder.

    The shoulder is Reinhard's extended operator (Reinhard et al. 2002, equation 4) with ``gain`` as
    its white, so 1 stays 1 and a gain of 1 changes nothing; the transfer curve is IEC 61966-2-1's.
    """
    light = np.clip(linear, 0, 1) * np.float32(gain)
    light = light * (1 + light / np.float32(gain**2)) / (1 + light)
    np.clip(light, 0, 1, out=light)
    encoded: NDArray[np.uint8] = _SRGB_CURVE[
        (light * np.float32(len(_SRGB_CURVE) - 1) + np.float32(0.5)).astype(np.uint16)
    ]
    return encoded


def _srgb_curve() -> NDArray[np.uint8]:
    light = np.linspace(0, 1, 16384)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * encoded), np.uint8)


_SRGB_CURVE = _srgb_curve()
