"""Records of the built-in denoisers."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import DenoiserSpec


@hookimpl
def synthnoise_denoisers() -> Iterator[DenoiserSpec]:
    """Yield the denoisers."""
    yield DenoiserSpec(
        name="patch-dct",
        summary="Classical: cycle-spun patch DCT shrinkage across the CFA planes.",
        factory="synthnoise.denoisers.patch_dct:PatchDCT",
        options="synthnoise.denoisers.patch_dct:Options",
        stabilised=True,
        halo=48,
        trainable=False,
    )
    yield DenoiserSpec(
        name="dncnn",
        summary="DnCNN with a sigma map (Zhang et al. 2017), small and trainable.",
        factory="synthnoise.denoisers.dncnn:DnCNN",
        options="synthnoise.denoisers.dncnn:Options",
        stabilised=True,
    )
    yield DenoiserSpec(
        name="u-dru",
        summary="Small DRUNet at half resolution: the default for pictures (1.05 M parameters).",
        factory="synthnoise.denoisers.u_dru:build",
        options="synthnoise.denoisers.u_dru:Options",
        stabilised=True,
        multiple_of=8,
    )
    yield DenoiserSpec(
        name="drunet",
        summary="DRUNet: a bias-free U-Net of residual blocks (Zhang et al. 2022).",
        factory="synthnoise.denoisers.drunet:DRUNet",
        options="synthnoise.denoisers.drunet:Options",
        stabilised=True,
        multiple_of=8,
    )
