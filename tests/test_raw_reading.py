"""Reading RAW files: what the tags mean, and what is refused before it can do harm."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image
from raw_scenes import cfa, foreign_dng, noise_frame

from synthnoise.errors import InputError
from synthnoise.plugins import default_plugins
from synthnoise.raw.borders import dark_borders
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import ReadLimits, find_readers, read_frame, read_frames, read_metadata

MOSAIC = np.random.default_rng(1).integers(0, 16384, (90, 130)).astype(np.uint16)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_of_a_file_written_by_others(tmp_path, byteorder):
    foreign_dng(
        tmp_path / "a.dng",
        MOSAIC,
        byteorder=byteorder,
        t33422=("B", 4, bytes((1, 2, 0, 1))),
        t50713=("H", 2, (2, 2)),
        t50714=("2I", 4, (1025, 2, 513, 1, 514, 1, 515, 1)),
        t50829=("I", 4, (5, 7, 85, 125)),
        t50719=("I", 2, (4, 2)),
        t50720=("I", 2, (100, 70)),
        t50830=("I", 4, (0, 0, 90, 6)),
        t51041=("d", 2, (1e-4, 2e-7)),
        t274=("H", 1, 8),
    )
    frame = read_frame(tmp_path / "a.dng")
    assert np.array_equal(frame.mosaic, MOSAIC)
    # Row and column 5 and 7 start the pattern, so pixel (1, 1) does too.
    assert np.roll(frame.cfa, (-1, -1), (0, 1)).tolist() == [[1, 2], [0, 1]]
    assert np.roll(frame.black, (-1, -1), (0, 1)).tolist() == [[512.5, 513], [514, 515]]
    assert frame.white == 16383
    assert frame.active_area == (5, 7, 85, 125)
    assert frame.default_crop == (7, 11, 77, 111)
    assert frame.masked_areas == ((0, 0, 90, 6),)
    assert frame.noise_profile == ((1e-4, 2e-7),) * 3
    assert frame.as_shot_neutral == (0.5, 1.0, 0.6)
    assert frame.orientation == 8
    assert frame.camera == "Acme One"
    assert np.array_equal(frame.colour_matrix, np.eye(3))


def test_analog_balance_and_the_illuminant_nearest_daylight(tmp_path):
    second = [1, 2, 0, 1, 0, 1, 0, 1, 1, 2, 0, 1, 0, 1, 0, 1, 1, 2]
    foreign_dng(
        tmp_path / "a.dng",
        MOSAIC,
        t50778=("H", 1, 17),
        t50779=("H", 1, 21),
        t50722=("2i", 9, tuple(second)),
        t50724=("2i", 9, (3, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
        t50727=("2I", 3, (2, 1, 1, 1, 1, 1)),
    )
    matrix = read_frame(tmp_path / "a.dng").colour_matrix
    assert matrix.tolist() == [[3, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]


def test_white_point_as_chromaticity(tmp_path):
    foreign_dng(tmp_path / "a.dng", MOSAIC, t50728=None, t50729=("2I", 2, (1, 4, 1, 2)))
    # x = 1/4, y = 1/2, z = 1/4 under a unit matrix: XYZ = (1/2, 1, 1/2).
    assert read_frame(tmp_path / "a.dng").as_shot_neutral == pytest.approx((0.5, 1.0, 0.5))


def test_unknown_values_are_unknown(tmp_path):
    foreign_dng(tmp_path / "a.dng", MOSAIC, t50721=None, t50728=None, t271=None, t272=None)
    frame = read_frame(tmp_path / "a.dng")
    assert frame.colour_matrix is None
    assert frame.as_shot_neutral is None
    assert frame.iso is None
    assert frame.exposure_time is None
    assert frame.camera == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"active_area": (0, 0, 97, 128)},
        {"active_area": (5, 5, 5, 10)},
        {"masked_areas": ((-1, 0, 5, 5),)},
        {"active_area": (4, 4, 90, 120), "default_crop": (0, 0, 50, 50)},
        {"black_rows": np.zeros(95)},
        {"black_columns": np.zeros((128, 1))},
        {"black": np.zeros((1, 1))},
        {"black": np.full((2, 2), 20000.0)},
    ],
)
def test_impossible_frames(wrong):
    with pytest.raises(InputError):
        noise_frame(**wrong)


def test_borders_that_look_dark_are_found_and_others_are_not():
    rng = np.random.default_rng(2)
    mosaic = rng.normal(4000, 300, (200, 300)).astype(np.uint16)
    mosaic[:, :40] = rng.normal(512, 4, (200, 40)).astype(np.uint16)
    mosaic[:30] = 512
    frame = Frame(
        mosaic=mosaic,
        cfa=cfa("RGGB"),
        black=np.full((2, 2), 512.0),
        white=16383,
        active_area=(30, 40, 200, 260),
    )
    # The top is constant, the right border holds light.
    assert dark_borders(frame) == ((38, 8, 192, 32),)


def _refused(path, message):
    with pytest.raises(InputError, match=message) as caught:
        read_frame(path)
    assert "\n" not in caught.value.message
    return caught.value


def test_a_linear_dng_is_named_as_such(tmp_path):
    write_linear_dng(tmp_path / "a.dng", np.zeros((90, 130, 3), np.uint16), noise_frame())
    assert "original" in (_refused(tmp_path / "a.dng", "linear DNG").hint or "")
    info = read_metadata(tmp_path / "a.dng")
    assert (info.content, info.width, info.height) == ("linear", 130, 90)
    assert "linear DNG" in info.unreadable


def test_floating_point_is_named_as_such(tmp_path):
    foreign_dng(tmp_path / "float.dng", MOSAIC.astype(np.float32))
    _refused(tmp_path / "float.dng", "floating-point")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_truncated_files(tmp_path, kept):
    write_dng(tmp_path / "a.dng", noise_frame())
    data = (tmp_path / "a.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(data[: int(len(data) * kept)])
    _refused(tmp_path / "cut.dng", "truncated|empty|damaged|no raw image|not a")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"t50714": ("I", 3, (1, 2, 3))}, "black levels"),
        ({"t50717": ("I", 1, 100)}, "white level"),
        ({"t50717": ("I", 1, 0)}, "white level"),
        ({"t50829": ("I", 4, (0, 0, 5000, 130))}, "active area"),
        ({"t50829": ("I", 4, (50, 0, 50, 130))}, "active area"),
        ({"t33422": ("B", 4, bytes((3, 4, 5, 6)))}, "colours other than"),
        ({"t33421": ("H", 2, (0, 4))}, "CFA"),
        ({"t33421": ("H", 2, (600, 600))}, "CFA"),
        ({"t50714": ("2I", 1, (5, 0))}, "black level"),
        ({"t254": ("I", 1, 1)}, "no raw image"),
    ],
)
def test_impossible_tags(tmp_path, tags, message):
    foreign_dng(tmp_path / "a.dng", MOSAIC, **tags)
    _refused(tmp_path / "a.dng", message)


def _patched(path, tag, value, code="<I"):
    """Overwrite the inline value of a tag."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[tag].valueoffset
    struct.pack_into(code, data, place, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        (256, 4_000_000_000, "more than"),
        (257, 60_000, "more than|truncated|damaged"),
        (278, 0, "tiles of"),
        (279, 100, "truncated"),
        (273, 2**31, "truncated"),
    ],
)
def test_huge_claims_are_refused_at_no_cost(tmp_path, tag, value, message):
    foreign_dng(tmp_path / "a.dng", MOSAIC)
    _patched(tmp_path / "a.dng", tag, value)
    tracemalloc.start()
    _refused(tmp_path / "a.dng", message)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_limits_are_the_callers(tmp_path):
    foreign_dng(tmp_path / "a.dng", MOSAIC)
    with pytest.raises(InputError, match="more than 1000"):
        read_frame(tmp_path / "a.dng", limits=ReadLimits(pixels=1000))
    with pytest.raises(InputError, match="exceed the limit of 100"):
        read_metadata(tmp_path / "a.dng", limits=ReadLimits(file_bytes=100))


