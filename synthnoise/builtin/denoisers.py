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
