"""Mosaics of bare pixels, and the pictures that Pillow and tifffile read."""

from __future__ import annotations

import io
import re
import sys
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image
from raw_scenes import strip_bomb

from synthnoise.errors import InputError, MissingExtraError, OutputExistsError, UsageError
from synthnoise.raw.images import read_image, write_png, write_tiff
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.plain import Geometry, frames
from synthnoise.raw.reading import read_frame, read_frames, read_metadata

MOSAIC = np.random.default_rng(4).integers(0, 4096, (30, 44)).astype(np.uint16)
TWELVE_BITS = Geometry(bits=12, cfa="GRBG", black=(60.5,), iso=200)


def _fits():
    return pytest.importorskip("astropy.io.fits", reason="astropy (extra fits) is not installed")


@pytest.mark.parametrize("order", ["little", "big"])
def test_headerless(tmp_path, order):
    dtype = "<u2" if order == "little" else ">u2"
    (tmp_path / "a.raw").write_bytes(b"HEAD" + MOSAIC.astype(dtype).tobytes())
    geometry = Geometry(
        44, 30, cfa="BGGR", black=(1, 2, 3, 4), white=4000, bits=12, byte_order=order, offset=4
    )
    frame = read_frame(tmp_path / "a.raw", geometry=geometry)
    assert np.array_equal(frame.mosaic, MOSAIC)
    assert frame.cfa.tolist() == [[2, 1], [1, 0]]
    assert frame.black.tolist() == [[1, 2], [3, 4]]
    assert (frame.white, frame.bits) == (4000, 12)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".fits"])
def test_files_that_know_their_size(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, MOSAIC)
    elif suffix == ".tif":
        tifffile.imwrite(path, MOSAIC, compression="zlib")
    else:
        _fits().writeto(path, MOSAIC)
    frame = read_frame(path, geometry=TWELVE_BITS)
    assert frame.mosaic.dtype == np.uint16
    assert np.array_equal(frame.mosaic, MOSAIC)
    assert (frame.white, frame.iso, frame.black[1, 1]) == (4095, 200, 60.5)
    with pytest.raises(InputError, match="height of 30"):
        read_frame(path, geometry=Geometry(height=31))
    with pytest.raises(InputError, match="CFA, black and white"):
        read_frame(path)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".raw"])
def test_a_stack_is_several_frames(tmp_path, suffix):
    stack = np.stack([MOSAIC, MOSAIC[::-1], MOSAIC + 1])
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, stack)
    elif suffix == ".tif":
        tifffile.imwrite(path, stack, photometric="minisblack")
    else:
        path.write_bytes(stack.tobytes())
    found = list(read_frames(path, geometry=Geometry(44, 30)))
    assert np.array_equal([frame.mosaic for frame in found], stack)


def test_what_a_float_or_signed_file_becomes(tmp_path):
    np.save(tmp_path / "f.npy", MOSAIC.astype(np.float64) + 0.25)
    frame = read_frame(tmp_path / "f.npy", geometry=TWELVE_BITS)
    assert frame.mosaic.dtype == np.float32
    assert frame.mosaic[0, 0] == MOSAIC[0, 0] + 0.25
    np.save(tmp_path / "i.npy", MOSAIC.astype(np.int32))
    assert read_frame(tmp_path / "i.npy", geometry=TWELVE_BITS).mosaic.dtype == np.uint16
    np.save(tmp_path / "n.npy", MOSAIC.astype(np.int32) - 5000)
    with pytest.raises(InputError, match="beyond 16 bits"):
        read_frame(tmp_path / "n.npy", geometry=TWELVE_BITS)
    np.save(tmp_path / "nan.npy", np.full((8, 8), np.nan))
    with pytest.raises(InputError, match="NaN"):
        read_frame(tmp_path / "nan.npy", geometry=TWELVE_BITS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cfa": "RGB"},
        {"cfa": "RGXB"},
        {"cfa": ""},
        {"dtype": "uint32"},
        {"black": (1.0, 2.0)},
        {"bits": 0},
        {"bits": 20},
        {"offset": -1},
        {"byte_order": "middle"},
    ],
)
def test_impossible_geometry(wrong):
    with pytest.raises(UsageError):
        Geometry(44, 30, **wrong)


def test_a_white_level_below_black_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", MOSAIC)
    with pytest.raises(InputError, match="not above black"):
        read_frame(tmp_path / "a.npy", geometry=Geometry(white=50, black=(60,)))


def test_fits_without_astropy_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =" + bytes(3000))
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    with pytest.raises(MissingExtraError, match="astropy"):
        next(frames(tmp_path / "a.fits", geometry=TWELVE_BITS))


