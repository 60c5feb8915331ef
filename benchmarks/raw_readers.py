"""Programs that render RAW files, and summaries of the pictures they make, kept between runs.

A summary is all that is compared: the size, the mean of each channel and a grid of 24 x 32 means. It is
kept by the SHA-256 of the file, the program and its version, so that a run that was cut off goes on where
it stopped, and only files that changed are rendered again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from synthnoise.files import sha256

TIMEOUT = 300
GRID = (24, 32)
EVEN = 1
"""8-bit levels that the cells of an evenly coloured picture may differ by."""
NEARLY_GREY = 0.06
"""Largest spread of a grid cell's channels, relative to its mean, in our own rendering."""

Render = Callable[[Path, Path], NDArray[np.uint8]]


def run(*command: str | Path) -> bytes:
    """Run a program quietly; return its standard output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=TIMEOUT, check=False)
    return done.stdout


def with_rawpy(path: Path, _: Path) -> NDArray[np.uint8]:
    """Render with LibRaw through rawpy."""
    with rawpy.imread(str(path)) as raw:
        return np.array(raw.postprocess(use_camera_wb=True, no_auto_bright=True))


def with_dcraw(path: Path, folder: Path) -> NDArray[np.uint8]:
    """Render with dcraw."""
    picture = folder / "dcraw.ppm"
    picture.write_bytes(run("dcraw", "-c", "-w", "-W", path))
    return np.asarray(Image.open(picture).convert("RGB"))


def with_darktable(path: Path, folder: Path) -> NDArray[np.uint8]:
    """Render with darktable, in a configuration of its own."""
    picture = folder / "darktable.png"
    picture.unlink(missing_ok=True)
    run("darktable-cli", path, picture, "--core", "--configdir", folder / "dt", "--library", ":memory:")
    return np.asarray(Image.open(picture).convert("RGB"))


def with_rawtherapee(path: Path, folder: Path) -> NDArray[np.uint8]:
    """Render with RawTherapee's defaults."""
    picture = folder / "rawtherapee.tif"
    picture.unlink(missing_ok=True)
    run("rawtherapee-cli", "-Y", "-t", "-b8", "-o", picture, "-c", path)
    return np.asarray(Image.open(picture).convert("RGB"))


@dataclass(frozen=True)
class Reader:
    """A program: how to call it, and how to ask for its version (first line that has a digit)."""

    name: str
    program: str | None
    render: Render
    ask: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Version, or an empty string where it is not installed."""
        if self.program is None:
            return f"{rawpy.__version__} (LibRaw {'.'.join(map(str, rawpy.libraw_version))})"
        if shutil.which(self.program) is None:
            return ""
        done = subprocess.run([self.program, *self.ask], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        words = [word for line in lines for word in line.split() if any(c.isdigit() for c in word)]
        return words[0].strip('v",') if words else "unknown"


READERS = (
    Reader("rawpy", None, with_rawpy),
    Reader("dcraw", "dcraw", with_dcraw),
    Reader("darktable", "darktable-cli", with_darktable, ("--version",)),
    Reader("RawTherapee", "rawtherapee-cli", with_rawtherapee, ("--version",)),
)


@dataclass(frozen=True)
class Summary:
    """What is kept of a picture; ``size`` (height, width) is (0, 0) where there is none.

    ``means`` and ``cells`` [24 * 32][3] are in 8-bit levels.
    """

    size: tuple[int, int]
    means: tuple[float, ...]
    cells: list[list[int]]

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> Summary:
        """Return the summary of a picture, uint8 [H, W, 3], or [H, W, 1] where all is grey."""
        picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
        small = Image.fromarray(np.ascontiguousarray(picture)).resize(GRID[::-1], Image.Resampling.BOX)
        means = tuple(round(float(mean), 3) for mean in picture.reshape(-1, 3).mean(0, dtype=np.float64))
        return cls((picture.shape[0], picture.shape[1]), means, np.asarray(small).reshape(-1, 3).tolist())

    @property
    def is_black(self) -> bool:
        """Whether nothing is to be seen."""
        return max(self.means) < 1

    def difference(self, other: Summary) -> float:
        """Return the largest difference of a channel's mean, in 8-bit levels."""
        return float(np.abs(np.subtract(self.means, other.means)).max())

    def likeness(self, other: Summary, *, ranks: bool = False) -> float:
        """Return the correlation of the grids (or of ranks, which no tone curve changes), worst channel.

        Two pictures of one even colour are alike.
        """
        mine, theirs = (np.array(summary.cells, float) for summary in (self, other))
        if np.ptp(mine, axis=0).max() <= EVEN and np.ptp(theirs, axis=0).max() <= EVEN:
            return 1.0
        if ranks:
            mine, theirs = rankdata(mine, axis=0), rankdata(theirs, axis=0)
        if min(np.ptp(mine, axis=0).min(), np.ptp(theirs, axis=0).min()) == 0:
            return 0.0
        return min(float(np.corrcoef(mine[:, c], theirs[:, c])[0, 1]) for c in range(3))

    def cast(self, truth: Summary) -> float:
        """Return the median spread of the channels where the truth is grey and not clipped, in levels."""
        cells, expected = np.array(self.cells, float), np.array(truth.cells, float)
        level = expected.mean(1)
        grey = (np.ptp(expected, axis=1) < NEARLY_GREY * level) & (level > 30) & (level < 230)
        return float(np.median(np.ptp(cells[grey], axis=1))) if grey.sum() > 10 else 0.0

    def has_shape_of(self, other: Summary) -> bool:
        """Return whether both sides agree within 3 % and 24 pixels: readers crop their own borders."""
        return all(abs(a - b) <= max(24, 0.03 * b) for a, b in zip(self.size, other.size, strict=True))


NOTHING = Summary((0, 0), (0.0, 0.0, 0.0), [])


class Renderings:
    """Summaries of what every reader makes of a file, kept in a JSON file."""

    def __init__(self, cache: Path, scratch: Path) -> None:
        self._cache, self._scratch = cache, scratch
        self._kept: dict[str, dict[str, object]] = json.loads(cache.read_text()) if cache.exists() else {}
        self._versions = {reader.name: reader.version for reader in READERS}

    def of(self, reader: Reader, path: Path) -> Summary:
        """Return the summary of one rendering; ``NOTHING`` where the reader gives no picture."""
        key = f"{reader.name} {self._versions[reader.name]} {sha256(path)}"
        if key not in self._kept:
            try:
                summary = Summary.of(reader.render(path, self._scratch))
            except (OSError, rawpy.LibRawError, subprocess.TimeoutExpired):
                summary = NOTHING
            self._kept[key] = asdict(summary)
            self._cache.write_text(json.dumps(self._kept))
        kept = self._kept[key]
        return Summary(tuple(kept["size"]), tuple(kept["means"]), kept["cells"])  # type: ignore[arg-type]
