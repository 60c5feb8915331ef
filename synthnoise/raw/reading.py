"""The way in: the frames, or the metadata, of whatever file a user names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthnoise.errors import InputError
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.raw import capture, plain
from synthnoise.raw.capture import CaptureInfo
from synthnoise.raw.dng_reading import content_of
from synthnoise.raw.float_dng import read_float
from synthnoise.raw.foreign_files import no_camera_file
from synthnoise.raw.frame import Frame
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.linear_dng import read_linear
from synthnoise.raw.plain import Geometry
from synthnoise.raw.sandbox import Sandbox, read_in_sandbox
from synthnoise.specs import ReaderSpec

__all__ = ["CaptureInfo", "Geometry", "ReadLimits", "Sandbox", "read_frame", "read_frames", "read_metadata"]

LONGEST_MAGIC = 64


def read_frame(
    path: Path | str,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
    geometry: Geometry | None = None,
    demosaiced: bool = False,
    sandbox: Sandbox | bool = False,
) -> Frame:
    """Return the sensor readout in a file, the first where it holds several.

    Parameters
    ----------
    path
        A camera RAW file, or with ``geometry`` a plain array of pixels.
    limits
        What the file may declare before it is refused unread.
    geometry
        What a plain file cannot say of itself; with it, no reader plugin is asked.
    demosaiced
        Whether pictures that are no readout of a sensor will do too: linear DNGs and those of
        floating-point numbers (:func:`synthnoise.raw.linear_dng.read_linear`, ``float_dng.read_float``).
    sandbox
        Decode in a process of its own with limits on memory and time (:mod:`synthnoise.raw.sandbox`), for
        files that are not trusted; costs about a second per file.

    Raises
    ------
    InputError
        The file is missing, damaged, exceeds the limits, or holds no mosaic.
    """
    if sandbox:
        chosen = sandbox if isinstance(sandbox, Sandbox) else Sandbox()
        return read_in_sandbox(path, chosen, limits=limits, geometry=geometry, demosaiced=demosaiced)
    if demosaiced and geometry is None:
        content = content_of(path)
        if content == "linear":
            return read_linear(path, limits=limits)
        if content == "float":
            return read_float(path, limits=limits)
    frame = next(read_frames(path, limits=limits, geometry=geometry), None)
    if frame is None:
        raise InputError(f"{path}: holds no frame")
    return frame


def read_frames(
    path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS, geometry: Geometry | None = None
) -> Iterator[Frame]:
    """Yield every sensor readout in a file, one at a time; parameters and errors as :func:`read_frame`."""
    path = Path(path)
    limits.check_file(path)
    if geometry is not None:
        yield from plain.frames(path, limits, geometry)
        return
    *others, last = find_readers(path, default_plugins())
    for reader in others:
        frames = reader.load()(path, limits)
        try:
            first = next(frames)
        except (InputError, StopIteration):
            continue  # it is left to the next reader that claims its kind
        yield first
        yield from frames
        return
    yield from last.load()(path, limits)


def read_metadata(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> CaptureInfo:
    """Return what a file says of itself; decodes no pixels.

    Files that ``read_frame`` refuses (linear, lossy, truncated) are described too.

    Raises
    ------
    InputError
        The file is missing, empty, too large, or of no kind that is known.
    """
    path = Path(path)
    size = limits.check_file(path)
    shape = plain.stored_shape(path, size, limits)
    if shape is None:
        return capture.read_metadata(path, limits=limits)
    return CaptureInfo(
        path=path,
        format=path.suffix.removeprefix(".").upper(),
        width=shape[-1],
        height=shape[-2],
        unreadable=plain.GEOMETRY_NEEDED,
    )


def find_readers(path: Path, plugins: Plugins) -> list[ReaderSpec]:
    """Return who may read a file, built-ins first: by suffix and first bytes, else by either.

    Raises
    ------
    InputError
        No reader claims the file.
    """
    with path.open("rb") as file:
        head = file.read(LONGEST_MAGIC)
    readers = [spec for spec in plugins.records("readers") if isinstance(spec, ReaderSpec)]
    by_suffix = [spec for spec in readers if path.suffix.lower() in spec.suffixes]
    by_magic = [spec for spec in readers if any(head.startswith(magic) for magic in spec.magic)]
    found = [spec for spec in by_suffix if spec in by_magic] or by_suffix or by_magic
    if not found:
        raise no_camera_file(path)
    return found
