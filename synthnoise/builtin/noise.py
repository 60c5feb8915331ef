"""Records of the built-in noise models."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import NoiseModelSpec


@hookimpl
def synthnoise_noise_models() -> Iterator[NoiseModelSpec]:
    """Yield the noise models."""
    yield NoiseModelSpec(
        name="gaussian",
        summary="White Gaussian noise of one standard deviation.",
        factory="synthnoise.noise.gaussian:Gaussian",
        options="synthnoise.noise.gaussian:Options",
        domain="srgb",
    )
    yield NoiseModelSpec(
        name="poisson-gaussian",
        summary="Poisson shot noise and white Gaussian read noise.",
        factory="synthnoise.noise.poisson_gaussian:PoissonGaussian",
        options="synthnoise.noise.poisson_gaussian:Options",
    )
    yield NoiseModelSpec(
        name="two-shots",
        summary="Shot noise, and darks resampled from one dark frame (2-Shots in the Dark, CVPR 2026).",
        factory="synthnoise.noise.two_shots:TwoShots",
        options="synthnoise.noise.two_shots:Options",
    )
