"""Linear and JPEG XL DNGs: read as other programs wrote them, denoised, and read by other programs again."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from synthnoise.denoising import denoise_files
from synthnoise.errors import InputError, MissingExtraError
from synthnoise.inspection import inspect_file
from synthnoise.raw.develop import develop
from synthnoise.raw.dng_reading import content_of
from synthnoise.raw.linear_dng import read_linear
from synthnoise.raw.opcodes import companding
from synthnoise.raw.reading import read_frame

LINEAR_RAW, CFA = 34892, 32803
BYTE, SHORT, LONG, UNDEFINED, DOUBLE = 1, 3, 4, 7, 12
WHITE = 4000
SHOT, READ = 4e-4, 1e-6


def rational(*values: float) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * 1000), 1000))


def write(path: Path, image: np.ndarray, *tags: tuple, photometric: int = LINEAR_RAW, **how: object) -> Path:
    """Write a DNG with tifffile: a writer that shares nothing with ours."""
    samples = 3 if photometric == LINEAR_RAW else 1
    always = [
        (50706, BYTE, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "Test camera", True),
        (50717, LONG, samples, (WHITE,) * samples, True),
        (50721, 10, 9, rational(0.9, -0.3, -0.1, -0.4, 1.2, 0.2, 0.0, 0.2, 0.6), True),
        (50778, SHORT, 1, 21, True),
        (50728, 5, 3, rational(0.5, 1.0, 0.7), True),
        (51041, DOUBLE, 6, (SHOT, READ) * 3, True),
    ]
    extra = {tag[0]: tag for tag in [*always, *tags]}
    tifffile.imwrite(
        path,
        image,
        photometric=photometric,
        planarconfig=1 if image.ndim == 3 else None,
        subfiletype=0,
        metadata=None,
        extratags=list(extra.values()),
        **how,
    )
    return path


def test_inspect_calls_what_denoise_reads_not_unreadable(tmp_path):
    path = write(tmp_path / "a.dng", np.full((16, 16, 3), 99, np.uint16))
    _, facts = inspect_file(path)
    assert "already demosaiced" in facts["not_for_calibrate"]
    assert "unreadable" not in facts
    assert read_frame(path, demosaiced=True).mosaic.shape == (16, 48)


def test_inspect_calls_what_nothing_reads_unreadable(tmp_path):
    path = write(tmp_path / "a.dng", np.full((16, 16, 4), 99, np.uint16))
    _, facts = inspect_file(path)
    assert "4 colours per pixel" in facts["unreadable"]
    assert "not_for_calibrate" not in facts
    with pytest.raises(InputError, match="three colours"):
        read_frame(path, demosaiced=True)


def scene(size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Return linear light [H, W, 3] in [0, 1]: a ramp and a coloured square."""
    rows, columns = np.mgrid[: size[0], : size[1]] / np.array(size)[:, None, None]
    image = np.stack([0.1 + 0.25 * columns, 0.2 + 0.3 * rows, 0.15 + 0.2 * columns * rows], 2)
    image[30:70, 40:90] = (0.4, 0.1, 0.3)
    return image


def noisy(seed: int = 0) -> np.ndarray:
    """Return uint16 values of the scene with the noise that the files state."""
    clean, random = scene(), np.random.default_rng(seed)
    sigma = np.sqrt(SHOT * clean + READ)
    return (
        np.rint((clean + sigma * random.standard_normal(clean.shape)) * WHITE)
        .clip(0, WHITE)
        .astype(np.uint16)
    )


def polynomial(*coefficients: float, size: tuple[int, int] = (120, 160)) -> bytes:
    """Return an OpcodeList2 with one MapPolynomial over all planes of an image."""
    data = struct.pack(">9I", 0, 0, *size, 0, 3, 1, 1, len(coefficients) - 1)
    data += struct.pack(f">{len(coefficients)}d", *coefficients)
    return struct.pack(">I4I", 1, 8, 0x01030000, 1, len(data)) + data


def test_samples_are_those_that_were_written(tmp_path):
    image = noisy()
    frame = read_linear(write(tmp_path / "a.dng", image))
    assert np.array_equal(frame.mosaic.reshape(120, 160, 3), image)
    assert (frame.white, frame.black.tolist()) == (WHITE, [[0, 0, 0]])
    assert frame.as_shot_neutral == (0.5, 1.0, 0.7)
    assert content_of(tmp_path / "a.dng") == "linear"


def test_jpeg_xl_strips_and_tiles_give_the_same(tmp_path):
    pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    image = noisy()
    lossless = {"compression": "jpegxl_dng", "compressionargs": {"lossless": True}}
    for name, how in (("strips", lossless), ("tiles", lossless | {"tile": (64, 64)})):
        frame = read_linear(write(tmp_path / f"{name}.dng", image, **how))
        assert np.array_equal(frame.mosaic.reshape(120, 160, 3), image)


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    path = write(tmp_path / "a.dng", noisy(), compression="jpegxl_dng")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingExtraError) as refused:
        read_linear(path)
    assert "synthnoise[jxl]" in (refused.value.hint or "")


