"""The lossless JPEG encoder, against decoders that others wrote."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
import rawpy
from raw_scenes import noise_frame

from synthnoise.raw import ljpeg
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame


def _tiles(components):
    rng = np.random.default_rng(components)
    columns = np.arange(96)
    scene = 2000 + 40 * columns + 300 * (columns % components) + rng.normal(0, 30, (64, 96))
    jumps = np.zeros((64, 96), np.uint16)
    jumps[:, (columns // components) % 2 == 1] = 32768
    return {
        "noise": rng.integers(0, 65536, (64, 96)).astype(np.uint16),
        "constant": np.full((64, 96), 777, np.uint16),
        "zero": np.zeros((64, 96), np.uint16),
        "category 16": jumps,
        "full range": np.where(rng.random((64, 96)) < 0.5, 0, 65535).astype(np.uint16),
        "scene": scene.astype(np.uint16),
        "rare jumps": np.where(rng.random((64, 96)) < 0.001, 60000, scene).astype(np.uint16),
    }


@pytest.mark.parametrize("components", [1, 2, 3])
def test_imagecodecs_decodes_what_was_encoded(components):
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs, a second decoder, is not installed")
    for name, tile in _tiles(components).items():
        decoded = np.asarray(imagecodecs.ljpeg_decode(ljpeg.encode(tile, components)))
        assert np.array_equal(decoded.reshape(tile.shape), tile), name


@pytest.mark.parametrize("pattern", ["RGGB", "mono"])
def test_libraw_decodes_what_was_encoded(tmp_path, pattern):
    cfa = noise_frame(pattern).cfa
    for name, tile in _tiles(2).items():
        frame = Frame(mosaic=tile, cfa=cfa, black=np.zeros(cfa.shape), white=65535)
        write_dng(tmp_path / "tile.dng", frame, overwrite=True)
        with rawpy.imread(str(tmp_path / "tile.dng")) as raw:
            assert np.array_equal(raw.raw_image, tile), name


def test_a_single_row_is_a_whole_image():
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs, a second decoder, is not installed")
    row = np.arange(96, dtype=np.uint16)[None] * 7
    assert np.array_equal(np.asarray(imagecodecs.ljpeg_decode(ljpeg.encode(row))).reshape(1, 96), row)


def _huffman_cost(counts):
    """Return the bits that unlimited Huffman coding takes: a lower bound from another algorithm."""
    heap = [int(c) for c in counts if c]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


@pytest.mark.parametrize("seed", range(20))
def test_code_lengths_are_a_prefix_code_without_all_ones_and_nearly_optimal(seed):
    rng = np.random.default_rng(seed)
    counts = np.floor(10 ** rng.uniform(-1, 6, 17)).astype(np.int64)
    lengths = ljpeg.code_lengths(counts).astype(int)
    used = counts > 0
    assert np.array_equal(lengths > 0, used)
    assert lengths.max() <= 16
    kraft = np.sum(2.0 ** -lengths[used])
    assert kraft <= 1 - 2.0**-16, "the all-ones code must stay free"
    # The dummy lengthens one code by a bit; the limit of 16 costs no more than that here.
    assert (lengths * counts).sum() <= _huffman_cost(counts) + 2 * counts[used].min() + 1


def test_fibonacci_counts_need_the_length_limit():
    counts = np.array([1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597])
    lengths = ljpeg.code_lengths(counts).astype(int)
    assert lengths.max() == 16
    assert np.sum(2.0**-lengths) <= 1 - 2.0**-16


def test_a_smooth_mosaic_is_stored_near_its_entropy():
    rng = np.random.default_rng(3)
    tile = np.round(3000 + rng.normal(0, 8, (256, 256))).astype(np.uint16)
    stored = 8 * len(ljpeg.encode(tile)) / tile.size
    # A difference of two samples of σ = 8 DN has σ = 8√2; Gaussian entropy ½ log2(2πe σ²) = 5.55 bits.
    entropy = 0.5 * np.log2(2 * np.pi * np.e * 2 * 8**2)
    assert entropy <= stored < entropy + 0.35


def test_columns_must_divide_into_components():
    with pytest.raises(ValueError, match="components"):
        ljpeg.encode(np.zeros((4, 5), np.uint16), 2)
