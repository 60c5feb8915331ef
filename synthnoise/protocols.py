"""What the objects behind the records must do. Structural: nothing needs to inherit from these.

Shapes are written [B, C, H, W]: batch, planes, rows, columns. RAW planes are the CFA positions in
row-major order (for Bayer C = 4: (0,0), (0,1), (1,0), (1,1) of the repeat), linear, black
subtracted and divided by (white - black). They are never clipped at black: negative values carry
the read noise.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from synthnoise.profiles.schema import CameraProfile
    from synthnoise.rng import Rng


class ImageModel(Protocol):
    """Draws clean images.

    A model whose images depend on files too has a method ``facts()``: a dictionary of JSON types, such
    as hashes of the files, that a dataset's manifest holds and compares.
    """

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        ``rng.indices`` [B] names the images; image i depends on (options, seed, i, size) alone.
        """
        ...


class NoiseModel(Protocol):
    """Adds a camera's noise.

    Two more methods are called where a model has them: ``per_image(parameters, rng)`` returns
    parameters drawn for each image, for options that are ranges; ``before_rounding(parameters)``
    returns parameters without the variance of rounding to integers, for callers that round the
    samples themselves as the converter does.
    """

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Any:
        """Return frozen parameters, from a profile at an ISO, or from the options alone.

        Raises
        ------
        UsageError
            The model needs a profile and there is none, or the profile lacks what it needs.
        """
        ...

    def sample(self, clean: Tensor, parameters: Any, rng: Rng) -> Tensor:
        """Return a noisy float32 [B, C, H, W]; not clipped, not quantised.

        ``rng.indices`` [B] and ``rng.origin`` place each pixel: a crop of the whole equals the crop
        (models that cannot promise this, such as whole-frame Fourier methods, say so).
        """
        ...

    def variance(self, clean: Tensor, parameters: Any) -> Tensor:
        """Return the variance of ``sample`` given ``clean``, [B, C, H, W]."""
        ...


class Sink(Protocol):
    """Receives numbered samples and files them.

    A sink that several processes may use at once says so by an attribute ``block``: 0 where every
    sample is a file of its own, which threads may write at once too; n where numbers from a multiple
    of n up to the next share a file, so that one process files them all and calls ``close``.
    """

    def done(self) -> Set[int]:
        """Return the numbers of the samples that are already whole on the disk."""
        ...

    def write(self, indices: Sequence[int], batch: dict[str, Tensor]) -> None:
        """File one batch: each value of ``batch`` is [B, ...], in the order of ``indices``."""
        ...

    def close(self) -> None:
        """Finish whatever is pending."""
        ...
