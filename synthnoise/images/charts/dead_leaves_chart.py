"""The dead-leaves test chart, for measuring how much texture survives a camera.

Cao, Guichard and Hornung, *Dead leaves model for measuring texture quality on a digital camera*, SPIE 2010;
ISO/TS 19567-2. Small grey discs of limited contrast, whose spectrum is known and the same in all directions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.dead_leaves import DeadLeaves
from synthnoise.images.dead_leaves import Options as LeafOptions
from synthnoise.images.leaves import PALETTE_SIZE
from synthnoise.rng import Rng, Stream


@dataclass(frozen=True, kw_only=True)
class Options:
    """Size and contrast of the leaves. Lengths are canvas pixels: image pixels times ``reduction``."""

    r_min: float = field(
        default=2.0, metadata={"help": "smallest radius", "unit": "canvas px", "range": (0.5, 1e5)}
    )
    r_max: float = field(
        default=400.0, metadata={"help": "largest radius", "unit": "canvas px", "range": (0.5, 1e5)}
    )
    exponent: float = field(
        default=3.0, metadata={"help": "radii have density r^-exponent", "range": (0.0, 10.0)}
    )
    reduction: int = field(
        default=2, metadata={"help": "canvas pixels averaged into one, each way", "range": (1, 16)}
    )
    contrast: tuple[float, float] = field(
        default=(0.25, 0.75), metadata={"help": "range of the greys, uniform", "unit": "linear light"}
    )

    def __post_init__(self) -> None:
        low, high = self.contrast
        if not 0 <= low <= high <= 1:
            raise UsageError(f"contrast={low:g},{high:g}: expected two numbers from 0 to 1, in order")


class DeadLeavesChart(DeadLeaves):
    """The image model ``dead-leaves-chart``."""

    def __init__(self, options: Options | None = None) -> None:
        chart = options or Options()
        shared = {name: getattr(chart, name) for name in ("r_max", "exponent", "reduction")}
        super().__init__(LeafOptions(r_min=(chart.r_min,), colours="grey", **shared))
        self.contrast = chart.contrast

    def _palette(self, rng: Rng) -> Tensor:
        low, high = self.contrast
        grey = rng.uniform(Stream.PALETTE, (PALETTE_SIZE, 4))[..., :1]
        return (low + (high - low) * grey).expand(-1, -1, 3)
