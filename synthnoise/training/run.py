"""One training run: draw pairs, take a step, now and then look how it goes and save."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthnoise.denoisers.reach import measured
from synthnoise.denoisers.weights import build_network, save_weights
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.plugins import Plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.training.ahead import Ahead
from synthnoise.training.budget import Reports, learning_rate
from synthnoise.training.checkpoint import RunState, checkpoint_path, read_checkpoint, write_checkpoint
from synthnoise.training.examples import Examples
from synthnoise.training.interruption import Interruption, TrainingInterrupted
from synthnoise.training.learner import Learner, check_network
from synthnoise.training.log import Log, Report
from synthnoise.training.losses import LOSSES
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks
from synthnoise.training.sheets import draw_sheet
from synthnoise.training.start import Start
from synthnoise.training.validation import Validation

SAVE_SECONDS = 60.0
"""Wall clock that a crash may cost."""

OVERFLOWS = 30
"""Steps in a row without a finite gradient that are one too many: float16 halves its scale at each."""


FALL, DIP = 10.0, 3.0
"""dB below the best report of a run, and below doing nothing, at which it has diverged; and dB below the best
at which weights are no longer taken for good ones."""


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """What a run came to.

    Attributes
    ----------
    output, log
        The weights file and the CSV beside it.
    steps, seconds
        Steps taken and wall clock spent, of all sittings together.
    parameters
        Numbers that the network learnt.
    loss
        Mean over the last stretch; the mean squared error is in noise variances: 1 is doing nothing.
    psnr, noisy_psnr
        dB on fresh synthetic pairs that were never trained on, denoised and noisy.
    folder_psnr, folder_noisy_psnr
        The same on the pictures of a folder; None without one.
    start_psnr, folder_start_psnr
        dB of the weights that it began from, on the same; None if it began with random ones.
    """

    output: Path
    log: Path
    steps: int
    seconds: float
    parameters: int
    loss: float
    psnr: float
    noisy_psnr: float
    folder_psnr: float | None = None
    folder_noisy_psnr: float | None = None
    start_psnr: float | None = None
    folder_start_psnr: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for a machine."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        return [
            f"{self.output}: {self.parameters} parameters, {steps} in {self.seconds:.0f} s",
            f"on fresh synthetic pairs: {_levels(self.psnr, self.start_psnr, self.noisy_psnr)}",
            *self._lines_of_folder(),
            f"log: {self.log}",
        ]

    def _lines_of_folder(self) -> list[str]:
        if self.folder_psnr is None or self.folder_noisy_psnr is None:
            return []
        levels = _levels(self.folder_psnr, self.folder_start_psnr, self.folder_noisy_psnr)
        return [f"on the pictures of the folder: {levels}"]


def _levels(psnr: float, start: float | None, noisy: float) -> str:
    """Return levels in dB in words: what fine-tuning is worth is what it adds to the weights as they were."""
    before = "" if start is None else f"{start:.2f} before, "
    return f"{psnr:.2f} dB, {before}noisy {noisy:.2f} dB"


class Run:
    """What changes while a run goes: network, state, log.

    Every process of a run does the same with its part of each batch; the first one writes.

    Parameters
    ----------
    plan
        What to train on what.
    output
        The weights file to be; its state lies beside it.
    log
        Takes the reports.
    folder
        Of pictures to validate on, too.
    ranks
        Where pairs are drawn and steps taken.
    start
        Weights to begin from; None begins with random ones.
    overwrite
        Replace ``output`` if it exists at the end.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        output: Path,
        *,
        ranks: Ranks,
        plugins: Plugins,
        log: Log,
        start: Start | None = None,
        folder: Path | None = None,
        overwrite: bool = False,
        progress: Progress = SILENT,
    ) -> None:
        self.plan, self.output, self.overwrite, self.progress = plan, output, overwrite, progress
        self.ranks = ranks
        if plan.crop < (least := LOSSES[plan.loss].least_crop):
            raise UsageError(
                f"the loss {plan.loss} needs crops of {least} pixels", hint=f"--crop {least} or more"
            )
        self.examples = Examples(plan, ranks.device, plugins, start=start)
        if self.examples.domain == "mosaic" and max(self.examples.period) > 1:
            rows, columns = self.examples.period
            progress.note(
                f"note: denoise runs no network on a {columns}x{rows} colour filter array yet,"
                " patch-dct on any"
            )
        self.ahead = Ahead(self.examples, plan, ranks)
        options = self.examples.network_options
        self.network = (
            start.network if start else build_network(plan.denoiser, options, seed=plan.seed, plugins=plugins)
        )
        self.begun = copy.deepcopy(start.network).eval() if start else None
        # Its options may decide, of which the record knows nothing.
        self.multiple_of = int(getattr(self.network, "multiple_of", self.examples.spec.multiple_of))
        if plan.crop % self.multiple_of:
            fitting = math.ceil(plan.crop / self.multiple_of) * self.multiple_of
            raise UsageError(
                f"{plan.denoiser} takes multiples of {self.multiple_of} pixels, not crops of {plan.crop}",
                hint=f"--crop {fitting}",
            )
        check_network(plan.denoiser, self.network, self.examples.channels, plan.crop, self.multiple_of)
        self.learner = Learner(self.network, plan, ranks, stabilised=self.examples.stabilised)
        self.state = RunState()
        self.log = log
        self.validation = Validation(self.examples, folder, plugins, multiple=self.multiple_of)
        self.started = time.monotonic()
        self.saved = self.seconds_before = 0.0
        self.good: tuple[dict[str, Tensor], RunState] | None = None
        self.report: Report | None = None

    def resume(self) -> None:
        """Take up the state beside the output.

        Raises
        ------
        InputError
            There is none, or it is damaged.
        UsageError
            It belongs to a run with another plan.
        """
        path = checkpoint_path(self.output)
        tensors, state = read_checkpoint(path, self.plan.recipe())
        try:
            self.learner.restore(tensors)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UsageError(f"{path}: is of another network", hint="start again with --overwrite") from error
        self.state, self.seconds_before, self.saved = state, state.seconds, state.seconds
        self.ranks.scaler = state.scaler
        self.log.resume(state.step, state.rows)
        self.good = tensors, dataclasses.replace(state)

    def finish(self) -> TrainingSummary:
        """Train to the end of the budget and write the weights.

        Raises
        ------
        TrainingInterrupted
            A signal came; the state is saved.
        SynthnoiseError
            Loss or weights are no longer finite, or validation falls far; the last good weights are written.
        """
        spent = self._spent()
        reports = Reports(self.plan.budget, spent, self.state.seconds)
        self.progress.start("percent of the training", total=100)
        self.progress.advance(100 * spent)
        with Interruption() as interruption, torch.random.fork_rng(devices=[]):
            while spent < 1:
                stop = self._step(spent, interruption)
                before, spent = spent, min(1.0, self._spent())
                self.progress.advance(100 * (spent - before))
                if reports.due(self.state.step, self.state.seconds):
                    self._look()
                if stop and spent < 1:
                    self._stop(stop, spent)
                if self.state.seconds - self.saved > SAVE_SECONDS:
                    self._save()
        report = self.report or self._look()
        self._write_weights(report.figures())
        self.log.close()
        self.ranks.wait()
        return TrainingSummary(
            output=self.output,
            log=self.log.path,
            steps=report.step,
            seconds=report.seconds,
            parameters=self.learner.parameters,
            loss=report.loss,
            **report.figures(),
            **self._figures_before(),
        )

    def _figures_before(self) -> dict[str, float]:
        """Return the PSNRs in dB of the weights that it began from, as the summary names them."""
        if self.begun is None:
            return {}
        found = self.validation.figures(self.begun.to(self.ranks.device))
        return {name.replace("psnr", "start_psnr"): found[name] for name in found if "noisy" not in name}

    def _spent(self) -> float:
        return self.plan.budget.spent(self.state.step, self.state.seconds)

    def _step(self, spent: float, interruption: Interruption) -> int:
        """Draw a batch and move the weights once; return the number of a signal that came, or 0.

        What decides how a run goes on is agreed upon by all processes: loss, time, signals.
        """
        state = self.state
        example = self.ahead.draw(state.step)
        self.ranks.seed(self.plan.seed, state.step)
        loss = self.learner.look(example, state)
        seconds = self.seconds_before + time.monotonic() - self.started
        levels = torch.stack(torch.aminmax(example.sigma)).tolist()
        told = self.ranks.gather(loss, seconds, interruption.requested or 0, *levels)
        losses, times, signals, least, greatest = zip(*told, strict=True)
        loss = sum(losses) / len(losses)
        if not math.isfinite(loss):
            self._diverge(f"the loss of step {state.step + 1} is {loss}")
        if state.overflows > OVERFLOWS:
            self._diverge(f"the gradients of the last {state.overflows} steps are not finite")
        self.learner.step(learning_rate(self.plan.lr, spent), state)
        state.seconds = times[0]
        state.loss_sum += loss
        state.loss_count += 1
        state.least_sigma = min(state.least_sigma, *least)
        state.greatest_sigma = max(state.greatest_sigma, *greatest)
        return int(max(signals))

    def _look(self) -> Report:
        """Validate, add a line to the log, remember the state if it is sound; else end the run."""
        network = self.learner.averaged()
        self.report = report = Report(
            step=self.state.step,
            seconds=self.state.seconds,
            lr=self.learner.rate,
            loss=self.state.loss_sum / max(self.state.loss_count, 1),
            **self.validation.figures(network),
        )
        if self.ranks.is_first:
            self.log.append(report, self._sheet(report, network) if self.log.wants_sheets else None)
        self.state.rows += 1
        self.state.loss_sum, self.state.loss_count = 0.0, 0
        self.progress.note(str(report))
        tensors, best = self._tensors(), self.state.best_psnr
        if report.psnr < min(best, report.noisy_psnr) - FALL:
            self._diverge(f"validation has fallen from {best:.2f} dB to {report.psnr:.2f} dB")
        if report.psnr >= best - DIP:
            self.state.best_psnr = max(best, report.psnr)
            self.good = tensors, self._state()
        return report

    def _sheet(self, report: Report, network: nn.Module) -> NDArray[np.uint8]:
        plan = self.plan
        title = f"{plan.denoiser} after {report.step} steps"
        camera = f" of {', '.join(plan.profile_names)}" if plan.profiles else ""
        subtitle = f"{plan.images} with {plan.noise}{camera}"
        return draw_sheet(network, self.examples, self.validation, title=title, subtitle=subtitle)

    def _tensors(self) -> dict[str, Tensor]:
        """Return copies of all that a step changes, all of which must be finite; else end the run."""
        tensors = self.learner.tensors()
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            self._diverge(f"the weights are not finite after step {self.state.step}")
        return tensors

    def _state(self) -> RunState:
        return dataclasses.replace(self.state, scaler=self.ranks.scaler)

    def _save(self) -> None:
        """Write the state."""
        self.saved = self.state.seconds
        tensors, state = self._tensors(), self._state()
        # Before the first report nothing is known of them, but that they are numbers.
        self.good = self.good or (tensors, state)
        if self.ranks.is_first:
            write_checkpoint(checkpoint_path(self.output), tensors, state, self.plan.recipe())
        self.ranks.wait()

    def _stop(self, signal_number: int, spent: float) -> None:
        self._save()
        raise TrainingInterrupted(
            f"stopped after step {self.state.step}, at {100 * spent:.0f} % of {self.plan.budget}",
            hint=f"its state is in {checkpoint_path(self.output)}; the same command with --resume goes on",
            signal_number=signal_number,
        )

    def _diverge(self, reason: str) -> NoReturn:
        """Write the last good weights and give up."""
        lower = f"try a lower rate, such as --lr {self.plan.lr / 3:.1g}"
        if self.good is None:
            if self.ranks.is_first:
                checkpoint_path(self.output).unlink(missing_ok=True)
            raise SynthnoiseError(f"training diverged: {reason}; nothing was written", hint=lower)
        tensors, self.state = self.good
        self.learner.restore(tensors)
        figures = self.validation.figures(self.learner.averaged())
        self._write_weights(figures)
        self.ranks.wait()
        raise SynthnoiseError(
            f"training diverged: {reason}; the weights of step {self.state.step} are in {self.output}:"
            f" {figures['psnr']:.2f} dB, noisy {figures['noisy_psnr']:.2f} dB",
            hint=lower,
        )

    def _write_weights(self, figures: dict[str, float]) -> None:
        """Write the averaged weights; the state of the run has served."""
        if not self.ranks.is_first:
            return
        spec, network = self.examples.spec, self.network
        record = dataclasses.replace(
            self.examples.card(),
            noise_range=(self.state.least_sigma, self.state.greatest_sigma),
            halo=spec.halo or int(getattr(network, "halo", 0)),
            multiple_of=self.multiple_of,
            global_context=bool(getattr(network, "global_context", spec.global_context)),
            steps=self.state.step,
            figures={name: value for name, value in figures.items() if math.isfinite(value)},
        )
        averaged = self.learner.averaged().cpu()
        save_weights(self.output, averaged, measured(averaged, record), overwrite=self.overwrite)
        checkpoint_path(self.output).unlink(missing_ok=True)