def test_a_jpeg_xl_mosaic_is_read(tmp_path):
    pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    mosaic = noisy()[..., 1]
    pattern = ((33421, SHORT, 2, (2, 2), True), (33422, BYTE, 4, (0, 1, 1, 2), True))
    how = {"compression": "jpegxl_dng", "compressionargs": {"lossless": True}}
    path = write(tmp_path / "a.dng", mosaic, *pattern, photometric=CFA, **how)
    frame = read_frame(path)
    assert np.array_equal(frame.mosaic, mosaic)
    assert frame.is_bayer


def test_companding_is_undone(tmp_path):
    """Values stored as square roots come out linear: x -> x^2 is their polynomial."""
    light = scene()
    stored = np.rint(np.sqrt(light) * 255).astype(np.uint8)
    white = (50717, LONG, 3, (255,) * 3, True)
    opcodes = polynomial(0.0, 0.0, 1.0)
    path = write(tmp_path / "a.dng", stored, white, (51009, UNDEFINED, len(opcodes), opcodes, True))
    frame = read_linear(path)
    assert frame.white == 65535
    error = frame.mosaic.reshape(120, 160, 3) / 65535 - (stored / 255.0) ** 2
    assert np.abs(error).max() < 1 / 65535


def test_only_polynomials_that_come_first_and_cover_all_are_applied():
    data = polynomial(0.0, 0.5)
    gain_map = struct.pack(">4I", 9, 0x01030000, 1, 4) + b"\0\0\0\0"
    found = companding(struct.pack(">I", 2) + data[4:] + gain_map, (120, 160), 3, "file")
    assert [plane for plane, _ in found.polynomials] == [0, 1, 2]
    assert found.remaining == struct.pack(">I", 1) + gain_map
    part = companding(polynomial(0.0, 0.5, size=(60, 160)), (120, 160), 3, "file")
    assert not part.polynomials
    assert part.remaining == polynomial(0.0, 0.5, size=(60, 160))
    with pytest.raises(InputError, match="OpcodeList2"):
        companding(data[:-3], (120, 160), 3, "file")


@pytest.mark.parametrize("companded", [False, True])
def test_a_denoised_linear_dng_renders_like_its_source_without_the_noise(tmp_path, companded):
    """LibRaw is the judge: the same colours, an error far smaller."""
    image, tags = noisy(), []
    if companded:
        opcodes = polynomial(0.0, 0.0, 1.0)
        image = np.rint(np.sqrt(image / WHITE) * 65535).astype(np.uint16)
        tags = [(50717, LONG, 3, (65535,) * 3, True), (51009, UNDEFINED, len(opcodes), opcodes, True)]
    path = write(tmp_path / "a.dng", image, *tags)
    (outcome,) = denoise_files([path], tmp_path / "b.dng")
    assert outcome.error is None
    assert "NoiseProfile" in outcome.remarks[0]
    # LibRaw does not undo 16-bit companding, so the noisy values are given to it without.
    write(tmp_path / "noisy.dng", noisy())
    write(tmp_path / "exact.dng", np.rint(scene() * WHITE).astype(np.uint16))
    rendered = {}
    for name in ("noisy", "exact", "b"):
        with rawpy.imread(str(tmp_path / f"{name}.dng")) as raw:
            picture = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(1, 1))
            rendered[name] = picture.astype(np.float64)
    means = {name: picture.mean((0, 1)) for name, picture in rendered.items()}
    assert np.abs(means["b"] / means["noisy"] - 1).max() < 2e-3
    error = {name: np.sqrt(np.mean((picture - rendered["exact"]) ** 2)) for name, picture in rendered.items()}
    assert error["b"] < 0.45 * error["noisy"]


def test_a_linear_dng_is_developed_upright_and_in_its_shape(tmp_path):
    path = write(tmp_path / "a.dng", noisy(), (274, SHORT, 1, 6, True))
    frame = read_frame(path, demosaiced=True)
    assert develop(frame).shape == (160, 120, 3)
    assert develop(frame, half_size=True).shape == (80, 60, 3)


def test_a_linear_dng_is_no_readout(tmp_path):
    with pytest.raises(InputError, match="already demosaiced"):
        read_frame(write(tmp_path / "a.dng", noisy()))


def test_damaged_linear_files_are_refused_in_one_line(tmp_path):
    pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    how = {"compression": "jpegxl_dng", "compressionargs": {"lossless": True}}
    path = write(tmp_path / "a.dng", noisy(), **how)
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    messages = []
    for _ in range(60):
        broken = data.copy()
        for place in random.integers(8, len(broken), 4):
            broken[place] ^= int(random.integers(1, 256))
        path.write_bytes(broken)
        try:
            read_linear(path)
        except InputError as error:
            messages.append(error.message)
    assert messages
    assert not any("\n" in message for message in messages)


def test_the_files_of_real_cameras(shared_data, tmp_path):
    pytest.importorskip("imagecodecs", reason="the extra jxl is not installed")
    lossy = read_linear(shared_data / "real_raw" / "canon_6d_lossy.dng")
    assert lossy.places == (816, 1224)
    assert lossy.noise_profile is not None
    # A 30 s exposure at ISO 102400, white all over.
    white = read_linear(shared_data / "real_raw" / "nikon_z9_jpegxl.dng")
    assert white.places == (3592, 5392)
    assert white.mosaic.min() > 0.99 * white.white
