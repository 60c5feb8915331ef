"""Colours of the pixels that are seen, and of no others: each kind of fill for all its pixels at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.table import FLAT, GRADIENT, MIX, NOISE, WAVES
from synthnoise.images.vibrant_leaves.torch_engine import maps
from synthnoise.images.vibrant_leaves.torch_engine.fields import Fields
from synthnoise.images.vibrant_leaves.torch_engine.lab import lab_of, rgb_of


@dataclass(frozen=True, eq=False)
class Shading:
    """All that the colour of a leaf's pixel depends on.

    Attributes
    ----------
    slots, starts
        Those of ``coefficients.prepare`` for the leaves of all images.
    fields
        What textures are read from.
    classic
        Whether waves are those of 2025.
    """

    slots: Tensor
    starts: Tensor
    fields: Fields
    classic: bool

    def colours(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Return sRGB float32 [N, 3] in [0, 1] of pixels of these leaves, all int64 [N]."""
        fill = self.slots[leaf, c.FILL]
        upright = (fill == NOISE) & (self.slots[leaf, c.TILT] == 0)
        rgb = torch.empty((len(leaf), 3), device=leaf.device)
        kinds = (
            (fill == FLAT, self._flat),
            (fill == GRADIENT, self._ramp),
            (upright, self._upright),
            ((fill == NOISE) & ~upright, self._tilted),
            (fill == WAVES, self._waves),
            (fill == MIX, self._mix),
        )
        for mask, shade in kinds:
            part = mask.nonzero()[:, 0]
            rgb[part] = shade(leaf[part], y[part], x[part])
        return rgb

    def _slots(self, leaf: Tensor, *columns: Iterable[int]) -> maps.Slots:
        return {column: self.slots[:, column][leaf] for some in columns for column in some}

    def _three(self, leaf: Tensor, first: int) -> Tensor:
        return self.slots[:, first : first + 3][leaf]

    def _flat(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return self._three(leaf, c.COLOUR_1)

    def _ramp(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Run from the first to the second colour in Lab, along a part of a logistic curve."""
        slots = self._slots(leaf, range(c.RAMP_0, c.RAMP_HEIGHT + 1))
        at = slots[c.RAMP_0] + slots[c.RAMP_Y] * y + slots[c.RAMP_X] * x
        curve = torch.sigmoid(slots[c.RAMP_GAIN] * (12.1 * at - 6))
        return self._between(leaf, (curve - slots[c.RAMP_LOW]) / slots[c.RAMP_HEIGHT])

    def _between(self, leaf: Tensor, share: Tensor) -> Tensor:
        """Return sRGB of places between the leaf's two colours in Lab."""
        start = self._three(leaf, c.LAB_1)
        return rgb_of(start + share[:, None] * (self._three(leaf, c.LAB_2) - start))

    def _upright(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return self._read(leaf, c.SLOPE_A, y[:, None], x[:, None], None)

    def _tilted(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        u, v = self._places(leaf, y, x)
        return self._bilinear(leaf, c.SLOPE_A, u, v)

    def _waves(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return self._between(leaf, self._map(leaf, *self._places(leaf, y, x)))

    def _mix(self, leaf: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Mix two noises or colours in Lab."""
        u, v = self._places(leaf, y, x)
        tilted = (self.slots[:, c.TILT][leaf] > 0)[:, None]
        pair = []
        for slope in (c.SLOPE_A, c.SLOPE_B):
            upright = self._read(leaf, slope, y[:, None], x[:, None], None)
            pair.append(torch.where(tilted, self._bilinear(leaf, slope, u, v), upright))
        share = self._map(leaf, u, v)[:, None]
        start = lab_of(pair[0])
        mixed = rgb_of(start + share * (lab_of(pair[1]) - start))
        return torch.where(share <= 0, pair[0], torch.where(share >= 1, pair[1], mixed))

    def _map(self, leaf: Tensor, u: Tensor, v: Tensor) -> Tensor:
        slots = self._slots(leaf, *maps.USED)
        return maps.interpolation_map(slots, self.starts[leaf], self.fields.warp, self.classic, u, v)

    def _places(self, leaf: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return where in the leaf's texture pixels lie, float32 [N] each."""
        slots = self._slots(leaf, range(c.U_0, c.TILT + 1))
        across = slots[c.U_0] + slots[c.U_Y] * y + slots[c.U_X] * x
        down = slots[c.V_0] + slots[c.V_Y] * y + slots[c.V_X] * x
        shrink = 1 / (1 + slots[c.TILT] * across)
        return across * shrink, down * shrink

    def _bilinear(self, leaf: Tensor, slope: int, u: Tensor, v: Tensor) -> Tensor:
        """Return noise seen at an angle: read between the field's pixels."""
        turned = self.slots[:, c.TURNED][leaf] > 0
        u, v = torch.where(turned, v, u), torch.where(turned, u, v)
        top, left = v.floor(), u.floor()
        down, right = v - top, u - left
        both = down * right
        weights = torch.stack([1 - down - right + both, right - both, down - both, both], -1)
        rows = top.long()[:, None] + torch.tensor([0, 0, 1, 1], device=u.device)
        columns = left.long()[:, None] + torch.tensor([0, 1, 0, 1], device=u.device)
        return self._read(leaf, slope, rows, columns, weights)

    def _read(
        self, leaf: Tensor, slope: int, rows: Tensor, columns: Tensor, weights: Tensor | None
    ) -> Tensor:
        """Return sRGB [N, 3] of noise a or b, as ``slope`` says, at weighted texels [N, k] of the torus."""
        first = slope == c.SLOPE_A
        place, colour, matrix = (
            (c.PLACE_AY, c.COLOUR_1, c.MATRIX_A) if first else (c.PLACE_BY, c.COLOUR_2, c.MATRIX_B)
        )
        slots = self._slots(leaf, (c.SIDE, slope, place, place + 1))
        number = slots[c.SIDE].long()
        side = self.fields.sides[number][:, None]
        row = rows + slots[place].long()[:, None] & side - 1
        column = columns + slots[place + 1].long()[:, None] & side - 1
        start = self.fields.starts[number, slots[slope].long()][:, None]
        words = self.fields.noise[start + row * side + column]
        texels = torch.stack([words >> 22, words << 10 >> 22, words << 20 >> 22], -1).float()
        planes = texels[:, 0]
        if weights is not None:
            corners = [texels[:, corner] * weights[:, corner, None] for corner in range(4)]
            planes = corners[0] + corners[1] + corners[2] + corners[3]
        # Sums term by term: so rounding knows no batch.
        rgb = self._three(leaf, colour)
        for axis in range(3):
            rgb = rgb + self.slots[:, matrix + axis : matrix + 9 : 3][leaf] * planes[:, axis, None]
        return rgb.clamp(0, 1)
