"""One training run: draw pairs, take a step, now and then look how it goes and save."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from synthnoise.denoisers.weights import WeightsRecord, build_network, save_weights
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.plugins import Plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.training.average import Average
from synthnoise.training.budget import learning_rate
from synthnoise.training.checkpoint import (
    RunState,
    checkpoint_path,
    copy_tensors,
    read_checkpoint,
    restore_tensors,
    write_checkpoint,
)
from synthnoise.training.examples import Example, Examples
from synthnoise.training.interruption import Interruption, TrainingInterrupted
from synthnoise.training.log import Log, Report, log_path
from synthnoise.training.losses import LOSSES
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.start import Start

REPORTS = 20
"""Lines of the log over the budget."""

SAVE_SECONDS = 60.0
"""Wall clock that a crash may cost."""

VALIDATION_PAIRS = 16

BETAS = (0.9, 0.99)
"""Of AdamW: with a longer memory of squared gradients, one step in a flat place leaps; networks of sums
without normalisation have diverged of it."""

GRADIENT_LIMIT, GRADIENT_MEMORY = 2.0, 100
"""Largest norm of a gradient, in its usual norm, and how many steps make that."""

WEIGHT_DECAY = 1e-4
"""Of AdamW: next to nothing, as networks without biases want."""


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
    """

    output: Path
    log: Path
    steps: int
    seconds: float
    parameters: int
    loss: float
    psnr: float
    noisy_psnr: float

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for a machine."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        return [
            f"{self.output}: {self.parameters} parameters, {self.steps} steps in {self.seconds:.0f} s",
            f"on fresh synthetic pairs: {self.psnr:.2f} dB, noisy {self.noisy_psnr:.2f} dB",
            f"log: {self.log}",
        ]


