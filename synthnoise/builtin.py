"""The built-in plugin: what synthnoise ships comes through the same hooks as anyone's."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
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

CAMERA_SUFFIXES = (
    ".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".drf", ".eip",
    ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kc2", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw",
    ".orf", ".ori", ".pef", ".ptx", ".pxn", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw",
    ".x3f",
)  # fmt: skip


@hookimpl
def synthnoise_image_models() -> Iterator[ImageModelSpec]:
    """Yield the image models."""
    yield ImageModelSpec(
        name="dead-leaves",
        summary="Occluding discs with power-law radii: scale-invariant abstract images.",
        factory="synthnoise.images.dead_leaves:DeadLeaves",
        options="synthnoise.images.dead_leaves:Options",
    )
    yield ImageModelSpec(
        name="vibrant-leaves",
        summary="Textured leaves of many shapes in three depths, coloured as one photograph (2025).",
        factory="synthnoise.images.vibrant_leaves.model:VibrantLeaves",
        options="synthnoise.images.vibrant_leaves.settings:Options",
    )
    yield ImageModelSpec(
        name="folder",
        summary="Random crops of a folder of photographs (-o path=DIR).",
        factory="synthnoise.images.photographs:PhotographCrops",
        options="synthnoise.images.photographs:Options",
    )


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


@hookimpl
def synthnoise_readers() -> Iterator[ReaderSpec]:
    """Yield the readers: every suffix that LibRaw knows, and files of bare pixels."""
    yield ReaderSpec(
        name="camera-raw",
        summary="Camera RAW files and DNG mosaics, decoded by LibRaw.",
        factory="synthnoise.raw.camera_files:frames",
        suffixes=CAMERA_SUFFIXES,
        magic=(
            b"II*\0",
            b"MM\0*",
            b"IIU\0",
            b"IIRO",
            b"IIRS",
            b"MMOR",
            b"FUJIFILMCCD-RAW",
            b"FOVb",
            b"\0MRM",
        ),
    )
    yield ReaderSpec(
        name="plain",
        summary="Mosaics of bare pixels (.raw, .npy, TIFF, FITS) with a stated geometry.",
        factory="synthnoise.raw.plain:frames",
        suffixes=(".raw", ".bin", ".dat", ".npy", ".tif", ".tiff", ".fits", ".fit", ".fts"),
        magic=(b"\x93NUMPY", b"SIMPLE  ="),
    )


@hookimpl
def synthnoise_writers() -> Iterator[WriterSpec]:
    """Yield the writers."""
    yield WriterSpec(
        name="png",
        summary="PNG files: 8-bit sRGB, or 16-bit mosaics in DN.",
        factory="synthnoise.stream.writers:PngSink",
        suffix=".png",
    )
    yield WriterSpec(
        name="tiff",
        summary="TIFF files of float32: linear light, or normalised mosaics.",
        factory="synthnoise.stream.writers:TiffSink",
        suffix=".tif",
    )
    yield WriterSpec(
        name="npy",
        summary="NumPy files of float32, planes first.",
        factory="synthnoise.stream.writers:NpySink",
        suffix=".npy",
    )
    yield WriterSpec(
        name="dng",
        summary="DNG mosaics as the camera would shoot them.",
        factory="synthnoise.stream.writers:DngSink",
        suffix=".dng",
    )
    yield WriterSpec(
        name="webdataset",
        summary="Tar shards of NumPy arrays, for streaming.",
        factory="synthnoise.stream.writers:ShardSink",
        suffix=".tar",
    )


@hookimpl
def synthnoise_isps() -> Iterator[IspSpec]:
    """Yield the renderers."""
    return iter(())


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
def synthnoise_profiles() -> Iterator[ProfileDir]:
    """Yield the shipped camera profiles."""
    return iter(())


@hookimpl
def synthnoise_commands() -> Iterator[CommandSpec]:
    """Yield no commands: those of the core are part of its command line."""
    return iter(())
