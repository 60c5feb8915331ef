"""Row noise that differs along the row, such as that of banks of converters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.noise.spectral_design import line_filter
from synthnoise.noise.spectral_fields import filtered_lines
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise


@dataclass(frozen=True, kw_only=True, eq=False)
class RowModes:
    """Shapes along the row, each of a strength that is noise from row to row.

    Attributes
    ----------
    shapes
        float32 [J, S] over the segments of a row of the sensor, mean square 1.
    taps
        float32 [P J, P J, n], white = 1: filter of the strengths, row phase by row phase
        (``spectral_design.line_filter``).
    repeat
        Rows (P) and columns of the CFA repeat.
    width
        Packed columns of the sensor.
    """

    shapes: Tensor
    taps: Tensor
    repeat: tuple[int, int]
    width: int

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance [C], white = 1, mean over the row."""
        h, w = self.repeat
        strengths = (self.taps.numpy().astype(np.float64) ** 2).sum((1, 2)).reshape(h, -1)
        segments = np.arange(self.width) * self.shapes.shape[1] // self.width
        share = np.bincount(segments, minlength=self.shapes.shape[1]) / self.width
        squares = self.shapes.numpy().astype(np.float64) ** 2 @ share
        return np.asarray(np.repeat(strengths @ squares, w))

    def draw(self, rng: Rng, count: int) -> Tensor:
        """Return the strengths float32 [B, P, J, count] of rows from the origin on."""
        values = filtered_lines(rng, Stream.ROW_MODES, self.taps, count, start=rng.origin[0])
        return values.view(len(values), self.repeat[0], -1, count)

    def add_to(self, band: Tensor, strengths: Tensor, left: list[int]) -> None:
        """Add them to a band [B, C, h, W], in place.

        Parameters
        ----------
        strengths
            [B, P, J, h], those of its rows.
        left
            Column of the sensor on which each image begins; beyond the sensor it begins anew.
        """
        columns = torch.arange(band.shape[3])
        for image, strength, first in zip(band, strengths, left, strict=True):
            segment = (columns + first).remainder(self.width) * self.shapes.shape[1] // self.width
            along = self.shapes[:, segment].to(band.device)
            for number, plane in enumerate(image):
                for rows, shape in zip(strength[number // self.repeat[1]], along, strict=True):
                    plane += rows[:, None] * shape


def row_modes(noise: IsoNoise, profile: CameraProfile) -> RowModes | None:
    """Return the row noise that differs along the row at an ISO, or None where there is none."""
    shapes = noise.arrays.get("row_modes")
    if shapes is None or not len(shapes) or profile.size is None:
        return None
    real, imaginary = noise.arrays["row_mode_cross_spectrum"].astype(np.float64)
    h, w = len(profile.cfa), len(profile.cfa[0])
    scale = np.repeat(profile.scale.reshape(h, w).mean(1), len(shapes))
    taps = line_filter(real + 1j * imaginary) / scale[:, None, None]
    if not np.any(taps):
        return None
    return RowModes(
        shapes=torch.from_numpy(shapes).float(),
        taps=torch.from_numpy(taps).float(),
        repeat=(h, w),
        width=max(profile.size[1] // w, 1),
    )
