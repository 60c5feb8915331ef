"""RAW-DRU: a small DRUNet for the packed planes of a mosaic, whose noise has been made white.

The network of the bundled weights ``raw``: plain convolutions and no biases (Zhang et al., IEEE TPAMI 2022),
at 17 GMAC per megapixel of the sensor. Its first kernels sum to zero, so that it shifts with its input, whose
level on stabilised RAW may be hundreds of times the noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from synthnoise.denoisers import drunet


@dataclass(frozen=True, kw_only=True)
class Options(drunet.Options):
    """The shape of the network; the defaults have 1.06 million parameters on four planes."""

    channels: int = field(default=4, metadata={"help": "image planes in and out", "range": (1, 64)})
    widths: tuple[int, ...] = field(
        default=(16, 32, 64, 128), metadata={"help": "feature planes of each scale, finest first"}
    )
    blocks: int = field(
        default=2, metadata={"help": "residual blocks per scale and direction", "range": (1, 16)}
    )
    residual: bool = field(default=True, metadata={"help": "predict the noise instead of the image"})
    centred: bool = field(
        default=True, metadata={"help": "first kernels sum to zero: output shifts with input"}
    )


def build(options: Options | None = None) -> drunet.DRUNet:
    """Return the network; see :class:`synthnoise.denoisers.drunet.DRUNet`."""
    return drunet.DRUNet(options or Options())
