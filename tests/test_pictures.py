"""Pictures in and out: every sample, profile, alpha and EXIF, judged by Pillow, tifffile and exiftool."""

from __future__ import annotations

import dataclasses
import io
import json

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from raw_scenes import dump, exiftool

from synthnoise.denoising import Settings, denoise_files
from synthnoise.denoising.denoiser import Denoiser
from synthnoise.denoising.pictures import denoise_picture, estimate_sigma
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.raw.jpeg_picture import write_jpeg_picture
from synthnoise.raw.picture import Picture, split_samples
from synthnoise.raw.picture_files import read_picture, write_picture
from synthnoise.sensors.scenes import dead_leaves

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NOTE = b"Acme\0\0maker note \x01\x02\xff"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
STORAGE = {258, 259, 273, 278, 279, 317, 322, 323, 324, 325}


def exif() -> bytes:
    """Return an EXIF block made by Pillow, with GPS and a maker note."""
    block = Image.Exif()
    block[271], block[272], block[274] = "Acme", "One", 6
    block.get_ifd(0x8769).update({33434: (1, 250), 34855: 3200, 37500: NOTE})
    block.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 38.0)})
    return block.tobytes().removeprefix(b"Exif\0\0")


def noisy(size=(96, 112), channels=3, dtype=np.uint8, seed=0):
    """Return a scene with white noise of sigma 10 of 255, [H, W, C], and the same without."""
    scene = 0.2 + 0.6 * dead_leaves(size, seed=4).transpose(1, 2, 0)[..., :channels]
    if channels in (2, 4):
        scene[..., -1:] = (np.arange(size[1]) > 20)[None, :, None]
        if channels == 4:
            scene = np.concatenate(
                [scene[..., :3], np.ones((*size, 1)) * (np.arange(size[1]) > 20)[:, None]], 2
            )
    colours = scene.shape[2] - (scene.shape[2] in (2, 4))
    shot = scene.copy()
    shot[..., :colours] += np.random.default_rng(seed).normal(0, 10 / 255, (*size, colours))
    top = np.iinfo(dtype).max
    return [np.rint(np.clip(image, 0, 1) * top).astype(dtype) for image in (shot, scene)]


def rms_error(image, clean):
    return float(
        np.sqrt(np.mean((image.astype(float) - clean.astype(float)) ** 2)) / np.iinfo(clean.dtype).max
    )


def test_a_jpeg_keeps_what_it_carries(tmp_path):
    shot, clean = noisy((256, 256))
    source = tmp_path / "a.JPG"
    Image.fromarray(shot).save(
        source,
        quality=98,
        subsampling=0,
        icc_profile=SRGB,
        exif=b"Exif\0\0" + exif(),
        comment="hello",
        dpi=(300, 300),
    )
    data = source.read_bytes()
    packet = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    source.write_bytes(data[:2] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + data[2:])
    (outcome,) = denoise_files([source])
    assert outcome.error is None
    assert outcome.output.name == "a-denoised.JPG"
    with Image.open(source) as before, Image.open(outcome.output) as after:
        assert after.format == "JPEG"
        for key in ("icc_profile", "exif", "comment", "dpi", "xmp"):
            assert after.info[key] == before.info[key]
        assert after.getexif().get_ifd(0x8769)[37500] == NOTE
        assert rms_error(np.asarray(after), clean) < 0.7 * rms_error(np.asarray(before), clean)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_png_and_tiff_keep_bits_channels_and_alpha(tmp_path, suffix, channels, dtype):
    shot, clean = noisy(channels=channels, dtype=dtype)
    source = tmp_path / f"a{suffix}"
    if suffix == ".png":
        source.write_bytes(imagecodecs.png_encode(shot))
    else:
        extra = ["unassalpha"] if channels in (2, 4) else None
        kind = "rgb" if channels > 2 else "minisblack"
        tifffile.imwrite(
            source, shot.squeeze(), photometric=kind, planarconfig="contig" if channels > 1 else None,
            extrasamples=extra, iccprofile=SRGB,
        )  # fmt: skip
    (outcome,) = denoise_files([source])
    assert outcome.error is None
    reader = imagecodecs.imread if suffix == ".png" else tifffile.imread
    result = reader(outcome.output).reshape(shot.shape)
    assert result.dtype == dtype
    colours = channels - (channels in (2, 4))
    assert np.array_equal(result[..., colours:], shot[..., colours:])
    seen = slice(24, None)
    parts = (image[:, seen, :colours] for image in (result, shot, clean))
    after, before, truth = parts
    assert rms_error(after, truth) < 0.8 * rms_error(before, truth)
    assert np.abs(after.mean((0, 1)) / before.mean((0, 1)) - 1).max() < 0.01
    if channels in (2, 4):
        assert np.array_equal(result[:, :20], shot[:, :20])
    if suffix == ".tif":
        before, after = dump(source), dump(outcome.output)
        assert {k: v for k, v in before.items() if k[1] not in STORAGE} == {
            k: v for k, v in after.items() if k[1] not in STORAGE
        }