def test_a_tile_that_claims_too_much_is_a_bomb(tmp_path):
    write_dng(tmp_path / "a.dng", noise_frame(shape=(600, 600)))
    with pytest.raises(InputError, match="decompression bomb"):
        read_frame(tmp_path / "a.dng", limits=ReadLimits(ratio=0.5))


@pytest.mark.parametrize(
    "content", [b"hello", bytes(5000), b"II*\0\x08\0\0\0", b"MM\0*" + b"\xff" * 3000, b"II+\0" + bytes(90)]
)
def test_what_is_no_camera_file(tmp_path, content):
    (tmp_path / "a.dng").write_bytes(content)
    _refused(tmp_path / "a.dng", "a.dng: ")
    with pytest.raises(InputError):
        read_metadata(tmp_path / "a.dng")


@pytest.mark.parametrize(
    ("kind", "name", "said", "hint"),
    [
        ("JPEG", "a.dng", "a JPEG picture", "name it .jpg"),
        ("PNG", "a.nef", "a PNG picture", "name it .png"),
        ("PNG", "a.png", "a PNG picture", "RAW file"),
        ("BMP", "a.bmp", "a BMP picture", "JPEG, PNG and TIFF"),
        ("GIF", "a.gif", "a GIF picture", "JPEG, PNG and TIFF"),
        ("WebP", "a.webp", "a WebP picture", "JPEG, PNG and TIFF"),
    ],
)
def test_pictures_are_called_so(tmp_path, kind, name, said, hint):
    Image.new("RGB", (40, 30)).save(tmp_path / name, kind)
    for read in (read_frame, read_metadata):
        with pytest.raises(InputError, match=said) as refusal:
            read(tmp_path / name)
        assert hint in refusal.value.hint


