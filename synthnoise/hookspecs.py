"""The nine hooks. Each is a pure function without arguments that yields records of `synthnoise.specs`."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from synthnoise.specs import (
    CommandSpec,
    DenoiserSpec,
    ImageModelSpec,
    IspSpec,
    MetricSpec,
    NoiseModelSpec,
    ProfileDir,
    ReaderSpec,
    WriterSpec,
)

PROJECT = "synthnoise"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def synthnoise_image_models() -> Iterable[ImageModelSpec]:
    """Yield models that draw clean images from (seed, index)."""
    return ()


@hookspec
def synthnoise_noise_models() -> Iterable[NoiseModelSpec]:
    """Yield models of what a camera adds to a clean image."""
    return ()


@hookspec
def synthnoise_denoisers() -> Iterable[DenoiserSpec]:
    """Yield denoiser architectures, with or without weights."""
    return ()


@hookspec
def synthnoise_readers() -> Iterable[ReaderSpec]:
    """Yield readers that turn camera files into frames."""
    return ()


@hookspec
def synthnoise_writers() -> Iterable[WriterSpec]:
    """Yield writers that turn samples into dataset files."""
    return ()


@hookspec
def synthnoise_isps() -> Iterable[IspSpec]:
    """Yield image signal processors that render linear RAW for viewing."""
    return ()


@hookspec
def synthnoise_metrics() -> Iterable[MetricSpec]:
    """Yield measures of a prediction against a target."""
    return ()


@hookspec
def synthnoise_profiles() -> Iterable[ProfileDir]:
    """Yield folders that hold camera profiles."""
    return ()


@hookspec
def synthnoise_commands() -> Iterable[CommandSpec]:
    """Yield further subcommands of the command line."""
    return ()
