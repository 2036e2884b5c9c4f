"""The verbs that show what there is."""

from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import (
    Data,
    DataDir,
    Device,
    Drop,
    Json,
    Label,
    Member,
    Model,
    Quiet,
    Seed,
    Verbose,
    app,
    names,
    out,
)

__all__ = ["compare", "datasets", "diagnose", "info", "report"]


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


@app.command(epilog="Example: layerwise diagnose model table.csv -o diagnosis.html")
def diagnose(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")],
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Tell what holds a model's training up, with one sentence of advice each, and write it as an HTML page.

    It takes autoencoders of rows, of tables and of pictures of one size: what fit makes with --task reconstruct (dense,
    convolutional or residual) or --task generate (variational); and nets that predict (--task classify or regress), at
    rows with the target. Models that detect, impute, denoise, colorize, segment or write sentences are refused.
    """
    from layerwise import commands
    from layerwise.options import DataOptions

    findings = commands.diagnose(model, DataOptions(data, data_dir, member=member), output=output, device=device)
    shown = [{name: row[name] for name in ("name", "verdict", "advice")} for row in findings]
    out(findings if as_json else shown, as_json)


@app.command(epilog="Example: layerwise compare table.csv --target churned")
def compare(
    data: Data,
    *,
    target: Annotated[str, typer.Option(help="The column to predict; rows without it are left out.")],
    task: Annotated[str, typer.Option(help="classify or regress; auto goes by the target.")] = "auto",
    code: Annotated[int, typer.Option("--code", "--n-components", min=1, help="Size of the code.")] = 100,
    repeats: Annotated[int, typer.Option(min=1, help="How often the rows are halved anew.")] = 5,
    drop: Drop = None,
    data_dir: DataDir = None,
    member: Member = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Tell whether codes help to predict a column: beside raw columns and principal components, cross-validated."""
    from layerwise import commands
    from layerwise.options import DataOptions

    source = DataOptions(data, data_dir, target, names(drop), member)
    found = commands.compare(source, task=task, code=code, repeats=repeats, seed=seed)
    if not as_json:
        told = f"{found['metric']} on {found['rows']} rows, {found['folds']} folds of half of them"
        out(f"{told}; codes of {found['code']}", as_json)
    out(found if as_json else found["findings"], as_json)


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
