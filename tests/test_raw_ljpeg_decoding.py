"""The lossless JPEG decoder: whole files beside LibRaw, what is damaged, what is of another kind."""

from __future__ import annotations

import numpy as np
import pytest
import rawpy
from raw_scenes import noise_frame

from synthnoise.raw import ljpeg
from synthnoise.raw.dng import write_dng
from synthnoise.raw.dng_decoding import lossless_mosaic
from synthnoise.raw.dng_reading import raw_image
from synthnoise.raw.limits import DEFAULT_LIMITS
from synthnoise.raw.ljpeg_decoding import decode
from synthnoise.raw.reading import read_frame
from synthnoise.raw.tiff import Tiff


def _tiles():
    rng = np.random.default_rng(7)
    jumps = np.zeros((32, 48), np.uint16)
    jumps[:, ::4] = 32768
    return {
        "noise": rng.integers(0, 65536, (32, 48)).astype(np.uint16),
        "constant": np.full((32, 48), 509, np.uint16),
        "category 16": jumps,
        "scene": rng.normal(2000, 30, (32, 48)).astype(np.uint16),
    }


def test_another_predictor_is_left_alone():
    imagecodecs = pytest.importorskip(
        "imagecodecs", reason="imagecodecs, whose predictor is the sixth, is not installed"
    )
    tile = _tiles()["scene"]
    assert decode(imagecodecs.ljpeg_encode(tile), tile.shape) is None


@pytest.mark.parametrize("components", [1, 2, 3, 4])
def test_what_was_encoded_is_decoded(components):
    for name, tile in _tiles().items():
        assert np.array_equal(decode(ljpeg.encode(tile, components), tile.shape), tile), name


def test_a_stream_of_another_size_is_left_alone():
    tile = _tiles()["scene"]
    assert decode(ljpeg.encode(tile, 2), (32, 64)) is None
    assert decode(ljpeg.encode(tile, 2), (16, 48)) is None


def test_every_cut_off_stream_is_noticed():
    tile = _tiles()["noise"][:6, :8].copy()
    stream = ljpeg.encode(tile, 2)
    for size in range(len(stream) - 2):  # without the end marker it is whole
        assert decode(stream[:size], tile.shape) is None, size


def test_damage_anywhere_gives_samples_or_nothing():
    tile = _tiles()["scene"][:16, :16].copy()
    stream = ljpeg.encode(tile, 2)
    rng = np.random.default_rng(3)
    for _ in range(3000):
        damaged = bytearray(stream)
        for place in rng.integers(0, len(stream), 3):
            damaged[place] = rng.integers(0, 256)
        found = decode(bytes(damaged), tile.shape)
        assert found is None or found.shape == tile.shape


@pytest.mark.parametrize("pattern", ["RGGB", "mono"])
def test_a_file_has_the_pixels_that_libraw_finds(tmp_path, pattern):
    frame = noise_frame(pattern, (70, 620))
    write_dng(tmp_path / "a.dng", frame)
    with (tmp_path / "a.dng").open("rb") as file:
        tiff = Tiff(file, "a.dng")
        found = lossless_mosaic(tiff, raw_image(tiff, DEFAULT_LIMITS), DEFAULT_LIMITS)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert np.array_equal(found, raw.raw_image)


def test_a_damaged_tile_is_left_to_libraw(tmp_path):
    """It gives what it can of it, or says what is wrong: the file is no better and no worse than before."""
    frame = noise_frame("RGGB", (64, 64))
    write_dng(tmp_path / "a.dng", frame)
    data = bytearray((tmp_path / "a.dng").read_bytes())
    table = data.rindex(b"\xff\xc4")
    data[table + 2 : table + 4] = b"\xff\xff"  # the length of the table of codes
    (tmp_path / "b.dng").write_bytes(data)
    with (tmp_path / "b.dng").open("rb") as file:
        tiff = Tiff(file, "b.dng")
        assert lossless_mosaic(tiff, raw_image(tiff, DEFAULT_LIMITS), DEFAULT_LIMITS) is None
    assert np.array_equal(read_frame(tmp_path / "a.dng").mosaic, frame.mosaic)
