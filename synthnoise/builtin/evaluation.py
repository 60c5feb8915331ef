"""Records of the built-in metrics, and of the commands that are none of the core's."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import CommandSpec, MetricSpec


@hookimpl
def synthnoise_metrics() -> Iterator[MetricSpec]:
    """Yield the metrics."""
    yield MetricSpec(
        name="psnr",
        summary="Peak signal-to-noise ratio.",
        factory="synthnoise.evaluation.metrics:psnr_metric",
        unit="dB",
    )
    yield MetricSpec(
        name="ssim",
        summary="Structural similarity (Wang et al. 2004).",
        factory="synthnoise.evaluation.metrics:ssim_metric",
    )


@hookimpl
def synthnoise_commands() -> Iterator[CommandSpec]:
    """Yield no commands: those of the core are part of its command line."""
    return iter(())
