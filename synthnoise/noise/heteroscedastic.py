"""Signal-dependent Gaussian noise: the normal approximation of shot and read noise, variance S x + O.

A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting
for single-image raw-data", IEEE TIP 17, 2008, section II; the noise of most RAW denoising data sets.
"""

from __future__ import annotations

from torch import Tensor

from synthnoise.noise.poisson_gaussian import Parameters, PoissonGaussian
from synthnoise.rng import Rng, Stream


class Heteroscedastic(PoissonGaussian):
    """y = x + N(0, S x + O), pixel by pixel and independent; options and parameters of Poisson-Gaussian.

    Mean and variance are those of counted electrons, skewness and discreteness are not: below some ten
    electrons a pixel the two can be told apart. A crop of the whole equals the crop; nothing is clipped.
    """

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The parameters are of another number of planes.
        """
        deviation = self.variance(clean, parameters).sqrt_()
        return rng.normal(Stream.READ_NOISE, tuple(clean.shape[1:])).mul_(deviation).add_(clean)
