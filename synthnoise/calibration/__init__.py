"""From a dark frame and a noisy frame to a camera profile: gain, dark statistics, and how sure they are."""

from synthnoise.calibration.camera_calibration import (
    CalibrationResult,
    calibrate,
    default_folder,
    tag_profile,
)

__all__ = ["CalibrationResult", "calibrate", "default_folder", "tag_profile"]
