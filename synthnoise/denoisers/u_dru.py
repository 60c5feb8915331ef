"""U-DRU: a small DRUNet at half resolution, for pictures on a CPU.

The pixels of each 2x2 block become planes at the input and pixels again at the output, as in FFDNet (Zhang,
Zuo, Zhang, IEEE TIP 2018); between them works a DRUNet (Zhang et al., IEEE TPAMI 2022) of three scales.
It sees as far as FFDNet at a quarter of its arithmetic: 50 GMAC per megapixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from synthnoise.denoisers import drunet


@dataclass(frozen=True, kw_only=True)
class Options(drunet.Options):
    """The shape of the network; the defaults have 1.05 million parameters on RGB."""

    widths: tuple[int, ...] = field(
        default=(32, 64, 128), metadata={"help": "feature planes of each scale, finest first"}
    )
    blocks: int = field(
        default=2, metadata={"help": "residual blocks per scale and direction", "range": (1, 16)}
    )
    unshuffle: int = field(
        default=2,
        metadata={"help": "edge of the blocks of pixels that become planes at the input", "range": (1, 4)},
    )
    residual: bool = field(default=True, metadata={"help": "predict the noise instead of the image"})


def build(options: Options | None = None) -> drunet.DRUNet:
    """Return the network; see :class:`synthnoise.denoisers.drunet.DRUNet`."""
    return drunet.DRUNet(options or Options())
