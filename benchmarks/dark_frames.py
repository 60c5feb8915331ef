"""What subtracting dark frames is worth on frames of virtual cameras, of 512 x 768 pixels.

    python benchmarks/dark_frames.py [--darks 1 4 16]
    python benchmarks/dark_frames.py --several [--darks 1 4 16] [--seeds 3]
    python benchmarks/dark_frames.py --profile | --exposures [--near] [--seeds 2] | --offset [--seeds 6]
    python benchmarks/dark_frames.py --cost 24

Alone: root mean square error in DN before denoising. "plainly" subtracts the mean of the darks pixel by
pixel; "known" subtracts the true pattern of the unit.
--profile: PSNR in dB of the CFA planes at the digital gain, denoised by `raw` with a profile calibrated from
two shots, without and with the profile's own dark frame. The unit is that of the test frames, the noise is
not; --noise-level lowers the profile's read noise by the lines and pixels subtracted.
--several: dB that the mean of so many darks, rounded as a profile keeps it, adds to frames that `raw`
denoises, each the mean over the seeds; what it adds to the first, with its standard error; bits per pixel.
--exposures: dB that a dark of one exposure time adds to a frame of another, 300 times underexposed, denoised
by `raw`: "by rule" is what `denoise --profile` does, "all" what subtracting offset and shading too would.
The least and the most of five cameras, each the mean over the seeds. With --near only frames of
0.1 s and more, and darks near the exposure time of each.
--offset: root mean square over planes and seeds of the mean error in DN before and after, hot pixels apart.
--cost: CPU seconds and peak memory of subtracting a dark of so many megapixels.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import itertools
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration import calibrate
from synthnoise.denoising import denoise_frame
from synthnoise.denoising.dark_pattern import subtract_dark
from synthnoise.profiles.schema import CameraProfile
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import MeanDark, average_darks, in_whole_steps
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

SHOTS = (
    ("hard", 8.0, 50),
    ("hard", 0.1, 50),
    ("banked", 4.0, 50),
    ("mild", 2.0, 100),
    ("x-trans", 2.0, 50),
    ("phone", 2.0, 100),
    ("low-noise", 0.1, 100),
)
"""Camera, seconds, and how many times less light there is than at saturation."""
BAYER = ("mild", "hard", "low-noise", "phone", "banked")
RATIOS = (1.0, 10.0, 100.0, 300.0)
DARKEST = 300.0
EXPOSURES = (0.001, 1 / 60, 0.1, 1.0, 8.0)
LONG = (0.1, 1.0, 8.0)
"""Those at which it matters how near the dark's is."""
NEAR = (0.5, 1.25, 1.5)
"""Exposures of a dark, relative to the photograph's, of rows of their own."""
SCENE, DAY = 5, 2
CALIBRATION_SEED = 1000


def errors(name: str, seconds: float, ratio: float, counts: list[int]) -> list[str]:
    """Return the cells of one row of the table."""
    sensor = dataclasses.replace(SENSORS[name], exposure_time=seconds)
    camera = VirtualCamera(sensor)
    scene = sensor.camera_rgb(dead_leaves(sensor.size, seed=3))
    frame, truth = camera.shoot(scene, ratio=ratio), camera.clean(scene, ratio)
    pattern = camera.clean(np.zeros(sensor.size), fixed_pattern=True) - sensor.black

    def rms(mosaic: NDArray[np.float64] | NDArray[np.float32]) -> str:
        return f"{np.sqrt(np.mean((mosaic - truth) ** 2)):.2f}"

    cells = [f"{name}, {seconds:g} s", rms(frame.mosaic)]
    for count in counts:
        dark = average_darks(camera.dark(index) for index in range(count))
        cells.append(rms(frame.mosaic - (dark.frame.mosaic - sensor.black)))
        cells.append(rms(subtract_dark(frame, dark)[0].mosaic))
    return [*cells, rms(frame.mosaic - pattern)]


