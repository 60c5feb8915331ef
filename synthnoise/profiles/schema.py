"""What a camera profile says: per ISO, what the sensor and its readout do to light."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import CfaName, name_of
from synthnoise.naming import camera_name

SCHEMA_VERSION = 1

GainRegime = Literal["good", "high-snr", "textured", "low-light", "stated", "unmeasured"]
"""How far the gain may be trusted: ``high-snr`` means that fine texture may have passed for shot noise,
``textured`` that it has, ``low-light`` that nearly all noise was that of the dark, ``stated`` that a tag or
another tool says so, errors unknown."""

SourceRole = Literal["dark", "noisy", "flat", "masked border", "tag"]
"""What a file gave to a calibration; ``tag`` is a NoiseProfile or the file of another tool."""

QUANTITIES: dict[str, str] = {
    "temporal_dark_noise": "DN",
    "dsnu": "DN",
    "dsnu_row": "DN",
    "dsnu_column": "DN",
    "dsnu_pixel": "DN",
    "prnu": "1",
    "prnu_row": "1",
    "prnu_column": "1",
    "prnu_pixel": "1",
    "linearity_error": "1",
    "saturation_capacity": "e-",
    "dark_current": "e-/s",
    "dark_current_from_variance": "e-/s",
}
"""What more than two shots tell, by its name in EMVA 1288 release 4.0, with its unit.

``temporal_dark_noise`` is what a pixel changes from dark to dark, rounding included; DSNU and PRNU, as
standard deviations over the sensor, are what stays, in all and as rows, columns and single pixels share it
(shading and hot pixels apart). PRNU and ``linearity_error``, the mean distance of the response from a
straight line, are fractions. ``dark_current`` follows from the mean of darks of several exposures; cameras
that subtract it there still show it in the variance (section 7)."""


class Quantity(NamedTuple):
    """A measured value and its standard error, in the unit of ``QUANTITIES``."""

    value: float
    se: float


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file a calibration used."""

    role: SourceRole
    name: str
    sha256: str
    iso: float | None = None
    exposure_time: float | None = None
    date: str = ""


