"""The verbs that use a model on rows."""

from pathlib import Path
from typing import Annotated

import typer

from layerwise.cli.app import Data, DataDir, Device, Json, Member, Model, Quiet, Verbose, app, out

__all__ = ["evaluate", "export", "impute", "predict", "reconstruct", "score", "transform", "translate"]


@app.command(epilog="Example: layerwise transform model table.csv -o codes.parquet")
def transform(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="csv, tsv, parquet, feather, npy or npz.")],
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the code of each row of DATA."""
    from layerwise import commands
    from layerwise.options import DataOptions

    commands.transform(model, DataOptions(data, data_dir, member=member), output=output, device=device)


@app.command(epilog="Example: layerwise reconstruct model table.csv -o reconstructed.csv")
def reconstruct(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="A file, or a folder for pictures.")],
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write each row of DATA as it comes back from its code."""
    from layerwise import commands
    from layerwise.options import DataOptions

    commands.reconstruct(model, DataOptions(data, data_dir, member=member), output=output, device=device)


@app.command(epilog="Example: layerwise predict model table.csv -o predictions.csv")
def predict(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="csv, tsv, parquet or feather.")],
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Also that of each class.")] = False,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the class or the number that a model predicts for each row of DATA."""
    from layerwise import commands
    from layerwise.options import DataOptions

    source = DataOptions(data, data_dir, member=member)
    commands.predict(model, source, output=output, probabilities=probabilities, device=device)


@app.command(epilog="Example: layerwise score detector table.csv -o scores.csv")
def score(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="csv, tsv, parquet or feather.")],
    causes: Annotated[int, typer.Option(min=0, help="Columns to name for each flagged row; none for pictures.")] = 3,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write how strange each row of DATA is, whether it is flagged, and the columns that make it so."""
    from layerwise import commands
    from layerwise.options import DataOptions

    commands.score(model, DataOptions(data, data_dir, member=member), output=output, causes=causes, device=device)


@app.command(epilog="Example: layerwise impute imputer table.csv -o complete.csv")
def impute(
    model: Model,
    data: Data,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="A file, or a folder for pictures.")],
    samples: Annotated[int, typer.Option(min=0, help="So many files, each with other draws in the gaps.")] = 0,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the rows of DATA with their gaps filled."""
    from layerwise import commands
    from layerwise.options import DataOptions

    commands.impute(model, DataOptions(data, data_dir, member=member), output=output, samples=samples, device=device)


@app.command(epilog="Example: layerwise translate translator sentences.txt -o translations.txt")
def translate(
    model: Model,
    sentences: Annotated[str, typer.Argument(help="A .txt file with a sentence a line, or a table.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="txt, csv, tsv, parquet or feather.")],
    beam: Annotated[
        int | None, typer.Option(min=1, help="Beginnings that the search keeps; by default those of the model.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Of a table; by default that of fit.")] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the translation of each sentence."""
    from layerwise import commands
    from layerwise.options import DataOptions

    source = DataOptions(sentences, data_dir)
    commands.translate(model, source, output=output, beam=beam, column=column, device=device)


@app.command(epilog="Example: layerwise evaluate model table.csv --json")
def evaluate(
    model: Model,
    data: Data,
    *,
    masks: Annotated[Path | None, typer.Option(help="Of a model that segments: the masks of the pictures.")] = None,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare the model with what is simpler on the rows or pictures of DATA."""
    from layerwise import commands
    from layerwise.options import DataOptions

    source = DataOptions(data, data_dir, member=member)
    metrics, summary = commands.evaluate(model, source, masks=masks, device=device)
    out(metrics if as_json else summary, as_json)


@app.command(epilog="Example: layerwise export model --to onnx -o model.onnx")
def export(
    model: Model,
    *,
    to: Annotated[str, typer.Option(help='The format: "onnx".')] = "onnx",
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, .onnx.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the model as a file that other programs run, with scaling and gaps in it, after it was checked."""
    from layerwise import commands

    commands.export(model, to=to, output=output)
