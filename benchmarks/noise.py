"""What random numbers and noise models cost, and how near 2-Shots darks come to a camera's.

Cost is CPU time per number, one thread, the best of several rounds in which ours and torch's take turns;
the ratio is what carries over to other machines. Darks are those of the virtual camera: calibrated on
frame 0, judged against three new frames, after removal of the dark shading; "rounded" darks are rounded to
DN with their shading first, as published. The line "camera" is three further frames of the camera itself.

    OMP_NUM_THREADS=1 python benchmarks/noise.py
    OMP_NUM_THREADS=1 python benchmarks/noise.py --seamless

The second draws one 61-megapixel frame of spectral tile by tile and then at once, and prints the memory that
each takes and how far tiles are from the whole.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.calibration import calibrate
from synthnoise.evaluation import dark_statistics
from synthnoise.noise import poisson_gaussian, spectral, two_shots
from synthnoise.noise.dark_synthesis import dark_shading
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.dng import write_dng
from synthnoise.rng import Rng, Stream
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

ROUNDS = 7
SHAPE = (4, 512, 512)
RATES = (0.1, 1.0, 5.0, 9.0, 11.0, 100.0, 1e4)
FRAMES = 3
SIZE = (1024, 1536)
LARGE = (6336, 9504)
"""Rows and columns of the largest full-frame sensors."""
TILINGS = ((512, 512), (1000, 333), (64, LARGE[1] // 2), (LARGE[0] // 2, 100))
"""Packed pixels of a tile."""
REFERENCE = 0.26
"""MPix/s of the published dark synthesis, ten rounds, on one core of the 2-core machine of 2026-11-21."""


def cpu_seconds(*calls: Callable[[], object]) -> list[float]:
    """Return the least CPU seconds of each call; they take turns."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            start = time.process_time()
            call()
            best[number] = min(best[number], time.process_time() - start)
    return best


def print_numbers() -> None:
    """Print the cost of one random number beside torch's."""
    rng, count = Rng(1, torch.tensor([0])), int(np.prod(SHAPE))
    mixed = (10 ** torch.linspace(-2, 3, 512)).expand(1, *SHAPE).contiguous()
    pairs: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("uniform", lambda: rng.uniform(Stream.CROP, SHAPE), lambda: torch.rand(SHAPE)),
        ("normal", lambda: rng.normal(Stream.READ_NOISE, SHAPE), lambda: torch.randn(SHAPE)),
    ]
    for rate in (*RATES, mixed):
        rates = rate if isinstance(rate, torch.Tensor) else torch.full((1, *SHAPE), rate)
        name = "poisson, rates 0.01 to 1000" if rate is mixed else f"poisson, rate {rate:g}"
        pairs.append((name, partial(rng.poisson, Stream.SHOT_NOISE, rates), partial(torch.poisson, rates)))
    print(f"{'ns per number, float32':30} {'ours':>7} {'torch':>7} {'ratio':>6}")
    for name, ours, theirs in pairs:
        ours()  # compiles at the first call
        first, second = cpu_seconds(ours, theirs)
        print(f"{name:30} {first / count * 1e9:7.1f} {second / count * 1e9:7.1f} {first / second:6.2f}")


