"""Decoding files that are not trusted in a process of its own, with limits on memory and time.

LibRaw is C++: what it makes of a hostile file, no check of ours can vouch for. Here the file is read by a
child process under POSIX resource limits that can write into no file; what it returns is parsed as data,
never unpickled, and checked. A child that crashes, hangs or eats memory costs one error message. It is no
jail: code that takes the child over may still read files and use the network.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, MissingExtraError, PluginError, SynthnoiseError, UsageError
from synthnoise.files import printable
from synthnoise.raw.frame import Frame
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.plain import Geometry

LARGEST_HEADER = 1 << 20
LONGEST_TEXT = 4096
CLOCK_FACTOR = 5
"""How much longer than its CPU seconds a process may take on the clock: machines are shared."""

ARRAYS: dict[str, tuple[int, tuple[str, ...]]] = {
    "mosaic": (2, ("uint16", "float32")),
    "cfa": (2, ("uint8",)),
    "black": (2, ("float64",)),
    "black_rows": (1, ("float64",)),
    "black_columns": (1, ("float64",)),
    "colour_matrix": (2, ("float64",)),
}
"""Fields of a frame that are arrays: number of axes, and the types that they may have."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What a decoding process may use.

    Attributes
    ----------
    memory
        Bytes of address space beyond those of the interpreter and its libraries; Linux only.
    seconds
        CPU seconds; five times as much may pass on the clock.
    """

    memory: int = 4 << 30
    seconds: int = 60


def read_in_sandbox(
    path: Path | str,
    sandbox: Sandbox,
    *,
    limits: ReadLimits,
    geometry: Geometry | None = None,
    demosaiced: bool = False,
) -> Frame:
    """Return the frame of a file, read by a process of its own; as :func:`synthnoise.raw.reading.read_frame`.

    Raises
    ------
    InputError
        As ``read_frame``; or the process crashed, took too long or too much memory, or what it returned is
        no frame.
    SynthnoiseError
        This system has no resource limits.
    """
    path = Path(path)
    if os.name != "posix":
        raise SynthnoiseError("a sandbox needs Linux or macOS", hint="decode without it, or in a container")
    limits.check_file(path)
    request = {
        "path": str(path),
        "limits": dataclasses.asdict(limits),
        "geometry": None if geometry is None else dataclasses.asdict(geometry),
        "demosaiced": demosaiced,
        **dataclasses.asdict(sandbox),
    }
    libraries = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": libraries, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    clock = threading.Timer(CLOCK_FACTOR * sandbox.seconds, process.kill)
    clock.start()
    try:
        with process:
            frame = _exchange(process, request, path, limits)
    finally:
        clock.cancel()
    if frame is None:
        raise _crash(path, process.returncode, sandbox)
    return dataclasses.replace(frame, path=path)


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any], path: Path, limits: ReadLimits
) -> Frame | None:
    """Return what a process answers, or None where it ends before: its exit code will say why."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        return received_frame(process.stdout, path, limits)
    except (EOFError, BrokenPipeError):
        return None
    except BaseException:
        process.kill()
        raise


def _crash(path: Path, code: int, sandbox: Sandbox) -> InputError:
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        reason = f"was not decoded within {sandbox.seconds} CPU seconds"
    else:
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        reason = f"its decoder crashed ({cause})"
    return InputError(f"{path}: {reason}", hint="the file is damaged or hostile")


def sent_frame(frame: Frame, stream: Any) -> None:
    """Write a frame: a line of JSON, then the bytes of its arrays in the order that the line says."""
    arrays = {name: getattr(frame, name) for name in ARRAYS if getattr(frame, name) is not None}
    header = {
        "arrays": [[name, str(array.dtype), list(array.shape)] for name, array in arrays.items()],
        "fields": {name: getattr(frame, name) for name in FIELDS},
    }
    stream.write(json.dumps(header).encode() + b"\n")
    for array in arrays.values():
        stream.write(np.ascontiguousarray(array).data)


