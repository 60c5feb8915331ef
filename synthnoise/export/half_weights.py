"""Weights files of half the size: numbers of half precision, computed with in single precision."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthnoise.denoisers.network_files import SAFETENSORS
from synthnoise.denoisers.weights import save_weights
from synthnoise.errors import SynthnoiseError
from synthnoise.export.onnx import Padded
from synthnoise.export.source import example_of, open_source
from synthnoise.plugins import Plugins

EDGE = 64
"""Edge in pixels of the image that both are compared on."""
TOLERANCE = 0.05
"""Largest difference, in standard deviations of the strongest noise of the training or in 1."""


@dataclass(frozen=True, kw_only=True)
class HalfSummary:
    """What was written.

    Attributes
    ----------
    path
        The file.
    size
        Its bytes.
    max_error
        Largest absolute difference that the rounding makes, in the unit of the network's input.
    """

    path: Path
    size: int
    max_error: float

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for a machine."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        return [
            f"{self.path}: {self.size / 1e6:.2f} MB, float16",
            f"what the network gives differs by at most {self.max_error:.1e}",
        ]


def halve_weights(
    weights: Path | str, output: Path | str, *, overwrite: bool = False, plugins: Plugins | None = None
) -> HalfSummary:
    """Write weights with their numbers rounded to half precision, and what that changes.

    Wherever weights are read they become single precision again, so that all is computed as before.

    Raises
    ------
    InputError
        The weights file cannot be read.
    UsageError
        ``output`` is the weights file or of another suffix.
    OutputExistsError
        ``output`` exists and ``overwrite`` is false.
    SynthnoiseError
        The rounding changes the result visibly.
    """
    output = Path(output)
    source = open_source(weights, output, SAFETENSORS, overwrite=overwrite, plugins=plugins)
    noisy, sigma = example_of(source.record, (1, EDGE, EDGE))
    rounded = copy.deepcopy(source.network)
    rounded.load_state_dict(
        {
            name: value.half().to(value.dtype) if value.is_floating_point() else value
            for name, value in source.network.state_dict().items()
        }
    )
    before, after = (Padded(net, source.record.multiple_of) for net in (source.network, rounded))
    with torch.no_grad():
        difference = after(noisy, sigma) - before(noisy, sigma)
    worst = float(difference.abs().max())
    if not worst <= TOLERANCE * max(1.0, source.record.noise_range[1]):
        raise SynthnoiseError(
            f"{source.name}: in half precision it would differ by {worst:.2g}", hint="leave out --half"
        )
    save_weights(output, source.network, source.record, half=True, overwrite=overwrite)
    return HalfSummary(path=output, size=output.stat().st_size, max_error=worst)
