"""Networks leave as files that other programs run."""

from synthnoise.export.darktable import describe_darktable, export_darktable
from synthnoise.export.half_weights import HalfSummary, halve_weights
from synthnoise.export.onnx import OnnxSummary, describe_onnx, export_onnx

__all__ = [
    "HalfSummary",
    "OnnxSummary",
    "describe_darktable",
    "describe_onnx",
    "export_darktable",
    "export_onnx",
    "halve_weights",
]
