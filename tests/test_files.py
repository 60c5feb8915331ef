"""Nothing half-written is ever left under a final name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthnoise import files
from synthnoise.errors import InputError, OutputExistsError, SynthnoiseError
from synthnoise.files import alone, names_folder


def test_failure_inside_leaves_nothing(tmp_path):
    target = tmp_path / "out.bin"

    def interrupted() -> None:
        with files.atomic_write(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_untouched_unless_asked(tmp_path):
    target = tmp_path / "out.bin"
    files.write_bytes(target, b"first")
    with pytest.raises(OutputExistsError, match="exists already"):
        files.write_bytes(target, b"second")
    assert target.read_bytes() == b"first"
    files.write_bytes(target, b"second", overwrite=True)
    assert target.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_faster_writer_is_not_overwritten(tmp_path):
    target = tmp_path / "out.bin"

    def race() -> None:
        with files.atomic_write(target) as file:
            file.write(b"slow")
            target.write_bytes(b"fast")

    with pytest.raises(OutputExistsError):
        race()
    assert target.read_bytes() == b"fast"


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE stands in for a full disk on Linux only")
def test_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from synthnoise import files\n"
        "from synthnoise.errors import SynthnoiseError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        f"    files.write_bytes({str(tmp_path / 'out.bin')!r}, bytes(100_000))\n"
        "except SynthnoiseError as error:\n"
        "    sys.exit(f'{error.message} / {error.hint}')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "cannot write" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SynthnoiseError, match="cannot write"):
        files.write_bytes(tmp_path / "out.bin", b"x")


def test_permissions_follow_the_umask(tmp_path):
    previous = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "out.bin", b"x")
    finally:
        os.umask(previous)
    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o640


def test_stale_parts_are_swept(tmp_path):
    (tmp_path / ".image.png.abc.part").write_bytes(b"half")
    (tmp_path / "keep.part").write_bytes(b"a user's file")
    assert files.remove_stale_parts(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["keep.part"]


def test_inputs_expand_in_order_without_repeats(tmp_path):
    for name in ("b.dng", "a.dng", "notes.txt", "c.DNG"):
        (tmp_path / name).touch()
    found = files.expand_inputs([tmp_path / "b.dng", tmp_path, str(tmp_path / "*.dng")], [".dng"])
    assert [p.name for p in found] == ["b.dng", "a.dng", "c.DNG"]
    with pytest.raises(InputError, match="matches no file"):
        files.expand_inputs([str(tmp_path / "*.nef")], [".nef"])
    assert files.expand_inputs(["missing.dng"], [".dng"]) == [Path("missing.dng")]


@pytest.mark.parametrize(
    ("inner", "recursive", "hint"),
    [("day", False, "name those"), ("day", True, "None"), (".day", False, "None")],
)
def test_a_folder_of_folders_is_told_so(tmp_path, inner, recursive, hint):
    (tmp_path / inner).mkdir()
    with pytest.raises(InputError, match="holds no file") as refusal:
        files.expand_inputs([tmp_path], [".dng"], recursive=recursive)
    assert hint in str(refusal.value.hint)


def test_control_characters_never_reach_the_terminal():
    assert files.printable("Canon\x1b[31m\x00\nEOS") == "Canon[31mEOS"


@pytest.mark.parametrize("kind", ["folder", "missing"])
def test_existing_file_refuses(tmp_path, kind):
    with pytest.raises(InputError):
        files.existing_file(tmp_path if kind == "folder" else tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "of_one", "of_several"),
    [
        ("out", True, True),
        ("2026.11.22", True, True),
        ("day. one", True, True),
        ("out.dng/", True, True),
        ("trip.v2", False, True),
        ("OUT.DNG", False, False),
        ("a.3fr", False, False),
    ],
)
def test_not_every_name_with_a_dot_is_that_of_a_file(name, of_one, of_several):
    assert names_folder(name, {".dng", ".3fr"}) == of_one
    assert names_folder(name, {".dng", ".3fr"}, several=True) == of_several


def test_a_folder_that_is_there_is_one_whatever_its_name(tmp_path):
    assert not names_folder(tmp_path / "a.dng", {".dng"})
    (tmp_path / "a.dng").mkdir()
    assert names_folder(tmp_path / "a.dng", {".dng"})


@pytest.mark.skipif(os.name != "posix", reason="locks are the system's")
def test_a_lock_that_was_removed_meanwhile_is_none(tmp_path, monkeypatch):
    """Three processes: the first ends between the second's opening of the lock and its locking it."""
    import fcntl

    place, lock = tmp_path / "net", tmp_path / ".net.lock"
    flock, third = fcntl.flock, []

    def slowly(descriptor, how):
        if not third:
            lock.unlink()  # as the first process does at its end
            third.append(os.open(lock, os.O_RDWR | os.O_CREAT))
            flock(third[0], how)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", slowly)
    with pytest.raises(SynthnoiseError, match="another process is writing here"), alone(place):
        pass
    assert lock.exists()  # the third's
    os.close(third[0])
    with alone(place):
        assert lock.exists()
        with pytest.raises(SynthnoiseError, match="another process"), alone(place):
            pass
    assert not lock.exists()
