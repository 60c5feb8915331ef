"""What a photographer trusts in, over every colour filter array, corner, tiles, and sizes from one pixel."""

from __future__ import annotations

import numpy as np
import pytest

from synthnoise.denoising import denoise_frame
from synthnoise.raw.frame import Frame

SHOT, READ, SCALE, BLACK = 1e-3, 5e-6, 15000, 512
PATTERNS = {
    "RGGB": ("RG", "GB"),
    "BGGR": ("BG", "GR"),
    "GRBG": ("GR", "BG"),
    "GBRG": ("GB", "RG"),
    "X-Trans": ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"),
    "Quad-Bayer": ("RRGG", "RRGG", "GGBB", "GGBB"),
    "mono": ("G",),
    "linear": ("RGB",),
}
BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")
NEUTRAL = np.array([0.5, 1.0, 0.7])


def grey(name: str, size: tuple[int, int], level: float = 0.2, seed: int = 0) -> Frame:
    """Return a noisy grey field behind a colour filter array, each colour with a level of its own."""
    cfa = np.array([["RGB".index(letter) for letter in row] for row in PATTERNS[name]], np.uint8)
    if name == "linear":
        size = size[0], 3 * size[1]
    rows, columns = np.indices(size)
    light = level * NEUTRAL[cfa[rows % cfa.shape[0], columns % cfa.shape[1]]]
    random = np.random.default_rng(seed)
    signal = SHOT * random.poisson(light / SHOT) + random.normal(0, READ**0.5, size)
    mosaic = np.clip(np.rint(signal * SCALE + BLACK), 0, SCALE + BLACK).astype(np.uint16)
    return Frame(
        mosaic=mosaic,
        cfa=cfa,
        black=np.full(cfa.shape, float(BLACK)),
        white=float(SCALE + BLACK),
        noise_profile=((SHOT, READ),) * 3,
    )


def colours(frame: Frame) -> np.ndarray:
    """Return the mean of each colour in normalised units; NaN where there is none of it."""
    rows, columns = np.indices(frame.mosaic.shape)
    colour = frame.cfa[rows % frame.cfa.shape[0], columns % frame.cfa.shape[1]]
    values = (frame.mosaic.astype(np.float64) - BLACK) / SCALE
    return np.array([values[colour == c].mean() if (colour == c).any() else np.nan for c in range(3)])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (13, 11), (37, 41)])
@pytest.mark.parametrize("name", PATTERNS)
def test_every_size_of_every_array_keeps_shape_type_and_level(name, size):
    frame = grey(name, size)
    result = denoise_frame(frame).frame
    assert result.mosaic.shape == frame.mosaic.shape
    assert result.mosaic.dtype == frame.mosaic.dtype
    # Noise of six standard deviations would be a surprise, and so would an estimate that is off by two more.
    sigma = np.sqrt(SHOT * 0.2 + READ) * SCALE
    assert np.abs(result.mosaic.astype(float) - frame.mosaic).max() < 8 * sigma


@pytest.mark.parametrize(
    ("name", "corner"), [*((name, (0, 0)) for name in BAYER), ("RGGB", (1, 3)), ("X-Trans", (3, 5))]
)
def test_grey_stays_grey_at_every_corner(name, corner):
    frame = grey(name, (197, 203)).crop((*corner, 197, 203))
    before, after = colours(frame), colours(denoise_frame(frame).frame)
    # Of the level; what the mean of so many pixels is uncertain by is in both.
    assert np.abs(after / before - 1).max() < 1e-3


@pytest.mark.parametrize("name", [*BAYER, "X-Trans", "mono", "linear"])
def test_clipped_pixels_and_masked_borders_of_every_array_stay(name):
    frame = grey(name, (96, 96), level=0.97)
    width = frame.mosaic.shape[1]
    area = (5, 9 if name == "linear" else 7, 91, width - 9)
    framed = Frame(**{**vars(frame), "active_area": area})
    result = denoise_frame(framed).frame.mosaic
    clipped = frame.mosaic >= frame.white
    assert clipped.mean() > 0.005
    assert np.array_equal(result[clipped], frame.mosaic[clipped])
    outside = np.ones(result.shape, bool)
    outside[area[0] : area[2], area[1] : area[3]] = False
    assert np.array_equal(result[outside], frame.mosaic[outside])


@pytest.mark.parametrize("name", BAYER)
def test_hot_pixels_of_every_phase_are_gone(name):
    frame = grey(name, (128, 128), level=0.02)
    clean = frame.mosaic.astype(float)
    mosaic = frame.mosaic.copy()
    mosaic[9:120:17, 7:120:19] += 4000
    hot = mosaic != frame.mosaic
    result = denoise_frame(Frame(**{**vars(frame), "mosaic": mosaic})).frame.mosaic
    assert np.abs(result[hot] - np.minimum(clean[hot], BLACK + 0.02 * SCALE)).max() < 200


@pytest.mark.parametrize("name", ["GBRG", pytest.param("X-Trans", marks=pytest.mark.slow)])
def test_tiles_leave_no_seams(name):
    frame = grey(name, (198, 390))
    residual = denoise_frame(frame, tile=96).frame.mosaic.astype(float)
    rows, columns = np.indices(frame.mosaic.shape)
    colour = frame.cfa[rows % frame.cfa.shape[0], columns % frame.cfa.shape[1]]
    residual -= BLACK + 0.2 * SCALE * NEUTRAL[colour]
    line = np.abs(residual).mean(0)
    seams = np.arange(96, 390, 96)
    near = np.concatenate([line[seam - 2 : seam + 2] for seam in seams])
    rest = np.delete(line, np.concatenate([np.arange(seam - 2, seam + 2) for seam in seams]))
    # Means of neighbouring columns vary by this much; a seam would be larger in all of them.
    assert near.mean() < rest.mean() + 5 * rest.std() / np.sqrt(len(seams))


@pytest.mark.slow
def test_a_63_megapixel_frame_of_odd_sides():
    """9000 x 7000, less one: bounded memory, the level kept, no pixel left out."""
    import resource

    part = grey("RGGB", (1000, 1000))
    mosaic = np.tile(part.mosaic, (7, 9))[:6999, :8999]
    frame = Frame(**{**vars(part), "mosaic": mosaic})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = denoise_frame(frame, options={"stride": "4"}).frame
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert result.mosaic.shape == (6999, 8999)
    assert np.abs(colours(result) / colours(frame) - 1).max() < 1e-3
    assert result.mosaic[1::2, ::2].std() < 0.3 * mosaic[1::2, ::2].std()
    assert grown < 900