def print_errors(counts: list[int]) -> None:
    """Print the table of errors before denoising."""
    head = ["camera", "noisy"]
    for count in counts:
        head += [f"{count} plainly", f"{count} so"]
    head.append("known")
    print("| " + " | ".join(head) + " |\n|---" + "|---:" * (len(head) - 1) + "|")
    for shot in SHOTS:
        print("| " + " | ".join(errors(*shot, counts)) + " |", flush=True)


@functools.cache
def leaves(sensor: Sensor) -> NDArray[np.float32]:
    """Return the scene as a camera sees it."""
    return sensor.camera_rgb(dead_leaves(sensor.size, seed=SCENE))


def psnr(frame: Frame, camera: VirtualCamera, ratio: float, **known: float) -> float:
    """Return PSNR in dB of a frame of the scene, at the digital gain ``ratio``."""
    clean = linear_planes(camera.shoot(leaves(camera.sensor), ratio=ratio, clean=True, **known))
    return float(-10 * np.log10(np.mean(((linear_planes(frame) - clean.astype(np.float64)) * ratio) ** 2)))


def shoot(camera: VirtualCamera, ratio: float, **known: float) -> Frame:
    """Return a noisy frame of the scene."""
    return camera.shoot(leaves(camera.sensor), ratio=ratio, **known)


def two_shot_profile(name: str) -> CameraProfile:
    """Return the profile of a camera from a dark and a photograph that have noise of their own."""
    camera = VirtualCamera(SENSORS[name], seed=CALIBRATION_SEED)
    day = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=DAY))
    return calibrate([camera.dark()], [camera.shoot(day, ratio=20, index=1)]).profile


def print_profile(*, noise_level: bool) -> None:
    """Print what the dark frame of a profile adds to `raw`."""
    print("| camera | ratio | noisy | raw | with the dark | gain |\n|---|---:|---:|---:|---:|---:|")
    for name in BAYER:
        profile, camera = two_shot_profile(name), VirtualCamera(SENSORS[name])
        dark = average_darks([VirtualCamera(SENSORS[name], seed=CALIBRATION_SEED).dark()])
        for ratio in RATIOS:
            frame = shoot(camera, ratio)
            clean, taken = subtract_dark(frame, dark, any_exposure=True)
            used = profile
            if noise_level:
                least = (taken.lines**2 + taken.pixels**2) / float(frame.white - frame.black.mean()) ** 2
                isos = {
                    iso: dataclasses.replace(noise, read=tuple(o - least for o in noise.read))
                    for iso, noise in profile.isos.items()
                }
                used = dataclasses.replace(profile, isos=isos)
            before, after = (
                psnr(denoise_frame(one, profile=p, dtype=np.float32).frame, camera, ratio)
                for one, p in ((frame, profile), (clean, used))
            )
            print(
                f"| {name} | {ratio:g} | {psnr(frame, camera, ratio):.2f} | {before:.2f} | {after:.2f}"
                f" | {after - before:+.2f} |",
                flush=True,
            )


def print_several(counts: list[int], seeds: int) -> None:
    """Print what the mean of several darks adds to `raw`, and to one dark."""
    head = ["camera", "ratio", "raw", *(f"{count} darks" for count in counts)]
    head += [f"{count} more than {counts[0]}" for count in counts[1:]]
    head += [f"{count}: bits per pixel" for count in counts]
    print("| " + " | ".join(head) + " |\n|---" + "|---:" * (len(head) - 1) + "|")
    for name in BAYER:
        cameras = [VirtualCamera(SENSORS[name], unit_seed=seed, seed=seed) for seed in range(seeds)]
        means = [[kept_mean(camera, count) for count in counts] for camera in cameras]
        sizes = [np.mean([bits_per_pixel(dark.frame) for dark in one]) for one in zip(*means, strict=True)]
        for ratio in RATIOS[-2:]:
            found = []
            for camera, darks in zip(cameras, means, strict=True):
                frame = dataclasses.replace(shoot(camera, ratio), noise_profile=camera.sensor.noise_profile)
                frames = [frame, *(subtract_dark(frame, dark)[0] for dark in darks)]
                found.append([psnr(denoise_frame(f, dtype=np.float32).frame, camera, ratio) for f in frames])
            table = np.array(found)
            added = table[:, 1:] - table[:, :1]
            more = added[:, 1:] - added[:, :1]
            spread = more.std(0, ddof=1) / seeds**0.5
            cells = [name, f"{ratio:g}", f"{table[:, 0].mean():.2f}", *(f"{a:+.2f}" for a in added.mean(0))]
            cells += [f"{m:+.3f} ± {s:.3f}" for m, s in zip(more.mean(0), spread, strict=True)]
            print("| " + " | ".join([*cells, *(f"{size:.1f}" for size in sizes)]) + " |", flush=True)


