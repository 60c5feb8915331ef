"""Datasets of synthetic samples: drawn by number, filed as they come, gone on with after any interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthnoise.devices import pick_device
from synthnoise.errors import UsageError
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.protocols import Sink
from synthnoise.stream import sheet
from synthnoise.stream.filing import NO_EFFORT, Effort, Filing
from synthnoise.stream.manifest import claim, manifest, remove_parts
from synthnoise.stream.npy_stream import Batch
from synthnoise.stream.plan import Camera, Content, Plan
from synthnoise.stream.processes import Processes, Report, Task, blocks
from synthnoise.stream.sample_numbers import SampleNumbers
from synthnoise.stream.source import Request, Source

__all__ = ["DatasetSummary", "Request", "samples", "synthesize", "write_batches"]


_ENOUGH = 0.5
"""Share of the time from which on what takes it is said to be the limit."""


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What a run left behind.

    Attributes
    ----------
    folder, format
        Where, and in which format.
    written, existing
        Samples that this run made, and those that were there already.
    jobs
        Processes.
    seconds
        How long it took, from the first sample asked for to the last file.
    effort
        What all processes spent on it.
    """

    folder: Path
    format: str
    written: int
    existing: int
    jobs: int = 1
    seconds: float = 0.0
    effort: Effort = NO_EFFORT

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return dataclasses.asdict(self) | {
            "folder": str(self.folder),
            "samples": self.written + self.existing,
            "samples_per_second": self.written / self.seconds if self.seconds else None,
        }

    def lines(self) -> list[str]:
        """Return the summary as text."""
        there = f", {self.existing} were there already" if self.existing else ""
        return [f"{self.folder}: {self.written} samples written{there} ({self.format})"]

    def pace(self) -> Iterator[str]:
        """Yield how fast it went, and what limits that; nothing where nothing was written."""
        effort = self.effort
        busy = effort.drawing + effort.waiting
        if not (self.written and self.seconds and busy):
            return
        waiting = effort.waiting / busy
        processes = f", {self.jobs} processes" if self.jobs > 1 else ""
        yield (
            f"{self.written / self.seconds:.3g} samples/s{processes}: {1 - waiting:.0%} of the time drawing, "
            f"{waiting:.0%} waiting for files; encoding takes {1000 * effort.encoding / self.written:.2g} ms "
            "of processor each"
        )
        if waiting >= _ENOUGH:
            encoder = effort.encoding >= _ENOUGH * effort.waiting
            what = f"the encoder ({self.format}; webdataset and npy take least)" if encoder else "the disk"
            yield f"limited by {what}, not by drawing"


def samples(
    request: Request,
    *,
    batch_size: int = 4,
    device: str = "auto",
    skip: Set[int] = frozenset(),
    workers: int = 1,
    plugins: Plugins | None = None,
) -> Iterator[Batch]:
    """Yield (numbers, fields) of a request in order: ``clean``; of pairs ``noisy`` and ``noise_profile`` too.

    Clean scenes are float32 [B, 3, H, W] of linear light in [0, 1]; see
    :class:`synthnoise.stream.pairs.Pair` for pairs. Batch size and workers do not change a sample.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    skip
        Numbers to leave out.
    workers
        Threads that draw; at most two batches per thread wait.

    Raises
    ------
    UsageError
        The request makes no sense.
    PluginError
        There is no such model.
    """
    source = Source(request, plugins or default_plugins())
    return _draw(source, pick_device(device, double=True), skip, batch_size, workers)


def _draw(
    source: Source, device: torch.device, skip: Set[int], batch_size: int, workers: int
) -> Iterator[Batch]:
    request = source.request
    numbers = (i for i in range(request.start, request.start + request.n) if i not in skip)
    groups = iter(lambda: list(itertools.islice(numbers, batch_size)), [])
    if workers <= 1:
        yield from ((group, source.draw(group, device)) for group in groups)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[list[int], Future[dict[str, Tensor]]]] = deque()
        try:
            for group in groups:
                waiting.append((group, pool.submit(source.draw, group, device)))
                if len(waiting) == 2 * workers:
                    oldest, drawn = waiting.popleft()
                    yield oldest, drawn.result()
            yield from ((group, drawn.result()) for group, drawn in waiting)
        finally:
            for _, drawn in waiting:
                drawn.cancel()


