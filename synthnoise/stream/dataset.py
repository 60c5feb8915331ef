"""Datasets of synthetic samples: drawn by number, filed as they come, gone on with after any interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
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
from synthnoise.stream.manifest import claim, manifest
from synthnoise.stream.npy_stream import Batch
from synthnoise.stream.plan import Camera, Content, Plan
from synthnoise.stream.source import Request, Source

__all__ = ["DatasetSummary", "Request", "samples", "synthesize", "write_batches"]


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What a run left behind.

    Attributes
    ----------
    folder, format
        Where, and in which format.
    written, existing
        Samples that this run made, and those that were there already.
    """

    folder: Path
    format: str
    written: int
    existing: int

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return dataclasses.asdict(self) | {
            "folder": str(self.folder),
            "samples": self.written + self.existing,
        }

    def lines(self) -> list[str]:
        """Return the summary as text."""
        there = f", {self.existing} were there already" if self.existing else ""
        return [f"{self.folder}: {self.written} samples written{there} ({self.format})"]


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
    return _draw(source, pick_device(device), skip, batch_size, workers)


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
    workers: int = 1,
    contact_sheet: bool = False,
    progress: Progress | None = None,
    plugins: Plugins | None = None,
) -> DatasetSummary:
    """Write the samples of a request to a folder that also says what they are (``manifest.json``).

    Samples that are there already are not drawn again and nothing is overwritten, so the same call
    goes on after an interruption, and one with a larger ``n`` adds to a dataset. However often a run is
    killed, the files in the end are those of a run that was not.

    Parameters
    ----------
    format
        Name of a writer: ``png``, ``tiff``, ``npy``, ``dng``, ``webdataset`` or a plugin's.
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
        The folder cannot be written, or the disk is full.
    """
    folder = Path(folder)
    registry = plugins or default_plugins()
    source = Source(request, registry)
    place = pick_device(device)
    sink = _sink(registry, format, folder, source.plan)
    facts = source.facts() | source.plan.as_dict() | {"device": place.type} | _format_facts(format, sink)
    with claim(folder, manifest(facts)):
        wanted = range(request.start, request.start + request.n)
        there = sink.done().intersection(wanted)
        batches = _draw(source, place, there, batch_size, workers)
        progress = progress or SILENT
        progress.start("writing samples", total=request.n)
        progress.advance(len(there))
        written = _file(batches, sink, progress)
        if contact_sheet:
            sheet.write_sheet(folder, source, place)
    return DatasetSummary(folder=folder, format=format, written=written, existing=len(there))


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
    progress = progress or SILENT
    progress.start("writing samples", total=total)
    existing = 0
    with claim(folder, manifest(facts)):
        there = sink.done()

        def missing() -> Iterator[Batch]:
            nonlocal existing
            for indices, values in itertools.chain([first], remaining):
                places = [place for place, index in enumerate(indices) if index not in there]
                existing += len(indices) - len(places)
                yield [indices[place] for place in places], {k: v[places] for k, v in values.items()}

        written = _file(missing(), sink, progress)
    return DatasetSummary(folder=folder, format=format, written=written, existing=existing)


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


def _file(batches: Iterator[Batch], sink: Sink, progress: Progress) -> int:
    """Write batches as they come; return the number of samples. What a failure leaves is not filed."""
    written = 0
    with contextlib.closing(_closable(batches)) as stream:
        for indices, fields in stream:
            sink.write(indices, fields)
            written += len(indices)
            progress.advance(len(indices))
    sink.close()
    return written


def _closable(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """Return a generator: closing it stops the threads that draw."""
    yield from batches
