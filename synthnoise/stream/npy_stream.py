"""Batches through a pipe: one JSON header, then .npy records, readable by NumPy alone.

The header is a uint8 .npy record that holds the JSON ``{"synthnoise": 1, "fields": [...]}``. Each
batch follows as one int64 record of indices [B] and one record [B, ...] per field, in the order
of the header. An empty record of indices ends the stream, so that a broken pipe shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.errors import InputError, UsageError

VERSION = 1
MAX_RECORD_BYTES = 1 << 32
MAX_HEADER_BYTES = 1 << 16

Batch = tuple[list[int], dict[str, torch.Tensor]]
"""Sample numbers, and per field a tensor [B, ...] in their order."""


class _Readable:
    """A stream that shows only ``read``: NumPy would otherwise seek on the descriptor of a pipe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""

    def at_end(self) -> bool:
        self._ahead = self._ahead or self._stream.read(1)
        return not self._ahead

    def read(self, size: int) -> bytes:
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead + self._stream.read(size - len(ahead))


def write_stream(stream: BinaryIO, batches: Iterable[Batch]) -> None:
    """Write batches to ``stream`` as they come.

    Raises
    ------
    UsageError
        The stream is a terminal.
    """
    if stream.isatty():
        raise UsageError("will not write binary data to a terminal", hint="pipe it on, or give -o a folder")
    fields: list[str] = []
    for indices, tensors in batches:
        if not fields:
            fields = list(tensors)
            header = json.dumps({"synthnoise": VERSION, "fields": fields}).encode()
            _write(stream, np.frombuffer(header, dtype=np.uint8))
        _write(stream, np.asarray(indices, dtype=np.int64))
        for name in fields:
            _write(stream, tensors[name].detach().cpu().contiguous().numpy())
    _write(stream, np.empty(0, dtype=np.int64))
    stream.flush()


def _write(stream: BinaryIO, array: NDArray[np.generic]) -> None:
    # write_array would ask a pipe for its file position
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(np.ascontiguousarray(array).tobytes())


def read_stream(stream: BinaryIO) -> Iterator[Batch]:
    """Yield the batches of a stream as they arrive.

    Raises
    ------
    InputError
        It is not such a stream, breaks off in the middle, or claims more than 4 GiB at once.
    UsageError
        The stream is a terminal.
    """
    if stream.isatty():
        raise UsageError("nothing is piped in", hint="synthnoise synth -n 4 -o - | synthnoise noise -")
    source = _Readable(stream)
    fields = _header(source)
    while len(indices := _read(source)):
        if indices.ndim != 1 or indices.dtype.kind != "i":
            raise InputError(f"<stdin>: expected sample numbers, got {indices.dtype} {indices.shape}")
        tensors = {}
        for name in fields:
            array = _read(source)
            if array.shape[:1] != indices.shape:
                raise InputError(f"<stdin>: field {name} does not hold {len(indices)} samples")
            tensors[name] = torch.from_numpy(array)
        yield [int(i) for i in indices], tensors


def _header(source: _Readable) -> list[str]:
    if source.at_end():
        raise InputError("<stdin>: nothing was piped in")
    record = _read(source)
    try:
        if record.dtype != np.uint8 or record.nbytes > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {record.nbytes} bytes of {record.dtype}")
        header = json.loads(record.tobytes())
        if header["synthnoise"] != VERSION:
            raise ValueError(f"version {header['synthnoise']}")
        return [str(name) for name in header["fields"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"<stdin>: not a synthnoise stream: {error}") from error


def _read(source: _Readable) -> NDArray[Any]:
    """Return the next record."""
    file = cast(BinaryIO, source)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = read_header[version](file, max_header_size=MAX_HEADER_BYTES)
    except (ValueError, KeyError) as error:
        raise InputError(f"<stdin>: not a synthnoise stream: {error}") from error
    size = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
    if size > MAX_RECORD_BYTES or dtype.hasobject or fortran:
        raise InputError(f"<stdin>: refused a record of {size} bytes of {dtype}")
    data = bytearray()
    while len(data) < size:
        block = file.read(min(1 << 20, size - len(data)))
        if not block:
            raise InputError(f"<stdin>: breaks off after {len(data)} of {size} bytes")
        data += block
    return np.frombuffer(data, dtype=dtype).reshape(shape)
