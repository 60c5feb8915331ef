"""How well linear DNGs are denoised: pictures demosaiced before, whose noise neighbouring pixels share.

Scenes shot by virtual cameras are demosaiced noisy and clean, by our own linear DNG (`malvar`) and by LibRaw
(the others); PSNR in dB in linear light at the digital gain, against the clean one. "blind" has the noise
level estimated, "told" has it from the camera, as a profile would; "dct" are the same by patch-dct. "scan" is
patch-dct on the three planes at the best of four factors on the told level, chosen with the truth at hand.
`0.75` and `0.5` are AHD pictures made smaller, `x-trans` comes from that array; `binned` and `three-chip`
have white noise and nothing of a demosaic. "plain" is patch-dct on the three planes at the level that they
show, which is all that linear DNGs got before.
--megapixels times a frame instead, CPU seconds of all threads, the peak memory being that of the process.

    OMP_NUM_THREADS=1 python benchmarks/linear.py [--camera mild] [--kind AHD] [--ratio 10] [--megapixels 24]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import rawpy
from denoise import CAMERAS, SCENE, large_frame, psnr
from numpy.typing import NDArray
from PIL import Image

from synthnoise.denoising import denoise_frame
from synthnoise.denoising.demosaiced import SPREAD, noisiest_mosaic
from synthnoise.denoising.noise_level import estimate_noise
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.develop import camera_rgb
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

Picture = NDArray[np.floating]
"""[H, W, 3], linear, white = 1."""

RATIOS = (1.0, 10.0, 100.0)
SIZE = (256, 384)
KINDS = ("malvar", "AHD", "DCB", "VNG", "0.75", "0.5", "x-trans", "binned", "three-chip")
FACTORS = (1.0, 1.5, 2.5, 4.0)
BLACK, SCALE = 4096.0, 61439.0


def by_libraw(frame: Frame, algorithm: str) -> Picture:
    """Return the picture of a frame as LibRaw demosaics it, white balance undone."""
    mosaic = np.rint((frame.mosaic - frame.black_map()) / (frame.white - frame.black_map()) * SCALE + BLACK)
    stored = dataclasses.replace(
        frame, mosaic=np.clip(mosaic, 0, BLACK + SCALE).astype(np.uint16), black=np.full((2, 2), BLACK),
        white=BLACK + SCALE, bits=16,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dng"
        write_dng(path, stored)
        with rawpy.imread(str(path)) as raw:
            picture = raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm],
                output_color=rawpy.ColorSpace.raw,
                gamma=(1, 1),
                no_auto_bright=True,
                adjust_maximum_thr=0,
                output_bps=16,
                use_camera_wb=True,
                user_flip=0,
            )
            gains = np.array(raw.camera_whitebalance[:3])
    return picture / (65535 * gains / gains.min())


def smaller(picture: Picture, share: float) -> Picture:
    """Return a picture of fewer pixels (Lanczos)."""
    height, width = (round(share * edge) for edge in picture.shape[:2])
    planes = [Image.fromarray(picture[..., c].astype(np.float32)) for c in range(3)]
    return np.stack(
        [np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS)) for plane in planes], -1
    )


def pictures(camera: str, ratio: float, kind: str) -> tuple[Picture, Picture]:
    """Return the noisy and the clean picture of a scene."""
    sensor = dataclasses.replace(SENSORS[camera], size=SIZE)
    light = sensor.camera_rgb(dead_leaves(SIZE, seed=SCENE))
    if kind == "x-trans":
        sensor = dataclasses.replace(sensor, cfa="X-Trans", black_bias=())
    noisy, clean = (VirtualCamera(sensor).shoot(light, ratio=ratio, clean=clean) for clean in (False, True))
    if kind in ("malvar", "x-trans"):
        return camera_rgb(noisy) / 65535, camera_rgb(clean) / 65535
    if kind == "binned":
        planes = [linear_planes(frame) for frame in (noisy, clean)]
        return tuple(np.stack([p[0], (p[1] + p[2]) / 2, p[3]], -1) for p in planes)  # type: ignore[return-value]
    if kind == "three-chip":
        return three_chip(sensor, light, ratio)
    algorithm = kind if kind.isalpha() else "AHD"
    both = by_libraw(noisy, algorithm), by_libraw(clean, algorithm)
    return both if kind.isalpha() else (smaller(both[0], float(kind)), smaller(both[1], float(kind)))


def three_chip(sensor: object, light: NDArray[np.float32], ratio: float) -> tuple[Picture, Picture]:
    """Return what a sensor of its own for each colour sees."""
    chips = []
    for colour in range(3):
        chip = VirtualCamera(dataclasses.replace(sensor, cfa="monochrome", black_bias=()), seed=colour)  # type: ignore[type-var]
        alone = np.repeat(light[colour : colour + 1], 3, 0)
        chips.append(
            [linear_planes(chip.shoot(alone, ratio=ratio, clean=clean))[0] for clean in (False, True)]
        )
    noisy, clean = (np.stack([chip[n] for chip in chips], -1) for n in (0, 1))
    return noisy, clean


def linear_frame(picture: Picture) -> Frame:
    """Return the frame of a picture as a linear DNG of 16 bits has it."""
    samples = np.clip(np.rint(picture * SCALE + BLACK), 0, BLACK + SCALE).astype(np.uint16)
    return Frame(
        mosaic=samples.reshape(len(samples), -1),
        cfa=np.array([[0, 1, 2]], np.uint8),
        black=np.full((1, 3), BLACK),
        white=BLACK + SCALE,
    )


def scores(noisy: Frame, clean: Frame, ratio: float, told: tuple[tuple[float, float], ...]) -> list[float]:
    """Return the figures of one picture, in dB but for the factor."""
    truth = linear_planes(clean)

    def score(pairs: tuple[tuple[float, float], ...] | None, denoiser: str, factor: float = 1.0) -> float:
        pairs = None if pairs is None else tuple((factor * s, factor * o) for s, o in pairs)
        frame = dataclasses.replace(noisy, noise_profile=pairs)
        return psnr(
            linear_planes(denoise_frame(frame, denoiser=denoiser, dtype=np.float32).frame), truth, ratio
        )

    spread = 1.0 if noisiest_mosaic(noisy) is None else SPREAD
    scan = [score(told, "patch-dct", factor / spread) for factor in FACTORS]
    return [
        psnr(linear_planes(noisy), truth, ratio),
        score(estimate_noise(noisy).pairs, "patch-dct", 1 / spread),
        score(None, "auto"),
        score(told, "auto"),
        score(None, "patch-dct"),
        score(told, "patch-dct"),
        max(scan),
        FACTORS[int(np.argmax(scan))],
    ]


def print_quality(cameras: list[str], kinds: list[str], ratios: list[float]) -> None:
    """Print PSNR per camera, ratio and kind of picture."""
    titles = ("noisy", "plain", "blind", "told", "dct blind", "dct told", "scan", "at")
    print(f"{'camera':10} {'ratio':>6} {'kind':10} shared " + " ".join(f"{title:>9}" for title in titles))
    for name, ratio, kind in itertools.product(cameras, ratios, kinds):
        noisy, clean = (linear_frame(picture) for picture in pictures(name, ratio, kind))
        shared = "no" if noisiest_mosaic(noisy) is None else "yes"
        cells = " ".join(f"{cell:9.2f}" for cell in scores(noisy, clean, ratio, SENSORS[name].noise_profile))
        print(f"{name:10} {ratio:6g} {kind:10} {shared:>6} {cells}", flush=True)


def print_cost(megapixels: float, denoiser: str) -> None:
    """Print CPU seconds and memory of a whole demosaiced frame, compiling left out."""
    frame = linear_frame(camera_rgb(large_frame(megapixels)) / np.float32(65535))
    denoise_frame(frame.crop((0, 0, 64, 192)), denoiser=denoiser)
    start = time.process_time()
    result = denoise_frame(frame, denoiser=denoiser)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    height, width = frame.places
    print(f"{result.denoiser}, {width} x {height} x 3: {seconds:.1f} CPU-s, peak {peak:.0f} MB")


def main() -> None:
    """Print the table, or the cost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camera", action="append", choices=CAMERAS, help="may be repeated")
    parser.add_argument("--kind", action="append", choices=KINDS, help="of picture; may be repeated")
    parser.add_argument("--ratio", action="append", type=float, help="of underexposure; may be repeated")
    parser.add_argument("--megapixels", type=float, help="of a frame that is timed")
    parser.add_argument("--denoiser", default="auto", help="that is timed")
    arguments = parser.parse_args()
    print(
        f"{platform.machine()} {platform.system()}, {datetime.date.today()}, cameras of {SIZE[0]} x {SIZE[1]}"
    )
    if arguments.megapixels:
        print_cost(arguments.megapixels, arguments.denoiser)
    else:
        cameras, kinds = arguments.camera or list(CAMERAS), arguments.kind or list(KINDS)
        print_quality(cameras, kinds, arguments.ratio or list(RATIOS))


if __name__ == "__main__":
    main()
