"""Write the profiles in camera_profiles/: the virtual cameras, calibrated, and bodies from published tables.

    OMP_NUM_THREADS=1 python benchmarks/camera_profiles.py [FOLDER]

FOLDER is camera_profiles/ unless given. A virtual camera is calibrated like any other, from two darks and two
pairs of flats, so that its profile can be held against its known parameters. The published bodies state what
a paper measured over a range of gains and nothing more.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path

from synthnoise.calibration import calibrate
from synthnoise.naming import folder_name
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.stated import stated_noise
from synthnoise.profiles.store import save_profile
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

ISOS = (100, 200, 400, 800, 1600, 3200, 6400)
DISAGREEMENT = 1.31
"""Factor by which calibrations of one camera by several groups differ (raw_noise.md 2.1)."""

BODIES = {
    ("Canon", "EOS 5D Mark IV"): (0.218, (0.677, 1.512, 0.246), (0.471, -0.808, 0.244), "ELD"),
    ("Canon", "EOS 70D"): (0.407, (0.568, 1.998, 0.249), (0.729, -0.937, 0.250), "ELD"),
    ("Canon", "EOS 700D"): (0.448, (0.652, 2.080, 0.258), (0.622, -0.776, 0.248), "ELD"),
    ("Nikon", "D850"): (0.415, (0.563, 0.799, 0.214), (0.448, -1.798, 0.232), "ELD"),
    ("Sony", "ILCE-7M4"): (0.518, (0.947, 0.160, 0.205), (0.850, -2.508, 0.254), "LED"),
}
"""Least gain in DN/e-; slope, intercept and spread of log read noise and of log row noise given log gain."""

PAPERS = {
    "ELD": "Wei et al., ELD, TPAMI 2021",
    "LED": "Jin et al., LED, ICCV 2023",
}
WHITE, BLACK = 16383.0, 800.0
"""Levels in DN that the release normalises all bodies by."""


def stated(iso: float, gain: float, read: float, row: float, scale: float, **errors: float) -> IsoNoise:
    """Return the noise of an ISO of a Bayer camera from gain in DN/e-, read and row noise in DN.

    ``read_error`` and ``row_error`` are relative standard errors.
    """
    pair = gain / scale, (read / scale) ** 2
    noise = stated_noise(iso, [pair] * 3, (0, 1, 1, 2), [scale] * 4)
    spread = math.log(DISAGREEMENT) / 2
    return dataclasses.replace(
        noise,
        gain_se=spread * gain,
        gain_interval=(gain / DISAGREEMENT, gain * DISAGREEMENT),
        read_noise_se=(errors["read_error"] * read,) * 4,
        row_noise=row,
        row_noise_se=errors["row_error"] * row,
        shot_se=(spread * pair[0],) * 3,
        read_se=(2 * errors["read_error"] * pair[1],) * 3,
    )


def published_body(make: str, model: str) -> CameraProfile:
    """Return the profile of a body whose joint law of gain and noise was published."""
    least, read_law, row_law, paper = BODIES[make, model]
    isos = {}
    for iso in ISOS:
        gain = least * iso / ISOS[0]
        read, row = (math.exp(a * math.log(gain) + b) for a, b, _ in (read_law, row_law))
        isos[float(iso)] = stated(
            iso, gain, read, row, WHITE - BLACK, read_error=read_law[2], row_error=row_law[2]
        )
    return CameraProfile(
        make=make,
        model=model,
        cfa=((0, 1), (1, 2)),
        black=(BLACK,) * 4,
        white=WHITE,
        bits=14,
        isos=isos,
        provenance=f"published law: {PAPERS[paper]}; the middle of read and row noise given the gain, their"
        " spread as standard error; the least published gain is taken for ISO 100; black and white are those"
        " that the release normalises by, not those of the files; the colour filter array is taken for RGGB",
    )


def published_phone() -> CameraProfile:
    """Return the profile of the IMX686 of a phone, at the two ISOs that were published."""
    scale, table = 1023.0 - 64.0, {100.0: (0.1366, 0.693, 0.02), 6400.0: (8.74, 13.10, 0.014)}
    isos = {
        iso: stated(iso, gain, read, 0.0, scale, read_error=error, row_error=0.0)
        for iso, (gain, read, error) in table.items()
    }
    return CameraProfile(
        make="Xiaomi",
        model="Redmi K30 (IMX686)",
        cfa=((0, 1), (1, 2)),
        black=(64.0,) * 4,
        white=1023.0,
        bits=10,
        isos=isos,
        provenance="published table: Feng et al., PMN, TPAMI 2024; gain and read noise at two ISOs, row noise"
        " not stated; the colour filter array is taken for RGGB",
    )


def virtual(sensor: Sensor) -> CameraProfile:
    """Return the calibration of a virtual camera."""
    camera = VirtualCamera(sensor)
    flats = [camera.flat(share * sensor.saturation, index) for share in (0.2, 0.6) for index in (0, 1)]
    profile = calibrate([camera.dark(0), camera.dark(1)], [], flats).profile
    text = "virtual camera; a preset of synthnoise.sensors, calibrated from two darks and two pairs of flats"
    return dataclasses.replace(profile, created="", provenance=text)


def main() -> None:
    """Write all profiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    home = Path(__file__).parents[1] / "camera_profiles"
    parser.add_argument("folder", type=Path, nargs="?", default=home, help="where to write them")
    folder = parser.parse_args().folder
    profiles = [published_body(*body) for body in BODIES] + [published_phone()]
    profiles += [virtual(sensor) for sensor in SENSORS.values()]
    for profile in profiles:
        print(save_profile(profile, folder / folder_name(profile.name), overwrite=True).folder)


if __name__ == "__main__":
    main()