def test_chunks_of_a_png_survive(tmp_path):
    shot, _ = noisy()
    source = tmp_path / "a.png"
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", "Leaves")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    Image.fromarray(shot).save(source, pnginfo=text, icc_profile=SRGB, exif=exif(), dpi=(300, 300))
    (outcome,) = denoise_files([source])
    with Image.open(source) as before, Image.open(outcome.output) as after:
        before.load(), after.load()
        assert before.info == after.info
        assert after.getexif()[271] == "Acme"


@pytest.mark.parametrize("last", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("first", [".png", ".tif", ".jpg"])
def test_exif_profile_and_xmp_move_between_containers(tmp_path, first, last):
    shot, _ = noisy()
    stream = io.BytesIO()
    Image.fromarray(shot).save(stream, "JPEG", icc_profile=SRGB, exif=b"Exif\0\0" + exif(), xmp=XMP)
    (tmp_path / "a.jpg").write_bytes(stream.getvalue())
    write_picture(tmp_path / f"b{first}", read_picture(tmp_path / "a.jpg"))
    write_picture(tmp_path / f"c{last}", read_picture(tmp_path / f"b{first}"))
    with Image.open(tmp_path / f"c{last}") as picture:
        assert picture.info["icc_profile"] == SRGB
        found = picture.getexif()
        assert (found[271], found[272], found[274]) == ("Acme", "One", 6)
        assert found.get_ifd(0x8769)[34855] == 3200
        assert found.get_ifd(0x8769)[37500] == NOTE
        assert found.get_ifd(0x8825)[1] == "N"
        assert XMP in (found[700] if last == ".tif" else picture.info["xmp"] if last == ".jpg" else
                       picture.info["XML:com.adobe.xmp"].encode())  # fmt: skip


def test_exiftool_finds_nothing_amiss(tmp_path):
    shot, _ = noisy()
    Image.fromarray(shot).save(tmp_path / "a.jpg", icc_profile=SRGB, exif=b"Exif\0\0" + exif())
    picture = read_picture(tmp_path / "a.jpg")
    files = [tmp_path / name for name in ("a.jpg", "b.jpg", "b.png", "b.tif")]
    for file in files[1:]:
        write_picture(file, picture)
    before, *others = json.loads(exiftool("-j", "-G1", "-a", "-all", "-validate", *files))
    for after in others:
        for tag, value in before.items():
            if tag.split(":")[0] in ("ExifIFD", "GPS") or tag.startswith("ICC"):
                assert after[tag] == value, (after["SourceFile"], tag)
        assert "Error" not in after["ExifTool:Validate"], after


@pytest.mark.parametrize("compression", ["lzw", "packbits", "zlib", None])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_of_others_are_read(tmp_path, compression, dtype):
    shot, _ = noisy((130, 70), dtype=dtype)
    for order in "<>":
        for predictor in (False, True) if compression in ("lzw", "zlib") else (False,):
            for tile in (None, (64, 48)):
                tifffile.imwrite(
                    tmp_path / "a.tif", shot, photometric="rgb", compression=compression, byteorder=order,
                    predictor=predictor, tile=tile, rowsperstrip=None if tile else 17,
                )  # fmt: skip
                picture = read_picture(tmp_path / "a.tif")
                assert np.array_equal(picture.pixels, shot)
                write_picture(tmp_path / "b.tif", picture, overwrite=True)
                assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), shot)


def test_16_bit_png_filters(tmp_path):
    # Noise, ramps and flats make the encoder choose every filter.
    rows, columns = np.indices((200, 90))
    picture = np.stack([rows * 300, columns * 700, np.random.default_rng(1).integers(0, 65536, (200, 90))], 2)
    picture = picture.astype(np.uint16)
    for name, data in (("smooth", picture), ("flat", picture * 0 + 513)):
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
        read = read_picture(tmp_path / "a.png")
        assert np.array_equal(read.pixels, data), name
        write_picture(tmp_path / "b.png", read, overwrite=True)
        assert np.array_equal(imagecodecs.imread(tmp_path / "b.png"), data), name


