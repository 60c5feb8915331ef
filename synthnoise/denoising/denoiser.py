"""A denoiser ready to run: the domain its network wants, its padding, its device, its strength."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import NAMED
from synthnoise.denoisers.bundled import OF_MOSAICS
from synthnoise.denoisers.defects import REACH, replace_defects, replace_mosaic_defects
from synthnoise.denoising import demosaiced, level
from synthnoise.denoising.level import LevelDrift
from synthnoise.denoising.networks import load_denoiser
from synthnoise.denoising.onnx_network import OnnxNetwork, reason_of
from synthnoise.denoising.plugin_faults import faults_of, sound
from synthnoise.denoising.strengths import Strengths
from synthnoise.denoising.tiles import ALIGNMENT, Tile, equal_tiles, tiles
from synthnoise.devices import enough_memory, full_precision
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.noise.stabilise import Stabiliser
from synthnoise.profiles.schema import CameraProfile
from synthnoise.specs import DOMAINS, Domain

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]
Prepared = tuple[Array, Array]
"""Planes [B, C, H, W] and the standard deviation of their noise, [B, 1 or C, H, W]."""

AUTO = "auto"
"""Stands for the best of ours for what there is to denoise: weights for its mosaic, or what follows."""
CLASSICAL = "patch-dct"

BEYOND = 1.1
"""How much stronger noise may be than that of the training without a word: estimates have errors, too."""
LEVEL_BLOCK = 8
"""Repeats along the edge of a block whose mean is kept, where a repeat is larger than 2x2."""
INTERPOLATION = 2
"""Repeats that a bicubic interpolation reaches."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to denoise.

    Attributes
    ----------
    denoiser
        Name of a classical denoiser or of bundled weights, or a file of weights (.safetensors or .onnx);
        ``auto`` is the bundled network on Bayer and X-Trans mosaics and on demosaiced pictures, unless
        options are given, and on all else patch-dct.
    options
        Of a classical denoiser.
    profile, iso
        Camera profile (or its name or folder) and ISO, instead of what the file says of its noise.
    profile_dark
        Subtract the fixed pattern that the profile's dark frame shares with the frame, where they fit.
    strength
        0 leaves the noise, 1 removes what the denoiser removes; the result is blended in between.
    luma, chroma
        The same for brightness and colour apart; ``strength`` multiplies both.
    tile
        Edge in mosaic pixels; None for the default.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    denoiser: str = AUTO
    options: Mapping[str, Any] = field(default_factory=dict)
    profile: CameraProfile | str | Path | None = None
    iso: float | None = None
    profile_dark: bool = True
    strength: float = 1.0
    luma: float = 1.0
    chroma: float = 1.0
    tile: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("strength", "luma", "chroma"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name):g} is not between 0 and 1")
        if self.iso is not None and self.profile is None:
            raise UsageError(
                f"ISO {self.iso:g} chooses from a camera profile, and none is given",
                hint="--profile NAME, or leave out --iso",
            )

    def chosen(self, domain: Domain) -> str:
        """Return the denoiser for planes of a domain."""
        if self.denoiser != AUTO:
            return self.denoiser
        cfa = next((name for name in OF_MOSAICS if name == domain), None)
        return CLASSICAL if self.options or cfa is None else OF_MOSAICS[cfa]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return {**dataclasses.asdict(self), "profile": None if self.profile is None else str(self.profile)}


