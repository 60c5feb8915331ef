"""How long to train, and the learning rate that anneals to the end of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from synthnoise.errors import UsageError

WARM_UP = 0.02
"""Share of the budget over which the rate rises linearly: Adam's second moments are noise at first."""

FINAL_RATE = 0.01
"""Rate at the end over the highest one."""

REPORTS = 20
"""Reports over the budget, ..."""

LOOKING = 0.1
"""... where it is in minutes fewer, so that they take no more than this share of them."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Steps, or minutes of wall clock, or both: whichever ends first.

    Raises
    ------
    UsageError
        Neither is given, or one is not positive and finite.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise UsageError("how long shall it train?", hint="give --steps or --minutes")
        no_steps = self.steps is not None and self.steps < 1
        if no_steps or (self.minutes is not None and not 0 < self.minutes < math.inf):
            raise UsageError(f"cannot train for {self}", hint="use more than 0, and less than for ever")

    def __str__(self) -> str:
        parts = [f"{self.steps} steps"] if self.steps is not None else []
        parts += [f"{self.minutes:g} minutes"] if self.minutes is not None else []
        return " or ".join(parts)

    def spent(self, step: int, seconds: float) -> float:
        """Return the share of the budget used after ``step`` steps and ``seconds``; 1 or more is the end."""
        by_steps = step / self.steps if self.steps is not None else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes is not None else 0.0
        return max(by_steps, by_time)


@dataclass
class Reports:
    """When a run stops to look how it goes: at each twentieth of its budget, and at its end.

    A budget in minutes is for steps. Reports about many pictures would take most of a short one, so
    there nine times as long as one took passes before the next.

    Attributes
    ----------
    budget
        Of the run.

    Parameters
    ----------
    _before, _last
        Share of the budget and seconds that were spent when the run was stopped, for one that goes on. What a
        report took then is not kept: each sitting may begin with one.
    """

    budget: Budget
    _before: float = 0.0
    _last: float = 0.0
    _looked: bool = field(default=False, init=False)
    _step: float = field(default=0.0, init=False)
    _earliest: float = field(default=0.0, init=False)

    def due(self, step: int, seconds: float) -> bool:
        """Return whether a report is due after ``step`` steps and ``seconds``: ask after each."""
        passed, self._last = seconds - self._last, seconds
        if self._looked:
            self._earliest = seconds + (passed - self._step) * (1 - LOOKING) / LOOKING
        else:
            self._step = passed
        spent = min(1.0, self.budget.spent(step, seconds))
        self._looked = int(spent * REPORTS) > int(self._before * REPORTS) and (
            self.budget.minutes is None or spent == 1 or seconds >= self._earliest
        )
        if self._looked:
            self._before = spent
        return self._looked


def learning_rate(highest: float, spent: float) -> float:
    """Return the rate at a share of the budget: linear warm-up, then a cosine down to 1 % of ``highest``.

    Loshchilov and Hutter, ICLR 2017, eq. 5, without restarts.
    """
    if spent < WARM_UP:
        # Never zero, so that the first step of a long run counts.
        return highest * max(spent / WARM_UP, FINAL_RATE)
    angle = math.pi * min(1.0, (spent - WARM_UP) / (1 - WARM_UP))
    return highest * (FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(angle)) / 2)
