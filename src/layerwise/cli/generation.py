"""The verbs that make new rows."""

from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import Data, DataDir, Device, Member, Model, Quiet, Seed, Verbose, app

__all__ = ["interpolate", "sample"]

Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", help="A table or an array; for pictures also .png, .jpg, .gif (an animation) or a folder."
    ),
]


@app.command(epilog="Example: layerwise sample model -n 100 -o new.png")
def sample(
    model: Model,
    *,
    output: Output,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 100,
    density: Annotated[
        str, typer.Option(help="What codes are drawn from: prior (of a variational model), mixture, or auto.")
    ] = "auto",
    grid: Annotated[
        int | None, typer.Option(min=2, help="Instead: a map of a code of two units, so many rows each way.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write new rows, decoded from codes that are drawn."""
    from layerwise import commands

    commands.sample(model, count, output=output, density=density, side=grid, seed=seed, device=device)


@app.command(epilog="Example: layerwise interpolate model digits.npy --rows 0,7 --along spherical -o way.gif")
def interpolate(
    model: Model,
    data: Data,
    *,
    output: Output,
    rows: Annotated[str, typer.Option(help="The numbers of the rows, from 0 on, separated by commas.")] = "0,1",
    steps: Annotated[int, typer.Option(min=2, help="From one row to the next, both included.")] = 10,
    along: Annotated[str, typer.Option(help="The way: linear, spherical or manifold.")] = "linear",
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the rows on the way from one row of DATA to another, through their codes."""
    from layerwise import commands
    from layerwise.option_words import row_numbers
    from layerwise.options import DataOptions

    source, numbers = DataOptions(data, data_dir, member=member), row_numbers(rows)
    commands.interpolate(model, source, rows=numbers, output=output, steps=steps, along=along, device=device)
