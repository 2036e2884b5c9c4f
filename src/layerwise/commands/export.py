"""The verb that takes a model elsewhere."""

from pathlib import Path

from layerwise.errors import InputError
from layerwise.estimators import load
from layerwise.exporting import check_onnx, export_onnx

__all__ = ["export"]


def export(model: Path, *, to: str, output: Path) -> None:
    """Write a model as a file of another format.

    Raises:
        InputError: for an unknown format, and for a model that it cannot hold.
    """
    if to != "onnx":
        raise InputError(f"--to must be onnx; got {to!r}.")
    check_onnx(output)
    export_onnx(load(model, device="cpu"), output)
