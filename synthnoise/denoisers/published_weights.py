"""Weights that others published, made into ours: what their files hold is stated, not guessed.

Files with the same name for the same network differ in the order of the pixels that become planes, in where
the noise level is, and in whether noise or image comes out. A layout says all of it for one kind of file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from synthnoise.denoisers.bundled import SUFFIX
from synthnoise.denoisers.ffdnet import UNSHUFFLE, FFDNet, Options
from synthnoise.denoisers.weights import WeightsRecord, save_weights
from synthnoise.errors import InputError, MissingExtraError, UsageError
from synthnoise.files import existing_file, printable

_EXTRA = "matlab"
_BATCH_NORM_EPSILON = 1e-5
_BLOCK = UNSHUFFLE**2


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one kind of file holds an FFDNet for colour.

    Attributes
    ----------
    container
        ``"torch"``, a state dict whose modules are numbered, or ``"matlab"``, a MatConvNet network.
    prefix
        What stands before those numbers.
    pixels
        Order of the planes that the pixels of a 2x2 block become: ``"colour, row, column"`` as torch's
        ``pixel_unshuffle``, or ``"colour, column, row"`` as MATLAB numbers them.
    sigma_planes, sigma_first
        How many planes hold the noise level, and whether they come before the pixels.
    residual
        The noise comes out, not the image.
    source
        Where such files come from.
    """

    container: Literal["torch", "matlab"]
    prefix: str = ""
    pixels: Literal["colour, row, column", "colour, column, row"]
    sigma_planes: int
    sigma_first: bool
    residual: bool
    source: str


LAYOUTS: dict[str, Layout] = {
    "ffdnet-leaves": Layout(
        container="torch",
        prefix="module.intermediate_dncnn.itermediate_dncnn.",
        pixels="colour, row, column",
        sigma_planes=3,
        sigma_first=True,
        residual=True,
        source="ffdnet_vl.pth and ffdnet_dl.pth of Achddou et al., arXiv 2504.10201",
    ),
    "ffdnet-matconvnet": Layout(
        container="matlab",
        pixels="colour, column, row",
        sigma_planes=1,
        sigma_first=False,
        residual=False,
        source="FFDNet_color.mat of Zhang et al., IEEE TIP 2018",
    ),
}
"""Layouts by name."""

Layer = tuple[Tensor, Tensor]
"""Kernel [out, in, 3, 3] and bias [out]."""


def read_published(path: Path | str, layout: str) -> tuple[nn.Module, WeightsRecord]:
    """Return the network of a published file, and the record to save it with.

    Parameters
    ----------
    layout
        A name of ``LAYOUTS``.

    Raises
    ------
    UsageError
        There is no such layout.
    InputError
        The file holds no such network.
    MissingExtraError
        MATLAB files need h5py.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"there is no layout called {layout!r}", hint=f"one of {', '.join(LAYOUTS)}")
    path, how = existing_file(path), LAYOUTS[layout]
    layers = _read_torch(path, how.prefix) if how.container == "torch" else _read_matlab(path)
    layers = _in_our_order(path, layers, how)
    options: dict[str, Any] = {
        "channels": layers[-1][0].shape[0] // _BLOCK,
        "depth": len(layers),
        "width": layers[0][0].shape[0],
        "residual": how.residual,
    }
    network = FFDNet(Options(**options))
    values = [value for layer in layers for value in layer]
    names = list(network.state_dict())
    try:
        network.load_state_dict(dict(zip(names, values, strict=True)))
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path}: its layers are not those of an FFDNet") from error
    record = WeightsRecord(
        denoiser="ffdnet",
        options=options,
        domain="srgb",
        channels=options["channels"],
        noise_range=(0.0, 75 / 255),
        halo=network.halo,
        multiple_of=network.multiple_of,
        recipe={"imported": path.name, "layout": layout, "source": how.source},
    )
    return network.eval(), record


def import_weights(
    path: Path | str, layout: str, output: Path | str | None = None, *, overwrite: bool = False
) -> Path:
    """Write the network of a published file as a weights file, and return that.

    Parameters
    ----------
    output
        None for the name of the published file, with our suffix.

    Raises
    ------
    OutputExistsError
        ``output`` exists and ``overwrite`` is false.
    UsageError, InputError, MissingExtraError
        As of :func:`read_published`; or ``output`` has the suffix of another kind of file.
    """
    output = Path(output or Path(path).with_suffix(SUFFIX))
    if output.suffix != SUFFIX:
        raise UsageError(f"{output}: weights are {SUFFIX} files", hint=f"-o {output.stem}{SUFFIX}")
    network, record = read_published(path, layout)
    save_weights(output, network, record, overwrite=overwrite)
    return output


def _read_torch(path: Path, prefix: str) -> list[Layer]:
    """Return the convolutions of a state dict, batch normalisation folded in; runs no code of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is no file of its own
        # Its message is left out: it advises to load the file in a way that would run its code.
        raise InputError(
            f"{path}: is not a file of torch weights, is damaged, or holds more than tensors",
            hint="save a plain state_dict with torch.save",
        ) from error
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: holds no state dict")
    modules: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        number, _, key = str(name).removeprefix(prefix).partition(".")
        if not str(name).startswith(prefix) or not number.isdigit() or not isinstance(value, Tensor):
            raise InputError(f"{path}: {printable(name)} is not of this layout", hint="choose another layout")
        modules.setdefault(int(number), {})[key] = value
    layers: list[Layer] = []
    for _, module in sorted(modules.items()):
        if "running_mean" in module:
            layers[-1] = _folded(path, layers[-1] if layers else None, module)
        elif module.get("weight", torch.empty(0)).ndim == 4:
            weight = module["weight"].float()
            layers.append((weight, module.get("bias", torch.zeros(len(weight))).float()))
    return layers


