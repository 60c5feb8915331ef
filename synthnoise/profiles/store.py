"""Camera profiles on the disk: a folder with a readable ``profile.toml`` and one array file per ISO."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from synthnoise.config import read_toml, user_folder
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.files import atomic_write, existing_file, sha256, write_bytes
from synthnoise.profiles.arrays import encode_arrays, read_arrays
from synthnoise.profiles.description import describe_profile
from synthnoise.profiles.document import ArrayFile, from_document, to_document
from synthnoise.profiles.full_scale import same_depth, with_levels_of
from synthnoise.profiles.interpolation import noise_at
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.toml_table import TomlTable

if TYPE_CHECKING:
    from synthnoise.plugins import Plugins

__all__ = [
    "PROFILE_FILE",
    "describe_profile",
    "find_profiles",
    "iso_stem",
    "kept_dark",
    "kept_mean_dark",
    "load_profile",
    "noise_at",
    "profile_folders",
    "save_profile",
    "shipped_folder",
]

PROFILE_FILE = "profile.toml"


def iso_stem(iso: float) -> str:
    """Return the file name, without suffix, of what belongs to an ISO: ``iso-01600``."""
    return f"iso-{int(iso):05d}" if float(iso).is_integer() else f"iso-{iso:08.2f}"


def save_profile(
    profile: CameraProfile, folder: Path | str, *, overwrite: bool = False, merge: bool = False
) -> CameraProfile:
    """Write a profile; ``profile.toml`` comes last, so a folder that has it is whole.

    Parameters
    ----------
    folder
        Made where it is missing. Dark frames kept with the profile are copied there if the profile came
        from another folder.
    overwrite
        Replace a profile that is there; with ``merge``, replace only the ISOs it shares with the new one.
    merge
        Add the ISOs to the profile that is there.

    Returns
    -------
    CameraProfile
        What the folder now holds, its ``folder`` set.

    Raises
    ------
    OutputExistsError
        There is a profile and neither was asked for, or merging would replace an ISO.
    UsageError
        Merging with the profile of another camera.
    InputError
        A dark frame that the profile names is not there.
    """
    folder = Path(folder)
    target = folder / PROFILE_FILE
    whole, array_files = profile, dict[float, ArrayFile]()
    if target.exists():
        if not (overwrite or merge):
            raise OutputExistsError(target, "choose another folder, or pass --overwrite")
        if merge:
            there, array_files = _read_document(folder)
            whole = _merged(there, profile, overwrite=overwrite)
    for noise in profile.isos.values():
        _bring_darks(noise, profile.folder, folder, overwrite=overwrite)
        array_files[noise.iso] = _write_arrays(noise, folder, overwrite=overwrite)
    text = tomli_w.dumps(to_document(whole, array_files))
    write_bytes(target, text.encode(), overwrite=overwrite or merge)
    return dataclasses.replace(whole, folder=str(folder))


def _merged(there: CameraProfile, new: CameraProfile, *, overwrite: bool) -> CameraProfile:
    if (there.name, there.cfa) != (new.name, new.cfa) or not same_depth(there, new):
        raise UsageError(
            f"{there.folder} holds {there.name}, which differs from {new.name} in name, CFA or bit depth",
            hint="choose another folder",
        )
    new = with_levels_of(new, there)
    shared = sorted(there.isos.keys() & new.isos.keys())
    if shared and not overwrite:
        isos = ", ".join(f"{iso:g}" for iso in shared)
        raise OutputExistsError(f"{there.folder}: ISO {isos}", "pass --overwrite to replace it")
    both = there.isos | new.isos
    return dataclasses.replace(new, isos={iso: both[iso] for iso in sorted(both)})


def _write_arrays(noise: IsoNoise, folder: Path, *, overwrite: bool) -> ArrayFile:
    if not noise.arrays:
        return ArrayFile()
    data, name = encode_arrays(noise.arrays), f"{iso_stem(noise.iso)}.safetensors"
    path, digest = folder / name, hashlib.sha256(data).hexdigest()
    if not (path.is_file() and sha256(path) == digest):  # an interrupted run may have left it
        write_bytes(path, data, overwrite=overwrite)
    return ArrayFile(name, digest)


def _bring_darks(noise: IsoNoise, source: str, folder: Path, *, overwrite: bool) -> None:
    """Copy the dark frames of an ISO to the folder of the profile, unless they are there."""
    if source and Path(source).resolve() == folder.resolve():
        return
    for name in (noise.dark_file, noise.mean_dark.file if noise.mean_dark else ""):
        if not name:
            continue
        target = folder / name
        if not source:
            existing_file(target)
            continue
        original = existing_file(Path(source) / name)
        with original.open("rb") as data, atomic_write(target, overwrite=overwrite) as copy:
            shutil.copyfileobj(data, copy)


def kept_dark(profile: CameraProfile, iso: float) -> Path:
    """Return where the dark frame of a calibrated ISO lies: in the profile's folder, or where it was shot.

    Raises
    ------
    InputError
        There is none, it has vanished, or is a link out of the folder, which may be a stranger's.
    """
    noise = profile.isos.get(iso)
    if noise is not None and noise.dark_file and profile.folder:
        return _file_inside(profile.folder, noise.dark_file)
    if noise is not None and noise.dark_paths:
        return existing_file(noise.dark_paths[0])
    raise InputError(f"{profile.name}: no dark frame is kept at ISO {iso:g}")


def kept_mean_dark(profile: CameraProfile, iso: float) -> Path | None:
    """Return where the mean dark of a calibrated ISO lies; None where the profile's folder has none.

    Raises
    ------
    InputError
        It has vanished, or is a link out of the folder.
    """
    noise = profile.isos.get(iso)
    if noise is None or noise.mean_dark is None or not profile.folder:
        return None
    return _file_inside(profile.folder, noise.mean_dark.file)


def _file_inside(folder: str, name: str) -> Path:
    path = existing_file(Path(folder) / name)
    if path.resolve().parent != Path(folder).resolve():
        raise InputError(f"{path}: is a link out of the profile's folder", hint="put the file there")
    return path


def load_profile(folder_or_name: Path | str, plugins: Plugins | None = None) -> CameraProfile:
    """Return a profile from its folder, from the path of its ``profile.toml``, or by name.

    A folder of the name wins over a profile that is shipped or the user's own; of those, the user's wins.

    Raises
    ------
    InputError
        There is no such profile, or its files are damaged, unsafe or too large; the message names the file
        and the key.
    """
    path = _profile_folder(folder_or_name, plugins)
    profile, array_files = _read_document(path)
    isos = {iso: _with_arrays(noise, path, array_files[iso]) for iso, noise in profile.isos.items()}
    return dataclasses.replace(profile, isos=isos)


def profile_sha256(folder_or_name: Path | str, plugins: Plugins | None = None) -> str:
    """Return the SHA-256 of a profile's document, which holds those of its arrays and dark frames.

    Raises
    ------
    InputError
        There is no such profile.
    """
    return sha256(_profile_folder(folder_or_name, plugins) / PROFILE_FILE)


def _profile_folder(folder_or_name: Path | str, plugins: Plugins | None) -> Path:
    path = Path(folder_or_name)
    if path.name == PROFILE_FILE:
        path = path.parent
    if (path / PROFILE_FILE).is_file():
        return path
    folders = profile_folders(plugins)
    if str(folder_or_name) not in folders:
        raise _unknown(str(folder_or_name), path, sorted(folders))
    return folders[str(folder_or_name)]


def _with_arrays(noise: IsoNoise, folder: Path, array_file: ArrayFile) -> IsoNoise:
    if not array_file.name:
        return noise
    return dataclasses.replace(noise, arrays=read_arrays(folder / array_file.name, array_file.sha256))


def _read_document(folder: Path) -> tuple[CameraProfile, dict[float, ArrayFile]]:
    path = existing_file(folder / PROFILE_FILE)
    return from_document(TomlTable(read_toml(path), str(path)), str(folder))


def _unknown(name: str, path: Path, known: list[str]) -> InputError:
    if path.is_dir():
        return InputError(f"{path}: holds no {PROFILE_FILE}", hint="synthnoise calibrate makes one")
    if path.is_file():
        return InputError(
            f"{path}: is a file, and a camera profile is a folder: what a camera's noise was measured to be",
            hint="synthnoise calibrate --dark DARK --noisy PHOTO -o FOLDER makes one,"
            " profiles import FILE one of what other tools say",
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = (
        "synthnoise profiles list shows those that are there, synthnoise calibrate makes one of your camera"
    )
    if close:
        hint = f"did you mean {close[0]}?"
    return InputError(f"{name}: no profile of that name, and no folder", hint=hint)


def find_profiles(plugins: Plugins | None = None) -> dict[str, CameraProfile]:
    """Return the profiles that can be found by name, without their arrays; unreadable ones are left out.

    :func:`load_profile` says what is wrong with one that is left out.
    """
    found = {}
    for name, folder in sorted(profile_folders(plugins).items()):
        with contextlib.suppress(InputError):
            found[name], _ = _read_document(folder)
    return found


def profile_folders(plugins: Plugins | None = None) -> dict[str, Path]:
    """Return the folder of every profile by name: of plugins, shipped, and the user's own, which win."""
    if plugins is None:
        from synthnoise.plugins import default_plugins

        plugins = default_plugins()
    roots = [Path(record.load()()) for record in plugins.records("profiles")]
    folders: dict[str, Path] = {}
    for root in (*roots, shipped_folder(), user_folder() / "profiles"):
        if root.is_dir():
            folders |= {path.parent.name: path.parent for path in root.glob(f"*/{PROFILE_FILE}")}
    return folders


def shipped_folder() -> Path:
    """Return the folder of the profiles that come with synthnoise: in the wheel, or in its repository."""
    package = Path(__file__).parents[1]
    packed = package / "_profiles"
    return packed if packed.is_dir() else package.parent / "camera_profiles"
