"""What denoised RAW files become: DNG, linear DNG, or a rendering."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthnoise.denoising.denoise import DenoiseResult
from synthnoise.denoising.whole_numbers import LARGEST, whole_numbers
from synthnoise.raw.develop import camera_rgb
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.rendering import write_rendering
from synthnoise.raw.rewrite import levels_may_be_scaled, rewrite_dng

SHALLOW = 4095
"""White level up to which whole DN may be too coarse for what noise is left: 12 bits."""
FINE = 1.0
"""Standard deviation of the noise left, in steps of the file, from which rounding no longer matters."""
COARSE = 0.5
"""The same below which the steps are made finer."""
LARGEST_FACTOR = 16


@dataclass(frozen=True, kw_only=True)
class RawOutput:
    """How the results of RAW files are written.

    Attributes
    ----------
    format
        ``dng``, ``linear-dng``, ``tiff``, ``png`` or ``jpeg``.
    bits
        16: levels of DNGs are multiplied by the largest whole number that 16 bits hold. None: cameras of
        up to 12 bits get finer levels where whole DN would be coarser than the noise that is left.
    strength
        For NoiseReductionApplied.
    overwrite
        Whether an existing file is replaced.
    """

    format: str = "dng"
    bits: int | None = None
    strength: float = 1.0
    overwrite: bool = False

    def dtype(self, frame: Frame) -> type[np.uint16 | np.float32]:
        """Return the type of a frame's result: float32 where it should not be rounded to whole DN yet."""
        whole = np.issubdtype(frame.mosaic.dtype, np.integer)
        deep = self.format == "dng" and self.bits is None and frame.white > SHALLOW
        return np.uint16 if whole and deep else np.float32

    def finished(self, result: DenoiseResult, source: Path) -> DenoiseResult:
        """Return the result of a file of whole numbers as its DNG will hold it."""
        if self.format != "dng" or np.issubdtype(result.frame.mosaic.dtype, np.integer):
            return result
        return dataclasses.replace(result, frame=whole_numbers(result.frame, self._factor(result, source)))

    def _factor(self, result: DenoiseResult, source: Path) -> int:
        """Return what levels are multiplied by."""
        frame = result.frame
        most = int(LARGEST // frame.white)
        if most < 2 or (self.bits is None and frame.white > SHALLOW) or not levels_may_be_scaled(source):
            return 1
        if self.bits is not None:
            return most
        span = float(np.max(frame.white - frame.black))
        left = result.residual * span * min(read for _, read in result.noise.pairs) ** 0.5
        factor = 1
        while left * factor < (COARSE if factor == 1 else FINE) and 2 * factor <= min(most, LARGEST_FACTOR):
            factor *= 2
        return factor

    def write(self, source: Path, target: Path, result: DenoiseResult) -> None:
        """Write a finished result; errors as those of the format's writer."""
        if self.format == "dng":
            self._write_dng(source, target, result)
        elif self.format == "linear-dng":
            write_linear_dng(
                target,
                camera_rgb(result.frame),
                result.frame,
                noise_profile=result.residual_profile,
                noise_reduction=self.strength,
                metadata_from=source,
                overwrite=self.overwrite,
            )
        else:
            write_rendering(target, result.frame, overwrite=self.overwrite)

    def _write_dng(self, source: Path, target: Path, result: DenoiseResult) -> None:
        if source.suffix.lower() == ".dng":
            rewrite_dng(
                source,
                target,
                result.frame.mosaic,
                white=result.frame.white,
                noise_profile=result.residual_profile,
                noise_reduction=self.strength,
                overwrite=self.overwrite,
            )
        else:
            write_dng(
                target,
                result.frame,
                noise_profile=result.residual_profile,
                noise_reduction=self.strength,
                metadata_from=source,
                overwrite=self.overwrite,
            )
