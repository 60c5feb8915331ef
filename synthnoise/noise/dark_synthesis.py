"""New dark frames with the spectrum and the histogram of one that was shot.

"2-Shots in the Dark" (arXiv 2512.03245, CVPR 2026), its dark-frame half: the dark is split into dark shading
and residual; the residual gets random phases, the same for all planes, and is then taken alternately
to the histogram and to the Fourier amplitudes of the original.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import oaconvolve
from torch import Tensor

from synthnoise.rng import Rng, Stream

SHADING_SIGMA = 50.0
SHADING_RADIUS = 150
"""Packed pixels."""

STRIP_ROWS = 256

CACHE_BYTES = 512 << 20


def dark_shading(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the low frequencies of a plane of a dark, float32 [H, W] of any unit.

    A Gaussian of 50 packed pixels, cut off at 150, mirrored at the borders. The mean of a plane,
    hence the bias of its black level, is part of it.
    """
    offsets = np.arange(-SHADING_RADIUS, SHADING_RADIUS + 1)
    kernel = np.exp(-0.5 * (offsets / SHADING_SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return _blur_rows(_blur_rows(plane, kernel).T, kernel).T


def _blur_rows(plane: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the convolution of every row of a plane [H, W], some rows at a time."""
    blurred = np.empty(plane.shape, np.float32)
    # A row of a single pixel has nothing to be mirrored.
    mode: Literal["reflect", "edge"] = "reflect" if plane.shape[1] > 1 else "edge"
    for top in range(0, len(plane), STRIP_ROWS):
        strip = slice(top, top + STRIP_ROWS)
        mirrored = np.pad(plane[strip], ((0, 0), (SHADING_RADIUS, SHADING_RADIUS)), mode)
        blurred[strip] = oaconvolve(mirrored, kernel[None], "valid", axes=1)
    return blurred


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How residuals are redrawn.

    Attributes
    ----------
    iterations
        Rounds of histogram matching and spectrum prescription, spectrum last; 0 leaves random phases alone.
    shared_phase
        One field of random phases for all planes, which keeps their cross-spectra; else one for each.
    """

    iterations: int = 10
    shared_phase: bool = True


class DarkSynthesis:
    """Residuals of new darks, numbered; number n depends on (seed, n) alone.

    A residual is a sample of a random field on a torus: Fourier synthesis knows no borders. Threads may
    draw side by side. Memory, of float32 planes: all of them once for the dark and once for each
    residual that is kept (up to 512 MiB, at least one), and some eight of one plane at work.

    Parameters
    ----------
    residual
        float32 [C, H, W], dark minus its shading, of mean zero; its unit is that of the results.
    """

    def __init__(self, residual: Tensor, recipe: Recipe = Recipe()) -> None:
        self.residual = residual
        self.recipe = recipe
        self._lock = threading.Lock()
        self._finished: OrderedDict[tuple[int, int, str], Tensor] = OrderedDict()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the planes."""
        return self.residual.shape[1], self.residual.shape[2]

    def draw(self, rng: Rng) -> Tensor:
        """Return the residual float32 [C, H, W] of the one number in ``rng.indices``."""
        key = (rng.seed, int(rng.indices), str(rng.device))
        with self._lock:
            if key in self._finished:
                self._finished.move_to_end(key)
                return self._finished[key]
        residual = self._synthesise(rng)
        room = max(1, CACHE_BYTES // (4 * residual.numel()))
        with self._lock:
            self._finished[key] = residual
            while len(self._finished) > room:
                self._finished.popitem(last=False)
        return residual

    def _synthesise(self, rng: Rng) -> Tensor:
        """Return a new residual [C, H, W]."""
        return self._redraw(self.residual, rng)

    def _redraw(self, original: Tensor, rng: Rng) -> Tensor:
        """Return planes [C, H, W] with the spectra and the histograms of ``original``, of :attr:`size`."""
        planes = 1 if self.recipe.shared_phase else len(original)
        fields = dataclasses.replace(rng, origin=(0, 0)).normal(Stream.PHASE, (planes, *self.size))[0]
        turn = _phase(torch.fft.rfft2(fields[0]))
        synthetic = torch.empty(original.shape, device=rng.device)
        for number, plane in enumerate(original):
            if number and planes > 1:
                turn = _phase(torch.fft.rfft2(fields[number]))
            spectrum = torch.fft.rfft2(plane.to(rng.device))
            amplitude, ordered = spectrum.abs(), _sorted(plane.flatten()).to(rng.device)
            field = torch.fft.irfft2(spectrum.mul_(turn), s=self.size)
            del spectrum
            for _ in range(self.recipe.iterations):
                field = self._match(field, ordered)
                field = prescribe_spectrum(field, amplitude)
            synthetic[number] = field
        return synthetic

    def _match(self, field: Tensor, ordered: Tensor) -> Tensor:
        """Return ``field`` [H, W] with the distribution of the ascending values ``ordered``."""
        return match_histogram(field, ordered)


def match_histogram(field: Tensor, ordered: Tensor) -> Tensor:
    """Return ``field`` [H, W] with its values replaced, rank by rank, by the ascending ``ordered`` [H W]."""
    matched = torch.empty_like(ordered)
    matched[_order(field.flatten())] = ordered
    return matched.view_as(field)


def _order(values: Tensor) -> Tensor:
    """Return the indices that sort ``values`` [n]; on the CPU by NumPy, whose sort is vectorised."""
    return torch.from_numpy(np.argsort(values.numpy())) if values.device.type == "cpu" else values.argsort()


def _sorted(values: Tensor) -> Tensor:
    """Return ``values`` [n] in ascending order, likewise."""
    return torch.from_numpy(np.sort(values.numpy())) if values.device.type == "cpu" else values.sort().values


def prescribe_spectrum(field: Tensor, amplitude: Tensor) -> Tensor:
    """Return ``field`` [H, W] with other Fourier amplitudes [H, W//2 + 1], its phases and mean kept."""
    mean = field.mean()
    spectrum = torch.fft.rfft2(field - mean)
    prescribed: Tensor = torch.fft.irfft2(_phase(spectrum).mul_(amplitude), s=tuple(field.shape))
    return prescribed + mean


def _phase(spectrum: Tensor) -> Tensor:
    """Divide ``spectrum`` by its modulus, in place: unit complex numbers, 1 where it is 0."""
    modulus = spectrum.abs()
    return spectrum.div_(modulus).masked_fill_(modulus == 0, 1)
