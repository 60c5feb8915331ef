"""Samples drawn and filed by several processes at once: the same files as one process makes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.protocols import Sink
from synthnoise.stream.filing import Effort, Filing
from synthnoise.stream.source import Request, Source

_PATIENCE = 2.0
"""Seconds that a process is given to end by itself."""

_NEXT, _DONE = "next", "done"
"""What a process says beside reports: that it is done with a block, or with all."""

Report = tuple[int, Effort]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every process works on: pickled, so that it starts with a fresh interpreter (``spawn``)."""

    request: Request
    folder: Path
    format: str
    device: str
    batch_size: int


def blocks(numbers: Iterator[int], sink: Sink, batch_size: int) -> Iterator[list[int]]:
    """Return what one process files by itself: all numbers of a shard, or a batch of single files.

    Raises
    ------
    UsageError
        The sink's files cannot be shared out.
    """
    size = getattr(sink, "block", None)
    if size is None:
        raise UsageError("this format is written by one process", hint="leave --jobs out")
    if size == 0:
        return iter(lambda: list(itertools.islice(numbers, batch_size)), [])
    return (list(block) for _, block in itertools.groupby(numbers, lambda number: number // size))


class Processes:
    """Processes that draw and file blocks of samples, for a ``with`` block.

    Leaving it by an error stops them within seconds; where this process itself is killed, they end too.

    Parameters
    ----------
    task
        What they work on.
    count
        How many.
    """

    def __init__(self, task: Task, count: int) -> None:
        context = get_context("spawn")
        self._processes: dict[Connection, BaseProcess] = {}
        try:
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there, task), daemon=True)
                self._processes[here] = process
                process.start()
                there.close()
        except BaseException:
            self._stop(0.0)
            raise

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(_PATIENCE)

    def file(self, blocks: Iterator[list[int]]) -> Generator[Report, None, None]:
        """Share blocks out as processes come free; yield samples that are on the disk, and what they took.

        Raises
        ------
        SynthnoiseError
            A process died, or what it says that went wrong.
        """
        blocks = itertools.chain(blocks, itertools.repeat([]))  # an empty block asks for the rest
        working = set(self._processes)
        for pipe in working:
            self._send(pipe, next(blocks))
        while working:
            ready = connection.wait(working)
            for pipe in [pipe for pipe in working if pipe in ready]:
                message = self._receive(pipe)
                if isinstance(message, BaseException):
                    raise message
                if message == _NEXT:
                    self._send(pipe, next(blocks))
                elif message == _DONE:
                    working.discard(pipe)
                else:
                    yield message

    def _send(self, pipe: Connection, block: list[int]) -> None:
        """Give a block to a process that waits for one: else both might wait for the other to read."""
        with contextlib.suppress(OSError):  # what it died of shows when it is heard
            pipe.send(block)

    def _receive(self, pipe: Connection) -> Any:
        try:
            return pipe.recv()
        except (EOFError, OSError):
            process = self._processes[pipe]
            process.join(_PATIENCE)
            raise SynthnoiseError(
                f"a process that drew samples died: {_cause(process.exitcode)}",
                hint="what is filed is whole: run again to go on; if memory is short, with fewer --jobs",
            ) from None

    def _stop(self, patience: float) -> None:
        """Let every process see the end of its pipe, and end those that do not heed it."""
        for pipe in self._processes:
            pipe.close()
        started = [process for process in self._processes.values() if process.pid is not None]
        for end in (lambda process: None, BaseProcess.terminate, BaseProcess.kill):
            for process in started:
                if process.exitcode is None:
                    end(process)
            for process in started:
                process.join(patience / len(started))


def _cause(exitcode: int | None) -> str:
    if exitcode is None:
        return "it stopped answering"
    if exitcode < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"


def _work(pipe: Connection, task: Task) -> None:
    """File blocks as they come, until the pipe ends. An empty block ends the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and ends the pipe
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            _file(pipe, task)
        except SynthnoiseError as error:
            failure = SynthnoiseError(error.message, hint=error.hint)
            failure.exit_code = error.exit_code
            pipe.send(failure)


def _file(pipe: Connection, task: Task) -> None:
    plugins = default_plugins()
    source = Source(task.request, plugins)
    device = torch.device(task.device)
    sink: Sink = plugins.find("writers", task.format).load()(task.folder, source.plan)
    with Filing(sink) as filing:
        while True:
            began = time.perf_counter()
            block = pipe.recv()
            pipe.send((0, Effort(waiting=time.perf_counter() - began)))
            if not block:
                break
            groups = (block[i : i + task.batch_size] for i in range(0, len(block), task.batch_size))
            for report in filing.file((group, source.draw(group, device)) for group in groups):
                pipe.send(report)
            if getattr(sink, "block", 0):
                pipe.send(filing.finish())
            pipe.send(_NEXT)
        pipe.send(filing.finish())
        pipe.send(_DONE)


def _end_with_parent() -> None:
    """End this process, whatever it does, when its parent is gone."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
