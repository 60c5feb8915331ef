"""Examples of several steps drawn at once: those of one are too small to keep a GPU busy.

Four pairs with ``sensor-prior`` take 2230 small operations, 64 take 2430, and each costs a GPU about as much
for one pair as for hundreds. Which pairs a step sees, their numbers say, whatever is drawn with them.
"""

from __future__ import annotations

import torch

from synthnoise.training.examples import Example, Examples
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks

PIXELS, STEPS = 1 << 22, 32
"""Most pixels of all planes, and most steps, drawn at once: a pixel is made of some hundred bytes."""


class Ahead:
    """Draws this process's part of the examples of each step.

    Parameters
    ----------
    examples
        Where they come from.
    plan
        Says how many make a step.
    ranks
        The processes that share each batch.

    Attributes
    ----------
    steps
        How many are drawn at once: 1 on a processor, whose caches would be too small for more.

    Raises
    ------
    UsageError
        The batch cannot be shared out evenly.
    """

    def __init__(self, examples: Examples, plan: TrainingPlan, ranks: Ranks) -> None:
        self._examples, self._ranks, self._batch = examples, ranks, plan.batch
        _, count = ranks.share(0, plan.batch)
        fitting = PIXELS // (count * examples.channels * plan.crop**2)
        most = min(fitting, STEPS, plan.budget.steps or STEPS)
        self.steps = 1 if examples.drawn_on.type == "cpu" else max(1, most)
        self._drawn: tuple[int, Example] | None = None

    def draw(self, step: int) -> Example:
        """Return the examples of a step, counted from 0."""
        first, count = self._ranks.share(step * self._batch, self._batch)
        if self.steps == 1:
            return self._examples.draw(first, count)
        # Blocks begin on whole multiples, so that a resumed run draws the same ones together.
        place = step % self.steps
        begin = step - place
        if self._drawn is None or self._drawn[0] != begin:
            self._drawn = None  # two blocks would be twice the memory
            later = self._batch * (torch.arange(self.steps) - place)
            numbers = later[:, None] + torch.arange(first, first + count)
            self._drawn = begin, self._examples.numbered(numbers.flatten())
        return self._drawn[1].only(slice(place * count, (place + 1) * count))
