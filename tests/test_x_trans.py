"""X-Trans mosaics: which pixel is what, and networks for them from the pairs to the file."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthnoise.colour_filter_arrays import RGGB, X_TRANS, X_TRANS_BLOCKS, as_cfa, name_of, place_in, shifted
from synthnoise.denoisers import x_trans_dru
from synthnoise.denoisers.defects import replace_mosaic_defects
from synthnoise.denoisers.reach import measured
from synthnoise.denoisers.weights import WeightsRecord, load_weights, save_weights
from synthnoise.denoising import Denoiser, Settings, denoise_frame, denoise_stream
from synthnoise.denoising.mosaic_planes import MosaicPlanes
from synthnoise.denoising.noise_level import estimate_noise
from synthnoise.errors import InputError, UsageError
from synthnoise.export import export_onnx
from synthnoise.plugins import default_plugins
from synthnoise.profiles.arrangement import rearranged
from synthnoise.profiles.store import load_profile, save_profile
from synthnoise.raw.cfa import linear_planes, pack, unpack
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import GREEN, Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream import noising
from synthnoise.stream.dataset import Request, samples
from synthnoise.training import train
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Examples
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.validation import clean_planes

COLOURS = tuple(itertools.chain(*X_TRANS))
PLACES = list(itertools.product(range(6), range(6)))


def frame_of(mosaic: np.ndarray, cfa: tuple[tuple[int, ...], ...]) -> Frame:
    black = np.full(np.shape(cfa), 512.0)
    return Frame(mosaic=mosaic.astype(np.uint16), cfa=np.array(cfa, np.uint8), black=black, white=16383.0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with something to say: its last layer does not begin at zero."""
    options = x_trans_dru.Options(widths=(8, 12), blocks=1)
    network = x_trans_dru.build(options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    record = WeightsRecord(
        denoiser="x-trans-dru",
        options=dataclasses.asdict(options),
        domain="x-trans",
        channels=36,
        stabilised=True,
        halo=network.halo,
        multiple_of=network.multiple_of,
    )
    path = tmp_path_factory.mktemp("weights") / "x.safetensors"
    save_weights(path, network, measured(network, record))
    return path


def test_it_is_known_wherever_its_repeat_begins() -> None:
    array = np.array(X_TRANS)
    for place in PLACES:
        begun = shifted(X_TRANS, *place)
        assert name_of(begun) == "x-trans"
        found = place_in(begun, X_TRANS)
        assert found is not None
        assert shifted(begun, *found) == X_TRANS
    # Cameras are turned, and their files mirrored: that is the same array, beginning elsewhere.
    for turned in (array.T, array[::-1], array[:, ::-1], np.rot90(array)):
        assert name_of(as_cfa(turned)) == "x-trans"
    assert name_of(((1, 2), (0, 1))) == "bayer"
    assert name_of(((0, 1), (2, 1))) is None
    assert place_in(RGGB, X_TRANS) is None


@pytest.mark.parametrize("place", [(0, 0), (1, 4), (3, 2), (5, 5)])
def test_planes_are_of_one_order_wherever_the_area_begins(place: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    cfa = shifted(X_TRANS, *place)
    # Every colour has a level of its own.
    height, width = 50, 64
    colour = np.array([[cfa[i % 6][j % 6] for j in range(width)] for i in range(height)])
    mosaic = 1000 + 1000 * colour + random.integers(0, 50, colour.shape)
    planes = MosaicPlanes(frame_of(mosaic, cfa))
    assert planes.colours == COLOURS
    whole = (0, 0, *planes.size)
    read = planes.read(whole)
    level = (read * (16383 - 512) + 512).mean((1, 2))
    assert np.array_equal((level // 1000 - 1).astype(int), COLOURS)
    output = np.zeros_like(mosaic, np.float32)
    planes.write(output, whole, read)
    assert np.allclose(output, mosaic, atol=0.01)


def test_the_blocks_of_the_network_see_one_colour_in_each_plane() -> None:
    order = np.array(X_TRANS_BLOCKS).reshape(9, 4)
    assert sorted(order.ravel()) == list(range(36))
    colours = np.array(COLOURS)[order]
    assert (colours == colours[:, :1]).all()
    assert sorted(colours[:, 0].tolist()) == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    rows, columns = order // 6, order % 6
    for plane, colour in enumerate(colours[:, 0]):
        # Where a block begins, and the pixel in it: green is an even lattice.
        inside = {(int(i) % 3, int(j) % 3) for i, j in zip(rows[plane], columns[plane], strict=True)}
        assert len(inside) == (1 if colour == GREEN else 2)
        blocks = [(int(i) // 3, int(j) // 3) for i, j in zip(rows[plane], columns[plane], strict=True)]
        assert blocks == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_the_network_scales_and_shifts_with_its_input(weights: Path) -> None:
    network, _ = load_weights(weights)
    noisy = torch.randn(1, 36, 16, 20, generator=torch.Generator().manual_seed(1))
    sigma = torch.ones(1, 1, 16, 20)
    with torch.no_grad():
        removed = noisy - network(noisy, sigma)
        assert float(removed.std()) > 0.01
        assert torch.allclose(3 * noisy - network(3 * noisy, 3 * sigma), 3 * removed, atol=1e-4)
        level = torch.tensor([300.0, 200.0, 50.0])[list(COLOURS)].view(1, 36, 1, 1)
        assert torch.allclose(noisy + level - network(noisy + level, sigma), removed, atol=2e-3)


def test_hot_pixels_are_found_among_their_colour_and_points_of_light_are_left() -> None:
    random = np.random.default_rng(0)
    planes = random.standard_normal((36, 30, 40)).astype(np.float32)
    planes += 40 * np.array(COLOURS, np.float32)[:, None, None]
    hot = np.zeros(planes.shape, np.bool_)
    for plane in range(0, 36, 5):
        hot[plane, plane % 4 : 28 : 4, 2:38:9] = True
    damaged = np.where(hot, planes + np.float32(30), planes)
    repaired = replace_mosaic_defects(damaged, COLOURS, (6, 6))
    assert np.abs(repaired - planes)[hot].max() < 6
    # Three sigma beyond the eight nearest pixels and more: next to none by chance.
    assert np.mean((repaired != damaged)[~hot]) < 1e-3
    star = unpack(planes, (6, 6))
    star[60:62, 90:92] += 30
    point = pack(star, (6, 6))
    kept = unpack(replace_mosaic_defects(point, COLOURS, (6, 6)), (6, 6))
    assert np.array_equal(kept[60:62, 90:92], star[60:62, 90:92])


@pytest.mark.parametrize(("name", "ratio"), [("mild", 10), ("phone", 1)])
def test_the_noise_level_of_a_frame_is_found_without_a_profile(name: str, ratio: float) -> None:
    """From places of 24 pixels: those of eight repeats are seldom flat, and made it 0.83 to 0.88 of it."""
    height, width = (edge // 6 * 6 for edge in SENSORS[name].size)
    design = dataclasses.replace(SENSORS[name], cfa="X-Trans", size=(height, width), black_bias=())
    camera = VirtualCamera(design)
    frame = camera.shoot(design.camera_rgb(dead_leaves((height, width), seed=5)), ratio=ratio)
    found = estimate_noise(dataclasses.replace(frame.crop((1, 2, height, width)), noise_profile=None)).pairs
    level = 0.18 / ratio
    for (shot, read), (true_shot, true_read) in zip(found, design.noise_profile, strict=True):
        assert ((shot * level + read) / (true_shot * level + true_read)) ** 0.5 == pytest.approx(1, abs=0.1)


def test_of_itself_denoising_takes_the_bundled_network() -> None:
    """It is ahead of the classical denoiser on a scene that it was not trained on, and tells no other."""
    design = dataclasses.replace(SENSORS["x-trans"], size=(222, 264))
    camera = VirtualCamera(design)
    light = design.camera_rgb(dead_leaves((222, 264), seed=3))
    frame = dataclasses.replace(camera.shoot(light, ratio=20), noise_profile=None)
    clean = linear_planes(camera.shoot(light, ratio=20, clean=True))
    results = {name: denoise_frame(frame, denoiser=name, device="cpu") for name in ("auto", "patch-dct")}
    assert results["auto"].denoiser == "raw-x-trans"
    errors = {
        name: np.mean((linear_planes(result.frame) - clean) ** 2, dtype=np.float64)
        for name, result in results.items()
    }
    assert 10 * np.log10(errors["patch-dct"] / errors["auto"]) > 0.5


def test_a_stream_of_its_planes_is_denoised_as_a_frame_of_them(tmp_path: Path) -> None:
    profile = load_profile("virtual-x-trans")
    save_profile(rearranged(profile, shifted(profile.cfa, 1, 2)), tmp_path / "camera")
    images = torch.tensor([0.5, 0.25, 0.125]).view(1, 3, 1, 1).expand(1, 3, 96, 96)
    noise = noising.Settings(profile=str(tmp_path / "camera"))
    ((_, pair),) = noising.add_noise_stream([([0], {"clean": images})], noise)
    levels = pair["clean"].mean((0, 2, 3)) / torch.tensor(profile.as_shot_neutral or (1.0,) * 3)[[*COLOURS]]
    assert levels.tolist() == pytest.approx([0.5 / 2**colour for colour in COLOURS], rel=1e-3)

    settings = Settings(device="cpu")
    ((_, found),) = denoise_stream([([0], pair)], settings)
    denoiser = Denoiser(settings, colours=COLOURS, period=(6, 6), domain="x-trans")
    shot, read = pair["noise_profile"][0].T.tolist()
    assert denoiser.name == "raw-x-trans"
    assert torch.equal(found["denoised"], denoiser(pair["noisy"], tuple(shot), tuple(read)))


def test_pairs_in_a_stream_begin_where_the_network_does(tmp_path: Path) -> None:
    profile = load_profile("virtual-x-trans")
    save_profile(rearranged(profile, shifted(profile.cfa, 1, 2)), tmp_path / "camera")
    asked = {"model": "mondrian", "n": 1, "size": (48, 48), "noise": "poisson-gaussian"}
    requests = [Request(profile=where, **asked) for where in (profile, str(tmp_path / "camera"))]  # type: ignore[arg-type]
    ((_, expected),), ((_, found),) = (samples(request.streamed(), device="cpu") for request in requests)
    assert torch.equal(found["clean"], expected["clean"])
    ((_, moved),) = samples(requests[1], device="cpu")
    assert not torch.equal(moved["clean"], expected["clean"])


def test_tiles_equal_the_whole_and_crops_the_frame(weights: Path) -> None:
    camera = VirtualCamera(dataclasses.replace(SENSORS["x-trans"], size=(300, 330)))
    frame = dataclasses.replace(camera.shoot(dead_leaves((300, 330))), noise_profile=((1e-3, 1e-5),) * 3)
    net: dict[str, Any] = {"denoiser": str(weights), "device": "cpu"}
    whole = denoise_frame(frame, tile=4096, **net).frame.mosaic.astype(np.int64)
    assert np.abs(whole - frame.mosaic).std() > 2
    tiled = denoise_frame(frame, tile=64, **net).frame.mosaic.astype(np.int64)
    assert np.abs(whole - tiled).max() <= 1
    # Another phase of the array is the same picture: far from the edges only the level's blocks differ.
    part = denoise_frame(frame.crop((1, 2, 299, 328)), tile=4096, **net).frame.mosaic.astype(np.int64)
    inside = slice(120, 180)
    difference = (part - whole[1:299, 2:328])[inside, inside]
    noise = (whole - frame.mosaic)[1:299, 2:328][inside, inside]
    assert np.sqrt(np.mean(difference**2.0)) < 0.1 * np.sqrt(np.mean(noise**2.0))


def test_other_mosaics_are_refused(weights: Path) -> None:
    planes = np.zeros((32, 32))
    with pytest.raises(UsageError, match="is for X-Trans mosaics, not for Bayer mosaics"):
        denoise_frame(frame_of(planes + 600, RGGB), denoiser=str(weights), device="cpu")
    quad = ((0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 2, 2), (1, 1, 2, 2))
    with pytest.raises(UsageError, match="not for mosaics of another colour filter array"):
        denoise_frame(frame_of(planes + 600, quad), denoiser=str(weights), device="cpu")


def test_the_onnx_file_gives_what_the_weights_give(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = export_onnx(weights, tmp_path / "x.onnx")
    noisy = np.random.default_rng(0).uniform(0, 0.2, (1, 36, 23, 31)).astype(np.float32)
    levels = (1e-3,) * 36, (1e-5,) * 36
    results = [
        Denoiser(
            Settings(denoiser=str(path), device="cpu"), colours=COLOURS, period=(6, 6), domain="x-trans"
        ).denoised(noisy, *levels)
        for path in (weights, exported.path)
    ]
    assert np.abs(results[0] - noisy).max() > 1e-3
    assert np.abs(results[0] - results[1]).max() < 1e-5


def test_pairs_without_a_profile_are_of_the_array_that_is_asked_for(tmp_path: Path) -> None:
    plan: dict[str, Any] = {
        "images": "dead-leaves",
        "noise": "sensor-prior",
        "noise_options": {"rows": (1000.0, 1000.0)},
        "denoiser": "x-trans-dru",
        "budget": Budget(steps=1),
        "crop": 16,
    }
    examples = Examples(TrainingPlan(cfa="x-trans", **plan), torch.device("cpu"), default_plugins())
    assert (examples.domain, examples.channels, examples.period) == ("x-trans", 36, (6, 6))
    pair = examples.draw(0, 2).pair
    assert pair.noisy.shape == (2, 36, 16, 16)
    # What a row shares, the six positions of a row of the repeat share; the next row has its own.
    rows = (pair.noisy - pair.clean)[0].mean(2).view(6, 6, 16)
    assert torch.allclose(rows, rows[:, :1].expand_as(rows), atol=0.02 * float(rows.std()))
    assert abs(float(torch.corrcoef(rows[:, 0])[0, 1])) < 5 / 16**0.5
    with pytest.raises(UsageError, match="x-trans beside a profile"):
        TrainingPlan(cfa="x-trans", profile="virtual-mild", **plan)
    with pytest.raises(UsageError, match="called 'foveon'"):
        TrainingPlan(cfa="foveon", **plan)  # type: ignore[arg-type]


def test_a_camera_is_trained_for_as_denoising_packs_it(weights: Path, tmp_path: Path) -> None:
    """From weights for X-Trans, for a camera whose repeat begins elsewhere, or for none."""
    profile = load_profile("virtual-x-trans")
    save_profile(rearranged(profile, shifted(profile.cfa, 1, 2)), tmp_path / "camera")
    common: dict[str, Any] = {"steps": 1, "batch": 1, "crop": 16, "device": "cpu", "average": 0}
    choices: dict[str, dict[str, Any]] = {
        "camera": {"profile": str(tmp_path / "camera")},
        "prior": {"noise": "sensor-prior", "noise_options": {}},
    }
    for name, chosen in choices.items():
        output = tmp_path / f"{name}.safetensors"
        train(output=output, start=weights, **chosen, **common)
        record = load_weights(output)[1]
        assert (record.domain, record.channels) == ("x-trans", 36)
        assert record.recipe["cfa"] == (None if name == "camera" else "x-trans")
    with pytest.raises(UsageError, match="is for 36 planes of x-trans"):
        train(output=tmp_path / "x", start=weights, profile="virtual-mild", **common)


def test_files_to_validate_on_begin_where_the_network_does(tmp_path: Path) -> None:
    """Of a file with one level per colour, the planes have those of the network's repeat."""
    levels = np.array([0.1, 0.4, 0.2])
    design = dataclasses.replace(SENSORS["x-trans"], size=(330, 330), neutral=(1.0, 1.0, 1.0))
    light = np.broadcast_to(levels[:, None, None], (3, 330, 330)).astype(np.float32)
    frame = VirtualCamera(design).shoot(np.ascontiguousarray(light))
    write_dng(tmp_path / "grey.dng", frame.crop((2, 1, 330, 330)))
    plan = TrainingPlan(
        images="mondrian", noise="sensor-prior", denoiser="x-trans-dru", cfa="x-trans", budget=Budget(steps=1)
    )
    examples = Examples(plan, torch.device("cpu"), default_plugins())
    means = clean_planes(tmp_path / "grey.dng", examples, 2).mean((1, 2)).numpy()
    assert np.array_equal(np.abs(means[:, None] - levels * means.max() / 0.4).argmin(1), COLOURS)
    write_dng(tmp_path / "bayer.dng", frame_of(np.full((200, 200), 900), RGGB))
    with pytest.raises(InputError, match="the run is for X-Trans mosaics"):
        clean_planes(tmp_path / "bayer.dng", examples, 2)
