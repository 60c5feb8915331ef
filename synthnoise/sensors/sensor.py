"""A sensor's true parameters: what the calibration of a virtual camera ought to find."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthnoise.errors import UsageError

CFA_PATTERNS: dict[str, tuple[str, ...]] = {
    "RGGB": ("RG", "GB"),
    "BGGR": ("BG", "GR"),
    "GRBG": ("GR", "BG"),
    "GBRG": ("GB", "RG"),
    "X-Trans": ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"),
    "monochrome": ("G",),
}
"""Colour filter arrays by name: the rows of the repeat."""

XYZ_TO_SRGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], dtype=np.float64
)
"""IEC 61966-2-1, D65."""

CROSSTALK = np.array([[0.80, 0.20, 0.00], [0.10, 0.82, 0.08], [0.00, 0.22, 0.78]], dtype=np.float64)
"""How much of linear sRGB each filter passes: dyes overlap. Rows sum to 1, so neutral stays neutral."""

CIRCUIT_NOISE = (
    "read_noise",
    "correlated_noise",
    "row_noise",
    "row_flicker",
    "column_noise",
    "column_pattern",
    "row_spike",
    "bank_noise",
)
"""What arises between the pixel and the end of the amplifier."""

NON_NEGATIVE = (
    *CIRCUIT_NOISE,
    *("converter_noise", "prnu", "dsnu", "dark_current", "amp_glow", "exposure_time"),
    *("hot_fraction", "hot_current", "hot_spread", "rts_fraction", "rts_step"),
    *("row_spike_fraction", "bank_gain", "bank_spread"),
)

QUANTISATION_VARIANCE = 1 / 12
"""DN^2, of rounding to integers (EMVA 1288 release 4.0, eq. 8)."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A sensor and its readout at one ISO. All noise in DN is a standard deviation referred to the output.

    Attributes
    ----------
    model
        Name that the files carry; the make is "Virtual".
    size
        (height, width) of the active area in pixels.
    masked_rows, masked_columns
        Optically black pixels above and to the left of the active area.
    cfa
        A name of ``CFA_PATTERNS``, for the corner of the whole mosaic, masked borders included.
    bits
        Bits of the converter; white is 2^bits - 1 DN.
    black
        Nominal black level in DN, as the files state it.
    black_bias
        DN by which the true black level of each position of the CFA repeat (row-major) differs from
        ``black``; fractions matter. Empty for none. No file states it.
    iso
        ISO speed that all other values hold for; :meth:`at_iso` gives other speeds.
    exposure_time
        Seconds, unless a shot says otherwise.
    gain
        System gain K in DN per electron.
    full_well
        Electrons a pixel holds.
    prnu
        Photo response non-uniformity: relative standard deviation of the pixels' sensitivity. Fixed.
    read_noise
        DN, temporal, per pixel, arising before the amplifier: grows with ISO.
    converter_noise
        DN, temporal, per pixel, arising after the amplifier: the same at every ISO.
    tail
        Shape λ of the Tukey-lambda law of read and converter noise together: 0.14 is nearly normal,
        0 is logistic, negative is heavy-tailed; above -0.25, where the fourth moment ends.
    correlated_noise, correlation_length
        DN and pixels: temporal noise, normal, with autocorrelation exp(-distance / length) along a row.
    row_noise, row_flicker
        DN, temporal, one value per row of the sensor (so that both colours of the row share it):
        white, and with a power spectrum of 1/f from row to row.
    column_noise, column_pattern
        DN, one value per column: temporal, and fixed.
    row_spike_fraction, row_spike
        Share of the rows that interference strikes in a frame, and the DN that their shift has in the mean,
        up or down with an exponential law (Laplace): rows that are not normal.
    banks
        Groups of neighbouring columns with converters of their own.
    bank_gain, bank_spread
        Relative standard deviation of the gain of the banks, and that of their pixel noise in the logarithm.
        Fixed.
    bank_noise
        DN, temporal, one value per row and bank: white in the first bank and every second one after it, of
        power spectrum 1/f from row to row in the others.
    dsnu
        Dark signal non-uniformity in DN, per pixel, fixed.
    dark_current
        Mean electrons per second and pixel; its shot noise comes with it.
    hot_fraction, hot_current, hot_spread
        Share of pixels that leak, the median electrons per second of their log-normal law, and the
        standard deviation of its logarithm.
    rts_fraction, rts_step
        Share of pixels with random telegraph noise, and the DN by which their level jumps in about
        half of the frames.
    shading
        DN peak to peak of a linear gradient across the dark frame. Fixed.
    amp_glow
        Electrons per second at the lower right corner, e-folding over an eighth of the frame.
    dual_gain_iso, dual_gain_factor
        ISO from which a second conversion gain divides the input-referred read noise by the factor.
    neutral
        Camera RGB of a neutral patch; green is 1.
    states_noise
        Whether files carry the true noise as a DNG NoiseProfile.
    """

    model: str = "Sensor"
    size: tuple[int, int] = (512, 768)
    masked_rows: int = 0
    masked_columns: int = 0
    cfa: str = "RGGB"
    bits: int = 14
    black: float = 512.0
    black_bias: tuple[float, ...] = ()
    iso: float = 1600.0
    exposure_time: float = 0.1
    gain: float = 1.0
    full_well: float = 50_000.0
    prnu: float = 0.0
    read_noise: float = 0.0
    converter_noise: float = 0.0
    tail: float = 0.14
    correlated_noise: float = 0.0
    correlation_length: float = 2.0
    row_noise: float = 0.0
    row_flicker: float = 0.0
    column_noise: float = 0.0
    column_pattern: float = 0.0
    row_spike_fraction: float = 0.0
    row_spike: float = 0.0
    banks: int = 1
    bank_gain: float = 0.0
    bank_spread: float = 0.0
    bank_noise: float = 0.0
    dsnu: float = 0.0
    dark_current: float = 0.0
    hot_fraction: float = 0.0
    hot_current: float = 0.0
    hot_spread: float = 0.8
    rts_fraction: float = 0.0
    rts_step: float = 0.0
    shading: float = 0.0
    amp_glow: float = 0.0
    dual_gain_iso: float | None = None
    dual_gain_factor: float = 1.0
    neutral: tuple[float, float, float] = (0.52, 1.0, 0.64)
    states_noise: bool = False

    def __post_init__(self) -> None:
        if self.cfa not in CFA_PATTERNS:
            raise UsageError(f"no CFA {self.cfa!r}", hint=f"one of {', '.join(CFA_PATTERNS)}")
        positions = self.colours.size
        if self.black_bias and len(self.black_bias) != positions:
            raise UsageError(
                f"{len(self.black_bias)} black biases for the {positions} positions of {self.cfa}"
            )
        if min(self.size) < 1 or min(self.masked_rows, self.masked_columns) < 0:
            raise UsageError(f"no sensor has {self.size} pixels and a border of {self.masked_rows} rows")
        if not 1 <= self.bits <= 16:
            raise UsageError(f"{self.bits} bits do not fit 16-bit files")
        if not (self.gain > 0 and self.full_well > 0 and self.iso > 0 and 0 <= self.black < self.white):
            raise UsageError("gain, full well and ISO must be positive, and black below white")
        if not self.tail > -0.25:
            raise UsageError(f"a Tukey-lambda law of shape {self.tail:g} has no fourth moment")
        for name in NON_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} of {getattr(self, name):g}", hint="0 or more")
        if max(self.hot_fraction, self.rts_fraction, self.row_spike_fraction) > 1:
            raise UsageError("there are more defects than pixels or rows", hint="fractions from 0 to 1")
        if not 1 <= self.banks <= self.size[1]:
            raise UsageError(f"{self.banks} banks of {self.size[1]} columns", hint="1 or more")

    @property
    def colours(self) -> NDArray[np.uint8]:
        """The CFA repeat at the corner of the mosaic, uint8 [h, w]: 0 red, 1 green, 2 blue."""
        return np.array([["RGB".index(c) for c in row] for row in CFA_PATTERNS[self.cfa]], dtype=np.uint8)

    @property
    def mosaic_size(self) -> tuple[int, int]:
        """(height, width) of the whole readout, masked borders included."""
        return self.size[0] + self.masked_rows, self.size[1] + self.masked_columns

    @property
    def white(self) -> float:
        """DN at which the converter saturates."""
        return float(2**self.bits - 1)

    @property
    def saturation(self) -> float:
        """Electrons of a pixel that saturates: a full well, or all that the converter can express."""
        return min(self.full_well, (self.white - self.black) / self.gain)

    @property
    def colour_matrix(self) -> NDArray[np.float64]:
        """XYZ under D65 to camera RGB, float64 [3, 3] (DNG ColorMatrix)."""
        return np.diag(self.neutral) @ CROSSTALK @ XYZ_TO_SRGB

    def camera_rgb(self, scene: ArrayLike) -> NDArray[np.float32]:
        """Return what the filters make of linear sRGB: float32 [3, H, W], both in [0, 1]."""
        filters = (np.diag(self.neutral) @ CROSSTALK).astype(np.float32)
        seen: NDArray[np.float32] = np.tensordot(filters, np.asarray(scene, dtype=np.float32), axes=1)
        return seen

    @property
    def pixel_noise(self) -> float:
        """DN: temporal noise of one pixel beyond rows, columns, dark current and rounding."""
        return math.hypot(self.read_noise, self.converter_noise, self.correlated_noise)

    @property
    def row_total(self) -> float:
        """DN: standard deviation of what the pixels of a row share."""
        spikes = math.sqrt(2 * self.row_spike_fraction) * self.row_spike
        return math.hypot(self.row_noise, self.row_flicker, spikes)

    @property
    def column_total(self) -> float:
        """DN: standard deviation of what the pixels of a column share, in one frame."""
        return math.hypot(self.column_noise, self.column_pattern)

    def temporal_noise(self, exposure_time: float | None = None) -> float:
        """Return the DN by which an ordinary pixel varies between dark frames, rounding included."""
        seconds = self.exposure_time if exposure_time is None else exposure_time
        variance = self.pixel_noise**2 + self.row_total**2 + self.column_noise**2 + self.bank_noise**2
        return math.sqrt(variance + self.gain**2 * self.dark_current * seconds + QUANTISATION_VARIANCE)

    def dark_noise(self, exposure_time: float | None = None) -> float:
        """Return the DN by which ordinary pixels differ within one dark frame, temporal and fixed.

        Hot and telegraph pixels, shading, glow and black bias are not counted.
        """
        return math.hypot(self.temporal_noise(exposure_time), self.dsnu, self.column_pattern)

    @property
    def noise_profile(self) -> tuple[tuple[float, float], ...]:
        """The true DNG NoiseProfile, (S, O) per colour: variance = S x + O on the normalised signal."""
        scale = self.white - self.black
        return ((self.gain / scale, (self.temporal_noise() / scale) ** 2),) * 3

    def at_iso(self, iso: float) -> Sensor:
        """Return this sensor at another ISO speed.

        What arises before the amplifier grows with the gain; read, row and column noise drop by
        ``dual_gain_factor`` where the second conversion gain sets in; converter noise, black level and
        its bias, and whatever is in electrons stay. ``a.at_iso(b).at_iso(c)`` is ``a.at_iso(c)``.
        """
        if not iso > 0:
            raise UsageError(f"ISO {iso:g} is no speed", hint="a positive number")
        gain = iso / self.iso
        circuit = gain * self._circuit_factor(iso) / self._circuit_factor(self.iso)
        scaled = {name: getattr(self, name) * circuit for name in CIRCUIT_NOISE}
        scaled |= {name: getattr(self, name) * gain for name in ("gain", "dsnu", "rts_step", "shading")}
        return replace(self, iso=iso, **scaled)

    def _circuit_factor(self, iso: float) -> float:
        """Relative input-referred noise of the readout circuit at an ISO."""
        low_gain = self.dual_gain_iso is not None and iso < self.dual_gain_iso
        return self.dual_gain_factor if low_gain else 1.0