@pytest.mark.parametrize("name", ["a.dng", "a.nef", "a.kdc"])
def test_what_the_decoder_says_is_put_in_our_words(tmp_path, name):
    (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(InputError) as refusal:
        read_frame(tmp_path / name)
    assert (
        refusal.value.message == f"{tmp_path / name}: is damaged or truncated: it ends before its pixels do"
    )
    # Its own words are for --debug.
    assert b"Input/output error" in refusal.value.__cause__.args


def test_missing_folder_and_empty(tmp_path):
    _refused(tmp_path / "none.dng", "no such file")
    _refused(tmp_path, "folder")
    (tmp_path / "a.nef").touch()
    _refused(tmp_path / "a.nef", "empty")


def test_headerless_files_are_not_guessed_by_their_size(tmp_path):
    # LibRaw takes any file of this size for one of 1024 x 768 bytes.
    (tmp_path / "a.raw").write_bytes(bytes(786432))
    assert "geometry" in (_refused(tmp_path / "a.raw", "pixels only").hint or "").lower()


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    foreign_dng(tmp_path / "a.dng", MOSAIC, t272=("s", 12, "\x1b[31mOne\x07\r\n"))
    assert read_metadata(tmp_path / "a.dng").model == "[31mOne"


def test_readers_come_from_the_registry(tmp_path):
    foreign_dng(tmp_path / "a.dng", MOSAIC)
    assert [reader.name for reader in find_readers(tmp_path / "a.dng", default_plugins())] == ["camera-raw"]
    (tmp_path / "unnamed").write_bytes((tmp_path / "a.dng").read_bytes())
    assert np.array_equal(read_frame(tmp_path / "unnamed").mosaic, MOSAIC)
    (tmp_path / "a.xyz").write_bytes(b"nothing known")
    _refused(tmp_path / "a.xyz", "not a camera file")
    assert len(list(read_frames(tmp_path / "a.dng"))) == 1


METADATA = {
    "CanonRaw.cr2": ("Canon", "Canon EOS 350D DIGITAL", 400, 1 / 15, "2005:08:03 18:59:18"),
    "DNG.dng": ("Canon", "Canon EOS 350D DIGITAL", 400, 1 / 15, "2005:08:03 18:59:18"),
    "FujiFilm.raf": ("FUJIFILM", "FinePix S5Pro", 100, 1 / 250, "2007:05:22 13:58:30"),
    "Panasonic.rw2": ("Panasonic", "DMC-LX3", 80, 1 / 250, "2008:08:06 15:21:56"),
    "sony_a7iii.ARW": ("SONY", "ILCE-7M3", 6400, 1 / 400, "2024:09:14 13:54:44"),
}


@pytest.mark.parametrize("name", METADATA)
def test_headers_of_other_makers(shared_data, name):
    path = shared_data / "real_raw" / "metadata_only" / name
    info = read_metadata(path)
    make, model, iso, seconds, date = METADATA[name]
    assert (info.make, info.model, info.iso, info.date) == (make, model, iso, date)
    assert info.exposure_time == pytest.approx(seconds, rel=1e-6)
    # The RAF is cut down consistently: only decoding it shows that there are no pixels.
    assert info.unreadable or name == "FujiFilm.raf"
    _refused(path, path.name)


def test_real_files(shared_data):
    folder = shared_data / "real_raw"
    canon = read_frame(folder / "canon_550d_colorchart.dng")
    assert canon.mosaic.shape == (1182, 1888)
    assert canon.area == (26, 152, 1182, 1886)
    assert (canon.black == 2056).all()
    assert (canon.white, canon.bits) == (15000, 14)
    top, left, bottom, right = canon.masked_areas[0]
    assert abs(np.median(canon.mosaic[top:bottom, left:right]) - 2048) < 5
    gopro = read_frame(folder / "gopro_fusion_iso100.dng")
    assert gopro.noise_profile == ((7.809999789543329e-05, 2.4399999342491323e-08),) * 3
    assert (gopro.iso, gopro.orientation, gopro.bits) == (100, 2, 14)
    kodak = read_frame(folder / "kodak_dc50.kdc")
    assert (kodak.mosaic.shape, kodak.iso, kodak.camera) == (
        (512, 768),
        84,
        "Eastman Kodak Company Kodak Digital Science DC50 Zoom Camera",
    )
    for name in ("adobe_linear_u16.dng", "adobe_linear_float32.dng", "canon_6d_lossy.dng"):
        _refused(folder / name, "linear DNG")
        assert read_metadata(folder / name).content == "linear"
    _refused(folder / "nikon_z9_jpegxl.dng", "JPEG XL")
    assert read_metadata(folder / "nikon_z9_jpegxl.dng").iso == 102400


def _cr3(exif, main):
    """Return the boxes of a Canon CR3 around two TIFF structures."""

    def box(kind, content):
        return struct.pack(">I4s", 8 + len(content), kind) + content

    canon = box(b"uuid", bytes(16) + box(b"CMT1", main) + box(b"CMT2", exif))
    return box(b"ftyp", b"crx \0\0\0\1") + box(b"moov", canon) + struct.pack(">I4s", 1 << 20, b"mdat")


def test_canon_boxes_hold_the_exif_data(tmp_path):
    tifffile.imwrite(
        tmp_path / "main.tif",
        np.zeros((8, 8), np.uint8),
        extratags=[(271, "s", 6, "Canon", True), (272, "s", 3, "R9", True)],
        metadata=None,
    )
    tifffile.imwrite(
        tmp_path / "exif.tif",
        np.zeros((8, 8), np.uint8),
        extratags=[(34855, "H", 1, 3200, True), (33434, "2I", 1, (1, 50), True)],
        metadata=None,
    )
    content = _cr3((tmp_path / "exif.tif").read_bytes(), (tmp_path / "main.tif").read_bytes())
    (tmp_path / "a.cr3").write_bytes(content)
    info = read_metadata(tmp_path / "a.cr3")
    assert (info.make, info.model, info.iso, info.exposure_time) == ("Canon", "R9", 3200, 0.02)
    _refused(tmp_path / "a.cr3", "truncated")
