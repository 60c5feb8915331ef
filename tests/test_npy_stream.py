"""Batches survive a real pipe, and damaged streams are refused in one line."""

from __future__ import annotations

import io
import os
import threading

import numpy as np
import pytest
import torch

from synthnoise.errors import InputError
from synthnoise.stream.npy_stream import read_stream, write_stream

BATCHES = [
    ([3, 1], {"clean": torch.arange(12.0).reshape(2, 1, 2, 3), "noisy": torch.ones(2, 4, 1, 1)}),
    ([7], {"clean": torch.zeros(1, 1, 2, 3), "noisy": torch.full((1, 4, 1, 1), -2.0)}),
]


def _same(left, right):
    assert [indices for indices, _ in left] == [indices for indices, _ in right]
    for (_, a), (_, b) in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_round_trip_through_a_real_pipe():
    reading, writing = os.pipe()

    def produce():
        with os.fdopen(writing, "wb") as stream:
            write_stream(stream, BATCHES)

    producer = threading.Thread(target=produce)
    producer.start()
    with os.fdopen(reading, "rb") as stream:
        received = list(read_stream(stream))
    producer.join()
    _same(received, BATCHES)


def test_records_are_plain_npy():
    stream = io.BytesIO()
    write_stream(stream, BATCHES)
    stream.seek(0)
    header, indices, clean = (np.load(stream) for _ in range(3))
    assert b'"fields": ["clean", "noisy"]' in header.tobytes()
    assert indices.tolist() == [3, 1]
    np.testing.assert_array_equal(clean, BATCHES[0][1]["clean"].numpy())


def test_truncation_anywhere_is_an_input_error():
    stream = io.BytesIO()
    write_stream(stream, BATCHES[:1])
    whole = stream.getvalue()
    for length in range(0, len(whole), 7):
        with pytest.raises(InputError):
            list(read_stream(io.BytesIO(whole[:length])))


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)"])
def test_impossible_sizes_are_refused(shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    record = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with pytest.raises(InputError):
        list(read_stream(io.BytesIO(record)))
