"""Floating-point DNGs: read as tifffile wrote them, written as tifffile and darktable read them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from raw_scenes import dump, exiftool, foreign_dng

from synthnoise.denoising import denoise_files
from synthnoise.errors import InputError
from synthnoise.raw.predictors import floats_of_24_bits
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import rewrite_dng

STORAGE = {254, 258, 259, 273, 278, 279, 317, 322, 323, 324, 325, 339, 50781, 50935, 51041}


def scene(size=(96, 128), seed=1):
    """Return a smooth mosaic with white noise of 0.01, up to 1."""
    rows, columns = np.indices(size)
    clean = 0.3 + 0.2 * np.sin(rows / 25) * np.cos(columns / 31)
    return (clean + np.random.default_rng(seed).normal(0, 0.01, size)).astype(np.float32), clean


def float_dng(path, values, *, compression=None, predictor=False, byteorder="<", white=None, tile=None):
    """Write a DNG of floats with tifffile."""
    linear = values.ndim == 3
    base = {
        254: ("I", 1, 0), 271: ("s", 5, "Acme"), 272: ("s", 4, "One"), 50706: ("B", 4, bytes((1, 4, 0, 0))),
        50708: ("s", 9, "Acme One"), 50721: ("2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
        50728: ("2I", 3, (1, 2, 1, 1, 3, 5)), 50778: ("H", 1, 21),
    }  # fmt: skip
    if not linear:
        base |= {33421: ("H", 2, (2, 2)), 33422: ("B", 4, bytes((0, 1, 1, 2)))}
    if white is not None:
        base[50717] = ("I", 3 if linear else 1, (white,) * 3 if linear else white)
    tifffile.imwrite(
        path, values, photometric="linear_raw" if linear else "cfa", byteorder=byteorder, tile=tile,
        compression=compression, predictor=predictor, metadata=None,
        extratags=[(tag, *value, True) for tag, value in base.items()],
    )  # fmt: skip


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "stored", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True},
               {"compression": "zlib", "predictor": True, "tile": (48, 64)}]
)  # fmt: skip
def test_floats_are_read_as_they_are(tmp_path, stored, dtype, byteorder):
    values = scene((70, 90))[0].astype(dtype)
    float_dng(tmp_path / "a.dng", values, byteorder=byteorder, **stored)
    frame = read_frame(tmp_path / "a.dng", demosaiced=True)
    assert frame.white == 65535
    assert np.allclose(frame.mosaic / 65535, values.astype(np.float32), rtol=1e-6)
    with pytest.raises(InputError, match="floating-point"):
        read_frame(tmp_path / "a.dng")


def test_the_white_level_is_the_unit(tmp_path):
    values = scene()[0]
    float_dng(tmp_path / "a.dng", values * 4096, white=4096)
    assert np.allclose(read_frame(tmp_path / "a.dng", demosaiced=True).mosaic / 65535, values, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, 0.3, 65504.0, 1e-10, 2.0**-62, 2.0**-70])
def test_24_bit_floats(value):
    mantissa, exponent = np.frexp(abs(value))
    biased = int(exponent) - 1 + 63
    if value == 0:
        bits = 0
    elif biased > 0:
        bits = biased << 16 | round((2 * mantissa - 1) * 65536)
    else:  # a subnormal number
        bits = round(abs(value) * 2.0**62 * 65536)
    data = struct.pack(">I", (value < 0) << 23 | bits)[1:]
    for order, stored in ((">", data), ("<", data[::-1])):
        found = float(floats_of_24_bits(np.frombuffer(stored, np.uint8), order))
        assert found == pytest.approx(value, rel=1e-5, abs=2.0**-79)


@pytest.mark.parametrize("shape", [(96, 128), (75, 93, 3)])
def test_only_pixels_change_and_others_read_them(tmp_path, shape):
    values = scene(shape[:2])[0]
    values = values if len(shape) == 2 else np.stack([values, values * 0.9, values * 0.8], 2)
    float_dng(tmp_path / "a.dng", values, compression="zlib", predictor=True)
    frame = read_frame(tmp_path / "a.dng", demosaiced=True)
    rewrite_dng(tmp_path / "a.dng", tmp_path / "b.dng", frame.mosaic * np.float32(0.5))
    with tifffile.TiffFile(tmp_path / "b.dng") as file:
        assert np.allclose(file.pages[0].asarray(), values * 0.5, rtol=1e-6)
    before, after = (
        {key: value for key, value in dump(tmp_path / name).items() if key[1] not in STORAGE}
        for name in ("a.dng", "b.dng")
    )
    assert before == after
    assert "Error" not in exiftool("-validate", tmp_path / "b.dng")


@pytest.mark.parametrize("colours", [1, 3])
def test_floats_are_denoised_and_stay_floats(tmp_path, colours):
    values, clean = scene((192, 256))
    if colours == 3:
        values, clean = (np.stack([image, image * 0.9, image * 0.8], 2) for image in (values, clean))
        values = (clean + np.random.default_rng(3).normal(0, 0.01, clean.shape)).astype(np.float32)
    float_dng(tmp_path / "a.dng", values)
    (outcome,) = denoise_files([tmp_path / "a.dng"])
    assert outcome.error is None
    with tifffile.TiffFile(outcome.output) as file:
        result = file.pages[0].asarray()
    assert result.dtype == np.float32
    assert np.std(result - clean) < 0.5 * np.std(values - clean)
    assert abs(np.mean(result - clean)) < 5 * 0.01 / np.sqrt(values.size) + 1e-5


def test_what_is_not_a_number_is_refused(tmp_path):
    values = scene()[0]
    values[3, 4] = np.nan
    float_dng(tmp_path / "a.dng", values)
    with pytest.raises(InputError, match="not numbers"):
        read_frame(tmp_path / "a.dng", demosaiced=True)


def test_integers_are_still_integers(tmp_path):
    foreign_dng(tmp_path / "a.dng", (scene()[0] * 16000).astype(np.uint16))
    assert read_frame(tmp_path / "a.dng", demosaiced=True).mosaic.dtype == np.uint16
