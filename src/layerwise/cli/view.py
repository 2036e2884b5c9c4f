"""The verbs that show what there is."""

from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import DataDir, Device, Json, Label, Member, Model, Quiet, Verbose, app, out

__all__ = ["datasets", "info", "report"]


@app.command(epilog="Example: layerwise report model table.csv -o report.html")
def report(
    model: Model,
    data: Annotated[str | None, typer.Argument(help="Rows to show; by default those held out in fit.")] = None,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")],
    label: Label = None,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write one self-contained HTML page that shows how good the model is."""
    from layerwise import commands
    from layerwise.options import DataOptions

    source = None if data is None else DataOptions(data, data_dir, label, member=member)
    commands.report(model, source, output=output, device=device)


@app.command(epilog="Example: layerwise info model --json")
def info(model: Model, *, as_json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Tell what is in a model folder."""
    from layerwise import commands

    out(commands.info(model), as_json)


@app.command(epilog="Example: layerwise datasets")
def datasets(*, as_json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """List the data sets that go by a name."""
    from layerwise import commands

    out(commands.list_datasets(), as_json)
