"""Samples to their files, while the next ones are drawn; and where the time goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from torch import Tensor

from synthnoise.protocols import Sink
from synthnoise.stream.npy_stream import Batch

_WRITERS, _MOST_WAITING = 8, 16
_MOST_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Seconds that processes spent on samples.

    Attributes
    ----------
    drawing
        Image and noise models, up to pixels in the memory of the processor.
    encoding
        Processor time of threads that make files of pixels, beside the drawing.
    waiting
        For files to be encoded and on the disk, and for work.
    """

    drawing: float = 0.0
    encoding: float = 0.0
    waiting: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(
            drawing=self.drawing + other.drawing,
            encoding=self.encoding + other.encoding,
            waiting=self.waiting + other.waiting,
        )


NO_EFFORT = Effort()


class Filing:
    """Draws batches and has threads file them with a sink, for a ``with`` block.

    Where samples are files of their own (``sink.block`` is 0), eight threads encode and wait for the
    disk at once; else one does so in order. At most 64 MiB or sixteen pieces wait for them. Leaving
    the block by an error gives up what waits, and waits for what is being written.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._apart = getattr(sink, "block", None) == 0
        self._pool = ThreadPoolExecutor(_WRITERS if self._apart else 1)
        self._waiting: deque[tuple[int, Future[float]]] = deque()

    def __enter__(self) -> Filing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def file(self, batches: Iterable[Batch]) -> Iterator[tuple[int, Effort]]:
        """Draw and file batches; yield how many samples more are on the disk, and what that took.

        Raises
        ------
        SynthnoiseError
            A file cannot be written.
        """
        stream = iter(batches)
        while True:
            began = time.perf_counter()
            batch = next(stream, None)
            if batch is None:
                return
            indices, fields = batch[0], {name: values.cpu() for name, values in batch[1].items()}
            drawn = time.perf_counter()
            self._submit(indices, fields)
            written, encoding = self._collect(self._room(fields))
            waited = time.perf_counter() - drawn
            yield written, Effort(drawing=drawn - began, encoding=encoding, waiting=waited)

    def finish(self) -> tuple[int, Effort]:
        """Wait until all is on the disk; return as ``file`` yields."""
        began, cpu = time.perf_counter(), time.thread_time()
        written, encoding = self._collect(0)
        self._sink.close()
        encoding += time.thread_time() - cpu
        return written, Effort(encoding=encoding, waiting=time.perf_counter() - began)

    def _submit(self, indices: list[int], fields: Mapping[str, Tensor]) -> None:
        if not indices:
            return
        if not self._apart:
            self._waiting.append((len(indices), self._pool.submit(self._write, indices, fields)))
            return
        for place, index in enumerate(indices):
            one = {name: values[place : place + 1] for name, values in fields.items()}
            self._waiting.append((1, self._pool.submit(self._write, [index], one)))

    def _write(self, indices: list[int], fields: Mapping[str, Tensor]) -> float:
        """File samples; return seconds of processor time."""
        began = time.thread_time()
        self._sink.write(indices, dict(fields))
        return time.thread_time() - began

    def _room(self, fields: Mapping[str, Tensor]) -> int:
        """Return how many pieces may wait."""
        size = sum(values.nbytes for values in fields.values()) or 1
        count = len(next(iter(fields.values()))) if self._apart else 1
        return max(1, min(_MOST_WAITING, _MOST_BYTES * count // size))

    def _collect(self, room: int) -> tuple[int, float]:
        """Wait for all but ``room`` pieces; return samples now on the disk, and seconds of encoding."""
        written, encoding = 0, 0.0
        while self._waiting and (len(self._waiting) > room or self._waiting[0][1].done()):
            count, future = self._waiting.popleft()
            encoding += future.result()
            written += count
        return written, encoding
