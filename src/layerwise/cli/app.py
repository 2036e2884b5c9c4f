"""The application of the command line, and the arguments that its verbs share."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from layerwise.terminal import visible

__all__ = [
    "Data",
    "DataDir",
    "Device",
    "Drop",
    "Json",
    "Label",
    "Member",
    "Model",
    "Quiet",
    "Seed",
    "Verbose",
    "app",
    "names",
    "out",
]

EXAMPLES = """\b
Examples:
  layerwise fit table.csv --code 5 -o model
  layerwise transform model table.csv -o codes.csv
  layerwise report model table.csv -o report.html
  layerwise diagnose model table.csv -o diagnosis.html
  layerwise fit table.csv --task classify --target species -o classifier
  layerwise predict classifier new.csv -o predictions.csv
  layerwise fit table.csv --task detect -o detector
  layerwise score detector new.csv -o scores.csv
  layerwise fit table.csv --task impute -o imputer
  layerwise impute imputer table.csv -o complete.csv
  layerwise fit photos --task denoise -o denoiser
  layerwise denoise denoiser noisy.png -o clean.png
  layerwise search table.csv --code 5 -o recipe.json
  layerwise fit table.csv --recipe-file recipe.json -o model
  layerwise export model --to onnx -o model.onnx
  layerwise fit pairs.tsv --task translate --target French -o translator
  layerwise translate translator sentences.txt -o translations.txt
"""

app = typer.Typer(
    help="Deep autoencoders: a short code for each row, a faithful reconstruction, and an honest comparison with PCA.",
    epilog=EXAMPLES,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[str, typer.Argument(help="A table, an array, a folder of pictures, or a named data set.")]
Model = Annotated[Path, typer.Argument(help="A model folder, made by fit.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the files of named data sets are.")]
Label = Annotated[
    str | None, typer.Option(help="A column that is not learned: it colours the map of codes, or is 1 for anomalies.")
]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")]
Member = Annotated[str | None, typer.Option(help="Which array of an .npz file.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same model.")]
Device = Annotated[str, typer.Option(help='"auto", "cpu", "cuda:1" or "mps".')]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no remarks.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tell more; a traceback where something fails.")]


@app.callback()
def start(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Deep autoencoders: a short code for each row, a faithful reconstruction, and an honest comparison with PCA."""
    if version:
        from layerwise import __version__

        sys.stdout.write(f"layerwise {__version__}\n")
    elif context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def out(value: Any, as_json: bool) -> None:
    """Print plain text, or a value as JSON; a list of rows becomes a table."""
    if as_json:
        sys.stdout.write(json.dumps(value, indent=1) + "\n")
    elif isinstance(value, str):
        sys.stdout.write(visible(value) + "\n" if value else "")
    else:
        from rich.console import Console

        from layerwise.commands import as_table

        # A name in square brackets or between colons is no markup and no emoji.
        Console(markup=False, emoji=False).print(as_table(value))


def names(text: str | None) -> tuple[str, ...]:
    """The names of an option that takes several, separated by commas.

    >>> names("age,height"), names(None)
    (('age', 'height'), ())
    """
    return tuple(part for part in (text or "").split(",") if part)