def kept_mean(camera: VirtualCamera, count: int) -> MeanDark:
    """Return the mean of darks whose noise is not that of the test frames, as a profile keeps it."""
    body = VirtualCamera(camera.sensor, unit_seed=camera.unit_seed, seed=CALIBRATION_SEED + camera.seed)
    mean = average_darks(body.dark(index) for index in range(count))
    return mean if count == 1 else in_whole_steps(mean, body.dark(0))


def bits_per_pixel(frame: Frame) -> float:
    """Return the size of a frame as a DNG."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dark.dng"
        write_dng(path, frame)
        return 8 * path.stat().st_size / frame.mosaic.size


def gains(name: str, seed: int, *, near: bool) -> dict[tuple[float, float], tuple[float, float]]:
    """Return the dB gained by the rule, and by taking all off, by exposures of dark and photograph.

    With ``near`` only of long frames, and of darks near them.
    """
    camera = VirtualCamera(SENSORS[name], unit_seed=seed, seed=seed)
    found = {}
    for photograph in LONG if near else EXPOSURES:
        level = dataclasses.replace(SENSORS[name], exposure_time=photograph).noise_profile
        known = {"exposure_time": photograph}
        frame = dataclasses.replace(shoot(camera, DARKEST, **known), noise_profile=level)

        def denoised(frame: Frame, known: dict[str, float] = known) -> float:
            return psnr(denoise_frame(frame, dtype=np.float32).frame, camera, DARKEST, **known)

        before = denoised(frame)
        for seconds in (*(() if near else EXPOSURES), *(factor * photograph for factor in NEAR)):
            dark = camera.dark(exposure_time=seconds)
            rule, taken = subtract_dark(frame, MeanDark(dark, 1), any_exposure=True)
            by_rule = by_all = denoised(rule) - before
            if taken.left:
                alike = dataclasses.replace(dark, exposure_time=photograph)
                by_all = denoised(subtract_dark(frame, MeanDark(alike, 1))[0]) - before
            found[seconds, photograph] = by_rule, by_all
    return found


def print_exposures(seeds: int, *, near: bool) -> None:
    """Print the table of exposure times: of the dark down, of the photograph across."""
    every = {name: [gains(name, seed, near=near) for seed in range(seeds)] for name in BAYER}
    frames = LONG if near else EXPOSURES
    for column, title in enumerate(("by rule", "all")):
        print(f"\n| dark, {title} | " + " | ".join(f"{seconds:.3g} s" for seconds in frames) + " |")
        print("|---" + "|---:" * len(frames) + "|")
        times = () if near else EXPOSURES
        rows: list[tuple[str, list[float]]] = [(f"{s:.3g} s", [s] * len(frames)) for s in times]
        rows += [(f"{factor:g} times as long", [factor * s for s in frames]) for factor in NEAR]
        for label, darks in rows:
            cells = []
            for pair in zip(darks, frames, strict=True):
                means = [np.mean([one[pair][column] for one in cameras]) for cameras in every.values()]
                cells.append(f"{min(means):+.2f} to {max(means):+.2f}")
            print(f"| {label} | " + " | ".join(cells) + " |", flush=True)
    least = min(
        (float(np.mean([one[pair][0] for one in cameras])), name, pair)
        for name, cameras in every.items()
        for pair in cameras[0]
    )
    print(f"\nleast of all: {least[0]:+.3f} dB, {least[1]}, dark {least[2][0]:g} s, frame {least[2][1]:g} s")


def print_offset(seeds: int) -> None:
    """Print the offset of frames before and after, at each camera's own exposure time."""
    print("| camera | before | after | standard error of the ratio |\n|---|---:|---:|---:|")
    for name in BAYER:
        squares = []
        for seed in range(seeds):
            camera = VirtualCamera(SENSORS[name], unit_seed=seed, seed=CALIBRATION_SEED + seed)
            frame, dark = shoot(camera, DARKEST), average_darks([camera.dark()])
            truth, sound = camera.clean(leaves(camera.sensor), DARKEST), np.ones(frame.mosaic.shape, np.bool_)
            for defects in (camera.unit.hot_pixels, camera.unit.telegraph_pixels):
                sound[defects.rows, defects.columns] = False
            pair = []
            for mosaic in (frame.mosaic, subtract_dark(frame, dark)[0].mosaic):
                apart = np.where(sound, mosaic - truth, np.nan)
                planes = [np.nanmean(apart[i::2, j::2]) for i, j in itertools.product((0, 1), repeat=2)]
                pair.append(float(np.mean(np.square(planes))))
            squares.append(pair)
        before, after = np.mean(squares, 0) ** 0.5
        left_out = (np.sum(squares, 0) - np.array(squares)) / (seeds - 1)
        ratios = np.sqrt(left_out[:, 1] / left_out[:, 0])
        jackknife = float(np.sqrt((seeds - 1) * np.var(ratios)))
        print(f"| {name} | {before:.3f} | {after:.3f} | {jackknife:.2f} |", flush=True)