def received_frame(stream: Any, path: Path, limits: ReadLimits) -> Frame:
    """Return the frame of a binary stream, which is not trusted.

    Raises
    ------
    InputError
        It is no frame, exceeds the limits, or says why there is none.
    EOFError
        The stream ends too early.
    """
    line = stream.readline(LARGEST_HEADER)
    if not line.endswith(b"\n"):
        raise EOFError
    try:
        header = json.loads(line)
        if "error" in header:
            raise _refusal(*map(str, header["error"]))
        fields = {name: check(header["fields"][name]) for name, check in FIELDS.items()}
        for name, dtype, shape in header["arrays"]:
            fields[name] = _array(stream, str(name), str(dtype), tuple(map(_integer, shape)), limits)
        return Frame(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: its decoder returned no frame: {printable(error)[:200]}") from None


def _refusal(kind: str, message: str, hint: str) -> SynthnoiseError:
    """Return the error that the child's reader raised."""
    known = {error.__name__: error for error in (InputError, UsageError, PluginError)}
    message, hint = (printable(text)[:LONGEST_TEXT] for text in (message, hint))
    return known.get(kind, SynthnoiseError)(message, hint=hint or None)


def _array(stream: Any, name: str, dtype: str, shape: tuple[int, ...], limits: ReadLimits) -> NDArray[Any]:
    """Return the next array of a stream, its type and size checked before any memory is taken."""
    axes, dtypes = ARRAYS[name]
    if dtype not in dtypes or len(shape) != axes or min(shape) <= 0 or math.prod(shape) > limits.pixels:
        raise ValueError(f"{name} is {dtype} {shape}")
    array = np.empty(shape, dtype)
    room = array.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(room):
        count = stream.readinto(room[filled:])
        if not count:
            raise EOFError
        filled += count
    return array


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**40:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError("a text is none, or too long")
    return printable(value)


def _tuple(check: Callable[[Any], Any], count: int | None = None) -> Callable[[Any], tuple[Any, ...]]:
    def checked(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or (count is not None and len(value) != count):
            raise ValueError(f"a list of {count or 'some'} was expected")
        return tuple(check(item) for item in value)

    return checked


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


FIELDS: dict[str, Callable[[Any], Any]] = {
    "white": _number,
    "active_area": _optional(_tuple(_integer, 4)),
    "masked_areas": _tuple(_tuple(_integer, 4)),
    "default_crop": _optional(_tuple(_integer, 4)),
    "bits": _optional(_integer),
    "make": _text,
    "model": _text,
    "iso": _optional(_number),
    "exposure_time": _optional(_number),
    "aperture": _optional(_number),
    "focal_length": _optional(_number),
    "date": _text,
    "as_shot_neutral": _optional(_tuple(_number, 3)),
    "noise_profile": _optional(_tuple(_tuple(_number, 2))),
    "noise_reduction": _optional(_number),
    "orientation": _integer,
    "notes": _tuple(_text),
}
"""All other fields of a frame but its path, and what checks them."""


def main() -> None:
    """Read one frame as asked on stdin, and write it, or why there is none, to stdout."""
    from synthnoise.raw.reading import read_frame

    request = json.loads(sys.stdin.buffer.read())
    geometry = request["geometry"]
    _limit(request["memory"], request["seconds"])
    try:
        if geometry is not None:
            geometry = Geometry(**geometry | {"black": tuple(geometry["black"])})
        frame = read_frame(
            request["path"],
            limits=ReadLimits(**request["limits"]),
            geometry=geometry,
            demosaiced=request["demosaiced"],
        )
        sent_frame(frame, sys.stdout.buffer)
    except SynthnoiseError as error:
        kind = PluginError if isinstance(error, MissingExtraError) else type(error)
        _refuse(kind.__name__, error.message, error.hint)
    except MemoryError:
        _refuse(
            "InputError", f"{request['path']}: needs more than {request['memory'] >> 20} MiB to decode", None
        )


def _refuse(kind: str, message: str, hint: str | None) -> None:
    sys.stdout.buffer.write(json.dumps({"error": [kind, message, hint or ""]}).encode() + b"\n")


def _limit(memory: int, seconds: int) -> None:
    """Let this process write into no file, and take so much memory and CPU time at most from now on."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    pages = Path("/proc/self/statm")
    if pages.exists():
        present = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + memory, present + memory))


if __name__ == "__main__":
    main()
