"""Denoising one frame: tile by tile, in the domain where its noise is white and known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthnoise.denoising.noise_source import FrameNoise, NoisePairs, find_noise
from synthnoise.denoising.tiles import Tile, tiles
from synthnoise.devices import pick_device
from synthnoise.errors import InputError, UsageError
from synthnoise.noise.stabilise import Stabiliser
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.cfa import pack, unpack
from synthnoise.raw.develop import nearest_in_phase
from synthnoise.raw.frame import Frame
from synthnoise.specs import DenoiserSpec

DEFAULT_TILE = 2048
"""Mosaic pixels: small enough for 1 GB on any frame, large enough that the context costs little."""
RESIDUAL_FLOOR = 0.02
"""Smallest ratio of residual to original noise (standard deviations) that is written to a file."""
RESIDUAL_BLOCK = 16
RESIDUAL_QUANTILE = 0.2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to denoise.

    Attributes
    ----------
    denoiser
        Name of a denoiser, or a file of weights.
    options
        Its options.
    profile, iso
        Camera profile (or its name or folder) and ISO, instead of what the file says of its noise.
    strength
        0 leaves the noise, 1 removes what the denoiser removes; the result is blended in between.
    tile
        Edge in mosaic pixels; None for the default.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    denoiser: str = "patch-dct"
    options: Mapping[str, Any] = field(default_factory=dict)
    profile: CameraProfile | str | Path | None = None
    iso: float | None = None
    strength: float = 1.0
    tile: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength {self.strength:g} is not between 0 and 1")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return {**dataclasses.asdict(self), "profile": None if self.profile is None else str(self.profile)}


@dataclass(frozen=True)
class DenoiseResult:
    """A denoised frame and how it came about.

    ``frame`` carries the denoised mosaic (uint16, or float32 as the source) and the residual noise
    as its ``noise_profile``; ``noise`` is what was taken out.
    """

    frame: Frame
    noise: FrameNoise
    residual: float

    @property
    def residual_profile(self) -> NoisePairs:
        """(S, O) of what noise is left, for the file's NoiseProfile tag."""
        return tuple((max(s * self.residual**2, 1e-8), o * self.residual**2) for s, o in self.noise.pairs)


class Denoiser:
    """A denoiser ready to run on planes: its record, its network, its device."""

    def __init__(self, settings: Settings) -> None:
        self.device = pick_device(settings.device)
        self.strength = settings.strength
        self.record, network = _load(settings)
        self.network = network.eval().to(self.device)

    @torch.inference_mode()
    def __call__(self, noisy: Tensor, shot: tuple[float, ...], read: tuple[float, ...]) -> Tensor:
        """Return denoised [B, C, H, W] of planes with variance ``shot x + read`` per plane."""
        if self.record.channels not in (0, noisy.shape[-3]):
            raise UsageError(
                f"{self.record.name} takes {self.record.channels} planes, not {noisy.shape[-3]}",
                hint="RAW has one per CFA position, pictures have three: take a denoiser for such",
            )
        noisy = noisy.to(self.device)
        if not self.record.stabilised:
            sigma = _sigma_map(noisy, shot, read)
            return self._blend(noisy, self._run(noisy, sigma))
        stabiliser = Stabiliser(shot, read)
        flat = stabiliser.forward(noisy)
        restored = self._run(flat, torch.ones_like(flat[:, :1]))
        return self._blend(noisy, stabiliser.inverse(restored))

    def _blend(self, noisy: Tensor, restored: Tensor) -> Tensor:
        return restored if self.strength == 1 else torch.lerp(noisy, restored, self.strength)

    def _run(self, planes: Tensor, sigma: Tensor) -> Tensor:
        height, width = planes.shape[-2:]
        multiple = self.record.multiple_of
        bottom, right = -height % multiple, -width % multiple
        if bottom or right:
            planes = nn.functional.pad(planes, (0, right, 0, bottom), mode="replicate")
            sigma = nn.functional.pad(sigma, (0, right, 0, bottom), mode="replicate")
        restored: Tensor = self.network(planes, sigma)
        return restored[..., :height, :width]


def _load(settings: Settings) -> tuple[DenoiserSpec, nn.Module]:
    """Return the record and the network of a name or a weights file."""
    plugins = default_plugins()
    if settings.denoiser.endswith(".safetensors"):
        from synthnoise.denoisers.weights import denoiser_spec, load_weights

        network, card = load_weights(Path(settings.denoiser))
        return denoiser_spec(card), network
    if settings.denoiser.endswith(".onnx"):
        raise UsageError(
            f"{settings.denoiser}: running ONNX files is not supported here",
            hint="give the .safetensors weights",
        )
    record: DenoiserSpec = plugins.find("denoisers", settings.denoiser)
    if record.trainable:
        raise UsageError(
            f"{record.name} has to be trained first",
            hint=f"synthnoise train -d {record.name} -o weights.safetensors",
        )
    return record, plugins.create("denoisers", settings.denoiser, settings.options)


