"""The way in: one frame, or the metadata, of whatever file a user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthnoise.raw import camera_files
from synthnoise.raw.capture import CaptureInfo, read_metadata
from synthnoise.raw.frame import Frame
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits

if TYPE_CHECKING:
    from synthnoise.raw.plain import Geometry

__all__ = ["CaptureInfo", "ReadLimits", "read_frame", "read_metadata"]


def read_frame(
    path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS, geometry: Geometry | None = None
) -> Frame:
    """Return the sensor readout in a file.

    Parameters
    ----------
    path
        A camera RAW file, or with ``geometry`` a plain array of pixels.
    limits
        What the file may declare before it is refused unread.
    geometry
        What a plain file cannot say of itself.

    Raises
    ------
    InputError
        The file is missing, damaged, exceeds the limits, or holds no mosaic.
    """
    return next(camera_files.frames(Path(path), limits))
