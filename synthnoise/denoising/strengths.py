"""How much of what a denoiser removes is removed, for brightness and colour apart.

Noise of colour disturbs more than grain. The difference that the denoiser makes is split in two: the mean of
each colour over one repeat of the colour filter array, less what a change of brightness alone would make of
the three, is colour; all the rest, fine detail above all, is brightness. Brightness is the mean of the three
at weights 1/4, 1/2, 1/4, as they have in a Bayer repeat and nearly so in the luma of video, and changes all
colours in proportion to a neutral grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

WEIGHTS = (0.25, 0.5, 0.25)
"""Of red, green and blue in brightness."""
PLANES = {3: (0, 1, 2), 4: (0, 1, 1, 2)}
"""Colour of each plane, by their number, where nothing else is known: pictures and packed Bayer."""

Planes = TypeVar("Planes", "Tensor", "NDArray[np.float32]")


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Shares of the difference that are kept.

    Attributes
    ----------
    luma, chroma
        From 0, nothing is removed, to 1, all that the denoiser removes.
    colours
        Colour of each plane, 0 to 2; None for what their number says.
    neutral
        What a neutral grey is in the three colours, any unit.
    """

    luma: float = 1.0
    chroma: float = 1.0
    colours: tuple[int, ...] | None = None
    neutral: Sequence[float] = (1.0, 1.0, 1.0)

    def blended(self, noisy: Planes, restored: Planes) -> Planes:
        """Return planes [B, C, H, W] between noisy and restored ones."""
        if self.luma == self.chroma == 1:
            return restored
        return noisy + self.of(restored - noisy)

    def of(self, difference: Planes) -> Planes:
        """Return what is kept of a difference [B, C, H, W]; it is linear in it."""
        if self.luma == self.chroma == 1:
            return difference
        kept = difference * self.luma
        colours = self.colours or PLANES.get(difference.shape[1], ())
        if self.luma == self.chroma or len(set(colours)) < len(WEIGHTS):
            return kept
        members = [[c for c, own in enumerate(colours) if own == colour] for colour in range(len(WEIGHTS))]
        means = [difference[:, own].mean(1) for own in members]
        brightness = sum(
            weight / grey * mean for weight, grey, mean in zip(WEIGHTS, self.neutral, means, strict=True)
        )
        for plane, colour in enumerate(colours):
            apart = means[colour] - self.neutral[colour] * brightness
            kept[:, plane] += (self.chroma - self.luma) * apart
        return kept