def _sigma_map(noisy: Tensor, shot: tuple[float, ...], read: tuple[float, ...]) -> Tensor:
    """Return the standard deviation [B, C, H, W] at the local mean of each pixel."""
    mean = nn.functional.avg_pool2d(nn.functional.pad(noisy, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    s, o = (noisy.new_tensor(values)[:, None, None] for values in (shot, read))
    return (s * mean.clamp_min(0) + o).sqrt()


def denoise_frame(
    frame: Frame, settings: Settings | None = None, *, progress: Progress = SILENT, **changes: Any
) -> DenoiseResult:
    """Return a frame with its noise taken out of the active area.

    Masked borders and clipped pixels stay exactly as they were. Memory beyond input and output is
    that of one tile.

    Parameters
    ----------
    frame
        A Bayer or monochrome frame.
    settings, changes
        How to denoise: ``denoise_frame(frame, strength=0.5)`` is ``Settings(strength=0.5)``.

    Raises
    ------
    InputError
        The CFA is one that the denoiser cannot do well.
    UsageError
        An option, the profile or the ISO does not fit.
    """
    settings = dataclasses.replace(settings or Settings(), **changes)
    check_cfa(frame)
    denoiser = Denoiser(settings)
    profile = settings.profile
    if isinstance(profile, str | Path):
        profile = load_profile(profile)
    noise = find_noise(frame, profile, settings.iso)
    active = frame.active()
    shot, read = noise.per_plane(tuple(int(c) for c in active.cfa.reshape(-1)))
    mosaic = frame.mosaic.copy()
    top, left, bottom, right = frame.area
    output = mosaic[top:bottom, left:right]
    h, w = active.cfa.shape
    height, width = active.mosaic.shape
    packed = (-(-height // h), -(-width // w))
    grid = list(tiles(packed, (settings.tile or DEFAULT_TILE) // h, denoiser.record.halo))
    progress.start(str(frame.path.name if frame.path else "denoising"), len(grid))
    ratios: list[NDArray[np.float32]] = []
    for tile in grid:
        planes = _planes(active, tile.outer)
        restored = denoiser(torch.from_numpy(planes)[None], shot, read)[0].cpu().numpy()
        _store(output, active, tile, restored)
        ratios.append(_residual_blocks(restored[(slice(None), *tile.kept)], shot, read))
        progress.advance()
    residual = float(np.clip(np.quantile(np.concatenate(ratios), RESIDUAL_QUANTILE), RESIDUAL_FLOOR, 1))
    result = DenoiseResult(dataclasses.replace(frame, mosaic=mosaic), noise, residual)
    return dataclasses.replace(
        result, frame=dataclasses.replace(result.frame, noise_profile=result.residual_profile)
    )


def check_cfa(frame: Frame) -> None:
    """Raise InputError unless the frame is Bayer or monochrome."""
    if not (frame.is_bayer or frame.cfa.shape == (1, 1)):
        h, w = frame.cfa.shape
        raise InputError(
            f"{frame.path or 'frame'}: its {w}x{h} colour filter array cannot be denoised yet",
            hint="Bayer and monochrome sensors can; X-Trans and Quad-Bayer are to come",
        )


def _planes(active: Frame, outer: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return normalised planes [C, rows, columns] of a packed rectangle; odd sides are filled up in phase."""
    h, w = active.cfa.shape
    top, left, bottom, right = outer
    rows = nearest_in_phase(np.arange(top * h, bottom * h), active.mosaic.shape[0], h)
    columns = nearest_in_phase(np.arange(left * w, right * w), active.mosaic.shape[1], w)
    values = active.mosaic[rows][:, columns].astype(np.float32)
    black = active.black[(rows % h)[:, None], (columns % w)[None, :]]
    if active.black_rows is not None:
        black = black + active.black_rows[rows, None]
    if active.black_columns is not None:
        black = black + active.black_columns[None, columns]
    planes: NDArray[np.float32] = pack(((values - black) / (active.white - black)).astype(np.float32), (h, w))
    return np.ascontiguousarray(planes)


def _store(output: NDArray[Any], active: Frame, tile: Tile, restored: NDArray[np.float32]) -> None:
    """Write the inner part of a tile back in DN; clipped pixels keep their value."""
    h, w = active.cfa.shape
    top, left, bottom, right = tile.inner
    area = (top * h, left * w, min(bottom * h, output.shape[0]), min(right * w, output.shape[1]))
    rows, columns = slice(area[0], area[2]), slice(area[1], area[3])
    source = active.mosaic[rows, columns]
    black = active.black_map(area)
    values = unpack(restored[(slice(None), *tile.kept)], (h, w))[: source.shape[0], : source.shape[1]]
    level = values * (active.white - black) + black
    if np.issubdtype(output.dtype, np.integer):
        level = np.rint(np.clip(level, 0, active.white))
    output[rows, columns] = np.where(source >= active.white, source, level)


def _residual_blocks(
    restored: NDArray[np.float32], shot: tuple[float, ...], read: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return per block the ratio of what roughness is left to the noise that was there.

    Flat blocks give the residual noise, others more (texture), so a low quantile over many blocks
    estimates it.
    """
    _, height, width = restored.shape
    rows, columns = height // RESIDUAL_BLOCK, width // RESIDUAL_BLOCK
    if not rows or not columns:
        return np.ones(1, np.float32)
    found = []
    for plane, s, o in zip(restored, shot, read, strict=True):
        scaled = plane / np.sqrt(s * np.maximum(plane, 0) + o)
        diagonal = np.zeros_like(scaled)
        diagonal[:-1, :-1] = (scaled[:-1, :-1] - scaled[1:, :-1] - scaled[:-1, 1:] + scaled[1:, 1:]) / 2
        blocks = diagonal[: rows * RESIDUAL_BLOCK, : columns * RESIDUAL_BLOCK].reshape(
            rows, RESIDUAL_BLOCK, columns, RESIDUAL_BLOCK
        )
        found.append(np.sqrt((blocks**2).mean((1, 3))).ravel())
    return np.concatenate(found).astype(np.float32)