class Run:
    """What changes while a run goes: network, optimiser, state, log.

    Parameters
    ----------
    plan
        What to train on what.
    output
        The weights file to be; state and log lie beside it.
    device
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
        device: torch.device,
        plugins: Plugins,
        start: Start | None = None,
        overwrite: bool = False,
        progress: Progress = SILENT,
    ) -> None:
        self.plan, self.output, self.overwrite, self.progress = plan, output, overwrite, progress
        if plan.crop < (least := LOSSES[plan.loss].least_crop):
            raise UsageError(
                f"the loss {plan.loss} needs crops of {least} pixels", hint=f"--crop {least} or more"
            )
        self.examples = Examples(plan, device, plugins, start=start)
        self.network = (
            start.network
            if start
            else build_network(plan.denoiser, self.examples.network_options, seed=plan.seed, plugins=plugins)
        ).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        learnt = [p for p in self.network.parameters() if p.requires_grad]
        if not learnt:
            raise UsageError(
                f"{plan.denoiser} has nothing to train", hint="choose a network: synthnoise models"
            )
        self.parameters = sum(p.numel() for p in learnt)
        self.optimiser = torch.optim.AdamW(learnt, lr=plan.lr, betas=BETAS, weight_decay=WEIGHT_DECAY)
        self.average = Average(self.network, plan.average)
        self.state = RunState()
        self.log = Log(log_path(output))
        self.started = self.saved = time.monotonic()
        self.seconds_before = 0.0
        self.good: tuple[dict[str, Tensor], RunState] | None = None
        self.report: Report | None = None

    @functools.cached_property
    def validation(self) -> Example:
        """The pairs that every report of the run is about."""
        return self.examples.validation(VALIDATION_PAIRS)

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
            restore_tensors(tensors, self.network, self.average, self.optimiser)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UsageError(f"{path}: is of another network", hint="start again with --overwrite") from error
        self.state, self.seconds_before = state, state.seconds
        self.log = Log(log_path(self.output), kept=state.rows)
        self.good = tensors, dataclasses.replace(state)

    def finish(self) -> TrainingSummary:
        """Train to the end of the budget and write the weights.

        Raises
        ------
        TrainingInterrupted
            A signal came; the state is saved.
        SynthnoiseError
            Loss or weights are no longer finite; the last good weights are written.
        """
        spent = self._spent()
        self.progress.start("training", total=100)
        self.progress.advance(100 * spent)
        with Interruption() as interruption:
            while spent < 1:
                self._step(spent)
                before, spent = spent, min(1.0, self._spent())
                self.progress.advance(100 * (spent - before))
                if int(spent * REPORTS) > int(before * REPORTS):
                    self._look()
                if interruption.requested is not None and spent < 1:
                    self._stop(interruption.requested, spent)
                if time.monotonic() - self.saved > SAVE_SECONDS:
                    self._save()
        report = self.report or self._look()
        self._write_weights(report.psnr, report.noisy_psnr)
        checkpoint_path(self.output).unlink(missing_ok=True)
        return TrainingSummary(
            output=self.output,
            log=self.log.path,
            steps=report.step,
            seconds=report.seconds,
            parameters=self.parameters,
            loss=report.loss,
            psnr=report.psnr,
            noisy_psnr=report.noisy_psnr,
        )

    def _spent(self) -> float:
        self.state.seconds = self.seconds_before + time.monotonic() - self.started
        return self.plan.budget.spent(self.state.step, self.state.seconds)

    def _step(self, spent: float) -> None:
        """Draw a batch and move the weights once."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.plan.lr, spent)
        example = self.examples.draw(self.state.step * self.plan.batch, self.plan.batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(example)
        loss.backward()  # type: ignore[no-untyped-call]
        self._limit_gradient()
        value = loss.item()
        if not math.isfinite(value):
            self._diverge(f"the loss of step {self.state.step + 1} is {value}")
        self.optimiser.step()
        self.state.step += 1
        self.average.follow(self.network, self.state.step)
        self.state.loss_sum += value
        self.state.loss_count += 1
        self.state.least_sigma = min(self.state.least_sigma, example.sigma.min().item())
        self.state.greatest_sigma = max(self.state.greatest_sigma, example.sigma.max().item())

    def _limit_gradient(self) -> None:
        """Cut a gradient much larger than usual to twice that (Pascanu, Mikolov, Bengio, ICML 2013)."""
        norm = nn.utils.clip_grad_norm_(
            self.network.parameters(), GRADIENT_LIMIT * self.state.gradient or math.inf
        ).item()
        if math.isfinite(norm):
            seen = min(norm, GRADIENT_LIMIT * self.state.gradient or norm)
            self.state.gradient += (seen - self.state.gradient) / min(self.state.step + 1, GRADIENT_MEMORY)

    def _loss(self, example: Example) -> Tensor:
        noisy = example.noisy.contiguous(memory_format=torch.channels_last)
        return LOSSES[self.plan.loss].measure(self.network(noisy, example.sigma), example)

    def _look(self) -> Report:
        """Validate, add a line to the log, remember the state if it is sound."""
        psnr, noisy_psnr = self._validate()
        self.report = report = Report(
            step=self.state.step,
            seconds=self.state.seconds,
            lr=self.optimiser.param_groups[0]["lr"],
            loss=self.state.loss_sum / max(self.state.loss_count, 1),
            psnr=psnr,
            noisy_psnr=noisy_psnr,
        )
        self.log.append(report)
        self.state.rows += 1
        self.state.loss_sum, self.state.loss_count = 0.0, 0
        self._remember()
        self.progress.note(
            f"step {report.step}: loss {report.loss:.4f}, {report.psnr:.2f} dB (noisy {noisy_psnr:.2f} dB)"
        )
        return report

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        """Return the mean PSNR in dB of validation examples, denoised by the average and noisy."""
        example = self.validation
        denoised = self.averaged()(example.noisy, example.sigma)
        return self.examples.psnr(denoised, example), self.examples.psnr(example.noisy, example)

    def averaged(self) -> nn.Module:
        """Return a copy of the network with the average of the weights, ready to denoise."""
        network: nn.Module = copy.deepcopy(self.network)
        network.load_state_dict(self.average.values)
        return network.eval()

    def _remember(self) -> tuple[dict[str, Tensor], RunState]:
        """Keep and return a copy of the state, all of which must be finite."""
        tensors = copy_tensors(self.network, self.average, self.optimiser)
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            self._diverge(f"the weights are not finite after step {self.state.step}")
        self.good = tensors, dataclasses.replace(self.state)
        return self.good

    def _save(self) -> None:
        """Write the state."""
        self.saved = time.monotonic()
        tensors, state = self._remember()
        write_checkpoint(checkpoint_path(self.output), tensors, state, self.plan.recipe())

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
        checkpoint_path(self.output).unlink(missing_ok=True)
        if self.good is None:
            raise SynthnoiseError(f"training diverged: {reason}; nothing was written", hint=lower)
        tensors, self.state = self.good
        restore_tensors(tensors, self.network, self.average, self.optimiser)
        self._write_weights(*self._validate())
        raise SynthnoiseError(
            f"training diverged: {reason}; the weights of step {self.state.step} are in {self.output}",
            hint=lower,
        )

    def _write_weights(self, psnr: float, noisy_psnr: float) -> None:
        plan, examples = self.plan, self.examples
        record = WeightsRecord(
            denoiser=plan.denoiser,
            options=examples.network_options,
            domain=examples.domain,
            channels=examples.channels,
            stabilised=examples.stabilised,
            noise_range=(self.state.least_sigma, self.state.greatest_sigma),
            halo=examples.spec.halo or int(getattr(self.network, "halo", 0)),
            multiple_of=max(examples.spec.multiple_of, int(getattr(self.network, "multiple_of", 1))),
            global_context=bool(getattr(self.network, "global_context", examples.spec.global_context)),
            seed=plan.seed,
            steps=self.state.step,
            recipe=plan.recipe(),
            figures={"psnr": psnr, "noisy_psnr": noisy_psnr},
        )
        save_weights(self.output, self.averaged(), record, overwrite=self.overwrite)
