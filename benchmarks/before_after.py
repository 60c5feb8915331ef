"""What denoising looks like: one photograph shot by a virtual camera, before and after, pixel by pixel.

A row for each ratio of underexposure: the camera's frame, the classical default, the bundled network, and
what a perfect sensor would have recorded, all developed at the exposure of the last, with the PSNR of the CFA
planes as in benchmarks/denoise.py. The noise level is estimated blind.

    python benchmarks/before_after.py [--photo FILE] [--camera hard] [--ratio 10 --ratio 100]
        [--crop TOP LEFT HEIGHT WIDTH] [-o docs/before-after.jpg]

Without --photo it is Matplotlib's sample, the United States Navy's portrait of Grace Hopper, which is in the
public domain (pip install 'synthnoise[plot]').
"""

from __future__ import annotations

import argparse
import dataclasses
import io
from pathlib import Path

import numpy as np
from denoise import photograph, psnr
from numpy.typing import NDArray
from PIL import Image

from synthnoise.contact_sheet import Panel, Row, contact_sheet
from synthnoise.denoising import denoise_frame
from synthnoise.denoising.raw_outputs import RawOutput
from synthnoise.files import atomic_write
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.develop import metered_tone, render
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera

DENOISERS = {"patch-dct": "classical", "raw": "the bundled network"}
QUALITY = 80
"""Of the JPEG: noise is what there is to see."""


def exposed(frame: Frame, ratio: float) -> Frame:
    """Return a frame whose white is where its exposure, ``ratio`` times too short, ended."""
    black = float(frame.black.min())
    return dataclasses.replace(frame, white=black + (frame.white - black) / ratio)


def row(name: str, scene: NDArray[np.float32], ratio: float, window: tuple[slice, slice]) -> Row:
    """Return what a camera makes of a scene, linear sRGB [3, H, W], and what becomes of it."""
    camera = VirtualCamera(dataclasses.replace(SENSORS[name], size=scene.shape[1:], states_noise=False))
    light = camera.sensor.camera_rgb(scene)
    noisy = camera.shoot(light, ratio=ratio)
    truth = camera.shoot(light, ratio=ratio, clean=True)
    tone = metered_tone(exposed(truth, ratio))
    clean = linear_planes(truth)

    def panel(frame: Frame, label: str, note: str) -> Panel:
        if frame is not truth:
            note = f"{note}, {psnr(linear_planes(frame), clean, ratio):.1f} dB"
        return Panel(render(exposed(frame, ratio), tone=tone)[window], label, note)

    dtype = RawOutput().dtype(noisy)
    denoised = [
        panel(denoise_frame(noisy, denoiser=denoiser, dtype=dtype).frame, denoiser, note)
        for denoiser, note in DENOISERS.items()
    ]
    panels = [panel(noisy, "before", "as shot"), *denoised, panel(truth, "the truth", "no noise")]
    return Row(f"{ratio:g} times underexposed", panels)


def sample() -> Path:
    """Return Matplotlib's sample photograph."""
    from matplotlib.cbook import get_sample_data

    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False))


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path, help="any picture file")
    parser.add_argument("--camera", default="hard", choices=sorted(SENSORS))
    parser.add_argument("--ratio", type=float, action="append", help="may be repeated")
    parser.add_argument(
        "--crop",
        nargs=4,
        type=int,
        default=(60, 130, 280, 300),
        metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"),
        help="what is shown of it",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/before-after.jpg"))
    arguments = parser.parse_args()
    top, left, height, width = arguments.crop
    window = slice(top, top + height), slice(left, left + width)
    scene = photograph(arguments.photo or sample())
    rows = [row(arguments.camera, scene, ratio, window) for ratio in arguments.ratio or (10.0, 100.0)]
    title = f"The virtual camera {arguments.camera}, before and after"
    page = contact_sheet(title, "developed at the exposure of the truth, pixel by pixel", rows)
    buffer = io.BytesIO()
    Image.fromarray(page).save(buffer, "jpeg", quality=QUALITY, subsampling=0, optimize=True)
    with atomic_write(arguments.output, overwrite=True) as file:
        file.write(buffer.getvalue())
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
