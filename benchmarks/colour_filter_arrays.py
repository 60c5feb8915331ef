"""What a colour filter array costs: the same pictures, the same noise, mosaics of several arrays.

White Gaussian noise is added to mosaics of natural pictures (camera white balance (0.5, 1, 0.7), linear
in their sRGB values, 0..255); the figure is the gain in PSNR of the mosaic, `patch-dct`, one thread.

    python benchmarks/colour_filter_arrays.py FOLDER_OF_PICTURES [--every 3]
"""

from __future__ import annotations

import argparse
import datetime
import platform
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from synthnoise.denoising import denoise_frame
from synthnoise.raw.frame import Frame

ARRAYS = {
    "Bayer": ("RG", "GB"),
    "X-Trans": ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"),
    "Quad-Bayer": ("RRGG", "RRGG", "GGBB", "GGBB"),
    "monochrome": ("G",),
}
NEUTRAL = (0.5, 1.0, 0.7)
BLACK, SCALE = 4096.0, 128.0


def mosaic(picture: np.ndarray, cfa: np.ndarray) -> np.ndarray:
    """Return [H, W] of a picture [H, W, 3] seen through a colour filter array."""
    height, width = picture.shape[:2]
    colours = np.tile(cfa, (-(-height // len(cfa)), -(-width // len(cfa[0]))))[:height, :width]
    return np.take_along_axis(picture, colours[..., None].astype(int), 2)[..., 0]


def gain(picture: np.ndarray, cfa: np.ndarray, sigma: float, random: np.random.Generator) -> float:
    """Return by how many dB the mosaic of a picture comes nearer to the truth."""
    clean = mosaic(picture, cfa)
    noisy = clean + random.normal(0, sigma, clean.shape)
    frame = Frame(
        mosaic=(noisy * SCALE + BLACK).astype(np.float32),
        cfa=cfa,
        black=np.full(cfa.shape, BLACK),
        white=BLACK + 256 * SCALE,
        noise_profile=((1e-12, (sigma / 256) ** 2),) * 3,
    )
    restored = (denoise_frame(frame).frame.mosaic.astype(np.float64) - BLACK) / SCALE
    return float(10 * np.log10(np.mean((noisy - clean) ** 2) / np.mean((restored - clean) ** 2)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in (".png", ".jpg"))
    paths = paths[:: arguments.every]
    print(
        f"{platform.machine()}, {datetime.date.today()}, {len(paths)} pictures of {arguments.folder.name}\n"
    )
    sigmas = (5, 15, 40)
    print("| PSNR gain, dB | " + " | ".join(f"sigma {sigma}" for sigma in sigmas) + " |")
    print("|---" * (len(sigmas) + 1) + "|")
    for name, rows in ARRAYS.items():
        cfa = np.array([["RGB".index(letter) for letter in row] for row in rows], np.uint8)
        cells = []
        for sigma in sigmas:
            gains = []
            for number, path in enumerate(paths):
                picture = np.asarray(Image.open(path).convert("RGB"), np.float64) * NEUTRAL
                gains.append(gain(picture, cfa, sigma, np.random.default_rng(number)))
            cells.append(f"{np.mean(gains):.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