def print_models(folder: Path) -> None:
    """Print the throughput of the noise models, in values of the mosaic."""
    dark = shoot_dark(VirtualCamera(replace(SENSORS["mild"], size=SIZE)), folder)
    plain = poisson_gaussian.PoissonGaussian(poisson_gaussian.Options(shot=4e-4, read=2e-7))
    clean = torch.full((1, 4, SIZE[0] // 2, SIZE[1] // 2), 0.02)
    virtual = VirtualCamera(replace(SENSORS["mild"], size=SIZE))
    scene = virtual.sensor.camera_rgb(dead_leaves(virtual.sensor.size, 1))
    start = time.process_time()
    profile = calibrate([virtual.dark(0)], [virtual.shoot(scene, ratio=20)]).profile
    print(f"\ncalibration of {SIZE[0]} x {SIZE[1]} pixels: {time.process_time() - start:.1f} CPU s")
    compact = spectral.Spectral()
    known = compact.before_rounding(compact.parameters(profile))
    unlit = torch.zeros_like(clean)
    print(f"\n{'noise model':30} {'MPix/s':>7} {'/ reference':>12}")
    numbers = iter(range(1000))
    models: tuple[tuple[str, Any, Any, torch.Tensor], ...] = (
        ("poisson-gaussian, 50 e-", plain, plain.parameters(), clean),
        ("spectral, dark", compact, known, unlit),
        ("spectral, 50 e-", compact, known, clean),
        *((f"two-shots, K = {k}, dark", *loaded(dark, iterations=k), unlit) for k in (3, 10)),
    )

    def draw(model: Any, parameters: Any, light: torch.Tensor) -> None:
        model.sample(light, parameters, Rng(1, torch.tensor([next(numbers)])))

    for name, model, parameters, light in models:
        (seconds,) = cpu_seconds(partial(draw, model, parameters, light))
        speed = clean.numel() / seconds / 1e6
        print(f"{name:30} {speed:7.2f} {speed / REFERENCE:12.1f}")


def shoot_dark(camera: VirtualCamera, folder: Path) -> Path:
    """Write dark frame 0 of a camera and return its path."""
    path = folder / f"{camera.sensor.model}.dng"
    write_dng(path, camera.dark(0), overwrite=True)
    return path


def loaded(dark: Path, **options: Any) -> tuple[two_shots.TwoShots, two_shots.Parameters]:
    """Return the model of a dark frame, and its parameters."""
    model = two_shots.TwoShots(two_shots.Options(dark=str(dark), gain=1.0, **options))
    return model, model.parameters()


def without_shading(planes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return planes [C, H, W] less their shading, in DN."""
    return np.stack([plane - dark_shading(plane) for plane in planes]) * np.float32(scale)


def print_fidelity(folder: Path) -> None:
    """Print how far 2-Shots darks are from new darks of the virtual camera."""
    heads = ("KL", "KS", "PSD dB", "rows", "cols", "var", "ICC", "div dB")
    print(f"\n{'darks':29}" + "".join(f"{head:>8}" for head in heads))
    for name in ("mild", "hard", "low-noise"):
        camera = VirtualCamera(SENSORS[name])
        scale = camera.sensor.white - camera.sensor.black
        dark = shoot_dark(camera, folder)
        new = [without_shading(linear_planes(camera.dark(i)), scale) for i in range(1, 1 + 2 * FRAMES)]
        reference = dark_statistics.measure(np.stack(new[:FRAMES]))
        stacks = {"camera": np.stack(new[FRAMES:])}
        recipes: tuple[tuple[str, dict[str, Any]], ...] = (
            *((f"K = {k}", {"iterations": k}) for k in (0, 1, 3, 10)),
            ("K = 10, rounded", {"round_dark": True, "shading": True}),
            ("K = 10, free phases", {"shared_phase": False}),
        )
        for label, options in recipes:
            model, parameters = loaded(dark, **options)
            clean = torch.zeros_like(parameters.darks.residual)[None]
            drawn = [
                model.sample(clean, parameters, Rng(1, torch.tensor([i])))[0].numpy() for i in range(FRAMES)
            ]
            stacks[label] = np.stack([without_shading(planes, scale) for planes in drawn])
        for label, stack in stacks.items():
            found = dark_statistics.measure(stack)
            d = dark_statistics.compare(found, reference)
            ratios = d.row_ratio, d.column_ratio, d.variance_ratio, d.correlation_error
            values = f"{d.kl:8.4f}{d.ks:8.4f}{d.psd_db:8.3f}" + "".join(f"{ratio:8.3f}" for ratio in ratios)
            print(f"{name + ': ' + label:29}{values}{found.spread:8.2f}")


def print_seamless() -> None:
    """Print the peak memory of a large frame by tiles and at once, and how far tiles are from the whole.

    The camera is ``banked`` from two darks: of all parts of the noise it lacks none.
    """
    virtual = VirtualCamera(SENSORS["banked"])
    scene = virtual.sensor.camera_rgb(dead_leaves(virtual.sensor.size, 1))
    profile = calibrate([virtual.dark(0), virtual.dark(1)], [virtual.shoot(scene, ratio=20)]).profile
    model = spectral.Spectral(spectral.Options(unit=5, shading=True))
    known = model.before_rounding(model.parameters(profile))
    rng, light, size = Rng(7, torch.tensor([3])), 0.01, (LARGE[0] // 2, LARGE[1] // 2)

    def tile(top: int, left: int, height: int, width: int) -> torch.Tensor:
        shape = 1, 4, min(height, size[0] - top), min(width, size[1] - left)
        return model.sample(torch.full(shape, light), known, rng.cropped(top, left))

    tile(0, 0, 64, 64)  # compiles
    print(f"{LARGE[0]} x {LARGE[1]} pixels, {known.shot.numel()} planes; peak memory of the process")
    print(f"{'before':26} {_peak():6.0f} MB")
    height, width = TILINGS[0]
    start = time.process_time()
    for top in range(0, size[0], height):
        for left in range(0, size[1], width):
            tile(top, left, height, width)
    print(
        f"{f'all tiles of {height} x {width}':26} {_peak():6.0f} MB {time.process_time() - start:6.1f} CPU s"
    )
    start = time.process_time()
    whole = tile(0, 0, *size)
    print(f"{'at once':26} {_peak():6.0f} MB {time.process_time() - start:6.1f} CPU s")
    places = np.random.default_rng(1).random((6, 2))
    for height, width in TILINGS:
        apart = 0.0
        for down, across in places:
            top, left = int(down * (size[0] // height)) * height, int(across * (size[1] // width)) * width
            made = tile(top, left, height, width)
            same = whole[:, :, top : top + height, left : left + width]
            apart = max(apart, float((made - same).abs().max()))
        print(f"tiles of {height} x {width}: largest difference {apart * float(profile.scale.max()):.1e} DN")


def _peak() -> float:
    """Return the largest memory that the process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seamless", action="store_true", help="only the frame of 61 megapixels")
    seamless = parser.parse_args().seamless
    torch.set_num_threads(1)
    height, width = SENSORS["mild"].size
    print(f"{datetime.date.today()}, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    if seamless:
        print_seamless()
        return
    print(f"one thread; darks of {height} x {width} pixels, models timed on {SIZE[0]} x {SIZE[1]}\n")
    print_numbers()
    with tempfile.TemporaryDirectory() as folder:
        print_models(Path(folder))
        print_fidelity(Path(folder))


if __name__ == "__main__":
    main()
