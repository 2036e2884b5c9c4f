"""Fitted estimators as files of other formats."""

from layerwise.exporting.export import check_onnx, export_onnx

__all__ = ["check_onnx", "export_onnx"]
