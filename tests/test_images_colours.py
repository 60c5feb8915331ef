"""Colours: the transfer curve, the palettes, and photographs as a source of both colours and images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sampling import assert_distribution

from synthnoise.errors import InputError, UsageError
from synthnoise.evaluation.images import evaluate_images
from synthnoise.files import expand_inputs
from synthnoise.images.colours import (
    OPPONENT,
    decode_srgb,
    encode_srgb,
    grey_palette,
    natural_palette,
    uniform_palette,
)
from synthnoise.images.dead_leaves import DeadLeaves
from synthnoise.images.dead_leaves import Options as LeafOptions
from synthnoise.images.palette_bank import PaletteBank
from synthnoise.images.photographs import Options, PhotographCrops, Photographs
from synthnoise.plugins import default_plugins
from synthnoise.rng import Rng
from synthnoise.stream.dataset import Request, synthesize
from synthnoise.stream.source import Source
from synthnoise.testing import check_image_model, rng


def test_the_transfer_curve_is_that_of_the_standard():
    # Linear light and 8-bit sRGB of the patches of a ColorChecker's grey row, to the code.
    for linear, code in ((0.0, 0), (0.0031308, 10), (0.0319, 50), (0.0908, 85), (0.1912, 121), (1.0, 255)):
        assert round(255 * float(encode_srgb(torch.tensor(linear, dtype=torch.float64)))) in (
            code - 1,
            code,
            code + 1,
        )
    codes = torch.linspace(0, 1, 4001, dtype=torch.float64)
    assert torch.allclose(encode_srgb(decode_srgb(codes)), codes, atol=2e-7)
    assert (decode_srgb(codes).diff() > 0).all()


def test_uniform_palettes_fill_the_cube_and_grey_ones_its_diagonal():
    cube = encode_srgb(uniform_palette(rng(*range(20)), 2048))
    for channel in range(3):
        assert_distribution(cube[..., channel].numpy(), lambda v: np.clip(v, 0, 1), detects=0.03)
    correlation = np.corrcoef(cube.reshape(-1, 3).T)
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 5 / np.sqrt(cube[..., 0].numel())
    grey = grey_palette(rng(0), 512)
    assert torch.equal(grey[..., 0], grey[..., 1])
    assert torch.equal(grey[..., 0], grey[..., 2])


def test_natural_palettes_have_the_spread_of_photographs_and_differ_from_image_to_image():
    palettes = 255 * encode_srgb(natural_palette(rng(*range(400)), 1024)).double()
    assert 0 <= palettes.min() <= palettes.max() <= 255
    opponent = palettes @ torch.tensor(OPPONENT, dtype=torch.float64).T
    lightness, red_blue, magenta_green = opponent.flatten(0, 1).std(0).tolist()
    # BSDS500-train has 102, 34 and 15 on these axes; uniform colours have 74 on each.
    assert 80 < lightness < 120
    assert 25 < red_blue < 42
    assert 10 < magenta_green < 22
    means = opponent.mean(1)
    assert means.std(0)[0] > 30
    within = opponent.std(1)
    assert within[:, 0].min() < 0.6 * within[:, 0].median() < within[:, 0].median() < 0.6 * within[:, 0].max()


def test_a_palette_does_not_depend_on_its_batch():
    together = natural_palette(rng(4, 9, 1), 2048)
    alone = natural_palette(rng(9), 2048)
    assert torch.allclose(together[1], alone[0], atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    pixels = np.random.Generator(np.random.Philox(3)).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png")
    Image.fromarray(pixels[0, :20, :20]).save(folder / "small.png")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


def test_leaves_take_the_colours_of_one_photograph_each(folder):
    model = DeadLeaves(LeafOptions(colours=str(folder), reduction=1))
    images = (255 * encode_srgb(model.generate((48, 48), rng(0, 1, 2, 3, 4, 5)))).round().to(torch.uint8)
    sources = [np.asarray(Image.open(path)).reshape(-1, 3) for path in sorted(folder.glob("*.png"))]
    colours = [{tuple(colour) for colour in source} for source in sources]
    matched = [
        [i for i, known in enumerate(colours) if {tuple(c) for c in image.flatten(1).T.tolist()} <= known]
        for image in images
    ]
    assert all(matched)
    assert len({m[0] for m in matched}) > 1


def test_a_bank_samples_photographs_evenly_once_and_again_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):  # the left half of each is darker by 100 than the right
        pixels = np.full((50, 80, 3), 40 * number, dtype=np.uint8)
        pixels[:, 40:] += 100
        Image.fromarray(pixels).save(photos / f"{number}.png")
    bank = PaletteBank(photos)
    assert bank.pixels.shape == (3, 2048, 3)
    for number, pixels in enumerate(bank.pixels):
        assert set(pixels.flatten().tolist()) == {40 * number, 40 * number + 100}
        # Binomial: standard error of a share of one half of 2048.
        assert (pixels > 40 * number).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(2048))
    (stored,) = (tmp_path / "cache").rglob("palettes-*.npy")
    written = stored.stat().st_mtime_ns
    assert PaletteBank(photos).fingerprint() == bank.fingerprint()
    assert stored.stat().st_mtime_ns == written
    Image.fromarray(np.full((50, 80, 3), 7, dtype=np.uint8)).save(photos / "1.png")
    changed = PaletteBank(photos)
    assert set(changed.pixels[1].flatten().tolist()) == {7}
    assert changed.fingerprint() != bank.fingerprint()
    palettes = changed.palette(rng(*range(9)), 100)
    assert palettes.shape == (9, 100, 3)
    assert torch.equal(changed.palette(rng(4), 100)[0], palettes[4])


@pytest.mark.parametrize("name", ["dead-leaves", "vibrant-leaves"])
def test_models_take_a_folder_for_their_colours_and_the_manifest_its_hash(folder, name):
    request = Request(model=name, options={"colours": str(folder)}, n=1, size=(16, 16))
    facts = Source(request, default_plugins()).facts()["model"]
    assert facts["files"] == {"palettes_sha256": PaletteBank(folder).fingerprint()}
    assert "files" not in Source(Request(model=name), default_plugins()).facts()["model"]
    with pytest.raises(InputError, match="colours=natrual: no such folder"):
        Source(Request(model=name, options={"colours": "natrual"}), default_plugins()).facts()


def test_a_crop_is_a_piece_of_a_photograph_that_is_large_enough(folder):
    model = PhotographCrops(Options(path=str(folder)))
    crops = (255 * encode_srgb(model.generate((30, 50), rng(*range(8))))).round().to(torch.uint8)
    sources = [np.asarray(Image.open(folder / f"{number}.png")).transpose(2, 0, 1) for number in range(3)]
    places = {
        (number, top, left)
        for crop in crops.numpy()
        for number, source in enumerate(sources)
        for top in range(11)
        for left in range(11)
        if np.array_equal(source[:, top : top + 30, left : left + 50], crop)
    }
    assert len(places) == 8
    reduced = PhotographCrops(Options(path=str(folder), reduction=2)).generate((20, 30), rng(0))
    means = [decode_srgb(torch.from_numpy(source / np.float32(255))).mean((1, 2)) for source in sources]
    assert any(torch.allclose(reduced[0].mean((1, 2)), mean, atol=1e-5) for mean in means)


def test_the_folder_model_keeps_the_contract(folder):
    from synthnoise.specs import ImageModelSpec

    record = ImageModelSpec(
        name="folder",
        summary="Random crops of photographs.",
        factory=PhotographCrops,
        options=Options,
    )
    check_image_model(record, {"path": str(folder)}, size=(20, 30))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: PhotographCrops(Options()), UsageError, "needs a folder"),
        (lambda folder: PhotographCrops(Options(path=str(folder / "none"))), InputError, "no such folder"),
        (
            lambda folder: PhotographCrops(Options(path=str(folder))).generate((41, 10), rng(0)),
            InputError,
            "41x10",
        ),
    ],
)
def test_folders_that_cannot_serve_are_named(folder, make, error, message):
    with pytest.raises(error, match=message):
        make(folder)


def test_the_contact_sheet_of_a_dataset_is_not_one_of_its_images(tmp_path):
    request = Request(options={"reduction": 1}, n=3, size=(16, 24))
    synthesize(request, tmp_path, contact_sheet=True)
    assert (tmp_path / "contact-sheet.png").exists()
    assert Photographs(tmp_path).sizes == [(16, 24)] * 3
    assert evaluate_images(str(tmp_path), n=10).count == 3
    assert [path.name for path in expand_inputs([tmp_path], [".png"])] == [f"{i:08d}.png" for i in range(3)]


def test_damaged_photographs_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no photographs"):
        PhotographCrops(Options(path=str(tmp_path)))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not really")
    with pytest.raises(InputError, match=r"broken\.jpg"):
        PhotographCrops(Options(path=str(tmp_path)))


def test_one_generator_serves_any_seed(folder):
    model = PhotographCrops(Options(path=str(folder)))
    first, second = (model.generate((30, 50), Rng(seed, torch.arange(6))) for seed in (0, 1))
    assert not torch.equal(first, second)
