"""Do other programs see in our DNGs what they see in the originals?

First, synthetic scenes of every colour filter array and of odd active areas: a grey field must come out
grey and a red one red; a wrong phase turns both magenta or green. The table shows the spread of the
channel means over the grey field and how far red exceeds the other channels, in 8-bit levels.

Then, for every DNG given, a fresh DNG (written from the frame alone) and a rewritten one (raw plane replaced
by itself) are rendered by each reader that is installed. Exit codes prove nothing here: RawTherapee and
darktable report success on a black picture. The table shows the largest difference between the mean of
any channel of the picture and that of the original's, in 8-bit levels, and what exiftool finds wrong.

    python benchmarks/raw_judges.py [FILE.dng...]
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

from synthnoise.errors import SynthnoiseError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame, Rectangle
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import rewrite_dng

TIMEOUT = 300
CFAS = {
    "RGGB": "RGGB",
    "BGGR": "BGGR",
    "GRBG": "GRBG",
    "GBRG": "GBRG",
    "X-Trans": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG",
    "Quad-Bayer": "RRGGRRGGGGBBGGBB",
}

Render = Callable[[Path, Path], NDArray[np.uint8]]


def run(*command: str | Path) -> bytes:
    """Run a program quietly; return its standard output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=TIMEOUT, check=False)
    return done.stdout


def with_rawpy(path: Path, _: Path) -> NDArray[np.uint8]:
    """Render with LibRaw through rawpy."""
    with rawpy.imread(str(path)) as raw:
        return np.array(raw.postprocess(use_camera_wb=True, no_auto_bright=True, user_flip=0))


def with_dcraw(path: Path, folder: Path) -> NDArray[np.uint8]:
    """Render with dcraw."""
    picture = folder / "dcraw.ppm"
    picture.write_bytes(run("dcraw", "-c", "-w", "-W", "-t", "0", path))
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


READERS: dict[str, tuple[str | None, Render]] = {
    "rawpy": (None, with_rawpy),
    "dcraw": ("dcraw", with_dcraw),
    "darktable": ("darktable-cli", with_darktable),
    "rawtherapee": ("rawtherapee-cli", with_rawtherapee),
}


def rendered(render: Render, path: Path, folder: Path) -> NDArray[np.uint8] | None:
    """Return the picture, or None where the reader gave none."""
    try:
        return render(path, folder)
    except (OSError, rawpy.LibRawError, subprocess.TimeoutExpired):
        return None


def verdict(picture: NDArray[np.uint8] | None, original: NDArray[np.uint8] | None) -> str:
    """Return the largest difference of channel means in 8-bit levels, or what is wrong."""
    if original is None or picture is None:
        return "cannot read" if original is not None else "no original"
    if picture.max() == 0:
        return "black"
    if picture.shape != original.shape:
        return f"{picture.shape[1]}x{picture.shape[0]} for {original.shape[1]}x{original.shape[0]}"
    difference = picture.reshape(-1, 3).mean(0) - original.reshape(-1, 3).mean(0)
    return f"{np.abs(difference).max():.2f} ({original.mean():.0f})"


def exiftool_warnings(path: Path) -> str:
    """Return what ``exiftool -validate`` says."""
    if shutil.which("exiftool") is None:
        return "not installed"
    return run("exiftool", "-validate", "-s3", path).decode().strip()


def judge(path: Path, folder: Path) -> None:
    """Print the table of one file."""
    frame = read_frame(path)
    fresh, rewritten = folder / "fresh.dng", folder / "rewritten.dng"
    write_dng(fresh, frame, overwrite=True)
    rewrite_dng(path, rewritten, np.asarray(frame.mosaic, np.uint16), overwrite=True)
    print(f"\n{path.name}: {frame.camera}, {frame.mosaic.shape[1]} x {frame.mosaic.shape[0]}")
    print(f"{'reader':12} {'fresh':>20} {'rewritten':>20}")
    for name, (program, render) in READERS.items():
        if program is not None and shutil.which(program) is None:
            print(f"{name:12} {'not installed':>20}")
            continue
        original = rendered(render, path, folder)
        cells = [verdict(rendered(render, copy, folder), original) for copy in (fresh, rewritten)]
        print(f"{name:12} {cells[0]:>20} {cells[1]:>20}")
    for copy in (fresh, rewritten):
        same = np.array_equal(read_frame(copy).mosaic, frame.mosaic)
        print(f"{copy.stem}: pixels {'equal' if same else 'DIFFER'}, exiftool: {exiftool_warnings(copy)}")
    print(f"original: exiftool: {exiftool_warnings(path)}")


def scene(cfa: NDArray[np.uint8], area: Rectangle | None) -> Frame:
    """Return a frame that is grey on the left and red on the right, under a strong colour cast."""
    rows, columns = np.indices((600, 720))  # LibRaw refuses X-Trans below 512
    colour = cfa[rows % cfa.shape[0], columns % cfa.shape[1]]
    neutral = np.array([0.5, 1.0, 0.6])
    fields = np.array([[0.25, 0.25, 0.25], [0.5, 0.08, 0.08]])
    light = fields[(columns >= 360).astype(int), colour] * neutral[colour]
    black = np.full(cfa.shape, 512.0)
    mosaic = np.round(512 + light * (16383 - 512)).astype(np.uint16)
    return Frame(
        mosaic=mosaic,
        cfa=cfa,
        black=black,
        white=16383,
        active_area=area,
        make="Synthetic",
        model="Scene",
        iso=100,
        as_shot_neutral=(0.5, 1.0, 0.6),
    )


def judge_scenes(folder: Path) -> None:
    """Print the table of the synthetic scenes."""
    readers = {n: r for n, (p, r) in READERS.items() if p is None or shutil.which(p)}
    print("\ngrey spread / red excess" + "".join(f"{name:>16}" for name in readers))
    for name, letters in CFAS.items():
        side = round(len(letters) ** 0.5)
        cfa = np.array(["RGB".index(letter) for letter in letters], np.uint8).reshape(side, side)
        for area in (None, (7, 13, 590, 707)):
            path = folder / "scene.dng"
            write_dng(path, scene(cfa, area), overwrite=True)
            cells = [field_means(rendered(render, path, folder)) for render in readers.values()]
            label = f"{name} {'odd area' if area else ''}"
            print(f"{label:24}" + "".join(f"{cell:>16}" for cell in cells))


def field_means(picture: NDArray[np.uint8] | None) -> str:
    """Return the spread over the grey field and the excess of red over the red one."""
    if picture is None:
        return "cannot read"
    if picture.max() == 0:
        return "black"
    height, width = picture.shape[:2]
    middle = slice(height // 4, 3 * height // 4)
    grey = picture[middle, width // 8 : 3 * width // 8].reshape(-1, 3).mean(0)
    red = picture[middle, 5 * width // 8 : 7 * width // 8].reshape(-1, 3).mean(0)
    return f"{np.ptp(grey):.1f} / {red[0] - red[1:].max():.0f}"


def main() -> None:
    """Judge every file on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    print(f"{platform.machine()} {platform.system()}, {datetime.date.today()}")
    with tempfile.TemporaryDirectory() as folder:
        judge_scenes(Path(folder))
        for path in parser.parse_args().files:
            try:
                judge(path, Path(folder))
            except SynthnoiseError as error:
                print(f"\n{error.message}", file=sys.stderr)


if __name__ == "__main__":
    main()
