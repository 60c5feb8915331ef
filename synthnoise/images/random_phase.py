"""Random-phase textures: the spectrum of an image, and nothing else of it.

Galerne, Gousseau and Morel, *Random phase textures: theory and synthesis*, IEEE TIP 2011: one random phase
is added to the transforms of all three channels, so that their correlations stay. Before, the image is
made periodic as in Moisan, *Periodic plus smooth image decomposition*, JMIV 2011, else the jump between
opposite borders would become a cross in the spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.batches import one_by_one
from synthnoise.images.colours import decode_srgb, encode_srgb
from synthnoise.images.photographs import Options as PhotographOptions
from synthnoise.images.photographs import PhotographCrops
from synthnoise.images.statistical.spectra import scaled
from synthnoise.plugins import default_plugins
from synthnoise.protocols import ImageModel
from synthnoise.rng import Rng, Stream

_NAME = "random-phase"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the spectra come from."""

    path: str = field(default="", metadata={"help": "folder of photographs, one crop per image"})
    source: str = field(
        default="dead-leaves", metadata={"help": "image model to take the spectra of, where there is no path"}
    )
    reduction: int = field(
        default=1, metadata={"help": "photograph pixels averaged into one, each way", "range": (1, 16)}
    )

    def __post_init__(self) -> None:
        if not self.path and self.source == _NAME:
            raise UsageError(f"the source of {_NAME} cannot be {_NAME} itself")


class RandomPhase:
    """The image model ``random-phase``, computed in sRGB; what falls outside [0, 1] is clipped.

    Raises
    ------
    PluginError
        There is no image model ``source``.
    InputError
        ``path`` holds no photographs; also, on drawing, none large enough.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self._source = self._open()

    def _open(self) -> ImageModel:
        options = self.options
        if options.path:
            return PhotographCrops(
                PhotographOptions(path=str(Path(options.path)), reduction=options.reduction)
            )
        return cast(ImageModel, default_plugins().create("image_models", options.source, {}))

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``; opposite edges meet.

        Image i depends on (options, seed, i, size) and the photographs alone.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        image = periodic_component(encode_srgb(self._source.generate(size, rng)[0]))
        white = rng.normal(Stream.RANDOM_PHASE, (1, *size))[0, 0]
        return decode_srgb(with_random_phase(image, white).clamp(0, 1))


def periodic_component(image: Tensor) -> Tensor:
    """Return float32 [C, H, W] without the jump between opposite borders, of the same mean.

    What is taken away, the smooth component, has a Laplacian of zero but for the borders (Moisan 2011).
    """
    height, width = image.shape[-2:]
    jump = torch.zeros_like(image, dtype=torch.float64)
    down = image[:, -1].double() - image[:, 0].double()
    across = image[:, :, -1].double() - image[:, :, 0].double()
    jump[:, 0] += down
    jump[:, -1] -= down
    jump[:, :, 0] += across
    jump[:, :, -1] -= across
    fy = torch.fft.fftfreq(height, dtype=torch.float64, device=image.device)[:, None]
    fx = torch.fft.rfftfreq(width, dtype=torch.float64, device=image.device)
    laplacian = 2 * (2 * torch.pi * fy).cos() + 2 * (2 * torch.pi * fx).cos() - 4
    laplacian[0, 0] = torch.inf
    smooth = scaled(torch.fft.rfft2(jump), 1 / laplacian)
    periodic: Tensor = image.double() - torch.fft.irfft2(smooth, s=(height, width))
    return periodic.float()


def with_random_phase(image: Tensor, white: Tensor) -> Tensor:
    """Return float32 [C, H, W] with the moduli of ``image`` and the phases of ``white`` [H, W] added.

    ``white`` is Gaussian white noise, whose phases are uniform and independent up to the symmetry of a
    real image. The mean is kept.
    """
    transform = torch.fft.rfft2(white.double())
    phase = scaled(transform, 1 / transform.abs().clamp(min=1e-300))
    phase[0, 0] = 1
    before = torch.fft.rfft2(image.double())
    after = torch.complex(
        before.real * phase.real - before.imag * phase.imag,
        before.real * phase.imag + before.imag * phase.real,
    )
    turned: Tensor = torch.fft.irfft2(after, s=image.shape[-2:])
    return turned.float()