class Denoiser:
    """A denoiser ready to run on planes.

    Attributes
    ----------
    name
        What it was chosen by.
    record
        What its author, or its weights, say of it.
    context
        Pixels of a plane around a tile that its restored interior depends on.
    halo
        The same for its interior with local means kept.
    strengths
        How much of the difference it makes is kept.
    remarks
        What the user should know of where it runs.
    by_mosaics
        It takes planes of 2x2 pixels of linear RGB, as mosaics.

    Parameters
    ----------
    colours, period
        Colour of each plane and the repeat (h, w), where the planes are those of a colour filter array
        other than 2x2.
    neutral
        A neutral grey in the three colours of the planes, which tells colour from brightness.
    domain
        What the planes are; ``"any"`` where nothing is known of them.
    shares_noise
        Neighbouring pixels of linear RGB share their noise, as a demosaic leaves it: denoisers of Bayer
        mosaics take such in planes of 2x2 pixels (:mod:`synthnoise.denoising.demosaiced`).

    Raises
    ------
    UsageError
        The denoiser is made for planes of another domain.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        colours: tuple[int, ...] | None = None,
        period: tuple[int, int] = (2, 2),
        neutral: tuple[float, ...] | None = None,
        domain: Domain = "any",
        shares_noise: bool = False,
    ) -> None:
        self.name = settings.chosen("bayer" if shares_noise else domain)
        loaded = load_denoiser(self.name, settings.options, settings.device)
        self.record, self.network, self.device = loaded.record, loaded.network, loaded.device
        self.by_mosaics = shares_noise and self.record.domain == "bayer"
        if self.by_mosaics:
            domain = "bayer"
        self._colours, self._period = demosaiced.COLOURS if self.by_mosaics else colours, period
        self.strengths = Strengths(
            luma=settings.strength * settings.luma,
            chroma=settings.strength * settings.chroma,
            colours=self._colours,
            neutral=neutral or (1.0, 1.0, 1.0),
        )
        if "any" not in (self.record.domain, domain) and self.record.domain != domain:
            raise UsageError(
                f"{self.name} is for {DOMAINS[self.record.domain]}, not for {DOMAINS[domain]}",
                hint="take a denoiser for such (synthnoise models), or train one: synthnoise train",
            )
        self.remarks = () if loaded.remark is None else (loaded.remark,)
        self._trained = loaded.trained
        # What is measured ends a step of the network's grid beyond what it sees, which is room for defects.
        spare = self.record.multiple_of if self.record.trainable else 0
        self.context = self.record.halo + (max(REACH - spare, 0) if self._repairs else 0)
        own = domain in NAMED and self.record.domain == domain
        self._split = colours is not None and not own
        self._block = level.BLOCK if colours is None else LEVEL_BLOCK
        if self._split:
            if self.record.channels or not self.record.stabilised:
                raise UsageError(
                    f"{self.name} is not made for a {period[1]}x{period[0]} colour filter array",
                    hint="patch-dct denoises any",
                )
            self.context += -(-self.record.halo // min(period)) + INTERPOLATION
        self.context += self.by_mosaics
        # Levels are kept where a root has moved them: two blocks and the one that it is in.
        self.halo = self.context + (3 * self._block if self.record.stabilised else 0)

    def tiles(
        self, size: tuple[int, int], edge: int = 0, *, area: int | None = None, levelled: bool = True
    ) -> list[Tile]:
        """Return the tiles of an image of ``size`` that with this denoiser's context equal the whole.

        Parameters
        ----------
        edge
            Of the tiles, in pixels of a plane, without their context.
        area
            Pixels of a plane that a tile has at most, with its context; instead of ``edge``.
        levelled
            Each tile keeps its own local means, which takes more context.

        Raises
        ------
        UsageError
            There are several, and the network sees the whole image at every pixel.
        """
        # Classical denoisers and local means have grids as coarse as the alignment, networks finer ones.
        coarse = not self.record.trainable or (levelled and self.record.stabilised)
        step = ALIGNMENT if coarse else max(self.record.multiple_of, 1)
        halo = self.halo if levelled else self.context
        grid = list(tiles(size, edge, halo, step)) if area is None else equal_tiles(size, area, halo, step)
        if self.record.global_context and len(grid) > 1:
            raise UsageError(
                f"{self.name} sees a whole image at once: tiles would show",
                hint="crop the image, or give a larger --tile",
            )
        return grid

    def beyond_training(self, sigma: float) -> tuple[str, ...]:
        """Return that the network never saw noise as strong as ``sigma``, in [0, 1]; nothing where it did."""
        if self._trained is None or sigma <= BEYOND * self._trained[1]:
            return ()
        return (
            f"{self.name} was trained on noise up to sigma {255 * self._trained[1]:.0f} of 255,"
            f" not on {255 * sigma:.0f}",
        )

    def __call__(self, noisy: Tensor, shot: tuple[float, ...], read: tuple[float, ...]) -> Tensor:
        """Return denoised [B, C, H, W] of planes with variance ``shot x + read`` per plane.

        Local means are kept.

        Raises
        ------
        UsageError
            The denoiser is made for another number of planes, or there is no such noise.
        """
        import torch

        return torch.from_numpy(self.denoised(noisy.cpu().numpy(), shot, read)).to(noisy.device)

    def denoised(
        self, noisy: Array, shot: tuple[float, ...], read: tuple[float, ...], *, whole: bool = False
    ) -> Array:
        """Return the same for arrays; ``whole``: at full strength."""
        restored = self.restore(noisy, shot, read)
        drift = self.drift((noisy.shape[-2], noisy.shape[-1]), shot, read, batch=len(noisy))
        if drift is not None:
            drift.add(noisy, restored, (0, 0))
            restored = restored + drift.at((0, 0, noisy.shape[-2], noisy.shape[-1]))
        return restored if whole else self.strengths.blended(noisy, restored)

    def restore(self, noisy: Array, shot: tuple[float, ...], read: tuple[float, ...]) -> Array:
        """Return planes as the network gives them, at full strength, their local means as it left them.

        It is :meth:`prepare`, :meth:`infer` and :meth:`finish` in turn; errors as the first.
        """
        return self.finish(self.infer(self.prepare(noisy, shot, read)), shot, read)

    def prepare(self, noisy: Array, shot: tuple[float, ...], read: tuple[float, ...]) -> Prepared:
        """Return what the network takes: planes without defects whose noise is white, and its level.

        Raises
        ------
        UsageError
            The denoiser is made for another number of planes, or there is no such noise.
        """
        if self.record.channels not in (0, 4 if self.by_mosaics else noisy.shape[-3]):
            raise UsageError(
                f"{self.name} takes {self.record.channels} planes, not {noisy.shape[-3]}",
                hint="RAW has one per CFA position, pictures have three: take a denoiser for such",
            )
        if not self.record.stabilised:
            return self._apart(noisy), self._apart(_sigma_map(noisy, shot, read))
        stabiliser = Stabiliser(shot, read)
        flat = [stabiliser.forward_array(planes) for planes in np.ascontiguousarray(noisy, np.float32)]
        if self.by_mosaics:
            flat = list(self._apart(np.stack(flat)))
        if self._repairs and not self._split:
            flat = [self._repaired(planes) for planes in flat]
        stack = np.stack(flat) if len(flat) > 1 else flat[0][None]
        return stack, np.ones_like(stack[:, :1])

    def infer(self, prepared: Prepared) -> Array:
        """Return what the network makes of what was prepared, [B, C, H, W] in the unit it was given."""
        planes, sigma = prepared
        if self.by_mosaics:
            return self._together(planes, sigma)
        if self._idle:
            return planes
        if self._colours is None or not self._split:
            return self._run(planes, sigma)
        import torch

        from synthnoise.denoising.colour_residual import restore_any_cfa

        def run(planes: Tensor, sigma: Tensor) -> Tensor:
            return torch.from_numpy(self._run(planes.numpy(), sigma.numpy()))

        restored = restore_any_cfa(run, torch.from_numpy(planes), self._colours, self._period)
        found: Array = restored.numpy()
        return found

    def finish(self, inferred: Array, shot: tuple[float, ...], read: tuple[float, ...]) -> Array:
        """Return linear planes [B, C, H, W] of what the network gave, or of a part of it."""
        if not self.record.stabilised:
            return inferred
        stabiliser = Stabiliser(shot, read)
        linear = [stabiliser.inverse_array(planes) for planes in inferred]
        return np.stack(linear) if len(linear) > 1 else linear[0][None]

    def drift(
        self, size: tuple[int, int], shot: tuple[float, ...], read: tuple[float, ...], *, batch: int = 1
    ) -> LevelDrift | None:
        """Return what gathers the drift of local means over an image; None where none can drift."""
        if not self.record.stabilised:
            # A level that went through no root has not drifted.
            return None
        return LevelDrift(size, shot, read, sharing=self._colours, block=self._block, batch=batch)

    def _apart(self, planes: Array) -> Array:
        """Return the mosaics [4 B, 4, H + 1, W + 1] of planes [B, 12, H, W], if that is what it takes."""
        if not self.by_mosaics:
            return planes
        return np.concatenate([demosaiced.taken_apart(image) for image in planes])

    def _together(self, mosaics: Array, sigma: Array) -> Array:
        """Return planes [B, 12, H, W] of mosaics, each restored by itself: memory is that of one."""
        if not self._idle:
            parts = [self._run(mosaics[n : n + 1], sigma[n : n + 1])[0] for n in range(len(mosaics))]
            mosaics = np.stack(parts)
        images = mosaics.reshape(-1, len(demosaiced.CORNERS), *mosaics.shape[1:])
        return np.stack([demosaiced.put_together(image) for image in images])

    @property
    def _repairs(self) -> bool:
        """Whether defects are replaced before it."""
        return self.record.stabilised and not self.record.defects

    def _repaired(self, planes: Array) -> Array:
        """Return white planes [C, H, W] without defects."""
        if self._colours is None or self.by_mosaics:
            return replace_defects(planes)
        return replace_mosaic_defects(planes, self._colours, self._period)

    @property
    def _idle(self) -> bool:
        """Whether nothing of what the network finds is kept."""
        return self.strengths.luma == self.strengths.chroma == 0

    def _run(self, planes: Array, sigma: Array) -> Array:
        size, (height, width) = planes.shape, planes.shape[-2:]
        multiple = self.record.multiple_of
        if height % multiple or width % multiple:
            edges = ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple))
            planes, sigma = np.pad(planes, edges, mode="edge"), np.pad(sigma, edges, mode="edge")
        if isinstance(self.network, OnnxNetwork):
            return self.network.run(planes, sigma)[..., :height, :width]
        import torch

        enough = enough_memory("a smaller --tile, or --device cpu")
        with torch.inference_mode(), full_precision(), faults_of(self.record), enough:
            if sigma.shape[1] > 1:
                # As in training, in exported files and in the check of the contract.
                sigma = np.sqrt(np.square(sigma).mean(1, keepdims=True))
            tensors = (torch.from_numpy(x).to(self.device) for x in (planes, sigma))
            try:
                restored: Array = self.network(*tensors)[..., :height, :width].cpu().numpy()
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                if self.device is None or self.device.type == "cpu":
                    raise
                raise SynthnoiseError(
                    f"{self.device} fails: {reason_of(error)}", hint="--device cpu"
                ) from error
        return sound(restored, size, self.name)


def _sigma_map(noisy: Array, shot: tuple[float, ...], read: tuple[float, ...]) -> Array:
    """Return the standard deviation [B, C, H, W] at the local mean of each pixel."""
    from scipy.ndimage import uniform_filter

    mean = uniform_filter(noisy, (1, 1, 5, 5), mode="nearest")
    s, o = (np.array(values, np.float32)[:, None, None] for values in (shot, read))
    sigma: Array = np.sqrt(s * np.maximum(mean, 0) + o)
    return sigma
