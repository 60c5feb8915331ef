"""Noise for pictures and RAW frames that exist already, and for batches on their way through a pipe."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.colour_filter_arrays import RGGB, Cfa
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.files import FileOutcome, OnExistingPolicy, expand_inputs, names_folder
from synthnoise.images.colours import decode_srgb, encode_srgb
from synthnoise.noise.default_model import default_noise_model
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.profiles.arrangement import in_named_order, rearranged
from synthnoise.profiles.full_scale import full_scale_ratio
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.protocols import NoiseModel
from synthnoise.raw.cfa import linear_planes, unpack
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame, raised_levels
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import levels_may_be_scaled, rewrite_dng
from synthnoise.rng import Rng
from synthnoise.specs import NoiseModelSpec
from synthnoise.stream.npy_stream import Batch
from synthnoise.stream.pairs import check_of_camera, pair_camera, stated_read
from synthnoise.stream.pictures import PICTURE_SUFFIXES, read_picture, write_picture

RGB: Cfa = ((0, 1, 2),)
"""The planes of a picture as if they were a repeat of three."""

BAND_SAMPLES = 1 << 22
"""Samples worked on at a time."""

LOST = 0.01
"""Share of a frame's pixels that noise takes below 0 DN, where files end, from which the user is told."""

RARE = 2.33
"""Standard deviations below the mean of which a normal law has that share."""

DEEP = 5.0
"""The same, below which hardly a pixel is."""

