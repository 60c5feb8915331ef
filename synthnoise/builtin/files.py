"""Records of the built-in readers, writers, renderers and camera profiles."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import IspSpec, ProfileDir, ReaderSpec, WriterSpec

CAMERA_SUFFIXES = (
    ".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".drf", ".eip",
    ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kc2", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw",
    ".orf", ".ori", ".pef", ".ptx", ".pxn", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw",
    ".x3f",
)  # fmt: skip


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
def synthnoise_profiles() -> Iterator[ProfileDir]:
    """Yield the shipped camera profiles."""
    return iter(())
