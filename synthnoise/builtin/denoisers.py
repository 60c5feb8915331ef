"""Records of the built-in denoisers."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import DenoiserSpec

RECORDS = (
    DenoiserSpec(
        name="patch-dct",
        summary="Classical: cycle-spun patch DCT shrinkage across the CFA planes.",
        factory="synthnoise.denoisers.patch_dct:PatchDCT",
        options="synthnoise.denoisers.patch_dct:Options",
        stabilised=True,
        halo=48,
        trainable=False,
        defects=True,
    ),
    DenoiserSpec(
        name="dncnn",
        summary="DnCNN with a sigma map (Zhang et al. 2017), small and trainable.",
        factory="synthnoise.denoisers.dncnn:DnCNN",
        options="synthnoise.denoisers.dncnn:Options",
        stabilised=True,
    ),
    DenoiserSpec(
        name="u-dru",
        summary="Small DRUNet at half resolution: the default for pictures (1.05 M parameters).",
        factory="synthnoise.denoisers.u_dru:build",
        options="synthnoise.denoisers.u_dru:Options",
        stabilised=True,
        multiple_of=8,
    ),
    DenoiserSpec(
        name="raw-dru",
        summary="Small DRUNet on the packed planes of a mosaic: the default for RAW (1.06 M parameters).",
        factory="synthnoise.denoisers.raw_dru:build",
        options="synthnoise.denoisers.raw_dru:Options",
        stabilised=True,
        multiple_of=8,
    ),
    DenoiserSpec(
        name="x-trans-dru",
        summary="Small DRUNet on the 3x3 blocks of X-Trans mosaics (0.6 M parameters).",
        factory="synthnoise.denoisers.x_trans_dru:build",
        options="synthnoise.denoisers.x_trans_dru:Options",
        domain="x-trans",
        channels=36,
        stabilised=True,
        multiple_of=2,
    ),
    DenoiserSpec(
        name="drunet",
        summary="DRUNet: a bias-free U-Net of residual blocks (Zhang et al. 2022).",
        factory="synthnoise.denoisers.drunet:DRUNet",
        options="synthnoise.denoisers.drunet:Options",
        stabilised=True,
        multiple_of=8,
    ),
    DenoiserSpec(
        name="ffdnet",
        summary="FFDNet: convolutions at half resolution with a sigma map (Zhang et al. 2018).",
        factory="synthnoise.denoisers.ffdnet:FFDNet",
        options="synthnoise.denoisers.ffdnet:Options",
        stabilised=True,
        multiple_of=2,
    ),
    DenoiserSpec(
        name="unet",
        summary="U-Net as in Learning to see in the dark (Chen et al. 2018), smaller by default.",
        factory="synthnoise.denoisers.unet:UNet",
        options="synthnoise.denoisers.unet:Options",
        stabilised=True,
        multiple_of=16,
    ),
    DenoiserSpec(
        name="autoencoder",
        summary="Convolutional autoencoder without skip connections, for teaching: it blurs.",
        factory="synthnoise.denoisers.autoencoder:Autoencoder",
        options="synthnoise.denoisers.autoencoder:Options",
        stabilised=True,
        multiple_of=4,
    ),
    DenoiserSpec(
        name="ridnet",
        summary="RIDNet: dilated branches and feature attention (Anwar and Barnes 2019).",
        factory="synthnoise.denoisers.ridnet:RIDNet",
        options="synthnoise.denoisers.ridnet:Options",
        stabilised=True,
        global_context=True,
    ),
    DenoiserSpec(
        name="nafnet",
        summary="NAFNet: a U-Net of gates (Chen et al. 2022), also without norm and attention.",
        factory="synthnoise.denoisers.nafnet:NAFNet",
        options="synthnoise.denoisers.nafnet:Options",
        stabilised=True,
        multiple_of=8,
        global_context=True,
    ),
    DenoiserSpec(
        name="wiener",
        summary="Classical: local Wiener filter (Lee 1980).",
        factory="synthnoise.denoisers.wiener:Wiener",
        options="synthnoise.denoisers.wiener:Options",
        stabilised=True,
        halo=32,
        trainable=False,
    ),
    DenoiserSpec(
        name="tv",
        summary="Classical: total variation (Chambolle 2004).",
        factory="synthnoise.denoisers.total_variation:TotalVariation",
        options="synthnoise.denoisers.total_variation:Options",
        stabilised=True,
        halo=128,
        trainable=False,
    ),
    DenoiserSpec(
        name="nlm",
        summary="Classical: non-local means (Buades et al. 2005).",
        factory="synthnoise.denoisers.nonlocal_means:NonlocalMeans",
        options="synthnoise.denoisers.nonlocal_means:Options",
        stabilised=True,
        halo=32,
        trainable=False,
    ),
    DenoiserSpec(
        name="wavelet",
        summary="Classical: translation-invariant wavelet shrinkage (BayesShrink).",
        factory="synthnoise.denoisers.wavelet:Wavelet",
        options="synthnoise.denoisers.wavelet:Options",
        stabilised=True,
        halo=176,
        trainable=False,
    ),
)
"""The denoisers: classical ones first."""


@hookimpl
def synthnoise_denoisers() -> Iterator[DenoiserSpec]:
    """Yield the denoisers."""
    yield from RECORDS
