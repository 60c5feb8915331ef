"""``synthnoise doctor``: is this installation whole?"""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

import typer

from synthnoise import __version__
from synthnoise.cli.parameters import Json
from synthnoise.output import Output
from synthnoise.plugins import Loaded, default_plugins

REQUIRED = (
    "torch",
    "lightning-fabric",
    "numpy",
    "scipy",
    "numba",
    "rawpy",
    "tifffile",
    "pillow",
    "pluggy",
    "rich",
    "safetensors",
    "typer",
)
EXTRAS = {"onnx": "onnx", "onnxruntime": "onnx", "onnxscript": "onnx", "astropy": "fits"}
PROGRAMS = ("exiftool", "dcraw", "darktable-cli", "rawtherapee-cli")


def doctor(json: Json = False) -> None:
    """Check the installation: packages, extras, plugins, devices and the programs that tests use."""
    out = Output(json_mode=json)
    rows: list[tuple[str, str, str]] = [
        ("synthnoise", __version__, "ok"),
        ("python", platform.python_version(), "ok"),
        *((name, *_package(name, "missing: reinstall synthnoise")) for name in REQUIRED),
        *(
            (name, *_package(name, f"optional: pip install 'synthnoise[{extra}]'"))
            for name, extra in EXTRAS.items()
        ),
        ("device", *_device()),
        *(
            (p, "", "ok" if shutil.which(p) else "optional: judges our DNG files in the tests")
            for p in PROGRAMS
        ),
        *((f"plugin {p.name}", p.version, "; ".join(p.problems) or p.status) for p in _plugins()),
    ]
    out.table("", ("what", "version", "status"), rows, key="checks")
    if any(status.startswith("missing") for _, _, status in rows) or any(p.problems for p in _plugins()):
        raise typer.Exit(3)


def _plugins() -> list[Loaded]:
    registry = default_plugins()
    registry.problems()
    return list(registry.loaded.values())


def _package(name: str, otherwise: str) -> tuple[str, str]:
    try:
        return version(name), "ok"
    except PackageNotFoundError:
        return "", otherwise


def _device() -> tuple[str, str]:
    try:
        from synthnoise.devices import pick_device

        return str(pick_device("auto")), "ok"
    except ImportError as error:
        return "", f"missing: {error}"
