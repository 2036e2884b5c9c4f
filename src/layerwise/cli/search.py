"""The verb that searches for a recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import Data, DataDir, Device, Drop, Json, Label, Member, Quiet, Seed, Verbose, app, names, out
from layerwise.terminal import visible

__all__ = ["search"]


@app.command(epilog="Example: layerwise search table.csv --code 5 --storage sqlite:///study.db -o recipe.json")
def search(
    data: Data,
    *,
    code: Annotated[int, typer.Option("--code", "--n-components", min=1, help="Size of the code.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The recipe to write, for fit --recipe-file.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of the study, those of earlier runs included.")] = 20,
    timeout: Annotated[str | None, typer.Option(help="Begin no trial after this time, like 60s, 5m or 1h.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="A database that keeps the trials, like sqlite:///study.db; the same command goes on."),
    ] = None,
    study: Annotated[str, typer.Option(help="The name of the study in the database.")] = "layerwise",
    sampler: Annotated[str, typer.Option(help="What draws the trials: tpe, random.")] = "tpe",
    pruner: Annotated[
        str, typer.Option(help="What abandons trials early: median, halving, hyperband, none.")
    ] = "median",
    hidden: Annotated[str, typer.Option("--hidden", "--hidden-layer-sizes", help="Widths like 64,32.")] = "auto",
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each trial; by default chosen by the rows.")] = None,
    label: Label = None,
    drop: Drop = None,
    member: Member = None,
    data_dir: DataDir = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search for the rate, weight decay, momentum, dropout and noise that suit DATA, and write them as a recipe."""
    from layerwise import commands
    from layerwise.option_words import seconds_of, widths_of
    from layerwise.options import DataOptions
    from layerwise.tuning import Budget, Wanted

    def tell(line: str) -> None:
        sys.stderr.write(visible(line) + "\n")

    limit = None if timeout is None else seconds_of(timeout, "--timeout")
    found = commands.search(
        DataOptions(data, data_dir, label, names(drop), member),
        Wanted(code, widths_of(hidden) or None, epochs, seed, device),
        budget=Budget(trials, limit, storage, study, sampler=sampler, pruner=pruner),
        output=output,
        tell=None if quiet else tell,
    )
    out(found if as_json else ("" if quiet else commands.verdicts(found, code)), as_json)
