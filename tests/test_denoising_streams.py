"""Planes in a stream whose order the user says, and options that a stream has no use for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthnoise.cli.main import app
from synthnoise.colour_filter_arrays import NAMED, CfaName, shape, shifted
from synthnoise.denoising import Settings, denoise_stream
from synthnoise.errors import UsageError
from synthnoise.raw.cfa import pack, unpack
from synthnoise.sensors.scenes import dead_leaves

SHOT, READ = 4e-3, 1e-4


def mosaics(name: CfaName, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a mosaic of a coloured scene without noise and with it, float32 [H, W], white 1."""
    colours = np.tile(NAMED[name], (size[0] // shape(NAMED[name])[0], size[1] // shape(NAMED[name])[1]))
    scene = dead_leaves(size, seed=2) * np.array([0.5, 1.0, 0.7])[:, None, None]
    clean = np.take_along_axis(scene, colours[None], 0)[0]
    noise = np.random.default_rng(1).normal(size=size) * np.sqrt(SHOT * clean + READ)
    return clean.astype(np.float32), (clean + noise).astype(np.float32)


def restored(mosaic: np.ndarray, period: tuple[int, int], **order) -> np.ndarray:
    planes = torch.from_numpy(pack(mosaic, period))[None]
    profile = torch.tensor([SHOT, READ]).expand(1, planes.shape[1], 2)
    batch = ([0], {"noisy": planes, "noise_profile": profile})
    ((_, fields),) = denoise_stream([batch], Settings(device="cpu"), **order)
    return unpack(fields["denoised"][0].numpy(), period)


@pytest.mark.parametrize(
    ("name", "place", "harm"),
    # With red for blue the greens at least are where they should be.
    [("bayer", (0, 1), 1.1), ("bayer", (1, 0), 1.1), ("bayer", (1, 1), 1), ("x-trans", (1, 2), 1.1)],
)
def test_planes_whose_order_is_said_are_denoised_as_well_as_those_in_the_named_one(
    name: CfaName, place: tuple[int, int], harm: float
) -> None:
    """The same pixels, less the first rows and columns: judged on what is far from the border."""
    period = h, w = shape(NAMED[name])
    clean, noisy = mosaics(name, (144, 156))
    top, left = place

    def cropped(mosaic: np.ndarray) -> np.ndarray:
        return mosaic[top : top + 144 - h, left : left + 156 - w]

    def error(found: np.ndarray) -> float:
        return float(np.mean((found - cropped(clean))[24:-24, 24:-24] ** 2))

    whole = error(cropped(restored(noisy, period)))
    said = error(restored(cropped(noisy), period, cfa=shifted(NAMED[name], *place)))
    unsaid = error(restored(cropped(noisy), period))
    assert said == pytest.approx(whole, rel=0.03)
    assert unsaid > harm * whole


def test_levels_follow_their_planes() -> None:
    """Noise in one plane alone: told of another it would stay."""
    clean = np.full((96, 96), 0.3, np.float32)
    planes = pack(clean)
    planes[3] += np.random.default_rng(0).normal(0, 0.05, planes[3].shape).astype(np.float32)
    profile = torch.full((1, 4, 2), 1e-7)
    profile[0, 3, 1] = 0.05**2
    batch = ([0], {"noisy": torch.from_numpy(planes)[None], "noise_profile": profile})
    ((_, fields),) = denoise_stream(
        [batch], Settings(denoiser="patch-dct", device="cpu"), cfa=shifted(NAMED["bayer"], 1, 0)
    )
    assert float(fields["denoised"][0, 3].std()) < 0.05 / 3


def test_as_many_planes_as_colours_are_needed() -> None:
    with pytest.raises(UsageError, match="4 planes are not those of a 6x6"):
        restored(np.zeros((12, 12), np.float32), (2, 2), cfa=NAMED["x-trans"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--profile", "virtual-mild"], "--profile is for files, not for a stream"),
        (["--format", "tiff"], "--format is for files, not for a stream"),
        (["--no-profile-dark"], "--profile-dark is for files, not for a stream"),
        (["--geometry", "cfa=GBRG,black=600"], "it says the planes alone"),
        (["--geometry", "cfa=GBXG"], "unknown CFA"),
        (["-o", "out.dng"], "a stream is denoised to stdout"),
    ],
)
def test_what_a_stream_has_no_use_for_is_refused(options: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        app(["denoise", "-", *options], standalone_mode=False)
    assert said in refusal.value.message