def synthesize(
    request: Request,
    folder: Path | str,
    *,
    format: str = "png",
    batch_size: int = 4,
    device: str = "auto",
    jobs: int = 1,
    contact_sheet: bool = False,
    progress: Progress | None = None,
    plugins: Plugins | None = None,
) -> DatasetSummary:
    """Write the samples of a request to a folder that also says what they are (``manifest.json``).

    Samples that are there already are not drawn again and nothing is overwritten, so the same call
    goes on after an interruption, and one with a larger ``n`` adds to a dataset. However often a run is
    killed, and whatever ``jobs`` and ``batch_size``, the files in the end are those of one run that was
    not. Memory does not grow with ``n``.

    Parameters
    ----------
    format
        Name of a writer: ``png``, ``tiff``, ``npy``, ``dng``, ``webdataset`` or a plugin's.
    jobs
        Processes that draw and file. With more than one, each starts with a fresh interpreter, so the
        main module of a script needs its ``if __name__ == "__main__":``.
    contact_sheet
        Also write ``contact-sheet.png`` with the first samples.

    Others as :func:`samples`.

    Raises
    ------
    UsageError
        The request makes no sense, or the folder holds something else.
    PluginError
        There is no such model or writer.
    SynthnoiseError
        The folder cannot be written, the disk is full, or a process died.
    """
    if jobs < 1 or (jobs > 1 and plugins is not None):
        raise UsageError(f"{jobs} processes", hint="one or more; more than one with the installed plugins")
    folder = Path(folder)
    registry = plugins or default_plugins()
    source = Source(request, registry)
    place = pick_device(device, double=True)
    sink = _sink(registry, format, folder, source.plan)
    facts = source.facts() | source.plan.as_dict() | {"device": place.type} | _format_facts(format, sink)
    task = Task(request=request, folder=folder, format=format, device=str(place), batch_size=batch_size)
    with claim(folder, manifest(facts)), contextlib.ExitStack() as work:
        wanted = range(request.start, request.start + request.n)
        there = SampleNumbers(number for number in sink.done() if number in wanted)
        clock = _Clock(progress or SILENT, request.n - len(there))
        numbers = (number for number in wanted if number not in there)
        if jobs == 1 or clock.total <= batch_size:
            groups = iter(lambda: list(itertools.islice(numbers, batch_size)), [])
            clock.follow(_file(((group, source.draw(group, place)) for group in groups), sink))
        else:
            shared = blocks(numbers, sink, batch_size)
            work.callback(remove_parts, folder)
            clock.follow(work.enter_context(Processes(task, min(jobs, clock.total))).file(shared))
        if contact_sheet:
            sheet.write_sheet(folder, source, place)
    return clock.summary(folder, format, len(there), jobs)


def write_batches(
    batches: Iterable[Batch],
    folder: Path | str,
    *,
    format: str = "npy",
    description: Mapping[str, Any] | None = None,
    total: int | None = None,
    progress: Progress | None = None,
    plugins: Plugins | None = None,
) -> DatasetSummary:
    """Write a stream of batches to a folder; ``description`` goes to its manifest.

    Fields [B, C, H, W] are pictures: three channels are taken to be linear light, others the planes of a
    CFA. The other fields are kept by formats that hold any array.

    Raises
    ------
    UsageError
        The stream is empty, its pictures differ in kind, or the folder holds something else.
    SynthnoiseError
        The folder cannot be written, or the disk is full.
    """
    folder = Path(folder)
    remaining = iter(batches)
    first = next(remaining, None)
    if first is None:
        raise UsageError("there is nothing to write: the stream is empty")
    plan = _plan_of(first[1])
    sink = _sink(plugins or default_plugins(), format, folder, plan)
    facts = dict(description or {}) | plan.as_dict() | {"size": list(plan.size)} | _format_facts(format, sink)
    clock = _Clock(progress or SILENT, total)
    existing = 0
    with claim(folder, manifest(facts)):
        there = sink.done()

        def missing() -> Iterator[Batch]:
            nonlocal existing
            for indices, values in itertools.chain([first], remaining):
                places = [place for place, index in enumerate(indices) if index not in there]
                existing += len(indices) - len(places)
                yield [indices[place] for place in places], {k: v[places] for k, v in values.items()}

        clock.follow(_file(missing(), sink))
    return clock.summary(folder, format, existing, 1)


def _plan_of(fields: Mapping[str, Tensor]) -> Plan:
    """Return the plan of a stream from its first batch."""
    pictures = tuple(name for name, values in fields.items() if values.ndim == 4)
    kinds = {tuple(fields[name].shape[1:]) for name in pictures}
    if len(kinds) != 1:
        raise UsageError(f"pictures of one kind are needed, not of {sorted(kinds)}")
    channels, height, width = kinds.pop()
    content: Content = "scene" if channels == 3 else "mosaic"
    edge = 1 if channels == 3 else round(channels**0.5)
    if content == "mosaic" and edge != 2:
        raise UsageError(f"a stream of {channels} planes does not say how they make a mosaic")
    return Plan(content=content, pictures=pictures, size=(height * edge, width * edge), camera=Camera())


def _sink(plugins: Plugins, format: str, folder: Path, plan: Plan) -> Sink:
    record = plugins.find("writers", format)
    sink: Sink = record.load()(folder, plan)
    return sink


def _format_facts(format: str, sink: Sink) -> dict[str, Any]:
    return {"format": format, "encoding": getattr(sink, "encoding", None)}


def _file(batches: Iterable[Batch], sink: Sink) -> Generator[Report, None, None]:
    """File batches as they come; what a failure leaves is not filed."""
    with Filing(sink) as filing:
        yield from filing.file(batches)
        yield filing.finish()


class _Clock:
    """Adds up what reports say while they come."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self.total = total or 0
        self._progress, self._written, self._effort = progress, 0, NO_EFFORT
        self._began, self._seconds = time.perf_counter(), 0.0
        progress.start("writing samples", total=total)

    def follow(self, reports: Generator[Report, None, None]) -> None:
        """Take all reports; on an error, stop those who write them before it goes on."""
        with contextlib.closing(reports):
            for written, effort in reports:
                self._written += written
                self._effort += effort
                self._progress.advance(written)
        self._seconds = time.perf_counter() - self._began

    def summary(self, folder: Path, format: str, existing: int, jobs: int) -> DatasetSummary:
        """Return what was done."""
        return DatasetSummary(
            folder=folder,
            format=format,
            written=self._written,
            existing=existing,
            jobs=jobs,
            seconds=self._seconds,
            effort=self._effort,
        )
