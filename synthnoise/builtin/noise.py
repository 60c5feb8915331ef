"""Records of the built-in noise models."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import NoiseModelSpec

RECORDS = (
    NoiseModelSpec(
        name="gaussian",
        summary="White Gaussian noise of one standard deviation.",
        factory="synthnoise.noise.gaussian:Gaussian",
        options="synthnoise.noise.gaussian:Options",
        domain="srgb",
        of_camera=False,
    ),
    NoiseModelSpec(
        name="poisson-gaussian",
        summary="Poisson shot noise and white Gaussian read noise.",
        factory="synthnoise.noise.poisson_gaussian:PoissonGaussian",
        options="synthnoise.noise.poisson_gaussian:Options",
    ),
    NoiseModelSpec(
        name="sensor-prior",
        summary="Shot, read, row and column noise, PRNU and hot pixels of a sensor drawn for each image.",
        factory="synthnoise.noise.sensor_prior:SensorPrior",
        options="synthnoise.noise.sensor_prior:Options",
        of_camera=False,
    ),
    NoiseModelSpec(
        name="heteroscedastic",
        summary="Gaussian noise whose variance grows with the signal, S x + O.",
        factory="synthnoise.noise.heteroscedastic:Heteroscedastic",
        options="synthnoise.noise.poisson_gaussian:Options",
    ),
    NoiseModelSpec(
        name="eld",
        summary="Shot noise, Tukey-lambda read noise, row noise and quantisation (ELD, CVPR 2020).",
        factory="synthnoise.noise.eld:Eld",
        options="synthnoise.noise.eld:Options",
    ),
    NoiseModelSpec(
        name="sfrn",
        summary="Shot noise and crops of real dark frames, their rounding undone (SFRN, ICCV 2021).",
        factory="synthnoise.noise.sfrn:Sfrn",
        options="synthnoise.noise.sfrn:Options",
        defects=True,
    ),
    NoiseModelSpec(
        name="pmn",
        summary="Shot noise on real dark frames less their dark shading (PMN, MM 2022).",
        factory="synthnoise.noise.pmn:Pmn",
        options="synthnoise.noise.pmn:Options",
        defects=True,
    ),
    NoiseModelSpec(
        name="two-shots",
        summary="Shot noise, and darks resampled from one dark frame (2-Shots in the Dark, CVPR 2026).",
        factory="synthnoise.noise.two_shots:TwoShots",
        options="synthnoise.noise.two_shots:Options",
        defects=True,
    ),
    NoiseModelSpec(
        name="two-shots-fast",
        summary="two-shots with hot pixels apart, histograms by table and three rounds.",
        factory="synthnoise.noise.two_shots_fast:TwoShotsFast",
        options="synthnoise.noise.two_shots_fast:Options",
        defects=True,
    ),
    NoiseModelSpec(
        name="noise-flow",
        summary="Normalising flow of the noise given the signal, trained on pairs (Noise Flow, ICCV 2019).",
        factory="synthnoise.noise.noise_flow:NoiseFlow",
        options="synthnoise.noise.noise_flow:Options",
        calibrates=True,
        likelihood=True,
    ),
    NoiseModelSpec(
        name="low-dose-ct",
        summary="Noise of filtered back-projection from Poisson counts, as of low-dose CT.",
        factory="synthnoise.noise.low_dose_ct:LowDoseCt",
        options="synthnoise.noise.low_dose_ct:Options",
        domain="srgb",
        of_camera=False,
    ),
    NoiseModelSpec(
        name="speckle",
        summary="Multiplicative gamma noise of coherent imaging such as SAR, L looks.",
        factory="synthnoise.noise.speckle:Speckle",
        options="synthnoise.noise.speckle:Options",
        domain="srgb",
        of_camera=False,
    ),
    NoiseModelSpec(
        name="spectral",
        summary="Shot noise, and dark noise of any size with measured spectra, marginals and hot pixels.",
        factory="synthnoise.noise.spectral:Spectral",
        options="synthnoise.noise.spectral:Options",
        defects=True,
    ),
)
"""The noise models, simple ones first."""


@hookimpl
def synthnoise_noise_models() -> Iterator[NoiseModelSpec]:
    """Yield the noise models."""
    yield from RECORDS
