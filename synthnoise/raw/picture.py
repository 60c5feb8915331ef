"""Pictures that have left the camera: PNG, JPEG and TIFF, with all that they carry beside their colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture and what it carries.

    Attributes
    ----------
    pixels
        uint8 or uint16 [H, W, C], C being 1 (grey) or 3 (red, green, blue), as stored: EXIF orientation
        not applied, colours in the space of ``icc``.
    extra
        Same dtype, [H, W, n]: alpha first, then whatever else a TIFF holds; n is mostly 0.
    container
        ``"PNG"``, ``"JPEG"`` or ``"TIFF"``: what it came in; ``"rendering"`` came in none.
    icc, exif, xmp
        ICC profile; EXIF as a TIFF structure; XMP packet. Empty where there is none.
    carried
        PNG chunks (type, data) or JPEG segments (marker, data), the above among them, that go into a file
        of the same container as they are.
    path
        File it came from, or None.
    """

    pixels: NDArray[Any]
    extra: NDArray[Any]
    container: str
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    carried: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (np.uint8, np.uint16) or self.extra.dtype != self.pixels.dtype:
            raise InputError(f"{self.path or 'picture'}: samples of {self.pixels.dtype}, not 8 or 16 bits")
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise InputError(f"{self.path or 'picture'}: an array of shape {self.pixels.shape} is no picture")

    @property
    def opaque(self) -> NDArray[np.bool_] | None:
        """Where anything is to be seen, bool [H, W]; None where that is everywhere."""
        return self.extra[..., 0] > 0 if self.extra.shape[2] else None

    @property
    def samples(self) -> NDArray[Any]:
        """All samples of each pixel, [H, W, C + n]."""
        return np.concatenate([self.pixels, self.extra], 2) if self.extra.shape[2] else self.pixels


def split_samples(samples: NDArray[Any], name: str | Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return colours and extra samples of [H, W, 1..], contiguous; two samples are grey and alpha.

    Raises
    ------
    InputError
        There are none.
    """
    count = samples.shape[2]
    if count < 1:
        raise InputError(f"{name}: has no samples")
    colours = 3 if count >= 3 else 1
    if count == colours:  # a slice of nothing would keep all samples
        return np.ascontiguousarray(samples), np.empty((*samples.shape[:2], 0), samples.dtype)
    return np.ascontiguousarray(samples[..., :colours]), np.ascontiguousarray(samples[..., colours:])