def test_palettes_become_colours_and_keep_their_transparency(tmp_path):
    shot, _ = noisy()
    palette = Image.fromarray(shot).quantize(200)
    palette.info["transparency"] = 3
    palette.save(tmp_path / "a.png", transparency=3)
    picture = read_picture(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(picture.samples, np.asarray(image.convert("RGBA")))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cmyk.jpg", "CMYK"),
        ("cmyk.tif", "CMYK"),
        ("palette.tif", "palette"),
        ("float.tif", "floating-point"),
        ("bits32.tif", "32 bits"),
        ("pages.tif", "2 pictures"),
        ("bitmap.png", "one bit"),
        ("moving.png", "animation"),
    ],
)
def test_what_cannot_be_denoised_is_refused_in_one_line(tmp_path, name, said):
    shot, _ = noisy()
    path = tmp_path / name
    image = Image.fromarray(shot)
    if name.startswith("cmyk"):
        image.convert("CMYK").save(path)
    elif name == "palette.tif":
        image.quantize(16).save(path)
    elif name == "float.tif":
        tifffile.imwrite(path, shot.astype(np.float32), photometric="rgb")
    elif name == "bits32.tif":
        tifffile.imwrite(path, shot.astype(np.uint32), photometric="rgb")
    elif name == "pages.tif":
        tifffile.imwrite(path, np.stack([shot, shot]), photometric="rgb")
    elif name == "bitmap.png":
        image.convert("1").save(path)
    else:
        image.save(path, save_all=True, append_images=[Image.fromarray(255 - shot)])
    (outcome,) = denoise_files([path])
    assert isinstance(outcome.error, SynthnoiseError)
    assert said in outcome.error.message
    assert outcome.error.message.startswith(str(path))


def huffman_codes(data: bytes) -> int:
    """Return how many Huffman codes the tables of a JPEG hold (ITU-T T.81, B.2.4.2)."""
    at, codes = 2, 0
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        tables, at = data[at + 4 : at + 2 + length] if data[at + 1] == 0xC4 else b"", at + 2 + length
        while tables:
            own = sum(tables[1:17])
            codes, tables = codes + own, tables[17 + own :]
    return codes


def test_huffman_codes_are_fitted_up_to_a_size_alone():
    """Fitting needs all coefficients at once, which a large picture has no room for in 1 GB."""
    pixels = (255 * dead_leaves((80, 120), seed=1).transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)
    picture = Picture(pixels=pixels, extra=pixels[..., :0], container="PNG")
    files = {}
    for optimised in (80 * 120, 80 * 120 - 1):
        file = io.BytesIO()
        write_jpeg_picture(file, picture, optimised=optimised)
        files[optimised] = file.getvalue()
    fitted, plain = files.values()
    # The tables of annex K, for brightness and for colour, know all values that there may be.
    assert huffman_codes(plain) == 2 * (12 + 162)
    assert huffman_codes(fitted) < 200
    assert len(fitted) < len(plain)
    assert np.array_equal(imagecodecs.jpeg8_decode(fitted), imagecodecs.jpeg8_decode(plain))


def test_transparency_has_no_place_in_a_jpeg(tmp_path):
    shot, _ = noisy(channels=4)
    Image.fromarray(shot).save(tmp_path / "a.png")
    (outcome,) = denoise_files([tmp_path / "a.png"], format="jpeg")
    assert isinstance(outcome.error, UsageError)
    assert not list(tmp_path.glob("*.jpg"))


def test_a_preview_shows_a_picture_before_and_after_upright(tmp_path):
    shot, clean = noisy((200, 700))
    Image.fromarray(shot).save(tmp_path / "a.png", exif=exif(), icc_profile=SRGB)
    (outcome,) = denoise_files([tmp_path / "a.png"], preview=True)
    assert outcome.error is None
    with Image.open(outcome.output) as image:
        assert image.info["icc_profile"] == SRGB
        result = np.asarray(image)
    # Orientation 6: turned to the right.
    assert result.shape == (640, 2 * 200 + 4, 3)
    truth = np.rot90(clean[:, 30:670], -1)
    before, after = result[:, :200], result[:, 204:]
    assert np.array_equal(before, np.rot90(shot[:, 30:670], -1))
    assert rms_error(after, truth) < 0.7 * rms_error(before, truth)


