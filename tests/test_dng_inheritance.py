"""A new DNG takes over EXIF, GPS and maker note of the file it was made of."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from raw_scenes import exiftool, noise_frame

from synthnoise.errors import InputError
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import UNDEFINED
from synthnoise.raw.tiff_layout import Field, Plan, Values, lay_out

NOTE_OFFSET = 2046


def _camera_file(path, order, note_offset=NOTE_OFFSET, note=None):
    """Write a camera file without pixels whose maker note lies at a given offset; return the note."""
    values = Values(order)
    note = note or b"NOTE" + struct.pack(order + "I", note_offset) + bytes(range(200))
    entry = struct.pack(order + "HHII", Tag.MAKER_NOTE, UNDEFINED, len(note), note_offset)
    exif = {
        Tag.EXPOSURE_TIME: values.rational(1 / 30),
        Tag.ISO: values.short(3200),
        Tag.DATE_TIME_ORIGINAL: values.text("2024:01:02 03:04:05"),
        Tag.MAKER_NOTE: Field.kept(entry),
        Tag.BODY_SERIAL_NUMBER: values.text("SN 12345"),
        Tag.LENS_SPECIFICATION: values.rational(24, 70, 2.8, 2.8),
        Tag.LENS_MODEL: values.text("24-70mm f/2.8"),
        37386: values.rational(50),
        36867 + 1: values.text("2024:01:02 03:04:05"),
    }
    gps = {0: values.byte(2, 3, 0, 0), 1: values.text("N"), 2: values.rational(48, 8, 15.5)}
    root = {
        Tag.MAKE: values.text("Acme"),
        Tag.MODEL: values.text("One"),
        Tag.ARTIST: values.text("A. Photographer"),
        Tag.COPYRIGHT: values.text("mine"),
        Tag.ORIENTATION: values.short(6),
    }
    plan = Plan(root, {Tag.EXIF_IFD: [Plan(exif)], Tag.GPS_IFD: [Plan(gps)]})
    layout = lay_out(plan, 8, order)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    path.write_bytes((header + layout.data).ljust(note_offset, b"\0") + note)
    return note


def _bytes_of_tag(path, tag):
    """Return (offset, value) of an EXIF tag as tifffile's parser finds it."""
    with tifffile.TiffFile(path) as file:
        pointer = file.pages[0].tags[34665].offset + 8
        data = path.read_bytes()
        order = file.byteorder
    start = struct.unpack_from(order + "I", data, pointer)[0]
    count = struct.unpack_from(order + "H", data, start)[0]
    for i in range(count):
        found, _, size, offset = struct.unpack_from(order + "HHII", data, start + 2 + 12 * i)
        if found == tag:
            return offset, data[offset : offset + size]
    raise AssertionError(f"no tag {tag}")


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_everything_arrives(tmp_path, order, linear):
    note = _camera_file(tmp_path / "photo.nef", order)
    frame = noise_frame(make="Acme", model="One", iso=3200, orientation=6)
    if linear:
        rgb = np.zeros((96, 128, 3), np.uint16)
        write_linear_dng(tmp_path / "a.dng", rgb, frame, metadata_from=tmp_path / "photo.nef")
    else:
        write_dng(tmp_path / "a.dng", frame, metadata_from=tmp_path / "photo.nef")
        assert np.array_equal(read_frame(tmp_path / "a.dng").mosaic, frame.mosaic)
    assert _bytes_of_tag(tmp_path / "a.dng", 37500) == (NOTE_OFFSET, note)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.byteorder == order
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    exif, gps = tags[34665], tags[34853]
    assert exif["LensModel"] == "24-70mm f/2.8"
    assert exif["ExposureTime"] == (1, 30)
    assert exif["ISOSpeedRatings"] == 3200
    assert exif["DateTimeOriginal"] == "2024:01:02 03:04:05"
    assert gps["GPSLatitude"] == (48, 1, 8, 1, 31, 2)
    assert (tags[315], tags[33432], tags[50735], tags[50827]) == (
        "A. Photographer",
        "mine",
        "SN 12345",
        "photo.nef",
    )
    assert tags[50736] == (24, 1, 70, 1, 14, 5, 14, 5)
    verdict = exiftool("-validate", "-warning", "-a", "-s3", tmp_path / "a.dng").split("\n")
    assert verdict[:2] == ["1 Warning (minor)", "[minor] Unrecognized MakerNotes"]


@pytest.mark.parametrize("offset", [2_000_000])
def test_a_note_far_into_the_file_is_moved(tmp_path, offset):
    note = _camera_file(tmp_path / "photo.nef", "<", offset)
    write_dng(tmp_path / "a.dng", noise_frame(), metadata_from=tmp_path / "photo.nef")
    assert _bytes_of_tag(tmp_path / "a.dng", 37500)[1] == note
    assert (tmp_path / "a.dng").stat().st_size < 1_000_000


def test_files_that_have_nothing_to_hand_down(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    write_dng(tmp_path / "a.dng", noise_frame(iso=100), metadata_from=tmp_path / "a.npy")
    assert read_metadata(tmp_path / "a.dng").iso == 100
    with pytest.raises(InputError, match="no such file"):
        write_dng(tmp_path / "b.dng", noise_frame(), metadata_from=tmp_path / "none.nef")


def test_damaged_values_stay_behind(tmp_path):
    _camera_file(tmp_path / "photo.nef", "<")
    data = (tmp_path / "photo.nef").read_bytes()
    (tmp_path / "cut.nef").write_bytes(data[: NOTE_OFFSET + 50])
    write_dng(tmp_path / "a.dng", noise_frame(), metadata_from=tmp_path / "cut.nef")
    info = read_metadata(tmp_path / "a.dng")
    assert (info.iso, info.lens) == (3200, "24-70mm f/2.8")
    with pytest.raises(AssertionError, match="no tag"):
        _bytes_of_tag(tmp_path / "a.dng", 37500)


def _listing(path, group):
    lines = exiftool("-a", "-u", "-s", "-G1", f"-{group}:all", path).splitlines()
    return {line for line in lines if "Interop" not in line}


@pytest.mark.parametrize(
    ("name", "notes"), [("CanonRaw.cr2", 150), ("DNG.dng", 150), ("FujiFilm.raf", 39), ("Panasonic.rw2", 60)]
)
def test_exiftool_finds_the_same_in_real_files(tmp_path, shared_data, name, notes):
    source = shared_data / "real_raw" / "metadata_only" / name
    info = read_metadata(source)
    write_dng(tmp_path / "a.dng", noise_frame(make=info.make, model=info.model), metadata_from=source)
    for group in ("ExifIFD", "GPS"):
        assert _listing(source, group) <= _listing(tmp_path / "a.dng", group)
    before, after = _listing(source, "MakerNotes"), _listing(tmp_path / "a.dng", "MakerNotes")
    assert len(before) >= notes
    # Previews inside of the note are not part of it, and the sensor's own size lies elsewhere.
    lost = before - after
    assert len(lost) <= 3, lost
