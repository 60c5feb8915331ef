"""How well and how fast RAW is denoised.

Quality: scenes shot by virtual cameras, PSNR of the CFA planes in linear light at the digital gain, against
the perfect sensor; the noise level is estimated blind, as for a file without profile or tag. Beside it a
Gaussian filter whose width is the best of a few for each row, told the truth. Of each kind of camera several
units shoot a scene each (--scenes); +- is the standard error of their mean. Cameras of up to 12 bits are
not rounded to whole DN, as their files get finer levels. Shift: the change of a plane's mean (of a colour's,
on X-Trans), of all its pixels, and of those that are neither hot nor of telegraph noise, as a denoiser should
replace those; that of the plane where it is largest in the mean of all scenes.
--anatomy says what the squared error that is left is made of: the mean of each plane, its shading (a
Gaussian of 16 pixels), the means of rows and of columns of what then remains, and the rest, which is detail
and noise. A sensor's own offset, shading and glow no denoiser of a single frame can know; --dark takes them
out first, with one dark frame, as `synthnoise denoise --dark` does.
--cfa x-trans gives all cameras that colour filter array, and no offsets of single positions.
--photos shows the cameras photographs, of which grain and compression count as detail; --known tells the
noise level, as a calibrated profile would.
Cost: one frame of random leaves, denoised whole, CPU seconds of all threads, the peak memory being that of
the process.

    OMP_NUM_THREADS=1 python benchmarks/denoise.py [--denoiser patch-dct --denoiser raw] [--megapixels 24]
        [--scenes 8] [--anatomy] [--dark] [--cfa x-trans] [--photos FOLDER [--every 6] [--known]]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import platform
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from synthnoise.colour_filter_arrays import NAMED, CfaName
from synthnoise.denoising import denoise_frame
from synthnoise.denoising.dark_pattern import subtract_dark
from synthnoise.denoising.raw_outputs import RawOutput
from synthnoise.raw.cfa import linear_planes, pack
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import average_darks
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

Planes = NDArray[np.float32]

CAMERAS = ("mild", "hard", "low-noise", "phone", "banked")
RATIOS = (1.0, 10.0, 100.0, 300.0)
SHADING = 16.0
WIDTHS = (0.4, 0.6, 0.8, 1.2, 1.8, 2.7, 4.0)
SCENE = 5


def psnr(planes: Planes, clean: Planes, ratio: float) -> float:
    """Return PSNR in dB at the digital gain ``ratio``."""
    error = (planes.astype(np.float64) - clean) * ratio
    return float(-10 * np.log10(np.mean(error**2)))


@dataclass(frozen=True)
class Shot:
    """A scene before one camera: what it recorded, and linear planes [C, H, W] of noise and of none.

    ``sound`` are the pixels [C, H, W] that are neither hot nor of telegraph noise.
    """

    frame: Frame
    noisy: Planes
    clean: Planes
    sound: NDArray[np.bool_]
    ratio: float

    def restored(self, denoiser: str) -> Planes:
        """Return the linear planes that a denoiser makes of it."""
        return linear_planes(
            denoise_frame(self.frame, denoiser=denoiser, dtype=RawOutput().dtype(self.frame)).frame
        )

    def shifts(self, restored: Planes) -> list[tuple[float, float]]:
        """Return the changes in percent of means, of all pixels and of the sound ones.

        Of every plane of Bayer mosaics; of every colour where a repeat has more planes, which are small.
        """
        colours = self.frame.active().cfa.ravel()
        groups = [[plane] for plane in range(4)] if len(colours) == 4 else [colours == c for c in range(3)]
        shifts = []
        for planes in groups:
            before, after = self.noisy[planes].astype(np.float64), restored[planes].astype(np.float64)
            sound = self.sound[planes]
            shifts.append((after.mean() / before.mean() - 1, after[sound].mean() / before[sound].mean() - 1))
        return [(100 * everywhere, 100 * of_sound) for everywhere, of_sound in shifts]


def sensor_of(name: str, cfa: CfaName) -> Sensor:
    """Return a sensor by its name, with a colour filter array and whole repeats of it."""
    sensor = SENSORS[name]
    if cfa == "bayer":
        return sensor
    height, width = (edge // 6 * 6 for edge in sensor.size)
    return dataclasses.replace(sensor, cfa="X-Trans", size=(height, width), black_bias=())


def shoot(
    sensor: Sensor, scene: Planes, ratio: float, *, dark: bool = False, known: bool = False, unit: int = 0
) -> Shot:
    """Return a shot of linear sRGB [3, H, W], less a dark frame if wanted, its noise level told or not.

    ``unit`` tells cameras of a kind apart, their fixed patterns and all that is drawn.
    """
    camera = VirtualCamera(dataclasses.replace(sensor, size=scene.shape[1:]), unit, seed=unit)
    light = camera.sensor.camera_rgb(scene)
    frame = camera.shoot(light, ratio=ratio)
    frame = dataclasses.replace(frame, noise_profile=sensor.noise_profile if known else None)
    if dark:
        frame = subtract_dark(frame, average_darks([camera.dark()]))[0]
    clean = linear_planes(camera.shoot(light, ratio=ratio, clean=True))
    return Shot(frame, linear_planes(frame), clean, sound_pixels(camera, frame), ratio)


def sound_pixels(camera: VirtualCamera, frame: Frame) -> NDArray[np.bool_]:
    """Return which pixels [C, H, W] of a frame are neither hot nor of telegraph noise."""
    sound = np.ones_like(frame.mosaic, dtype=np.bool_)
    for defects in (camera.unit.hot_pixels, camera.unit.telegraph_pixels):
        sound[defects.rows, defects.columns] = False
    top, left, bottom, right = frame.area
    return pack(sound[top:bottom, left:right], frame.cfa.shape)


def print_quality(denoisers: list[str], *, scenes: int, dark: bool, cfa: CfaName) -> None:
    """Print PSNR per camera and ratio, how far each denoiser is ahead, and how it moves a plane's mean."""
    titles = " ".join(f"{Path(name).stem:>12} {'shift':>6} {'sound':>15}" for name in denoisers)
    ahead = " ".join(f"{Path(name).stem:>13}" for name in denoisers[1:])
    print(f"{'camera':10} {'ratio':>6} {'noisy':>8} {'Gaussian':>9} {titles}   dB, %;  ahead, dB: {ahead}")
    for name, ratio in itertools.product(CAMERAS, RATIOS):
        sensor = sensor_of(name, cfa)
        found, shifts = [], []
        for number in range(scenes):
            shot = shoot(sensor, dead_leaves(sensor.size, seed=SCENE + number), ratio, dark=dark, unit=number)
            smooth = max(psnr(gaussian_filter(shot.noisy, (0, w, w)), shot.clean, ratio) for w in WIDTHS)
            results = [shot.restored(denoiser) for denoiser in denoisers]
            decibels = [psnr(planes, shot.clean, ratio) for planes in (shot.noisy, *results)]
            found.append([decibels[0], smooth, *decibels[1:]])
            shifts.append([shot.shifts(planes) for planes in results])
        mean, _ = mean_and_error(np.array(found))
        row = f"{name:10} {ratio:6g} {mean[0]:8.2f} {mean[1]:9.2f}"
        for number, value in enumerate(mean[2:]):
            shift, error = mean_and_error(np.array(shifts)[:, number])
            everywhere, of_sound = np.abs(shift).max(0)
            most = error[np.abs(shift[:, 1]).argmax(), 1]
            row += f" {value:12.2f} {everywhere:6.3f} {of_sound:6.3f} +- {most:.3f}"
        gains, errors = mean_and_error(np.array(found)[:, 3:] - np.array(found)[:, 2:3])
        cells = " ".join(f"{gain:+5.2f} +- {error:.2f}" for gain, error in zip(gains, errors, strict=True))
        print(f"{row}   {cells}", flush=True)


