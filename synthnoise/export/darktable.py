"""A package for darktable's module neural restore: a zip of one ONNX file and a description of it.

darktable 5.6 gives a model of its task ``denoise`` an sRGB picture [1, 3, H, W] of one size and takes the
same back (``src/ai/README.md`` of darktable, ``models/denoise-nafnet/model.yaml`` of darktable-ai). It knows
nothing of the noise, so its level becomes part of the graph.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthnoise.denoisers.model_card import ORIGIN
from synthnoise.denoisers.network_files import DARKTABLE
from synthnoise.denoisers.onnx_graph import DENOISED, NOISY, SIGMA, GraphOptions
from synthnoise.denoisers.reach import measured
from synthnoise.errors import InputError, MissingExtraError, SynthnoiseError, UsageError
from synthnoise.export.onnx import TOLERANCE, OnnxSummary, Padded, describe, model_of, session_of
from synthnoise.export.source import Source, open_source
from synthnoise.files import existing_file, printable, write_bytes
from synthnoise.plugins import Plugins

EDGE = 512
"""Pixels of a tile: one of the sizes that darktable knows."""
COLOURS = 3
LARGEST_CONFIGURATION = 1 << 20
"""Bytes of a config.json that are read."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can state, so that the same weights give the same bytes."""


def export_darktable(
    weights: Path | str,
    output: Path | str,
    *,
    sigma: float = 15.0,
    static: tuple[int, int] | None = None,
    overwrite: bool = False,
    plugins: Plugins | None = None,
) -> OnnxSummary:
    """Write the network of a weights file for pictures as a package for darktable.

    Parameters
    ----------
    weights
        A ``.safetensors`` file, or the name of bundled weights.
    output
        A ``.dtmodel`` file.
    sigma
        Standard deviation of the noise that it takes out, of 255.
    static
        (height, width) of darktable's tiles in pixels, equal; None for 512.

    Raises
    ------
    MissingExtraError
        onnx or onnxruntime is not installed.
    InputError
        The weights file cannot be read.
    UsageError
        The network is not for pictures, sees the whole image, the size is not square, or ``output`` is the
        weights file or of another suffix.
    OutputExistsError
        ``output`` exists and ``overwrite`` is false.
    SynthnoiseError
        The model does not compute what torch computes.
    """
    for needed in ("onnx", "onnxruntime"):
        if util.find_spec(needed) is None:
            raise MissingExtraError(needed, "onnx")
    output = Path(output)
    height, width = static or (EDGE, EDGE)
    if height != width:
        raise UsageError(
            f"darktable's tiles are square, not {height}x{width}", hint=f"--static {EDGE}x{EDGE}"
        )
    source = open_source(weights, output, DARKTABLE, overwrite=overwrite, plugins=plugins)
    network, record = source.network, source.record
    if record.stabilised or record.channels != COLOURS:
        raise UsageError(
            f"{source.name}: darktable takes no such network: its RAW models are not told the noise, and give"
            " a picture; this one has to be told, and gives a mosaic",
            hint="for RAW let synthnoise denoise write a DNG for darktable",
        )
    if record.global_context:
        raise UsageError(f"{source.name}: sees a whole picture at once, and darktable lays tiles")
    if not sigma > 0:
        raise UsageError(f"sigma {sigma:g} is no noise", hint="give its standard deviation, of 255")
    record = measured(network, record)
    options = GraphOptions(multiple_of=record.multiple_of, size=(height, width))
    model = model_of(network, record, options)
    _settle(model, sigma / 255)
    facts = {
        **describe(source, record),
        "sigma": f"settled: {sigma:g} of 255",
        "tile": [height, width],
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = "synthnoise", json.dumps(facts, sort_keys=True)
    data: bytes = model.SerializeToString(deterministic=True)
    error = _difference(data, network, sigma / 255, height, record.multiple_of)
    if not error <= TOLERANCE:
        raise SynthnoiseError(f"the exported {record.denoiser} differs from torch by {error:.2g}")
    name = f"denoise-{output.stem}"
    configuration = _configuration(name, source, height, sigma)
    package = _package(name, {"config.json": configuration, "model.onnx": data})
    write_bytes(output, package, overwrite=overwrite)
    return OnnxSummary(
        path=output,
        size=len(package),
        nodes=len(model.graph.node),
        max_error=error,
        checked=((1, height, width),),
        remarks=_beyond_training(source, sigma),
    )


def describe_darktable(path: Path | str) -> dict[str, Any]:
    """Return what a package for darktable, of anyone, says of itself.

    Raises
    ------
    InputError
        It is no such package.
    """
    path = existing_file(path)
    try:
        with zipfile.ZipFile(path) as package:
            entries = [one for one in package.infolist() if Path(one.filename).name == "config.json"]
            if len(entries) != 1:
                raise ValueError(f"it holds {len(entries)} files called config.json")
            if entries[0].file_size > LARGEST_CONFIGURATION:
                raise ValueError("its config.json is too large")
            facts = json.loads(package.read(entries[0]))
            if not isinstance(facts, dict):
                raise ValueError("its config.json is not a table")
            facts["files"] = ", ".join(printable(one) for one in package.namelist())
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not a package for darktable: its config.json is not JSON") from error
    except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, OSError) as error:
        raise InputError(f"{path}: not a package for darktable: {printable(error)}") from error
    return {printable(key): value for key, value in facts.items()}


