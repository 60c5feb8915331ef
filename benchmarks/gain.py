"""How well the gain is measured from one noisy image: ours and the published estimator, on known cameras.

    OMP_NUM_THREADS=1 python benchmarks/gain.py [--photos FOLDER] [--scenes 3] [--only leaves] [--cost]

Each cell shoots scenes with a virtual camera of known gain K and measures K from one noisy frame and one
dark frame. "ratio" is how many times less light there is than saturates. Read noise follows the gain as in
the published table of a Sony A7S II (Feng et al., PMN, 2022); row, column, fixed-pattern and hot-pixel
noise and 0.8 % PRNU are on. Leaf scenes have no grain. Photographs have: at low ratio the grain of the
scan is real noise, so errors there are not only the estimator's fault. "covered" counts how often the
stated 95 % interval holds the truth, of the frames that calibrate would not refuse: as unmeasurable, or as
smoother than shot noise. --cost times 24 megapixels.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.agreement import SMOOTH
from synthnoise.calibration.dark import measure_darks
from synthnoise.calibration.gain import GainEstimate, estimate_gain
from synthnoise.calibration.published_gain import published_gain
from synthnoise.output import layout
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import read_image
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

READ_NOISE = {0.1: 1.0, 0.5: 2.4, 2.0: 2.7, 8.0: 9.2, 25.0: 26.0}
"""DN by gain in DN per electron."""

TOLERABLE_ERROR = 0.1
RATIOS = (10, 30, 100, 300)
SIZE = (768, 1152)
CROP = (512, 768)

Scene = NDArray[np.float32]


def sensor(gain: float, size: tuple[int, int]) -> Sensor:
    """Return the camera of one row of the table."""
    noise = READ_NOISE[gain]
    return Sensor(
        size=size,
        gain=gain,
        read_noise=noise,
        tail=-0.075,
        row_noise=0.1 * noise,
        column_noise=0.05 * noise,
        column_pattern=0.05 * noise,
        dsnu=0.1 * noise,
        prnu=0.008,
        full_well=1e9,
        hot_fraction=1e-4,
        hot_current=60 * noise / gain * 10,
        black_bias=(0.04 * noise, -0.02 * noise, 0.01 * noise, -0.04 * noise),
    )


def photographs(folder: Path, count: int, enlarged: bool) -> Iterator[Scene]:
    """Yield linear photographs [3, H, W] from 8-bit sRGB files; enlarged twice, which softens them."""
    from scipy.ndimage import zoom

    for path in sorted(folder.glob("*.png"))[:: max(1, 24 // count)][:count]:
        value = read_image(path).astype(np.float32).transpose(2, 0, 1) / 255
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        if light.shape[1] > light.shape[2]:
            light = light.swapaxes(1, 2)
        light = light[:, : CROP[0], : CROP[1]]
        yield np.clip(zoom(light, (1, 2, 2), order=3), 0, 1) if enlarged else light


def measure(scene: Scene, gain: float, ratio: float, index: int) -> tuple[float, GainEstimate]:
    """Return the published and our estimate of the gain on one scene."""
    design = sensor(gain, (scene.shape[1], scene.shape[2]))
    camera = VirtualCamera(design, unit_seed=index)
    dark, noisy = camera.dark(0), camera.shoot(scene, ratio=ratio, index=1)
    rows = measure_darks([dark]).rows.deviation
    return published_gain(noisy, dark), estimate_gain([noisy], [dark], row_noise=rows)


def is_refused(estimate: GainEstimate) -> bool:
    """Return whether ``synthnoise calibrate`` would refuse the frame."""
    smooth = estimate.smoothness - 3 * estimate.smoothness_se > SMOOTH
    return estimate.regime == "unmeasured" or smooth


def table(scenes: Callable[[], Iterator[Scene]]) -> tuple[int, int, float]:
    """Print one table; return how many intervals held the truth, how many there were, and the worst error."""
    rows, covered, cases, fair, worst = [], 0, 0, 0, 0.0
    for gain in READ_NOISE:
        for ratio in RATIOS:
            found = [measure(scene, gain, ratio, i) for i, scene in enumerate(scenes())]
            published = np.array([p / gain - 1 for p, _ in found])
            found = [(p, e) for p, e in found if not is_refused(e)]
            if not found:
                rows.append((f"{gain:g}", f"{ratio}", "", "", "", "", "", "0/0", "refused"))
                continue
            ours = np.array([e.gain / gain - 1 for _, e in found])
            low, high = np.mean([(e.interval[0] / gain - 1, e.interval[1] / gain - 1) for _, e in found], 0)
            holds = [e.interval[0] <= gain <= e.interval[1] for _, e in found]
            fair += sum(h or abs(error) <= TOLERABLE_ERROR for h, error in zip(holds, ours, strict=True))
            held = sum(holds)
            covered, cases, worst = covered + held, cases + len(found), max(worst, float(np.abs(ours).max()))
            snr = float(np.median([e.snr for _, e in found]))
            rows.append(
                (
                    f"{gain:g}",
                    f"{ratio}",
                    f"{snr:.1f}",
                    f"{np.median(published):+.0%}",
                    f"{np.median(ours):+.1%}",
                    f"{ours[np.abs(ours).argmax()]:+.1%}",
                    f"{low:+.1%} {high:+.1%}",
                    f"{held}/{len(found)}",
                    " ".join(sorted({e.regime for _, e in found})),
                )
            )
    columns = ("K", "ratio", "SNR", "published", "ours", "worst", "interval", "covered", "regime")
    print("\n".join(layout(columns, rows)))
    print(
        f"covered {covered} of {cases} ({covered / cases:.0%}), largest error of ours {worst:.1%};", end=" "
    )
    print(f"error within 10 % or covered {fair} of {cases} ({fair / cases:.0%})\n")
    return covered, cases, worst


def cost() -> None:
    """Print what 24 megapixels cost: dark statistics and gain, from one dark and one noisy frame."""
    random = np.random.default_rng(0)
    height, width = 4000, 6000
    light = np.kron(random.uniform(20, 2000, (40, 60)), np.ones((100, 100))).astype(np.float32)
    white = random.standard_normal((2, height, width), dtype=np.float32)
    mosaics = [np.rint(512 + light + white[0] * np.sqrt(2 * light + 9)), np.rint(512 + 3 * white[1])]
    cfa, black = np.array([[0, 1], [1, 2]], np.uint8), np.full((2, 2), 512.0)
    noisy, dark = (Frame(mosaic=m.astype(np.uint16), cfa=cfa, black=black, white=16383) for m in mosaics)
    del light, white, mosaics
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = measure_darks([dark]).rows.deviation
    middle = time.process_time()
    gain = estimate_gain([noisy], [dark], row_noise=rows)
    after, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"24 megapixels: dark {middle - before:.1f} CPU s, gain {after - middle:.1f} CPU s,")
    print(f"peak {peak / 1e6:.2f} GB ({memory / 1e6:.2f} GB before); K = {gain.gain:.4f}, true 2\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of 8-bit PNG photographs")
    parser.add_argument("--scenes", type=int, default=3, help="scenes per cell")
    parser.add_argument("--only", choices=("leaves", "enlarged", "native"), help="one of the tables, not all")
    parser.add_argument("--cost", action="store_true", help="time 24 megapixels")
    options = parser.parse_args(arguments)
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, numpy {np.__version__}\n")
    if options.cost:
        cost()
    if options.only in (None, "leaves"):
        print(f"{options.scenes} leaf scenes of {SIZE[1]} x {SIZE[0]} pixels")
        table(lambda: (dead_leaves(SIZE, seed) for seed in range(options.scenes)))
    if options.photos:
        kinds = {"enlarged": ("enlarged twice", True), "native": ("as they are", False)}
        for title, enlarged in (kinds[kind] for kind in kinds if options.only in (None, kind)):
            print(f"{options.scenes} photographs of {options.photos.name}, {title}")
            table(lambda enlarged=enlarged: photographs(options.photos, options.scenes, enlarged))


if __name__ == "__main__":
    main()