def mean_and_error(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over the first axis and its standard error, which of one value is NaN."""
    count = len(values)
    spread = values.std(0, ddof=1) if count > 1 else np.full(values.shape[1:], np.nan)
    return values.mean(0), spread / count**0.5


def photograph(path: Path) -> Planes:
    """Return a picture file as linear sRGB [3, H, W] of even height and width."""
    picture = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
    height, width = (edge // 2 * 2 for edge in picture.shape[:2])
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    return np.ascontiguousarray(linear[:height, :width].transpose(2, 0, 1), dtype=np.float32)


def print_photographs(denoisers: list[str], files: list[Path], *, known: bool) -> None:
    """Print mean PSNR over photographs, and by how much each denoiser is ahead of the first."""
    titles = " ".join(f"{Path(name).stem:>10}" for name in denoisers)
    print(f"{'camera':10} {'ratio':>6} {'noisy':>8} {titles}   dB; ahead of {Path(denoisers[0]).stem}")
    scenes = [photograph(path) for path in files]
    for name, ratio in itertools.product(CAMERAS, RATIOS):
        rows = []
        for scene in scenes:
            shot = shoot(SENSORS[name], scene, ratio, known=known)
            results = [shot.noisy, *(shot.restored(denoiser) for denoiser in denoisers)]
            rows.append([psnr(planes, shot.clean, ratio) for planes in results])
        table = np.array(rows)
        ahead = table[:, 2:] - table[:, 1:2]
        cells = " ".join(f"{mean:+5.2f} +- {e:.2f}" for mean, e in zip(*mean_and_error(ahead), strict=True))
        means = " ".join(f"{value:10.2f}" for value in table.mean(0)[1:])
        print(f"{name:10} {ratio:6g} {table[:, 0].mean():8.2f} {means}   {cells}", flush=True)


def anatomy(planes: Planes, clean: Planes) -> list[float]:
    """Return the shares in percent of level, shading, rows, columns and rest in the squared error."""
    error = planes.astype(np.float64) - clean
    shares, total = [], np.mean(error**2)
    parts = (
        lambda e: np.broadcast_to(e.mean((1, 2), keepdims=True), e.shape),
        lambda e: gaussian_filter(e, (0, SHADING, SHADING)),
        lambda e: np.broadcast_to(e.mean(2, keepdims=True), e.shape),
        lambda e: np.broadcast_to(e.mean(1, keepdims=True), e.shape),
        lambda e: e,
    )
    for part_of in parts:
        part = part_of(error)
        shares.append(100 * float(np.mean(part**2) / total))
        error = error - part
    return shares


def print_anatomy(denoisers: list[str], *, dark: bool) -> None:
    """Print what the error that each denoiser leaves is made of."""
    titles = " ".join(f"{title:>8}" for title in ("level", "shading", "rows", "columns", "rest"))
    print(f"{'camera':10} {'ratio':>6} {'':>12} {titles}   %")
    for name, ratio in itertools.product(CAMERAS, RATIOS[-2:]):
        sensor = SENSORS[name]
        shot = shoot(sensor, dead_leaves(sensor.size, seed=SCENE), ratio, dark=dark)
        for denoiser in denoisers:
            shares = " ".join(f"{share:8.1f}" for share in anatomy(shot.restored(denoiser), shot.clean))
            print(f"{name:10} {ratio:6g} {Path(denoiser).stem:>12} {shares}", flush=True)


def large_frame(megapixels: float, cfa: CfaName = "bayer") -> Frame:
    """Return a noisy frame, a scene of leaves repeated to the size."""
    camera = VirtualCamera(sensor_of("mild", cfa))
    frame = camera.shoot(camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=SCENE)), ratio=30)
    height = round((megapixels * 1e6 / 1.5) ** 0.5 / 2) * 2
    width = round(height * 1.5 / 2) * 2
    rows, columns = -(-height // frame.mosaic.shape[0]), -(-width // frame.mosaic.shape[1])
    return dataclasses.replace(frame, mosaic=np.tile(frame.mosaic, (rows, columns))[:height, :width].copy())


def print_cost(megapixels: float, denoiser: str, cfa: CfaName) -> None:
    """Print CPU seconds and memory of a whole frame, compiling left out."""
    frame = large_frame(megapixels, cfa)
    denoise_frame(frame.crop((0, 0, 64, 64)), denoiser=denoiser)
    start = time.process_time()
    denoise_frame(frame, denoiser=denoiser)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    height, width = frame.mosaic.shape
    print(
        f"{denoiser}, {width} x {height}: {seconds:.1f} CPU-s, {seconds / megapixels:.2f} CPU-s/MPix,"
        f" peak {peak:.0f} MB"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--denoiser", action="append", metavar="NAME", help="name or file; may be repeated")
    parser.add_argument("--megapixels", type=float, default=24.0, help="of the frame that is timed; 0: none")
    parser.add_argument("--anatomy", action="store_true", help="what the error that is left is made of")
    parser.add_argument("--dark", action="store_true", help="subtract a dark frame first")
    parser.add_argument("--cfa", choices=list(NAMED), default="bayer", help="colour filter array")
    parser.add_argument("--scenes", type=int, default=8, metavar="N", help="and cameras, of each kind")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="scenes instead of leaves")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of the photographs")
    parser.add_argument("--known", action="store_true", help="tell the noise level of photographs")
    arguments = parser.parse_args()
    print(f"{platform.machine()} {platform.system()}, {datetime.date.today()}, virtual cameras 512 x 768")
    denoisers = arguments.denoiser or ["patch-dct"]
    if arguments.photos:
        files = sorted(path for path in arguments.photos.iterdir() if path.suffix in {".png", ".jpg"})
        print_photographs(denoisers, files[:: arguments.every], known=arguments.known)
    elif arguments.anatomy:
        print_anatomy(denoisers, dark=arguments.dark)
    else:
        if arguments.megapixels:
            print_cost(arguments.megapixels, denoisers[-1], arguments.cfa)
        print_quality(denoisers, scenes=arguments.scenes, dark=arguments.dark, cfa=arguments.cfa)


if __name__ == "__main__":
    main()
