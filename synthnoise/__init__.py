"""synthnoise: two photographs of a camera become a denoiser for it.

Importing this loads nothing heavy; torch, SciPy and the RAW decoder come with the first call that
needs them. What a command does, one function here does::

    import synthnoise

    profile = synthnoise.calibrate(["dark.dng"], ["noisy.dng"]).profile
    model = synthnoise.image_model("dead-leaves", r_min=2)
    synthnoise.denoise_files(["in.dng"], "out.dng")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from synthnoise.errors import (
    InputError,
    MissingExtraError,
    OutputExistsError,
    PluginError,
    SynthnoiseError,
    UsageError,
)
from synthnoise.hookspecs import hookimpl
from synthnoise.specs import (
    PLUGIN_API,
    CommandSpec,
    DenoiserSpec,
    ImageModelSpec,
    IspSpec,
    MetricSpec,
    NoiseModelSpec,
    ProfileDir,
    ReaderSpec,
    WriterSpec,
)

if TYPE_CHECKING:
    from synthnoise.protocols import ImageModel, NoiseModel

__version__ = "0.1.0"

_LAZY = {
    "CameraProfile": "synthnoise.profiles.schema",
    "Frame": "synthnoise.raw.frame",
    "Rng": "synthnoise.rng",
    "SyntheticDataset": "synthnoise.stream.synthetic_dataset",
    "VirtualCamera": "synthnoise.sensors.virtual_camera",
    "add_noise_files": "synthnoise.stream.noising",
    "calibrate": "synthnoise.calibration",
    "compare_images": "synthnoise.evaluation.images",
    "denoise_files": "synthnoise.denoising",
    "denoise_frame": "synthnoise.denoising",
    "develop": "synthnoise.raw.develop",
    "evaluate_denoisers": "synthnoise.evaluation.denoiser",
    "evaluate_images": "synthnoise.evaluation.images",
    "evaluate_noise": "synthnoise.evaluation.noise",
    "evaluate_invariance": "synthnoise.evaluation.invariance",
    "export_darktable": "synthnoise.export",
    "export_onnx": "synthnoise.export",
    "import_weights": "synthnoise.denoisers.published_weights",
    "inspect_file": "synthnoise.inspection",
    "load_profile": "synthnoise.profiles.store",
    "read_frame": "synthnoise.raw.reading",
    "rewrite_dng": "synthnoise.raw.rewrite",
    "run_demo": "synthnoise.demo",
    "save_profile": "synthnoise.profiles.store",
    "DatasetRequest": "synthnoise.stream.dataset:Request",
    "synthesize": "synthnoise.stream.dataset",
    "train": "synthnoise.training",
    "train_recipe": "synthnoise.training",
    "write_dng": "synthnoise.raw.dng",
}
"""Where each public name lives, and as what if under another name; imported on first use."""

__all__ = [
    "PLUGIN_API",
    "CommandSpec",
    "DenoiserSpec",
    "ImageModelSpec",
    "InputError",
    "IspSpec",
    "MetricSpec",
    "MissingExtraError",
    "NoiseModelSpec",
    "OutputExistsError",
    "PluginError",
    "ProfileDir",
    "ReaderSpec",
    "SynthnoiseError",
    "UsageError",
    "WriterSpec",
    "denoiser",
    "hookimpl",
    "image_model",
    "noise_model",
    *sorted(_LAZY),
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'synthnoise' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)


def image_model(name: str, /, **options: Any) -> ImageModel:
    """Return the image model called ``name``, built with its options.

    Raises
    ------
    PluginError
        There is no such model, or it cannot be imported.
    UsageError
        An option is unknown or out of range.
    """
    from synthnoise.plugins import default_plugins

    model: ImageModel = default_plugins().create("image_models", name, options)
    return model


def noise_model(name: str, /, **options: Any) -> NoiseModel:
    """Return the noise model called ``name``, built with its options (errors as :func:`image_model`)."""
    from synthnoise.plugins import default_plugins

    model: NoiseModel = default_plugins().create("noise_models", name, options)
    return model


def denoiser(name: str, /, **options: Any) -> Any:
    """Return a denoiser as an ``nn.Module``, ``denoised = module(noisy, sigma)`` on [B, C, H, W].

    Parameters
    ----------
    name
        Of a denoiser, built with its options: networks are untrained then. Of bundled weights, or a
        ``.safetensors`` file: trained, on the CPU, in evaluation mode; height and width have to be multiples
        of its ``multiple_of``, and the unit is that of ``synthnoise inspect``.

    Raises
    ------
    PluginError, UsageError
        As :func:`image_model`; weights take no options.
    InputError
        The file is not what it should be.
    """
    from synthnoise.denoisers.bundled import bundled_weights
    from synthnoise.plugins import default_plugins

    path = bundled_weights(name)
    if path is not None or name.endswith(".safetensors"):
        from synthnoise.denoisers.weights import load_weights

        if options:
            raise UsageError(f"{name}: its options were settled when it was trained", hint="leave them out")
        return load_weights(path or name)[0]
    return default_plugins().create("denoisers", name, options)
