"""The verbs on pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import DataDir, Device, Member, Model, Quiet, Verbose, app

__all__ = ["colorize", "denoise", "segment"]

Pictures = Annotated[str, typer.Argument(help="A picture, a folder of them, an array, or a named data set.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="A .png or .jpg for one picture, else a folder, or .npy for one size.")
]


def _verb(name: str, words: str, *, example: str) -> Callable[..., None]:
    """A verb that writes what a model makes of pictures."""

    @app.command(name, help=words, epilog=f"Example: layerwise {name} {example}")
    def run(
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
        from layerwise import commands
        from layerwise.options import DataOptions

        source = DataOptions(pictures, data_dir, member=member)
        commands.apply(model, source, verb=name, output=output, device=device)

    return run


denoise = _verb("denoise", "Write the pictures without their noise.", example="model noisy.png -o clean.png")
colorize = _verb("colorize", "Write the pictures in colour.", example="model grey -o coloured")
segment = _verb("segment", "Write a mask for each picture: the class of each pixel.", example="model cells -o masks")
