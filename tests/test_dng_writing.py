"""DNG files written from frames: read back by LibRaw, by tifffile and by ourselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import rawpy
import tifffile
from raw_scenes import BAYER, CFAS, exiftool, field_frame, noise_frame

from synthnoise.errors import OutputExistsError, UsageError
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.reading import read_frame, read_metadata

AREAS = {"whole": None, "even": (4, 6, 94, 124), "odd": (3, 5, 90, 121), "wide": (12, 18, 96, 126)}


def _tags(path, raw=True):
    """Return tifffile's reading of the raw or the main directory."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0].pages[0] if raw else file.pages[0]
        return {tag.code: tag.value for tag in page.tags}


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("pattern", CFAS)
def test_frame_survives_the_file(tmp_path, pattern, area):
    cfa = noise_frame(pattern).cfa
    black = 500 + 0.25 * np.arange(cfa.size).reshape(cfa.shape)
    frame = noise_frame(
        pattern,
        black=black,
        active_area=AREAS[area],
        default_crop=(14, 20, 80, 110),
        masked_areas=((0, 0, 96, 3),) if AREAS[area] else (),
        iso=800,
        exposure_time=1 / 250,
        aperture=2.8,
        focal_length=35.0,
        date="2024:05:06 07:08:09",
        make="Acme",
        model="Acme One",
        as_shot_neutral=(0.5, 1.0, 0.625),
        colour_matrix=np.array([[0.9, -0.2, 0.1], [-0.4, 1.2, 0.2], [0.0, 0.1, 0.6]]),
        noise_profile=((1e-4, 2e-7), (1.5e-4, 1e-7), (2e-4, 3e-7)),
        orientation=6,
    )
    write_dng(tmp_path / "a.dng", frame)
    back = read_frame(tmp_path / "a.dng")
    assert back.path == tmp_path / "a.dng"
    for field in dataclasses.fields(frame):
        if field.name in ("path", "bits", "notes"):
            continue
        if pattern == "mono" and field.name in ("as_shot_neutral", "colour_matrix"):
            continue
        written, read = getattr(frame, field.name), getattr(back, field.name)
        if isinstance(written, np.ndarray | float):
            np.testing.assert_allclose(read, written, atol=1e-6, err_msg=field.name)
        else:
            assert read == written, field.name


@pytest.mark.parametrize("pattern", [*BAYER, "X-Trans"])
@pytest.mark.parametrize("area", ["whole", "even", "odd"])
def test_libraw_sees_the_pixels_and_the_phase(tmp_path, pattern, area):
    frame = noise_frame(pattern, (96, 128), active_area=AREAS[area])
    write_dng(tmp_path / "a.dng", frame)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert np.array_equal(raw.raw_image, frame.mosaic)
        top, left = raw.sizes.top_margin, raw.sizes.left_margin
        for i in range(6):
            for j in range(6):
                colour = frame.cfa[(top + i) % frame.cfa.shape[0], (left + j) % frame.cfa.shape[1]]
                assert {0: 0, 1: 1, 2: 2, 3: 1}[raw.raw_color(top + i, left + j)] == colour
        assert raw.white_level == 16383
        assert raw.black_level_per_channel == [511] * 4


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("shape", [(22, 22), (23, 45), (96, 17 + 512), (600, 130), (64, 768), (30, 1024)])
def test_any_depth_and_any_size(tmp_path, bits, shape):
    frame = noise_frame(shape=shape, bits=bits)
    write_dng(tmp_path / "a.dng", frame)
    back = read_frame(tmp_path / "a.dng")
    assert np.array_equal(back.mosaic, frame.mosaic)
    assert back.bits == bits


def test_libraw_gives_a_colour_per_position_its_own_black(tmp_path):
    frame = noise_frame("GRBG", black=np.array([[500.0, 510.0], [520.0, 530.0]]))
    write_dng(tmp_path / "a.dng", frame)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        levels = np.array(raw.black_level_per_channel)[raw.raw_pattern]
    assert np.array_equal(levels, frame.black)


def test_tags_are_relative_to_the_active_area(tmp_path):
    frame = noise_frame("RGGB", black=np.array([[500.25, 510], [520, 530]]), active_area=(3, 4, 90, 120))
    write_dng(tmp_path / "a.dng", frame)
    tags = _tags(tmp_path / "a.dng")
    # An odd top shifts the pattern by a row: green blue above red green.
    assert tuple(tags[33422]) == (1, 2, 0, 1)
    levels = np.array(tags[50714], float).reshape(-1, 2)
    assert (levels[:, 0] / levels[:, 1]).tolist() == [520, 530, 500.25, 510]
    assert tags[50829] == (3, 4, 90, 120)
    assert (tags[258], tags[259], tags[262], tags[277]) == (16, 7, 32803, 1)


def test_tile_sizes_are_legal_and_of_whole_repeats(tmp_path):
    for pattern, unit in (("RGGB", 16), ("X-Trans", 48), ("Quad-Bayer", 16)):
        write_dng(tmp_path / "a.dng", noise_frame(pattern, (530, 700)), overwrite=True)
        tags = _tags(tmp_path / "a.dng")
        assert tags[322] % unit == 0
        assert tags[323] % unit == 0
        assert tags[322] <= 700


def test_rows_and_columns_keep_their_own_black(tmp_path):
    rows, columns = np.zeros(96), np.zeros(128)
    rows[3:90] = np.linspace(-2, 3, 87)
    columns[5:121] = np.round(np.linspace(-1, 1, 116), 3)
    frame = noise_frame(active_area=(3, 5, 90, 121), black_rows=rows, black_columns=columns)
    write_dng(tmp_path / "a.dng", frame)
    back = read_frame(tmp_path / "a.dng")
    np.testing.assert_allclose(back.black_rows, rows, atol=1e-6)
    np.testing.assert_allclose(back.black_columns, columns, atol=1e-6)


