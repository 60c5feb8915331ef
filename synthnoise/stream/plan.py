"""What a dataset's samples are, for the writers that turn them into files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from synthnoise.colour_filter_arrays import RGGB, Cfa

Content = Literal["scene", "srgb", "mosaic"]
"""``scene``: linear light [3, H, W] in [0, 1]. ``srgb``: sRGB [3, H, W], 1 is white, not clipped.
``mosaic``: CFA planes [C, h, w] of a camera, black 0, white 1, not clipped."""

GENERIC_BLACK, GENERIC_WHITE = 4096.0, 65535.0
"""Levels in DN of mosaics whose camera is not known: room for noise below black, and all of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What the files of mosaics say of the camera.

    Attributes
    ----------
    cfa
        Colours of the repeat, row by row.
    black
        DN per CFA position, row-major, or one for all.
    white
        DN.
    """

    cfa: Cfa = RGGB
    black: tuple[float, ...] = (GENERIC_BLACK,)
    white: float = GENERIC_WHITE
    make: str = ""
    model: str = "synthnoise"
    iso: float | None = None
    as_shot_neutral: tuple[float, float, float] | None = None
    colour_matrix: tuple[tuple[float, float, float], ...] | None = None

    @property
    def period(self) -> tuple[int, int]:
        """Rows and columns of the repeat."""
        return len(self.cfa), len(self.cfa[0])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A dataset to be written.

    Attributes
    ----------
    content
        What the picture fields hold.
    pictures
        Fields [B, C, H, W], such as ``("clean",)`` or ``("clean", "noisy")``.
    size
        (height, width) of a sample in pixels.
    camera
        Of mosaics.
    ratio
        Digital gain that is in ``noisy`` already: what the camera shot is ``noisy / ratio``.
    """

    content: Content
    pictures: tuple[str, ...]
    size: tuple[int, int]
    camera: Camera = Camera()
    ratio: float = 1.0

    def gain(self, picture: str) -> float:
        """Return the digital gain that a picture holds."""
        return self.ratio if picture == "noisy" else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return what a reader of the files must know, as JSON types."""
        facts: dict[str, Any] = {"content": self.content, "pictures": list(self.pictures)}
        if self.content == "mosaic":
            facts["camera"] = {
                "cfa": [list(row) for row in self.camera.cfa],
                "black": list(self.camera.black),
                "white": self.camera.white,
            }
        return facts