LARGEST = 65535


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What noise to add.

    Attributes
    ----------
    model, options
        Noise model by name, and its options; None is that of
        :func:`synthnoise.noise.default_model.default_noise_model`.
    profile, iso
        Camera profile by name or folder, and the ISO; None where the options say it all.
    ratio
        Underexposure: the light is divided by it and the noisy result multiplied.
    seed
        Same seed, same noise.
    """

    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    profile: str | None = None
    iso: float | None = None
    ratio: float = 1.0
    seed: int = 0

    @property
    def noise_model(self) -> str:
        """The name of the noise model, the one that is meant where none is named."""
        return self.model or default_noise_model(self.profile)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return dataclasses.asdict(self) | {"model": self.noise_model, "options": dict(self.options)}


def add_noise_stream(
    batches: Iterable[Batch], settings: Settings, *, plugins: Plugins | None = None
) -> Iterator[Batch]:
    """Yield clean/noisy pairs of the batches of a stream.

    Images [B, 3, H, W] of linear light are mosaiced first, for noise models of rendered images
    encoded in sRGB instead; planes are taken as they are. Planes of a Bayer or X-Trans array are in the order
    of :data:`synthnoise.colour_filter_arrays.NAMED`, wherever the camera's own repeat begins: nothing else
    in a stream says what they are. The clean ones are the field ``clean``, or the only one. The fields that
    come out are those of :class:`synthnoise.stream.pairs.Pair` without the variance, which follows from the
    noise profile.

    Raises
    ------
    UsageError
        The settings do not fit, or the stream does not say which field is clean.
    """
    registry = plugins or default_plugins()
    profile = in_named_order(load_profile(settings.profile)) if settings.profile else None
    isos = () if settings.iso is None else (settings.iso,)
    camera = pair_camera(
        settings.model or default_noise_model(profile),
        settings.options,
        profile=profile,
        isos=isos,
        ratio=settings.ratio,
        plugins=registry,
    )
    for indices, fields in batches:
        if "clean" not in fields and len(fields) != 1:
            raise UsageError(
                f"the stream holds {', '.join(fields)}: which is to get noise?", hint="name it clean"
            )
        images = fields.get("clean", next(iter(fields.values())))
        rng = Rng(settings.seed, torch.tensor(indices), images.device)
        pair = camera.shoot(images, rng) if images.shape[1] == 3 else camera.expose(images, rng)
        yield indices, {"clean": pair.clean, "noisy": pair.noisy, "noise_profile": pair.noise_profile}


def add_noise_files(
    paths: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    settings: Settings,
    on_existing: str = "error",
    progress: Progress = SILENT,
    plugins: Plugins | None = None,
) -> list[FileOutcome]:
    """Add noise to pictures (PNG, JPEG, TIFF, NPY) and RAW frames; what fails does not stop the rest.

    A picture of integers is sRGB: it is linearised, gets the noise of the red, green and blue pixels
    of the camera in its three channels, and is encoded again. (A mosaic would need a demosaicing,
    whose artefacts are not the camera's.) A picture of floats is linear already, as is what
    ``synth`` writes. A RAW frame gets noise in its active area, in its own CFA and levels, and
    becomes a DNG, whose NoiseProfile grows by what was added.

    The noise of a file depends on the seed and on its name, not on the files beside it.

    Parameters
    ----------
    paths
        Files, folders or glob patterns.
    output
        A folder, or for a single file its name; None writes ``NAME-noisy`` beside each.
    on_existing
        What to do where the output exists: ``"error"``, ``"skip"`` or ``"overwrite"``.

    Raises
    ------
    UsageError
        The settings do not fit together, or there is one output file for several inputs.
    InputError
        A pattern or folder names no file.
    """
    if on_existing not in get_args(OnExistingPolicy):
        raise UsageError(
            f"on-existing {on_existing!r}", hint=f"choose one of {', '.join(get_args(OnExistingPolicy))}"
        )
    noise = _Noise(settings, plugins or default_plugins())
    sources = expand_inputs(paths, noise.suffixes)
    known = noise.suffixes | {".dng"}
    into_folder = output is None or names_folder(output, known, several=len(sources) > 1)
    if len(sources) > 1 and not into_folder:
        raise UsageError(
            f"{output}: one file cannot hold the results of {len(sources)} files", hint="give -o a folder"
        )
    progress.start("adding noise", total=len(sources))
    outcomes = []
    for source in sources:
        target: Path | None = None
        try:
            target = _target(source, output, into_folder=into_folder)
            if skip := on_existing == "skip" and target.exists():
                outcomes.append(FileOutcome(source, target, skipped=skip))
            else:
                remarks = noise.add(source, target, overwrite=on_existing == "overwrite")
                outcomes.append(FileOutcome(source, target, remarks=remarks))
        except SynthnoiseError as error:
            outcomes.append(FileOutcome(source, None, error=error))
        progress.advance()
    return outcomes


def _target(source: Path, output: str | Path | None, *, into_folder: bool) -> Path:
    """Return where the noisy version of ``source`` goes."""
    suffix = source.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        suffix = ".dng"
    elif suffix not in (".tif", ".tiff", ".npy"):
        suffix = ".png"
    if output is None:
        return source.with_name(f"{source.stem}-noisy{suffix}")
    target = Path(output) / f"{source.stem}{suffix}" if into_folder else Path(output)
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target}: would take the place of its own source", hint="choose another folder")
    return target


class _Noise:
    """A noise model with a camera, ready for files of any kind."""

    def __init__(self, settings: Settings, plugins: Plugins) -> None:
        self.settings = settings
        self.profile = load_profile(settings.profile) if settings.profile else None
        name = settings.model or default_noise_model(self.profile)
        self.record: NoiseModelSpec = plugins.find("noise_models", name)
        check_of_camera(self.record, self.profile)
        self.model: NoiseModel = plugins.create("noise_models", name, settings.options)
        self.rendered = self.record.domain == "srgb"
        readers = (suffix for spec in plugins.records("readers") for suffix in getattr(spec, "suffixes", ()))
        self.suffixes = frozenset(readers) | PICTURE_SUFFIXES
        self._parameters: dict[Cfa, Any] = {}
        self.parameters(
            self.profile.cfa if self.profile else RGGB
        )  # so that what cannot work fails once, at once

    def parameters(self, cfa: Cfa) -> Any:
        """Return the parameters for planes of these colours."""
        if cfa not in self._parameters:
            profile = self.profile and rearranged(self.profile, cfa)
            self._parameters[cfa] = self.model.parameters(profile, self.settings.iso)
        return self._parameters[cfa]

    def _drawn(self, cfa: Cfa, rng: Rng) -> Any:
        """Return the parameters of one file: some models draw a camera for each."""
        per_image = getattr(self.model, "per_image", None)
        return per_image(self.parameters(cfa), rng) if per_image else self.parameters(cfa)

    def add(self, source: Path, target: Path, *, overwrite: bool) -> tuple[str, ...]:
        """Write a noisy version of one file; return what the user should know of it."""
        digest = hashlib.sha256(source.name.encode()).digest()
        rng = Rng(self.settings.seed, torch.tensor([int.from_bytes(digest[:5], "big")]))
        if source.suffix.lower() in PICTURE_SUFFIXES:
            write_picture(target, self._picture(read_picture(source), rng), overwrite=overwrite)
        elif target.suffix.lower() != ".dng":
            raise UsageError(f"{target}: a RAW frame becomes a DNG", hint="choose a name that ends in .dng")
        else:
            return self._write_frame(source, target, rng, overwrite=overwrite)
        return ()

    def _picture(self, picture: NDArray[Any], rng: Rng) -> NDArray[Any]:
        """Return a noisy picture of the same type; channels first."""
        noisy = np.empty_like(picture)
        cfa = RGB if len(picture) == 3 else self.profile.cfa if self.profile else RGGB
        if len(picture) != sum(map(len, cfa)):
            raise InputError(f"an array of {len(picture)} planes is neither RGB nor a mosaic of the camera")
        whole = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else None
        encoded, parameters = whole is not None and not self.rendered, self._drawn(cfa, rng)
        for rows in _bands(picture.shape[0] * picture.shape[2], picture.shape[1]):
            band = torch.from_numpy(picture[None, :, rows].astype(np.float32)) / (whole or 1)
            light = decode_srgb(band) if encoded else band
            light = self._expose(light, parameters, rng.cropped(rows.start, 0))
            band = encode_srgb(light.clamp(0, 1)) if encoded else light
            if whole is not None:
                band = (band.clamp(0, 1) * whole).round()
            noisy[:, rows] = band[0].numpy().astype(picture.dtype)
        return noisy

    def _write_frame(self, source: Path, target: Path, rng: Rng, *, overwrite: bool) -> tuple[str, ...]:
        frame = read_frame(source)
        top, left, bottom, right = frame.area
        active = frame.active()
        cfa: Cfa = tuple(tuple(int(colour) for colour in row) for row in active.cfa)
        drawn = parameters = self._drawn(cfa, rng)
        # At a ratio the readout's own rounding is multiplied, and next to it that of the file is nothing.
        if self.settings.ratio == 1 and (round_later := getattr(self.model, "before_rounding", None)):
            parameters = round_later(parameters)
        span = float((active.white - active.black).mean())
        unit = full_scale_ratio(self.profile, span) if self.profile else 1.0
        h, w = active.cfa.shape
        stated = [(s / unit, o / unit**2) for s, o in self._noise_profile(cfa, drawn)]
        if frame.noise_profile:
            stated = [
                (s + own[0], o + own[1]) for (s, o), own in zip(stated, frame.noise_profile, strict=True)
            ]
        pedestal = self._pedestal(frame, source, stated)
        rows, columns = (bottom - top) // h * h, (right - left) // w * w
        mosaic, below, lost = frame.mosaic.astype(np.uint16) + np.uint16(pedestal), 0, 0
        for part in _bands(columns * h, rows // h):
            first, last = part.start * h, part.stop * h
            band = active.crop((first, 0, last, columns))
            planes = torch.from_numpy(linear_planes(band))[None]
            # What noise of the frame's own lies below black is no light, and stays as it is.
            light = planes.clamp(min=0)
            noisy = self._expose(light * unit, parameters, rng.cropped(part.start, 0)) / unit
            noisy += planes - light
            codes: NDArray[Any] = unpack(noisy[0].double().numpy(), (h, w))
            codes *= np.tile(band.white - band.black, (part.stop - part.start, columns // w))
            codes += band.black_map()
            below += int(np.count_nonzero(codes <= -0.5))
            codes += pedestal
            lost += int(np.count_nonzero(codes <= -0.5))
            inside = mosaic[top + first : top + last, left : left + columns]
            inside[:] = np.rint(np.clip(codes, 0, band.white + pedestal))
        how: dict[str, Any] = {"noise_profile": stated, "overwrite": overwrite}
        if source.suffix.lower() == ".dng":
            rewrite_dng(source, target, mosaic, pedestal=pedestal, **how)
        else:
            write_dng(target, raised_levels(dataclasses.replace(frame, mosaic=mosaic), pedestal), **how)
        return _remarks(pedestal, below / max(rows * columns, 1), lost / max(rows * columns, 1))

    def _pedestal(self, frame: Frame, source: Path, stated: Sequence[tuple[float, float]]) -> int:
        """Return by how many DN black is to be raised for what noise takes below 0 DN to have room.

        It is 0 where that is rare. A multiplied readout of the camera holds nothing below ``ratio`` times
        0 DN either. ``stated`` are (S, O) of the noisy frame.
        """
        black = float(frame.black.min())
        noise = max(o for _, o in stated) ** 0.5 * float((frame.white - frame.black).max())
        if self.settings.ratio <= 1 or black > RARE * noise or not levels_may_be_scaled(source):
            return 0
        largest = max(frame.white, float(frame.mosaic.max()))
        return max(int(min(DEEP * noise - black, black * (self.settings.ratio - 1), LARGEST - largest)), 0)

    def _expose(self, light: Tensor, parameters: Any, rng: Rng) -> Tensor:
        return self.model.sample(light / self.settings.ratio, parameters, rng) * self.settings.ratio

    def _noise_profile(self, cfa: Cfa, parameters: Any) -> list[tuple[float, float]]:
        """Return (S, O) of red, green and blue, in the unit of the profile, of the noise that is added."""
        colours = [colour for row in cfa for colour in row]
        ends = torch.tensor([[0.0], [1.0]]).expand(1, len(colours), 2, 1)
        black, white = self.model.variance(ends, parameters)[0, :, :, 0].double().T
        profile = self.profile and rearranged(self.profile, cfa)
        own = stated_read(self.record, profile, (self.settings.iso,))
        dark = torch.tensor(own[0]).double() if own else black
        ratio, stated = self.settings.ratio, []
        for colour in range(3):
            planes = [number for number, at in enumerate(colours) if at == colour] or list(
                range(len(colours))
            )
            shot = float((white - black)[planes].mean()) * ratio
            read = float(dark[planes].mean()) * ratio**2
            stated.append((shot, read))
        return stated


def _remarks(pedestal: int, below: float, lost: float) -> tuple[str, ...]:
    """Return what is to be said of the shares of pixels below 0 DN, before and after black was raised."""
    found = list[str]()
    if pedestal:
        found.append(
            f"black and white are raised by {pedestal} DN: {below:.0%} of the pixels would be below 0 DN"
        )
    if lost >= LOST:
        found.append(
            f"{lost:.0%} of the pixels would be below 0 DN and are cut off: shadows come out too bright"
        )
    return tuple(found)


def _bands(row_samples: int, rows: int) -> Iterator[slice]:
    """Yield slices of rows of some four million samples."""
    step = max(1, BAND_SAMPLES // max(1, row_samples))
    for top in range(0, rows, step):
        yield slice(top, min(rows, top + step))