@pytest.mark.parametrize("iso", [64, 65534, 65535, 102400, 3276800])
def test_iso_of_any_size(tmp_path, iso):
    write_dng(tmp_path / "a.dng", noise_frame(iso=iso))
    assert read_frame(tmp_path / "a.dng").iso == iso
    assert read_metadata(tmp_path / "a.dng").iso == iso


@pytest.mark.parametrize("seconds", [30.0, 1.3, 1 / 60, 1 / 8000, 1e-7])
def test_exposure_times_of_any_length(tmp_path, seconds):
    write_dng(tmp_path / "a.dng", noise_frame(exposure_time=seconds))
    assert read_frame(tmp_path / "a.dng").exposure_time == pytest.approx(seconds, rel=1e-6)


def test_a_frame_without_colour_data_renders_grey_as_grey(tmp_path):
    frame = field_frame((0.3, 0.3, 0.3), shape=(128, 160))
    write_dng(tmp_path / "a.dng", frame)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        means = raw.postprocess(use_camera_wb=True, no_auto_bright=True).reshape(-1, 3).mean(0)
    assert np.ptp(means) < 1.0
    assert 60 < means.mean() < 200


def test_noise_tags(tmp_path):
    profile = ((1e-4, 1e-7), (2e-4, 2e-7), (3e-4, 0.0))
    write_dng(tmp_path / "a.dng", noise_frame(), noise_profile=profile, noise_reduction=0.75)
    raw, main = _tags(tmp_path / "a.dng"), _tags(tmp_path / "a.dng", raw=False)
    flat = tuple(v for pair in profile for v in pair)
    assert raw[51041] == flat == main[51041]
    numerator, denominator = raw[50935]
    assert numerator / denominator == 0.75
    write_dng(tmp_path / "b.dng", noise_frame(), noise_profile=((0.0, 0.0),) * 3)
    slope, offset = _tags(tmp_path / "b.dng")[51041]
    assert slope > 0, "DNG wants S > 0"
    assert offset == 0


def test_thumbnail_and_preview_show_the_picture(tmp_path):
    write_dng(tmp_path / "a.dng", field_frame((0.5, 0.1, 0.1), shape=(600, 900)))
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        thumbnail = file.pages[0].asarray()
    assert thumbnail.shape == (171, 256, 3)
    means = thumbnail.reshape(-1, 3).mean(0)
    assert means[0] > means[1:].max() + 50
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.extract_thumb().format == rawpy.ThumbFormat.JPEG


@pytest.mark.parametrize("pattern", CFAS)
def test_exiftool_finds_nothing_wrong(tmp_path, pattern):
    frame = noise_frame(
        pattern, iso=204800, exposure_time=0.01, date="2024:05:06 07:08:09", active_area=(3, 5, 90, 121)
    )
    write_dng(tmp_path / "a.dng", frame, noise_profile=((1e-4, 1e-7),), noise_reduction=1.0)
    assert exiftool("-validate", "-warning", "-a", "-s3", tmp_path / "a.dng").strip() == "OK"


def test_exiftool_reads_the_capture_data(tmp_path):
    frame = noise_frame(
        make="Acme", model="Acme One", iso=102400, exposure_time=1 / 250, aperture=2.8, focal_length=35
    )
    write_dng(tmp_path / "a.dng", frame, unique_camera_model="Acme One mk2")
    names = ("Make", "Model", "UniqueCameraModel", "RecommendedExposureIndex", "ExposureTime", "FNumber")
    lines = exiftool("-s3", *(f"-{name}" for name in names), tmp_path / "a.dng").split("\n")
    assert lines[:6] == ["Acme", "Acme One", "Acme One mk2", "102400", "1/250", "2.8"]


def test_linear_dng(tmp_path):
    frame = noise_frame(as_shot_neutral=(0.5, 1.0, 0.6), iso=400)
    rgb = np.random.default_rng(5).integers(0, 65536, (96, 128, 3)).astype(np.uint16)
    write_linear_dng(tmp_path / "a.dng", rgb, frame, noise_reduction=1.0)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert np.array_equal(raw.raw_image[..., :3], rgb)
        assert raw.black_level_per_channel == [0] * 4
        assert raw.white_level == 65535
    assert read_metadata(tmp_path / "a.dng").content == "linear"
    assert exiftool("-validate", "-warning", "-a", "-s3", tmp_path / "a.dng").strip() == "OK"


def test_nothing_is_overwritten_unasked(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        write_dng(tmp_path / "a.dng", noise_frame())
    assert (tmp_path / "a.dng").read_bytes() == b"mine"
    write_dng(tmp_path / "a.dng", noise_frame(), overwrite=True)
    assert read_frame(tmp_path / "a.dng").mosaic.shape == (96, 128)


def test_a_failed_write_leaves_nothing(tmp_path):
    frame = noise_frame(black=np.full((2, 2), -3.0))
    with pytest.raises(UsageError, match="negative"):
        write_dng(tmp_path / "a.dng", frame)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mosaic": np.zeros((96, 128), np.float32)}, "uint16"),
        ({"white": 70000.0}, "16 bits"),
        ({"mosaic": np.zeros((16, 128), np.uint16)}, "too few"),
    ],
)
def test_what_dng_cannot_hold_is_refused(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        write_dng(tmp_path / "a.dng", dataclasses.replace(noise_frame(), **change))
    with pytest.raises(UsageError, match="between 0 and 1"):
        write_dng(tmp_path / "a.dng", noise_frame(), noise_reduction=1.5)
