"""A frame: one sensor readout and what its file says of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import CfaName, as_cfa, name_of
from synthnoise.errors import InputError
from synthnoise.naming import camera_name

Rectangle = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels of the mosaic; bottom and right are exclusive."""

RED, GREEN, BLUE = 0, 1, 2
SMALLEST_RANGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A mosaic in DN with its levels, colour filter array and capture data.

    Attributes
    ----------
    mosaic
        uint16 or float32 [H, W], DN as read out, masked borders included. Linear: a linearisation
        table has been applied.
    cfa
        uint8 [h, w], the colour (0 red, 1 green, 2 blue) of each position of the repeat,
        for ``mosaic[0, 0]`` onwards. [[1]] is a monochrome sensor.
    black
        float64 [h, w], black level in DN per position of the repeat, fractions kept, for
        ``mosaic[0, 0]`` onwards. Its shape is that of ``cfa``.
    white
        DN at which the sensor (or its converter) saturates.
    active_area
        What light reaches; None means all of the mosaic.
    masked_areas
        Optically black borders, for calibration without a dark frame.
    default_crop
        The picture the camera maker meant, in mosaic coordinates; None means the active area.
    black_rows, black_columns
        float64 [H] / [W] additions to ``black`` per row and column (DNG BlackLevelDeltaV and H), or None.
    bits
        Bits per sample of the converter, where known.
    iso, exposure_time
        ISO speed (None where unknown) and seconds.
    as_shot_neutral
        Camera-space RGB of a neutral patch, scaled so that green is 1.
    colour_matrix
        float64 [3, 3], XYZ to camera space under D65 (DNG ColorMatrix, illuminant 21), or None.
    noise_profile
        (S, O) per colour plane R, G, B of the DNG NoiseProfile, variance = S x + O on normalised
        signal, or None.
    noise_reduction
        Strength in [0, 1] of the noise reduction it has had (DNG NoiseReductionApplied), None where unknown.
    orientation
        EXIF orientation 1..8.
    path
        File it came from, or None.
    """

    mosaic: NDArray[np.uint16] | NDArray[np.float32]
    cfa: NDArray[np.uint8]
    black: NDArray[np.float64]
    white: float
    active_area: Rectangle | None = None
    masked_areas: tuple[Rectangle, ...] = ()
    default_crop: Rectangle | None = None
    black_rows: NDArray[np.float64] | None = None
    black_columns: NDArray[np.float64] | None = None
    bits: int | None = None
    make: str = ""
    model: str = ""
    iso: float | None = None
    exposure_time: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    date: str = ""
    as_shot_neutral: tuple[float, float, float] | None = None
    colour_matrix: NDArray[np.float64] | None = None
    noise_profile: tuple[tuple[float, float], ...] | None = None
    noise_reduction: float | None = None
    orientation: int = 1
    path: Path | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.mosaic.ndim != 2:
            raise InputError(f"{self._where()}a frame needs one mosaic plane, got shape {self.mosaic.shape}")
        if self.cfa.shape != self.black.shape:
            raise InputError(
                f"{self._where()}black levels {self.black.shape} do not match the CFA {self.cfa.shape}"
            )
        # Less would vanish in single precision.
        if not np.all(self.white - self.black > SMALLEST_RANGE * max(1.0, abs(self.white))):
            raise InputError(
                f"{self._where()}white level {self.white:g} is not above black level {self.black.max():g}"
            )
        self._check_geometry()

    def _check_geometry(self) -> None:
        """Raise InputError where an area sticks out of what holds it, or a black line has another length."""
        whole = (0, 0, *self.mosaic.shape)
        inner = [(self.area, whole)] + [(area, whole) for area in self.masked_areas]
        if self.default_crop is not None:
            inner.append((self.default_crop, self.area))
        for area, outer in inner:
            rows = outer[0] <= area[0] < area[2] <= outer[2]
            if not (rows and outer[1] <= area[1] < area[3] <= outer[3]):
                raise InputError(f"{self._where()}the area {area} is not inside of {outer}")
        for line, length in zip((self.black_rows, self.black_columns), self.mosaic.shape, strict=True):
            if line is not None and line.shape != (length,):
                raise InputError(
                    f"{self._where()}black levels {line.shape} do not match {length} rows or columns"
                )

    def _where(self) -> str:
        return f"{self.path}: " if self.path else ""

    @property
    def camera(self) -> str:
        """Make and model, without the make said twice."""
        return camera_name(self.make, self.model)

    @property
    def is_bayer(self) -> bool:
        """Whether the repeat is 2x2 with two greens on a diagonal."""
        if self.cfa.shape != (2, 2):
            return False
        diagonals = ((self.cfa[0, 0], self.cfa[1, 1]), (self.cfa[0, 1], self.cfa[1, 0]))
        return any(
            greens == (GREEN, GREEN) and {int(c) for c in rest} == {RED, BLUE}
            for greens, rest in (diagonals, diagonals[::-1])
        )

    @property
    def cfa_name(self) -> CfaName | None:
        """The name of the colour filter array, wherever its repeat begins; None for those that have none."""
        return name_of(as_cfa(self.cfa))

    @property
    def is_monochrome(self) -> bool:
        """Whether all pixels see the same colour."""
        return bool(np.all(self.cfa == self.cfa[0, 0]))

    @property
    def is_linear(self) -> bool:
        """Whether three samples in a row are red, green and blue of one place: demosaiced already."""
        return self.cfa.shape == (1, 3) and self.cfa.reshape(-1).tolist() == [RED, GREEN, BLUE]

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of the picture; a linear frame has three samples to each place."""
        height, width = self.mosaic.shape
        return (height, width // 3) if self.is_linear else (height, width)

    @property
    def area(self) -> Rectangle:
        """The active area, in mosaic coordinates."""
        return self.active_area or (0, 0, *self.mosaic.shape)

    def black_map(self, rectangle: Rectangle | None = None) -> NDArray[np.float64]:
        """Return the black level in DN of every pixel of a rectangle (default: the whole mosaic)."""
        top, left, bottom, right = rectangle or (0, 0, *self.mosaic.shape)
        h, w = self.cfa.shape
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        level: NDArray[np.float64] = self.black[rows[:, None] % h, columns[None, :] % w]
        if self.black_rows is not None:
            level = level + self.black_rows[rows, None]
        if self.black_columns is not None:
            level = level + self.black_columns[None, columns]
        return level

    def crop(self, rectangle: Rectangle) -> Frame:
        """Return the frame of a rectangle, its CFA and black levels re-phased to the new corner.

        Masked areas and the default crop are dropped: they are not inside.
        """
        top, left, bottom, right = rectangle
        shift = (-top, -left)
        return dataclasses.replace(
            self,
            mosaic=self.mosaic[top:bottom, left:right],
            cfa=np.roll(self.cfa, shift, (0, 1)),
            black=np.roll(self.black, shift, (0, 1)),
            black_rows=None if self.black_rows is None else self.black_rows[top:bottom],
            black_columns=None if self.black_columns is None else self.black_columns[left:right],
            active_area=None,
            masked_areas=(),
            default_crop=None,
        )

    def active(self) -> Frame:
        """Return the frame of the active area alone."""
        return self.crop(self.area)


def raised_levels(frame: Frame, pedestal: float) -> Frame:
    """Return a frame with black and white levels higher by some DN, for a mosaic that is."""
    return dataclasses.replace(frame, black=frame.black + pedestal, white=frame.white + pedestal)


def scaled_levels(frame: Frame, factor: float) -> Frame:
    """Return a frame with black and white levels multiplied, for a mosaic that has been."""
    return dataclasses.replace(
        frame,
        black=frame.black * factor,
        white=frame.white * factor,
        black_rows=None if frame.black_rows is None else frame.black_rows * factor,
        black_columns=None if frame.black_columns is None else frame.black_columns * factor,
    )
