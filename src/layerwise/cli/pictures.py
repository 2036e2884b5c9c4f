"""The verbs on pictures."""

from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import DataDir, Device, Member, Model, Quiet, Verbose, app

__all__ = ["colorize", "denoise", "segment"]

Pictures = Annotated[str, typer.Argument(help="A picture, a folder of them, an array, or a named data set.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="A .png or .jpg for one picture, else a folder, or .npy for one size.")
]


@app.command(epilog="Example: layerwise denoise model noisy.png -o clean.png")
def denoise(
    model: Model,
    pictures: Pictures,
    *,
    output: Output,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the pictures without their noise."""
    _apply("denoise", model, pictures, output=output, data_dir=data_dir, member=member, device=device)


@app.command(epilog="Example: layerwise colorize model grey -o coloured")
def colorize(
    model: Model,
    pictures: Pictures,
    *,
    output: Output,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the pictures in colour."""
    _apply("colorize", model, pictures, output=output, data_dir=data_dir, member=member, device=device)


@app.command(epilog="Example: layerwise segment model cells -o masks")
def segment(
    model: Model,
    pictures: Pictures,
    *,
    output: Output,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a mask for each picture: the class of each pixel."""
    _apply("segment", model, pictures, output=output, data_dir=data_dir, member=member, device=device)


def _apply(
    verb: str, model: Path, pictures: str, *, output: Path, data_dir: Path | None, member: str | None, device: str
) -> None:
    from layerwise import commands
    from layerwise.options import DataOptions

    commands.apply(model, DataOptions(pictures, data_dir, member=member), verb=verb, output=output, device=device)
