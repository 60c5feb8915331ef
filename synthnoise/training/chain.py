"""Recipes that build on each other: the parts that are missing are trained first, one after the other.

A recipe whose ``start`` is a file that has a recipe of its own is the next part of a chain.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synthnoise.errors import UsageError
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.training.checkpoint import checkpoint_path
from synthnoise.training.examples import Examples
from synthnoise.training.plan import difference
from synthnoise.training.ranks import is_first_process
from synthnoise.training.recipes import OF_THE_RUN, read_recipe, recipe_before
from synthnoise.training.run import TrainingSummary
from synthnoise.training.start import Start, origin, read_start
from synthnoise.training.trainer import check_output, plan_of, train


@dataclass(frozen=True, kw_only=True)
class Part:
    """One recipe of a chain.

    Attributes
    ----------
    name
        Of the recipe.
    output
        Weights file, there or to be.
    arguments
        Of :func:`synthnoise.training.train`; without a start if that is the part before.
    start_sha256
        Hash of the part before that the recipe itself went on from; None if it does not say.
    """

    name: str
    output: Path
    arguments: dict[str, Any]
    start_sha256: str | None = None


def train_recipe(
    recipe: str | Path,
    *,
    output: Path | str,
    resume: bool = False,
    overwrite: bool = False,
    plugins: Plugins | None = None,
    progress: Progress = SILENT,
    **given: Any,
) -> TrainingSummary:
    """Train what a recipe says, and before it what it begins from, unless that is there.

    The parts lie beside ``output``, under the names that the recipes give them, and a part whose file is
    there is taken, if its recipe has not changed since. Whether it is the very network that the recipe went
    on from is a remark: the images that a recipe draws change between versions, and so do the last digits
    between processors.

    Parameters
    ----------
    recipe
        Name of a bundled one, or a ``.toml`` file, beside which those of its parts are looked for first.
    output
        Weights file of the last part.
    resume
        Go on with the part that was stopped.
    overwrite
        Replace ``output``, and what unfinished parts have left.
    given
        Arguments of :func:`synthnoise.training.train`. Where and how to run, such as ``device``, is for all
        parts; all others go before the last part's own. With a ``start`` there is but that one.

    Returns
    -------
    TrainingSummary
        Of the last part.

    Raises
    ------
    UsageError
        A part that is there was made by another recipe than it has now.
    SynthnoiseError
        As of :func:`synthnoise.training.train`, and of its recipes; what can be known is said before the
        first part.
    """
    plugins = plugins or default_plugins()
    run = {name: value for name, value in given.items() if name in OF_THE_RUN}
    changes = {name: value for name, value in given.items() if name not in OF_THE_RUN}
    parts = _parts(recipe, Path(output), changes)
    there = [number for number, part in enumerate(parts[:-1]) if part.output.exists()]
    first = max(there, default=-1) + 1
    resumed = [resume and (checkpoint_path(part.output).exists() or len(parts) == 1) for part in parts]
    before = _taken(parts[:first], plugins) if first else None
    if len(parts) > first + 1:
        foreseen = before
        for part, again in zip(parts[first:], resumed[first:], strict=True):
            check_output(part.output, resume=again, overwrite=overwrite, **_kept_beside(run))
            foreseen = _foreseen(part, foreseen, plugins)
    for number in range(first, len(parts)):
        part = parts[number]
        if is_first_process() and len(parts) > 1:
            work = f"{part.name}, {_budget(part)}{_remark(part, before)}"
            progress.note(f"part {number + 1} of {len(parts)}: {work}")
        origin = {} if number == 0 else {"start": parts[number - 1].output}
        summary = train(
            output=part.output,
            resume=resumed[number],
            overwrite=overwrite,
            plugins=plugins,
            progress=progress,
            **run,
            **part.arguments | origin,
        )
        before = read_start(part.output, plugins) if number + 1 < len(parts) else None
    return summary


def _parts(recipe: str | Path, output: Path, changes: Mapping[str, Any]) -> list[Part]:
    """Return the chain that ends with a recipe, the first part first.

    Raises
    ------
    UsageError
        A recipe comes before itself, or two parts are to be one file.
    """
    parts: list[Part] = []
    current: str | Path | None = recipe
    place = output
    while current is not None:
        if any(part.output == place for part in parts):
            raise UsageError(
                f"{recipe}: {place} would be two parts of it", hint="choose another name for the output"
            )
        arguments = read_recipe(current)
        start, digest = arguments.get("start", ""), arguments.get("start_sha256")
        name, before = Path(current).stem, recipe_before(current, start)
        if not parts:
            arguments |= changes
            if changes.get("start") is not None:
                # The recipe's hash is that of the weights it names itself.
                before, arguments["start_sha256"] = None, changes.get("start_sha256")
        if before is not None:
            arguments = {key: value for key, value in arguments.items() if not key.startswith("start")}
        parts.append(Part(name=name, output=place, arguments=arguments, start_sha256=digest))
        beside = output.parent / start
        place = Path(start) if Path(start).exists() and not beside.exists() else beside
        current = before
    return parts[::-1]


def _kept_beside(run: Mapping[str, Any]) -> dict[str, bool]:
    """Return which kinds of log a run keeps beside its output, apart from the CSV."""
    return {kind: bool(run.get(kind)) for kind in ("sheets", "tensorboard")}


def _taken(parts: Sequence[Part], plugins: Plugins) -> Start:
    """Return the weights of the last part, which is there, as those before it may be.

    Raises
    ------
    UsageError
        One of them was made by another recipe than it has now, or from other weights than are there.
    """
    before: Start | None = None
    for part in parts:
        foreseen = _foreseen(part, before, plugins)
        if part.output.exists():
            found = read_start(part.output, plugins)
            # Of networks all options, the defaults too: a version may have more of them.
            made = found.record.recipe | {"denoiser_options": found.record.options}
            now = foreseen.record.recipe | {"denoiser_options": foreseen.record.options}
            if not now["start_sha256"]:  # what it began from was not kept
                now["start_sha256"] = made.get("start_sha256")
            if (differs := difference(made, now)) is not None:
                raise UsageError(
                    f"{part.output}: was not made as its recipe {part.name} says now: with {differs}",
                    hint="delete or rename it, and the parts after it, to have them made anew;"
                    " or go on from it with --start",
                )
            foreseen = found
        before = foreseen
    return foreseen


def _foreseen(part: Part, before: Start | None, plugins: Plugins) -> Start:
    """Return what a part will be to the one after it, untrained; it has to fit what it begins from."""
    arguments = part.arguments
    before = before or origin(arguments, plugins)
    arguments = {key: value for key, value in arguments.items() if not key.startswith("start")}
    parameters = inspect.signature(train).parameters
    unsaid = parameters.keys() - OF_THE_RUN - {"start", "start_sha256"} - arguments.keys()
    plan = plan_of(before, plugins, **arguments, **{name: parameters[name].default for name in unsaid})
    examples = Examples(plan, torch.device("cpu"), plugins, start=before)
    return Start(name=part.output.name, network=nn.Identity(), record=examples.card(), sha256="")


def _budget(part: Part) -> str:
    """Return how long a part is; what is given beside a recipe shortens the last one alone."""
    given = {unit: part.arguments.get(unit) for unit in ("steps", "minutes")}
    return " or ".join(f"{value} {unit}" for unit, value in given.items() if value is not None)


def _remark(part: Part, before: Start | None) -> str:
    """Return what a part begins from, and whether that is what its recipe went on from."""
    if before is None:
        return ""
    if part.start_sha256 is None:
        return f", from {before.name}"
    if part.start_sha256 == before.sha256:
        return f", from {before.name}, the very weights of the recipe"
    return f", from {before.name}, which are not the very weights of the recipe, but of their kind"