@dataclass(frozen=True, kw_only=True)
class MeanDarkFile:
    """The mean of several dark frames of one exposure time, as it is kept beside a profile.

    Attributes
    ----------
    file
        Name of a DNG whose pixels and levels are multiplied by ``steps``.
    frames
        How many dark frames it is the mean of, 2 or more.
    steps
        Whole numbers to one DN.
    """

    file: str
    frames: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class IsoNoise:
    """The noise at one ISO. All per-position arrays follow the CFA positions in row-major order.

    Attributes
    ----------
    iso
        ISO speed, exact as in the files.
    gain, gain_se, gain_interval
        System gain K in DN per electron, its standard error, and its 95 % interval; ``gain`` is
        NaN where it was not measured.
    gain_regime
        How far the gain may be trusted.
    offset
        [C] DN, mean of the dark above the black level that its file states. Cameras may state another one at
        each ISO, and files of this ISO are told apart from their own: ``black`` of the profile is not in it.
    read_noise, read_noise_se
        [C] standard deviation in DN of one pixel of a dark frame after dark shading and hot pixels
        are taken out; rows and columns and the rounding to integers included.
    row_noise, column_noise
        Standard deviation in DN of the row and column means beyond what white pixels would give.
    row_noise_se, column_noise_se
        Their standard errors.
    shot, shot_se
        S of the DNG NoiseProfile per colour R, G, B: variance = S x + O on normalised x,
        S = K / (white - black).
    read, read_se
        O of the DNG NoiseProfile per colour R, G, B (normalised variance).
    quantisation_step
        DN between neighbouring codes.
    hot_pixel_fraction
        Share of pixels that are hot.
    offset_se, hot_pixel_fraction_se
        Standard errors, () and None where nobody measured them.
    quantities
        Further quantities by their names in ``QUANTITIES``, those that the frames could tell.
    exposure_time
        Seconds of the dark frame, where known.
    dark_file
        Name of the dark frame kept beside the profile (models that resample it need it, and photographs get
        its fixed pattern subtracted), or "".
    dark_paths
        Files of the dark frames exposed alike that this was measured from, where the profile is only in
        memory; not stored.
    mean_dark
        Their mean, where there are several, kept beside the profile.
    arrays
        Compact, size-independent parts, stored as ``iso-NNNNN.safetensors``: ``shading`` float32
        [C, gh, gw] DN on a coarse grid over the active area, ``hot_pixels`` int32 [n, 3] (row, column in the
        active area, DN above the local level; the hottest), ``row_spectrum``, ``column_spectrum`` float32
        [n] DN^2, ``marginal`` float32 [C, q] DN at probit-spaced probabilities.
        Of the model ``spectral`` (:mod:`synthnoise.noise.spectral_design`), all float32, in DN before
        rounding: ``pixel_quantiles`` [C, 193] and ``pixel_covariance`` [C, C, k, k] in DN^2 of the noise
        beyond rows and columns, ``row_cross_spectrum`` and ``column_cross_spectrum`` [2, 32, K, K], real
        and imaginary part, in DN^2, ``row_quantiles`` [193] of row means where they are not normal,
        ``local_deviation`` [gh, gw] relative strength of pixel noise where it is uneven,
        ``row_modes`` [J, S] shapes along a row of S segments, mean square 1, of row noise that differs along
        the row, and ``row_mode_cross_spectrum`` [2, 32, P J, P J] that of their strengths in P row phases,
        ``shading_detail`` [C, gh, gw] in addition to ``shading``, ``waves`` [n, 4], cycles per pixel of
        the mosaic down and across, DN^2 and frames, ``hot_rate`` [C] share of hot pixels,
        ``hot_quantiles`` [q] of their amplitudes
        at equal steps of probability; from two darks on also ``fixed_covariance``,
        ``fixed_row_cross_spectrum`` and ``fixed_column_cross_spectrum`` of what stays from frame to frame.
    diagnostics
        What else was noticed (clipping, lag correlation, code gaps, warnings), TOML values only.
    sources
        The files it came from.
    """

    iso: float
    gain: float
    gain_se: float
    gain_interval: tuple[float, float]
    gain_regime: GainRegime
    offset: tuple[float, ...]
    read_noise: tuple[float, ...]
    read_noise_se: tuple[float, ...]
    row_noise: float
    row_noise_se: float
    column_noise: float
    column_noise_se: float
    shot: tuple[float, ...]
    shot_se: tuple[float, ...]
    read: tuple[float, ...]
    read_se: tuple[float, ...]
    quantisation_step: float = 1.0
    hot_pixel_fraction: float = 0.0
    offset_se: tuple[float, ...] = ()
    hot_pixel_fraction_se: float | None = None
    quantities: dict[str, Quantity] = field(default_factory=dict)
    exposure_time: float | None = None
    dark_file: str = ""
    dark_paths: tuple[Path, ...] = ()
    mean_dark: MeanDarkFile | None = None
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    sources: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CameraProfile:
    """A camera: its sensor's geometry and levels, and its noise at each calibrated ISO.

    Attributes
    ----------
    cfa
        Colours (0 R, 1 G, 2 B) of the repeat at the corner of the *active area*, rows of the repeat.
    black
        Black level in DN per CFA position, row-major, at the corner of the active area.
    white
        Saturation in DN.
    size
        (height, width) of the active area, where known.
    isos
        Noise per ISO, ascending.
    folder
        Where it was read from or written to, as text; "" for one that is only in memory.
    """

    make: str
    model: str
    cfa: tuple[tuple[int, ...], ...]
    black: tuple[float, ...]
    white: float
    isos: dict[float, IsoNoise]
    bits: int | None = None
    size: tuple[int, int] | None = None
    as_shot_neutral: tuple[float, float, float] | None = None
    colour_matrix: tuple[tuple[float, float, float], ...] | None = None
    folder: str = ""
    software: str = ""
    created: str = ""
    provenance: str = ""
    schema: int = SCHEMA_VERSION

    @property
    def name(self) -> str:
        """Make and model, without the make said twice."""
        return camera_name(self.make, self.model)

    @property
    def cfa_name(self) -> CfaName | None:
        """The name of the colour filter array, wherever its repeat begins; None for those that have none."""
        return name_of(self.cfa)

    @property
    def colours(self) -> tuple[int, ...]:
        """Colour of each CFA position, row-major."""
        return tuple(colour for row in self.cfa for colour in row)

    @property
    def scale(self) -> NDArray[np.float64]:
        """White minus black in DN per CFA position: what normalised 1.0 is worth."""
        return self.white - np.asarray(self.black, dtype=np.float64)