def _npy(shape, dtype="<u2", body=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": dtype})
    return stream.getvalue() + body


@pytest.mark.parametrize(
    "content",
    [
        _npy((10**6, 10**6), body=b"1234"),
        _npy((2**62, 2**62), body=b"1234"),
        _npy((4, 4), "|O", b"1234"),
        _npy((4, 4), body=b"1234"),
        _npy((0, 4)),
        _npy((2, 2, 2, 2), body=bytes(32)),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 60000,
        b"\x93NUMPY\x07\x00",
        b"PK\x03\x04" + bytes(100),
    ],
)
def test_hostile_numpy_files(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError):
        read_frame(tmp_path / "a.npy", geometry=TWELVE_BITS)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"SIMPLE  =" + bytes(5000), b"SIMPLE  =                    T" + b" " * 2850]
)
def test_hostile_fits_files(tmp_path, content):
    _fits()
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(InputError):
        read_frame(tmp_path / "a.fits", geometry=TWELVE_BITS)


def test_fits_of_absurd_size(tmp_path):
    _fits().writeto(tmp_path / "a.fits", MOSAIC)
    data = (tmp_path / "a.fits").read_bytes()
    line = b"NAXIS1  =" + b"44".rjust(21)
    assert line in data
    (tmp_path / "a.fits").write_bytes(data.replace(line, b"NAXIS1  =" + b"2000000000".rjust(21)))
    with pytest.raises(InputError, match=r"more than|truncated"):
        read_frame(tmp_path / "a.fits", geometry=TWELVE_BITS)


def test_deflate_bomb_is_refused_at_no_cost(tmp_path):
    strip_bomb(tmp_path / "bomb.tif")
    tracemalloc.start()
    with pytest.raises(InputError, match="bomb"):
        read_image(tmp_path / "bomb.tif")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize(("name", "said"), [("a.npy", "--geometry cfa="), ("a.raw", "--geometry width=")])
def test_what_a_plain_file_lacks_is_asked_for_as_the_command_takes_it(tmp_path, name, said):
    with (tmp_path / name).open("wb") as file:
        np.save(file, MOSAIC)
    with pytest.raises(InputError, match="holds pixels only") as refusal:
        read_frame(tmp_path / name)
    assert said in refusal.value.hint


def test_metadata_of_plain_files(tmp_path):
    np.save(tmp_path / "a.npy", MOSAIC)
    info = read_metadata(tmp_path / "a.npy")
    assert (info.format, info.width, info.height) == ("NPY", 44, 30)
    assert "CFA" in info.unreadable


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colour_pictures_survive(tmp_path, suffix):
    picture = np.random.default_rng(7).integers(0, 256, (20, 31, 3)).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    (write_png if suffix == ".png" else write_tiff)(path, picture)
    assert np.array_equal(read_image(path), picture)
    reader = Image.open if suffix == ".png" else tifffile.imread
    assert np.array_equal(np.asarray(reader(path)), picture)
    with pytest.raises(OutputExistsError):
        (write_png if suffix == ".png" else write_tiff)(path, picture)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_tiff(tmp_path, dtype):
    picture = (np.random.default_rng(7).random((70, 31, 3)) * 60000).astype(dtype)
    write_tiff(tmp_path / "a.tif", picture)
    back = read_image(tmp_path / "a.tif")
    assert back.dtype == dtype
    assert np.array_equal(back, picture)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png_becomes_three_planes(tmp_path, dtype):
    grey = np.random.default_rng(7).integers(0, np.iinfo(dtype).max, (20, 31)).astype(dtype)
    write_png(tmp_path / "a.png", grey)
    back = read_image(tmp_path / "a.png")
    assert back.dtype == dtype
    assert np.array_equal(back, np.repeat(grey[..., None], 3, 2))


def test_transparency_is_dropped(tmp_path):
    rgba = np.random.default_rng(7).integers(0, 256, (20, 31, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read_image(tmp_path / "a.png"), rgba[..., :3])
    assert np.array_equal(read_image(tmp_path / "a.tif"), rgba[..., :3])


def test_pictures_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="PNG takes"):
        write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(UsageError):
        write_tiff(tmp_path / "a.tif", np.zeros((4, 4, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_pictures_that_cannot_be_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    with pytest.raises(InputError, match=re.escape(name)):
        read_image(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / f"no{name}")


def test_pictures_beyond_the_limit(tmp_path):
    Image.new("L", (3000, 2000)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2000, 3000), np.uint8))
    for name in ("a.png", "a.tif"):
        with pytest.raises(InputError, match="more than 1000000"):
            read_image(tmp_path / name, limits=ReadLimits(pixels=1_000_000))


def test_truncated_pictures(tmp_path):
    picture = np.random.default_rng(7).integers(0, 256, (200, 310, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", picture)
    write_tiff(tmp_path / "a.tif", picture)
    tifffile.imwrite(tmp_path / "b.tif", picture)
    for name in ("a.png", "a.tif", "b.tif"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
        with pytest.raises(InputError):
            read_image(tmp_path / name)