def _folded(path: Path, layer: Layer | None, norm: Mapping[str, Tensor]) -> Layer:
    """Return the convolution that does what a convolution and its batch normalisation do."""
    try:
        assert layer is not None
        scale = norm["weight"] / (norm["running_var"] + _BATCH_NORM_EPSILON).sqrt()
        return layer[0] * scale.view(-1, 1, 1, 1), (layer[1] - norm["running_mean"]) * scale + norm["bias"]
    except (AssertionError, KeyError, RuntimeError) as error:
        raise InputError(f"{path}: a batch normalisation without its convolution") from error


def _read_matlab(path: Path) -> list[Layer]:
    """Return the convolutions of a MatConvNet network in MATLAB's file format 7.3, which is HDF5."""
    if util.find_spec("h5py") is None:
        raise MissingExtraError("h5py", _EXTRA)
    import h5py

    layers: list[Layer] = []
    try:
        with h5py.File(path, "r") as file:
            for kernel, bias in _matlab_weights(file):
                # MATLAB's axes [height, width, in, out] arrive reversed.
                weight = torch.from_numpy(np.ascontiguousarray(kernel.transpose(0, 1, 3, 2)))
                layers.append((weight, torch.from_numpy(bias.ravel())))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a MATLAB file of a MatConvNet network") from error
    return layers


def _matlab_weights(file: Any) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    for reference in file["net"]["layers"][()].ravel():
        layer = file[reference]
        if bytes(layer["type"][()].ravel().astype(np.uint8)) == b"conv":
            kernel, bias = (file[part][()].astype(np.float32) for part in layer["weights"][()].ravel())
            yield kernel, bias


def _in_our_order(path: Path, layers: list[Layer], how: Layout) -> list[Layer]:
    """Return the layers with the first one's inputs and the last one's outputs in the order of our FFDNet."""
    if len(layers) < 2 or any(weight.ndim != 4 for weight, _ in layers):
        raise InputError(f"{path}: holds {len(layers)} convolutions: not an FFDNet")
    (first, first_bias), (last, last_bias) = layers[0], layers[-1]
    planes = len(last)
    if first.shape[1] != planes + how.sigma_planes or planes % _BLOCK:
        raise InputError(
            f"{path}: takes {first.shape[1]} planes and gives {planes}: not of this layout",
            hint="choose another layout",
        )
    order = _places(planes // _BLOCK, how)
    start = how.sigma_planes if how.sigma_first else 0
    pixels = first[:, start : start + planes][:, order]
    # All planes of the noise level hold the same: one with the sum of their kernels does what they do.
    sigma = first[:, :start] if how.sigma_first else first[:, planes:]
    adapted = torch.cat((pixels, sigma.sum(1, keepdim=True)), 1)
    return [(adapted, first_bias), *layers[1:-1], (last[order], last_bias[order])]


def _places(channels: int, how: Layout) -> list[int]:
    """Return where our planes (colour, row, column) stand among theirs."""
    ours = [(c, i, j) for c in range(channels) for i in range(UNSHUFFLE) for j in range(UNSHUFFLE)]
    if how.pixels == "colour, row, column":
        return list(range(len(ours)))
    return [c * _BLOCK + j * UNSHUFFLE + i for c, i, j in ours]