def print_cost(megapixels: float) -> None:
    """Print what subtracting one dark takes, compiling left out."""
    camera = VirtualCamera(SENSORS["hard"])
    height = round((megapixels * 1e6 / 1.5) ** 0.5 / 2) * 2
    width = round(height * 1.5 / 2) * 2

    def large(frame: Frame) -> Frame:
        rows, columns = -(-height // frame.mosaic.shape[0]), -(-width // frame.mosaic.shape[1])
        mosaic = np.tile(frame.mosaic, (rows, columns))[:height, :width].copy()
        return dataclasses.replace(frame, mosaic=mosaic)

    frame, dark = shoot(camera, 30.0), camera.dark()
    subtract_dark(frame, MeanDark(dark, 1))
    frame, dark = large(frame), large(dark)
    start = time.process_time()
    subtract_dark(frame, MeanDark(dark, 1))
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{width} x {height}: {seconds:.1f} CPU-s, peak of the process {peak:.0f} MiB")


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--darks", type=int, nargs="+", default=[1, 4])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--profile", action="store_true", help="what the dark of a profile adds to raw")
    which.add_argument("--several", action="store_true", help="what the mean of several darks adds to one")
    which.add_argument("--exposures", action="store_true", help="darks of other exposure times")
    which.add_argument("--offset", action="store_true", help="whether offsets come nearer to the truth")
    which.add_argument("--cost", type=float, metavar="MEGAPIXELS")
    parser.add_argument("--noise-level", action="store_true", help="with --profile: lower the read noise")
    parser.add_argument("--near", action="store_true", help="with --exposures: only darks near the frame")
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    print(f"{platform.machine()}, {datetime.date.today()}; 512 x 768 pixels")
    if given.profile:
        print_profile(noise_level=given.noise_level)
    elif given.several:
        print_several(given.darks, given.seeds)
    elif given.exposures:
        print_exposures(given.seeds, near=given.near)
    elif given.offset:
        print_offset(given.seeds)
    elif given.cost:
        print_cost(given.cost)
    else:
        print_errors(given.darks)


if __name__ == "__main__":
    main()
