"""The frozen records that plugins hand over. Light to import: implementations are named by import strings."""

from __future__ import annotations

import dataclasses
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from typing import Any, ClassVar, Literal

from synthnoise.errors import PluginError

Domain = Literal["bayer", "x-trans", "mosaic", "linear-rgb", "srgb", "any"]
"""What the planes of a network are: one for each position of the repeat of a colour filter array, Bayer's,
X-Trans or another; linear RGB; sRGB; or no matter what."""

DOMAINS: dict[Domain, str] = {
    "bayer": "Bayer mosaics",
    "x-trans": "X-Trans mosaics",
    "mosaic": "mosaics of another colour filter array",
    "linear-rgb": "linear RGB",
    "srgb": "pictures in sRGB",
    "any": "anything",
}
"""Domains in words."""

PLUGIN_API = 1
"""Version of the plugin contract; the core accepts this number and the one before."""

NAME_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every record says of itself.

    Attributes
    ----------
    name
        Lower-case words joined by hyphens.
    summary
        One line that ends with a full stop; becomes help text.
    factory
        ``"package.module:object"`` (resolved at first use) or a callable.
    options
        Import string of a frozen dataclass, or the class; its fields become ``-o key=value``.
        The factory is called with an instance of it, or with nothing where there is none.
    aliases
        Further names, same rule as ``name``.
    requires
        ``{"importable_module": "extra"}`` for what an optional extra brings.
    api
        The plugin contract that the record was written for.
    source
        Name of the plugin it came from; filled in by the core.
    """

    kind: ClassVar[str]

    name: str
    summary: str
    factory: str | Callable[..., Any]
    options: str | type[Any] | None = None
    aliases: tuple[str, ...] = ()
    requires: tuple[tuple[str, str], ...] = ()
    api: int = PLUGIN_API
    source: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
                raise PluginError(
                    f"{name!r} is not a valid name", hint="use lower-case words joined by hyphens"
                )
        if not isinstance(self.summary, str) or not self.summary.endswith("."):
            raise PluginError(f"{self.name}: the summary must be one line that ends with a full stop")

    @property
    def qualified_name(self) -> str:
        """``plugin/name``, which is always unambiguous."""
        return f"{self.source}/{self.name}"

    def missing_extras(self) -> list[tuple[str, str]]:
        """Return the (module, extra) pairs that are not installed; imports nothing."""
        return [(module, extra) for module, extra in self.requires if util.find_spec(module) is None]

    def load(self) -> Any:
        """Return the object that ``factory`` names.

        Raises
        ------
        PluginError
            The import string is wrong, or importing it fails.
        """
        return self._resolve(self.factory)

    def load_options(self) -> type[Any] | None:
        """Return the options dataclass, or None where the record takes no options."""
        if self.options is None:
            return None
        options = self._resolve(self.options)
        if not (isinstance(options, type) and dataclasses.is_dataclass(options)):
            raise PluginError(f"{self.name}: options {self.options!r} is not a dataclass")
        return options

    def _resolve(self, target: str | Any) -> Any:
        if not isinstance(target, str):
            return target
        try:
            return pkgutil.resolve_name(target)
        except Exception as error:  # also NameError, SyntaxError: it is the module's author who mends it
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            raise PluginError(
                f"{self.name}: cannot import {target}: {said}", hint="synthnoise --debug COMMAND says where"
            ) from error


@dataclass(frozen=True, kw_only=True)
class ImageModelSpec(Spec):
    """Clean images from (seed, index): see :class:`synthnoise.protocols.ImageModel`."""

    kind: ClassVar[str] = "image model"


@dataclass(frozen=True, kw_only=True)
class NoiseModelSpec(Spec):
    """What a camera adds: see :class:`synthnoise.protocols.NoiseModel`.

    ``domain`` is ``"raw"`` (packed CFA planes, linear, black-subtracted, white-normalised) or
    ``"srgb"``; ``calibrates`` and ``likelihood`` say which optional methods exist. ``of_camera`` is False
    where the options alone say how strong the noise is, whatever camera profile there may be. ``defects``
    says that samples have the hot pixels of the profile's camera, which ``variance`` counts: pairs state the
    O of the profile instead, which leaves them out, as whoever denoises a file is told.
    """

    kind: ClassVar[str] = "noise model"

    domain: Literal["raw", "srgb"] = "raw"
    calibrates: bool = False
    likelihood: bool = False
    of_camera: bool = True
    defects: bool = False


@dataclass(frozen=True, kw_only=True)
class DenoiserSpec(Spec):
    """An architecture: ``factory(options)`` builds an ``nn.Module`` with ``forward(noisy, sigma)``.

    Attributes
    ----------
    domain
        ``"bayer"`` (four packed planes), ``"x-trans"`` (36), ``"mosaic"`` (one plane for each position of
        another colour filter array), ``"linear-rgb"``, ``"srgb"`` or ``"any"``. The core offers it nothing
        else.
    channels
        Planes that the network takes and gives; 0 where any number will do.
    conditioning
        What it heeds of the noise level, which comes as a plane [B, 1, H, W] in any case: ``"none"``,
        ``"sigma"`` (one value per image) or ``"sigma-map"``.
    stabilised
        The network wants planes whose noise is white with a known sigma: the core applies the
        variance-stabilising transform before it and the inverse after it.
    multiple_of
        Height and width are padded by the core to a multiple of this.
    halo
        Receptive radius in packed pixels; the overlap that makes tiles equal the whole.
    global_context
        Every pixel depends on the whole image, so that tiles cannot equal it: large images are refused.
    trainable
        False for classical methods, which have nothing to train.
    defects
        It replaces hot and dead pixels of mosaics itself. Else the core replaces them before a stabilised
        one: they are no noise of the law that it was made for.
    """

    kind: ClassVar[str] = "denoiser"

    domain: Domain = "any"
    channels: int = 0
    conditioning: Literal["none", "sigma", "sigma-map"] = "sigma-map"
    stabilised: bool = False
    multiple_of: int = 1
    halo: int = 0
    global_context: bool = False
    trainable: bool = True
    defects: bool = False


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Spec):
    """A file format: ``factory(path, limits) -> Iterator[Frame]``.

    ``suffixes`` are lower-case with the dot; ``magic`` are the first bytes of such files, used
    where several readers claim a suffix or none does.
    """

    kind: ClassVar[str] = "reader"

    suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WriterSpec(Spec):
    """A dataset format: ``factory(folder, plan) -> Sink`` (:class:`synthnoise.protocols.Sink`)."""

    kind: ClassVar[str] = "writer"

    suffix: str = ""


@dataclass(frozen=True, kw_only=True)
class IspSpec(Spec):
    """A renderer: ``factory() -> object`` with ``render(frame) -> uint16 [H, W, 3]`` in sRGB."""

    kind: ClassVar[str] = "ISP"


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A measure: ``factory() -> callable(prediction, target) -> [B]`` on [B, C, H, W] in [0, 1]."""

    kind: ClassVar[str] = "metric"

    unit: str = ""
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class ProfileDir(Spec):
    """A folder of camera profiles: ``factory() -> pathlib.Path``."""

    kind: ClassVar[str] = "profile folder"


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A subcommand: ``factory`` is a function for typer, or a ``typer.Typer``."""

    kind: ClassVar[str] = "command"
