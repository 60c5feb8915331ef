"""What the vibrant leaves are like: the user's options, and the settings that they stand for."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from synthnoise.errors import UsageError

Shapes = Literal["either", "polygons", "mixed", "discs", "rectangles"]
Blur = Literal["gaussian", "lens", "off"]
Boundary = Literal["inside", "stationary"]
Spectrum = Literal["axis", "isotropic"]
Waves = Literal["squashed", "plain"]
Engine = Literal["auto", "compiled", "torch", "triton"]

MIN_LEAVES, UNCOVERED = 20, 0.002
"""Leaves where one covers the canvas in the mean, and the share that the count of leaves leaves bare."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that an image depends on beside its seed, number and size. Lengths are canvas pixels.

    Each field means what the field of :class:`Options` of the same name says.
    """

    r_min: int = 10
    r_max: int = 500
    exponent: float = 3.0
    reduction: int = 2
    boundary: Boundary = "inside"
    shapes: Shapes = "either"
    textures: bool = True
    weights: tuple[float, float, float] = (0.16, 0.67, 0.17)
    gradients: float = 0.05
    flat_below: int = 0
    slope: tuple[float, float] = (0.3, 1.8)
    spectrum: Spectrum = "axis"
    periods: tuple[int, int] = (5, 100)
    period_exponent: float = 1.0
    waves: Waves = "squashed"
    random_periods: float = 0.5
    warp: float = 0.5
    perspective: float = 0.5
    colours: str = "natural"
    depth: bool = True
    blur: Blur = "gaussian"
    parity: bool = False

    def leaf_count(self, canvas: tuple[int, int]) -> int:
        """Return how many leaves leave 0.2 % of a canvas (height, width) bare."""
        power = self.exponent - 1
        radius = np.arange(self.r_min, self.r_max, dtype=np.float64)
        rings = float(np.sum(1 - (radius / (radius + 1)) ** power))
        share = math.pi / (canvas[0] * canvas[1]) * rings / (self.r_min**-power - float(self.r_max) ** -power)
        return MIN_LEAVES if share >= 1 else int(math.log(UNCOVERED) / math.log1p(-share))


PAPER = Settings(
    slope=(0.5, 2.5), r_min=20, flat_below=20, periods=(5, 50), period_exponent=2.5, perspective=0.0,
    weights=(0.17, 0.67, 0.16),
)  # fmt: skip
HEAD = Settings(slope=(0.5, 2.5), reduction=1, flat_below=20, random_periods=0.0)
PRESETS = {"vl": Settings(), "paper-2025": PAPER, "reference-head": HEAD}


def _help(text: str, **metadata: Any) -> dict[str, Any]:
    return {"help": text, **metadata}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the leaves are like; what is left out is as the preset says. Lengths are canvas pixels."""

    preset: Literal["vl", "paper-2025", "reference-head"] = field(
        default="vl",
        metadata={
            "help": "vl: closest to photographs; or the settings of the paper's data, or of its code in 2026"
        },
    )
    r_min: int | None = field(
        default=None, metadata=_help("smallest radius", unit="canvas px", range=(1, 10000))
    )
    r_max: int | None = field(
        default=None, metadata=_help("radii stay below this", unit="canvas px", range=(2, 10000))
    )
    exponent: float | None = field(
        default=None, metadata=_help("radii have density r^-exponent; 3: scale-invariant", range=(1.5, 10.0))
    )
    reduction: int | None = field(
        default=None, metadata=_help("canvas pixels averaged into one, each way", range=(1, 8))
    )
    boundary: Boundary | None = field(
        default=None, metadata=_help("centres on the canvas only, or as in the plane")
    )
    shapes: Shapes | None = field(
        default=None, metadata=_help("shape of the leaves; either: per image polygons or mixed")
    )
    textures: bool | None = field(default=None, metadata=_help("textures, or smooth gradients alone"))
    weights: tuple[float, float, float] | None = field(
        default=None, metadata=_help("relative frequency of waves, noise and mixes")
    )
    gradients: float | None = field(
        default=None, metadata=_help("share of leaves with a smooth gradient instead", range=(0.0, 1.0))
    )
    flat_below: int | None = field(
        default=None, metadata=_help("leaves of a smaller radius have one colour", unit="canvas px")
    )
    slope: tuple[float, float] | None = field(
        default=None, metadata=_help("range of the amplitude spectrum's exponent s")
    )
    spectrum: Spectrum | None = field(
        default=None, metadata=_help("noise of amplitude 1/(|fx|^s + |fy|^s), or of |f|^-s")
    )
    periods: tuple[int, int] | None = field(
        default=None, metadata=_help("periods of the waves", unit="canvas px")
    )
    period_exponent: float | None = field(
        default=None, metadata=_help("periods are low + (high - low) U^this", range=(0.1, 10.0))
    )
    waves: Waves | None = field(
        default=None, metadata=_help("waves squashed one by one, or their product (2025)")
    )
    random_periods: float | None = field(
        default=None, metadata=_help("share of waves whose periods vary", range=(0.0, 1.0))
    )
    warp: float | None = field(
        default=None, metadata=_help("share of warped waves and grids", range=(0.0, 1.0))
    )
    perspective: float | None = field(
        default=None, metadata=_help("share of textures seen at an angle", range=(0.0, 1.0))
    )
    colours: str | None = field(
        default=None, metadata=_help("natural, uniform, grey, or a folder of photographs")
    )
    depth: bool | None = field(
        default=None, metadata=_help("three layers, two of them out of focus; or one sharp layer")
    )
    blur: Blur | None = field(default=None, metadata=_help("blur of what is out of focus"))
    parity: bool | None = field(
        default=None, metadata=_help("repeat the reference code's 8-bit truncation and cut foreground edges")
    )
    engine: Engine = field(
        default="auto",
        metadata=_help("compiled (CPU), torch, or triton (fused kernels, CUDA); auto: compiled or torch"),
    )

    def settings(self) -> Settings:
        """Return the preset with what is given put in place.

        Raises
        ------
        UsageError
            The values contradict each other.
        """
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(Settings)}
        chosen = {name: value for name, value in given.items() if value is not None}
        settings = dataclasses.replace(PRESETS[self.preset], **chosen)
        if not settings.r_min < settings.r_max:
            raise UsageError(f"r_min={settings.r_min}: must be below r_max={settings.r_max}")
        for name in ("slope", "periods"):
            low, high = getattr(settings, name)
            if not 0 < low <= high:
                raise UsageError(f"{name}={low:g},{high:g}: give the lower one first, above zero")
        if settings.parity and settings.blur == "lens":
            raise UsageError("parity=true repeats the Gaussian blur only", hint="leave out blur=lens")
        if settings.parity and self.engine not in ("auto", "compiled"):
            raise UsageError("parity=true is done by engine=compiled only", hint="leave out engine")
        if min(settings.weights) < 0 or sum(settings.weights) <= 0:
            raise UsageError(f"weights={settings.weights}: must not be negative, nor all zero")
        return settings
