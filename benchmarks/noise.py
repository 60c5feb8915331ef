"""What random numbers and noise models cost, and how near 2-Shots darks come to a camera's.

Cost is CPU time per number, one thread, the best of several rounds in which ours and torch's take turns;
the ratio is what carries over to other machines. Darks are those of the virtual camera: calibrated on
frame 0, judged against three new frames, after removal of the dark shading; "rounded" darks are rounded to
DN with their shading first, as published. The line "camera" is three further frames of the camera itself.

    OMP_NUM_THREADS=1 python benchmarks/noise.py
"""

from __future__ import annotations

import datetime
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
        pairs.append(
            (
                name,
                lambda rates=rates: rng.poisson(Stream.SHOT_NOISE, rates),
                lambda rates=rates: torch.poisson(rates),
            )
        )
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
    for name, model, parameters, light in (
        ("poisson-gaussian, 50 e-", plain, plain.parameters(), clean),
        ("spectral, dark", compact, known, unlit),
        ("spectral, 50 e-", compact, known, clean),
        *((f"two-shots, K = {k}, dark", *loaded(dark, iterations=k), unlit) for k in (3, 10)),
    ):
        (seconds,) = cpu_seconds(
            lambda m=model, p=parameters, x=light: m.sample(x, p, Rng(1, torch.tensor([next(numbers)])))
        )
        speed = clean.numel() / seconds / 1e6
        print(f"{name:30} {speed:7.2f} {speed / REFERENCE:12.1f}")


def shoot_dark(camera: VirtualCamera, folder: Path) -> Path:
    """Write dark frame 0 of a camera and return its path."""
    path = folder / f"{camera.sensor.model}.dng"
    write_dng(path, camera.dark(0), overwrite=True)
    return path


def loaded(dark: Path, **options: object) -> tuple[two_shots.TwoShots, two_shots.Parameters]:
    """Return the model of a dark frame, and its parameters."""
    model = two_shots.TwoShots(two_shots.Options(dark=str(dark), gain=1.0, **options))  # type: ignore[arg-type]
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
        for label, options in (
            *((f"K = {k}", {"iterations": k}) for k in (0, 1, 3, 10)),
            ("K = 10, rounded", {"round_dark": True, "shading": True}),
            ("K = 10, free phases", {"shared_phase": False}),
        ):
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


def main() -> None:
    """Print everything."""
    torch.set_num_threads(1)
    height, width = SENSORS["mild"].size
    print(f"{datetime.date.today()}, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    print(f"one thread; darks of {height} x {width} pixels, models timed on {SIZE[0]} x {SIZE[1]}\n")
    print_numbers()
    with tempfile.TemporaryDirectory() as folder:
        print_models(Path(folder))
        print_fidelity(Path(folder))


if __name__ == "__main__":
    main()
