"""Weights that others published: they give the PSNR that they gave their authors, and harm is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthnoise.denoisers.published_weights import import_weights, read_published
from synthnoise.denoisers.weights import content_hash, load_weights, save_weights
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.raw.images import read_image

PREFIX = "module.intermediate_dncnn.itermediate_dncnn."


def state(width: int = 8, depth: int = 3) -> dict[str, torch.Tensor]:
    """Return a state dict of the layout ffdnet-leaves, batch normalisation and all."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(shape, generator=generator)

    values = {"0.weight": draw(width, 15, 3, 3)}
    place = 2
    for _ in range(depth - 2):
        values |= {
            f"{place}.weight": draw(width, width, 3, 3),
            f"{place + 1}.weight": 1 + draw(width),
            f"{place + 1}.bias": draw(width),
            f"{place + 1}.running_mean": draw(width),
            f"{place + 1}.running_var": 1 + draw(width).abs(),
            f"{place + 1}.num_batches_tracked": torch.tensor(7),
        }
        place += 3
    values[f"{place}.weight"] = draw(12, width, 3, 3)
    return {PREFIX + name: value for name, value in values.items()}


def test_batch_normalisation_and_noise_planes_are_folded_in(tmp_path: Path) -> None:
    """Against the layers of the file as their authors run them."""
    values = {name.removeprefix(PREFIX): value for name, value in state().items()}
    torch.save(state(), tmp_path / "net.pth")
    network, record = read_published(tmp_path / "net.pth", "ffdnet-leaves")
    noisy, sigma = torch.rand(1, 3, 12, 16), torch.rand(1, 1, 12, 16)
    x = torch.cat(
        (
            torch.nn.functional.avg_pool2d(sigma, 2).expand(-1, 3, -1, -1),
            torch.nn.functional.pixel_unshuffle(noisy, 2),
        ),
        1,
    )
    x = torch.relu(torch.nn.functional.conv2d(x, values["0.weight"], padding=1))
    x = torch.nn.functional.conv2d(x, values["2.weight"], padding=1)
    norm = [values[f"3.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    x = torch.relu(torch.nn.functional.batch_norm(x, *norm))
    x = torch.nn.functional.conv2d(x, values["5.weight"], padding=1)
    torch.testing.assert_close(network(noisy, sigma), noisy - torch.nn.functional.pixel_shuffle(x, 2))

    save_weights(tmp_path / "ours.safetensors", network, record)
    again, read = load_weights(tmp_path / "ours.safetensors")
    assert torch.equal(again(noisy, sigma), network(noisy, sigma))
    assert (read.domain, read.stabilised, read.multiple_of) == ("srgb", False, 2)


SUBSET = ("101085", "109053", "145086", "167062", "197017", "229036", "285079", "304074")
"""Every ninth image of CBSD68 by name."""

PUBLISHED = [
    # file, layout, mean PSNR on the subset at sigma 25 and 50, measured with the authors' own code
    ("ffdnet_vl.pth", "ffdnet-leaves", (30.14, 27.03)),
    ("ffdnet_dl.pth", "ffdnet-leaves", (29.75, 26.73)),
    ("FFDNet_color.mat", "ffdnet-matconvnet", (30.42, 27.22)),
]


def measured(data: Path, name: str, layout: str, level: float, edge: int | None) -> float:
    """Return the mean PSNR in dB over the subset, or over squares of its images."""
    if name.endswith(".mat"):
        pytest.importorskip("h5py")
    network, _ = read_published(data / "anchors" / name, layout)
    results = []
    for image in SUBSET:
        clean = read_image(data / "natural" / "CBSD68" / f"{image}.png")[:edge, :edge] / 255
        noisy = clean + np.random.default_rng(0).standard_normal(clean.shape) * level / 255
        planes = torch.from_numpy(noisy.transpose(2, 0, 1)[None]).float()
        height, width = planes.shape[2:]
        planes = torch.nn.functional.pad(planes, (0, width % 2, 0, height % 2), mode="replicate")
        with torch.inference_mode():
            denoised = network(planes, torch.full_like(planes[:, :1], level / 255))
        error = denoised[0, :, :height, :width].clamp(0, 1).permute(1, 2, 0).double().numpy() - clean
        results.append(-10 * np.log10(np.mean(error**2)))
    return float(np.mean(results))


@pytest.mark.parametrize(("name", "layout", "published"), PUBLISHED)
def test_published_networks_denoise_corners_at_least_as_well(
    shared_data: Path, name: str, layout: str, published: tuple[float, float]
) -> None:
    """Corners are easier than whole images; a wrong order of planes costs 4 dB and more, a wrong sign all."""
    assert published[0] < measured(shared_data, name, layout, 25, 96) < published[0] + 4


def test_one_call_makes_weights_of_a_published_file(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "theirs.pth")
    path = import_weights(tmp_path / "theirs.pth", "ffdnet-leaves")
    assert path == tmp_path / "theirs.safetensors"
    network, record = read_published(tmp_path / "theirs.pth", "ffdnet-leaves")
    assert load_weights(path)[1] == record
    assert content_hash(load_weights(path)[0]) == content_hash(network)
    with pytest.raises(OutputExistsError):
        import_weights(tmp_path / "theirs.pth", "ffdnet-leaves")
    with pytest.raises(UsageError, match=r"are \.safetensors files"):
        import_weights(tmp_path / "theirs.pth", "ffdnet-leaves", tmp_path / "theirs.onnx", overwrite=True)


@pytest.mark.slow
@pytest.mark.parametrize("level", [25, 50])
@pytest.mark.parametrize(("name", "layout", "published"), PUBLISHED)
def test_published_networks_denoise_as_published(
    shared_data: Path, name: str, layout: str, published: tuple[float, float], level: int
) -> None:
    expected = published[0 if level == 25 else 1]
    assert measured(shared_data, name, layout, level, None) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("harm", ["junk", "code", "names", "shape", "layout", "missing"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, harm: str) -> None:
    path, layout = tmp_path / "net.pth", "ffdnet-leaves"
    values = state()
    if harm == "junk":
        path.write_bytes(bytes(range(256)) * 8)
    elif harm == "code":
        torch.save({"0.weight": Path}, path)
    elif harm == "names":
        torch.save({"layers.0.weight": torch.zeros(3)}, path)
    elif harm == "shape":
        torch.save(values | {PREFIX + "2.weight": torch.zeros(8, 4, 3, 3)}, path)
    elif harm == "layout":
        torch.save({name: value for name, value in values.items() if not name.endswith("5.weight")}, path)
    with pytest.raises(InputError) as refusal:
        read_published(path, layout)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layout called 'kair'"):
        read_published(tmp_path / "net.pth", "kair")


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_matlab_network_is_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / "net.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a MATLAB file"):
        read_published(path, "ffdnet-matconvnet")
