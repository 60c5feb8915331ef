"""Networks leave as files that other programs run."""

from synthnoise.export.onnx import OnnxSummary, export_onnx

__all__ = ["OnnxSummary", "export_onnx"]
