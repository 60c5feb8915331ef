"""How a command that worked through many files says what became of each."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from synthnoise.files import FileOutcome
from synthnoise.output import Output


def report(output: Output, outcomes: Sequence[FileOutcome]) -> None:
    """Print a line per file; exit 1 if any failed, with its own code if it was the only one."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        if outcome.error is not None:
            output.error(outcome.error)
    lines = [line for outcome in outcomes if outcome.error is None for line in outcome.lines()]
    if len(outcomes) > 1:
        skipped = sum(outcome.skipped for outcome in outcomes)
        done = len(outcomes) - len(failed) - skipped
        lines.append(f"{done} done, {skipped} skipped, {len(failed)} failed")
    output.result({"files": [outcome.as_dict() for outcome in outcomes]}, lines)
    if failed and failed[0].error is not None:
        raise typer.Exit(failed[0].error.exit_code if len(outcomes) == 1 else 1)
