"""Rewriting DNGs in place: the pixels change, nothing else does."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import rawpy
import tifffile
from raw_scenes import dump, exiftool, field_frame, foreign_dng, noise_frame

from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.rewrite import rewrite_dng

STORAGE = {256, 257, 258, 259, 273, 278, 279, 322, 323, 324, 325, 317, 339}
PROFILE = ((1e-5, 1e-8), (2e-5, 1e-8), (3e-5, 1e-8))


def _other(mosaic):
    """Return other pixels of the same shape and range."""
    return np.random.default_rng(9).permutation(mosaic.reshape(-1)).reshape(mosaic.shape)


def _changed(before, after):
    return {
        tag for key in before.keys() | after.keys() if before.get(key) != after.get(key) for tag in key[1:]
    }


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_foreign_file_keeps_its_tags(tmp_path, byteorder):
    mosaic = np.random.default_rng(1).integers(0, 16384, (90, 130)).astype(np.uint16)
    foreign_dng(
        tmp_path / "in.dng",
        mosaic,
        byteorder=byteorder,
        t33432=("s", 10, "my rights"),
        t50740=("B", 40, bytes(range(40))),
        t50781=("B", 16, bytes(16)),
        t51111=("B", 16, bytes(16)),
        t65000=("d", 3, (1.5, 2.5, 3.5)),
    )
    assert read_frame(tmp_path / "in.dng").mosaic.tolist() == mosaic.tolist()
    new = _other(mosaic)
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", new, noise_profile=PROFILE, noise_reduction=0.5)
    back = read_frame(tmp_path / "out.dng")
    assert np.array_equal(back.mosaic, new)
    assert back.noise_profile == PROFILE
    with rawpy.imread(str(tmp_path / "out.dng")) as raw:
        assert np.array_equal(raw.raw_image, new)
    before, after = dump(tmp_path / "in.dng"), dump(tmp_path / "out.dng")
    assert _changed(before, after) <= STORAGE | {50781, 51111, 51041, 50935}
    assert ("IFD0", 50781) not in after
    assert ("IFD0", 51111) not in after
    assert after["IFD0", 65000] == before["IFD0", 65000]
    with tifffile.TiffFile(tmp_path / "out.dng") as file:
        assert file.byteorder == byteorder
        assert file.pages[0].tags[33432].value == "my rights"


def test_our_own_file_keeps_its_tags_and_gets_new_previews(tmp_path):
    frame = field_frame((0.1, 0.5, 0.1), shape=(200, 300), iso=100, make="Acme", model="One")
    write_dng(tmp_path / "in.dng", frame)
    red = field_frame((0.5, 0.1, 0.1), shape=(200, 300)).mosaic
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", red, noise_reduction=1.0)
    assert np.array_equal(read_frame(tmp_path / "out.dng").mosaic, red)
    before, after = dump(tmp_path / "in.dng"), dump(tmp_path / "out.dng")
    assert _changed(before, after) <= {273, 279, 324, 325, 50935}
    with tifffile.TiffFile(tmp_path / "out.dng") as file:
        thumbnail = file.pages[0].asarray().reshape(-1, 3).mean(0)
    assert thumbnail[0] > thumbnail[1:].max() + 50, "the thumbnail shows the old picture"
    assert exiftool("-validate", "-warning", "-a", "-s3", tmp_path / "out.dng").strip() == "OK"


def test_the_preview_jpeg_is_the_new_picture(tmp_path):
    from io import BytesIO

    from PIL import Image

    write_dng(tmp_path / "in.dng", field_frame((0.1, 0.5, 0.1), shape=(200, 300)))
    blue = field_frame((0.1, 0.1, 0.5), shape=(200, 300)).mosaic
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", blue)
    with tifffile.TiffFile(tmp_path / "out.dng") as file:
        page = file.pages[0].pages[1]
        file.filehandle.seek(page.dataoffsets[0])
        means = (
            np.asarray(Image.open(BytesIO(file.filehandle.read(page.databytecounts[0]))))
            .reshape(-1, 3)
            .mean(0)
        )
    assert means[2] > means[:2].max() + 50


def test_what_sits_behind_the_pixels_does_not_move(tmp_path):
    mosaic = np.random.default_rng(1).integers(0, 16384, (90, 130)).astype(np.uint16)
    foreign_dng(tmp_path / "in.dng", mosaic)
    data = bytearray((tmp_path / "in.dng").read_bytes())
    # A maker note that counts on its place in the file: its tag, patched in, points at appended bytes.
    offset, note = len(data), b"ABSOLUTE OFFSETS INSIDE"
    with tifffile.TiffFile(tmp_path / "in.dng") as file:
        entry = file.pages[0].tags[50708].offset
    struct.pack_into("<HHII", data, entry, 50708, 2, len(note), offset)
    (tmp_path / "in.dng").write_bytes(bytes(data) + note)
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", np.full_like(mosaic, 700))
    assert (tmp_path / "out.dng").read_bytes()[offset : offset + len(note)] == note


def test_the_room_of_the_old_pixels_is_used(tmp_path):
    mosaic = np.random.default_rng(1).integers(0, 16384, (300, 400)).astype(np.uint16)
    foreign_dng(tmp_path / "in.dng", mosaic)
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", np.full_like(mosaic, 700))
    assert (tmp_path / "out.dng").stat().st_size < 40_000


def test_white_level_is_stated_once_the_depth_changes(tmp_path):
    mosaic = np.random.default_rng(1).integers(0, 256, (90, 130)).astype(np.uint8)
    foreign_dng(tmp_path / "in.dng", mosaic, t50717=None, t50714=("I", 1, 8))
    assert read_frame(tmp_path / "in.dng").white == 255
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", _other(mosaic).astype(np.uint16))
    assert read_frame(tmp_path / "out.dng").white == 255


def test_linearization_table_goes(tmp_path):
    stored = np.random.default_rng(1).integers(0, 256, (90, 130)).astype(np.uint8)
    table = np.round(16383 * (np.arange(256) / 255) ** 2).astype(np.uint16)
    foreign_dng(tmp_path / "in.dng", stored, t50712=("H", 256, tuple(table.tolist())))
    linear = read_frame(tmp_path / "in.dng").mosaic
    assert np.array_equal(linear, table[stored])
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", linear)
    back = read_frame(tmp_path / "out.dng")
    assert np.array_equal(back.mosaic, linear)
    assert (back.white, back.black[0, 0]) == (16383, 512)
    assert ("IFD0", 50712) not in dump(tmp_path / "out.dng")


def test_rewriting_twice_is_the_same_as_once(tmp_path):
    frame = noise_frame("X-Trans", (100, 130), active_area=(3, 5, 97, 125))
    write_dng(tmp_path / "in.dng", frame)
    rewrite_dng(tmp_path / "in.dng", tmp_path / "one.dng", _other(frame.mosaic), noise_reduction=1.0)
    rewrite_dng(tmp_path / "one.dng", tmp_path / "two.dng", frame.mosaic)
    back = read_frame(tmp_path / "two.dng")
    assert np.array_equal(back.mosaic, frame.mosaic)
    assert np.array_equal(back.cfa, frame.cfa)


def test_masks_and_other_images_are_left_alone(tmp_path):
    write_dng(tmp_path / "in.dng", noise_frame(shape=(100, 130)))
    data = bytearray((tmp_path / "in.dng").read_bytes())
    with tifffile.TiffFile(tmp_path / "in.dng") as file:
        page = file.pages[0].pages[1]
        place, start, size = page.tags[254].valueoffset, page.dataoffsets[0], page.databytecounts[0]
    struct.pack_into("<I", data, place, 4)  # a transparency mask, not a preview
    (tmp_path / "in.dng").write_bytes(data)
    mask = bytes(data[start : start + size])
    rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", np.full((100, 130), 99, np.uint16))
    with tifffile.TiffFile(tmp_path / "out.dng") as file:
        page = file.pages[0].pages[1]
        file.filehandle.seek(page.dataoffsets[0])
        assert file.filehandle.read(page.databytecounts[0]) == mask


def test_refusals(tmp_path):
    frame = noise_frame()
    write_dng(tmp_path / "in.dng", frame)
    with pytest.raises(UsageError, match="96 x 128"):
        rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", frame.mosaic[:-1])
    with pytest.raises(UsageError, match="uint16"):
        rewrite_dng(tmp_path / "in.dng", tmp_path / "out.dng", frame.mosaic.astype(np.float32))
    rgb = np.zeros((96, 128, 3), np.uint16)
    write_linear_dng(tmp_path / "linear.dng", rgb, frame)
    with pytest.raises(UsageError, match="96 x 384"):
        rewrite_dng(tmp_path / "linear.dng", tmp_path / "out.dng", frame.mosaic)
    tifffile.imwrite(tmp_path / "plain.tif", frame.mosaic)
    with pytest.raises(InputError, match="not a DNG"):
        rewrite_dng(tmp_path / "plain.tif", tmp_path / "out.dng", frame.mosaic)
    assert not (tmp_path / "out.dng").exists()
    with pytest.raises(OutputExistsError):
        rewrite_dng(tmp_path / "in.dng", tmp_path / "linear.dng", frame.mosaic)


def test_a_file_can_be_rewritten_onto_itself(tmp_path):
    frame = noise_frame()
    write_dng(tmp_path / "in.dng", frame)
    rewrite_dng(tmp_path / "in.dng", tmp_path / "in.dng", _other(frame.mosaic), overwrite=True)
    assert np.array_equal(read_frame(tmp_path / "in.dng").mosaic, _other(frame.mosaic))


@pytest.mark.parametrize("name", ["canon_550d_colorchart.dng", "gopro_fusion_iso100.dng"])
def test_real_files_keep_everything_else(tmp_path, shared_data, name):
    source, target = shared_data / "real_raw" / name, tmp_path / "out.dng"
    frame = read_frame(source)
    new = frame.mosaic.copy()
    new[100:400, 100:400] = 3000
    rewrite_dng(source, target, new, noise_profile=PROFILE, noise_reduction=1.0)
    back = read_frame(target)
    assert np.array_equal(back.mosaic, new)
    assert _changed(dump(source), dump(target)) <= STORAGE | {50935, 51041, 51111}
    first, second = read_metadata(source), read_metadata(target)
    for field in (
        "make",
        "model",
        "iso",
        "exposure_time",
        "aperture",
        "date",
        "orientation",
        "cfa",
        "black",
        "white",
    ):
        assert getattr(first, field) == getattr(second, field)
    assert back.masked_areas == frame.masked_areas


@pytest.mark.parametrize("name", ["canon_550d_colorchart.dng", "gopro_fusion_iso100.dng"])
def test_exiftool_sees_only_the_intended_changes(tmp_path, shared_data, name):
    source, target = shared_data / "real_raw" / name, tmp_path / "out.dng"
    rewrite_dng(source, target, read_frame(source).mosaic, noise_profile=PROFILE, noise_reduction=1.0)
    intended = {
        "BitsPerSample", "Compression", "StripOffsets", "RowsPerStrip", "StripByteCounts", "TileWidth",
        "TileLength", "TileOffsets", "TileByteCounts", "NoiseReductionApplied", "NoiseProfile",
        "NewRawImageDigest",
    }  # fmt: skip
    listings = []
    for path in (source, target):
        lines = exiftool("-a", "-u", "-s", "-G1", "--System:all", path).splitlines()
        listings.append({line.split(":", 1)[0].split("]")[1].strip(): line for line in lines})
    changed = {k for k in listings[0].keys() | listings[1].keys() if listings[0].get(k) != listings[1].get(k)}
    assert changed <= intended
    assert "GPSLatitude" in listings[1] or "canon" in name
    verdicts = [exiftool("-validate", "-warning", "-a", "-s3", path) for path in (source, target)]
    assert verdicts[0] == verdicts[1]