def test_burnt_areas_stay_burnt_and_noise_on_bright_walls_goes(tmp_path):
    level = np.full((128, 256, 3), 246.0)
    level[:, :96], level[:, 224:] = 300, 120
    shot = np.clip(np.rint(level + np.random.default_rng(4).normal(0, 8, level.shape)), 0, 255)
    Image.fromarray(shot.astype(np.uint8)).save(tmp_path / "a.png")
    (outcome,) = denoise_files([tmp_path / "a.png"])
    with Image.open(outcome.output) as image:
        result = np.asarray(image).astype(float)
    assert (result[:, :92] == 255).all()
    wall = np.s_[8:-8, 108:212]
    assert result[wall].std() < 0.4 * shot[wall].std()


def test_a_result_takes_the_memory_of_its_picture_and_is_what_it_would_be_beside_it():
    shot, _ = noisy((200, 264))
    picture = Picture(pixels=shot, extra=shot[..., :0], container="PNG")
    denoiser = Denoiser(Settings(denoiser="rgb"), domain="srgb")
    whole, sigma = denoise_picture(picture, denoiser)
    beside, _ = denoise_picture(picture, denoiser, sigma=sigma, tile=32)
    # Tiles equal the whole but for rounding: none of them has seen what was written beside it.
    assert np.abs(beside.pixels.astype(int) - whole.pixels).max() <= 1
    assert (beside.pixels != whole.pixels).mean() < 1e-3
    assert not np.shares_memory(beside.pixels, shot)
    within, _ = denoise_picture(picture, denoiser, sigma=sigma, tile=32, in_place=True)
    assert np.shares_memory(within.pixels, shot)
    assert np.array_equal(within.pixels, beside.pixels)


def test_a_picture_without_alpha_keeps_no_memory_of_what_was_read():
    samples = np.zeros((32, 48, 3), np.uint8)
    pixels, extra = split_samples(samples, "a.png")
    assert np.shares_memory(pixels, samples)
    assert extra.shape == (32, 48, 0)
    assert extra.base is None


def test_grey_goes_through_a_network_for_colours(tmp_path):
    shot, clean = noisy((128, 128), channels=1)
    Image.fromarray(shot[..., 0]).save(tmp_path / "a.png")
    (outcome,) = denoise_files([tmp_path / "a.png"], settings=Settings(denoiser="rgb"))
    with Image.open(outcome.output) as image:
        assert image.mode == "L"
        assert rms_error(np.asarray(image)[..., None], clean) < 0.6 * rms_error(shot, clean)


def test_clipped_and_transparent_places_do_not_hide_the_noise():
    shot = np.clip(np.random.default_rng(5).normal(0.5, 0.04, (256, 256, 3)), 0, 1)
    burnt = shot.copy()
    burnt[:, :200] = 1
    hidden = shot.copy()
    hidden[:, :200] = 0.3
    opaque = np.arange(256)[None, :].repeat(256, 0) >= 200
    # 48 blocks are left; the lowest twentieth of their energies is known to a tenth.
    assert estimate_sigma(burnt) == pytest.approx([0.04] * 3, rel=0.15)
    assert estimate_sigma(hidden, opaque=opaque) == pytest.approx([0.04] * 3, rel=0.15)
    assert (estimate_sigma(np.ones((64, 64, 3))) < 0.001).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_damaged_pictures_are_errors_of_ours(tmp_path, suffix):
    picture = dataclasses.replace(
        read_picture(_png16(tmp_path)), icc=SRGB, exif=exif(), xmp=XMP, carried=(), container="new"
    )
    write_picture(tmp_path / f"good{suffix}", picture)
    good = (tmp_path / f"good{suffix}").read_bytes()
    random = np.random.default_rng(7)
    bad = tmp_path / f"bad{suffix}"
    for case in range(60):
        data = bytearray(good)
        if case % 3 == 0:
            del data[random.integers(1, len(data)) :]
        for place in random.integers(0, min(len(data), 1500), 1 + case % 4):
            data[place] = random.integers(0, 256)
        bad.write_bytes(bytes(data))
        try:
            found = read_picture(bad)
            write_picture(tmp_path / f"again{suffix}", found, overwrite=True)
        except (InputError, UsageError):
            continue
        assert found.pixels.ndim == 3


def _png16(folder):
    shot, _ = noisy((40, 50), dtype=np.uint16)
    (folder / "p.png").write_bytes(imagecodecs.png_encode(shot))
    return folder / "p.png"