def _beyond_training(source: Source, sigma: float) -> tuple[str, ...]:
    """Return that the network never saw noise of such a level, of 255; nothing where it did, or does not say.

    Half a level is what a whole number of the range may be off.
    """
    least, most = (255 * level for level in source.record.noise_range)
    if not most or least - 0.5 <= sigma <= most + 0.5:
        return ()
    trained = f"{source.name} was trained on noise of sigma {least:.3g} to {most:.3g} of 255"
    return (f"{trained}, not on {sigma:g}",)


def _settle(model: Any, sigma: float) -> None:
    """Make the noise level a constant of the graph, and call input and output as darktable does."""
    from onnx import helper, numpy_helper

    graph = model.graph
    (level,) = [value for value in graph.input if value.name == SIGMA]
    shape = [axis.dim_value for axis in level.type.tensor_type.shape.dim]
    graph.input.remove(level)
    if any(SIGMA in node.input for node in graph.node):
        values: dict[str, Any] = {
            "sigma_value": np.full((1,) * 4, sigma, np.float32),
            "sigma_shape": np.array(shape, np.int64),
        }
        graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in values.items())
        graph.node.insert(0, helper.make_node("Expand", list(values), [SIGMA], name="Expand_sigma"))
    names = {NOISY: "input", DENOISED: "output"}
    for node in graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]


def _difference(data: bytes, network: torch.nn.Module, sigma: float, edge: int, multiple_of: int) -> float:
    """Return the largest difference from torch on a noisy ramp."""
    ramp = torch.linspace(0, 1, edge).expand(1, COLOURS, edge, edge)
    noisy = ramp + sigma * torch.randn(ramp.shape, generator=torch.Generator().manual_seed(0))
    (found,) = session_of(data).run(["output"], {"input": noisy.numpy()})
    with torch.no_grad():
        expected = Padded(network, multiple_of)(noisy, torch.full_like(noisy[:, :1], sigma)).numpy()
    return float(np.abs(found - expected).max())


def _configuration(name: str, source: Source, edge: int, sigma: float) -> bytes:
    """Return the description that darktable reads, JSON."""
    values = {
        "id": name,
        "name": name.replace("-", " "),
        "description": f"synthnoise, for noise of {sigma:g} of 255",
        "task": "denoise",
        "version": "1.0",
        "arch": source.record.denoiser,
        "backend": "onnx",
        "tiling": True,
        "type": "single",
        "num_inputs": 1,
        "attributes": {"input_sizes": [edge]},
        "model_card": {
            "scope": "pictures in sRGB with white noise",
            **{key: source.card[key] for key in ORIGIN if key in source.card},
            "training_data": source.card["data"],
        },
    }
    return (json.dumps(values, indent=2) + "\n").encode()


def _package(name: str, files: dict[str, bytes]) -> bytes:
    """Return a zip of one folder, without dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            entry = zipfile.ZipInfo(f"{name}/{file}", EARLIEST)
            entry.compress_type, entry.external_attr, entry.create_system = (
                zipfile.ZIP_DEFLATED,
                0o644 << 16,
                3,
            )
            archive.writestr(entry, content)
    return buffer.getvalue()
