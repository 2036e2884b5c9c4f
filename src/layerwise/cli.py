"""The command line. Nothing heavy is imported before a verb runs."""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, final

import typer

from layerwise.errors import InputError, LayerwiseError
from layerwise.terminal import VisibleFormatter, visible

__all__ = ["app", "main"]

EXAMPLES = """\b
Examples:
  layerwise fit table.csv --code 5 -o model
  layerwise transform model table.csv -o codes.csv
  layerwise report model table.csv -o report.html
  layerwise fit table.csv --task classify --target species -o classifier
  layerwise predict classifier new.csv -o predictions.csv
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
Label = Annotated[str | None, typer.Option(help="A column that is not learned, but colours the map of codes.")]
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


@app.command(epilog="Example: layerwise fit table.csv --code 5 --hidden 512,256 -o model --report report.html")
def fit(
    data: Data,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The model folder to write.")] = None,
    code: Annotated[
        int | None,
        typer.Option("--code", "--n-components", min=1, help="Size of the code; by default a third of the columns."),
    ] = None,
    hidden: Annotated[
        str,
        typer.Option("--hidden", "--hidden-layer-sizes", help="Widths from input to code, like 1000,500,250."),
    ] = "auto",
    scaling: Annotated[str, typer.Option(help='"auto", "standard", "minmax" or "none".')] = "auto",
    fidelity: Annotated[str, typer.Option(help='"auto", "squared_error", "mixed" or "cross_entropy".')] = "auto",
    task: Annotated[str, typer.Option(help='"reconstruct", "classify" or "regress".')] = "reconstruct",
    target: Annotated[str | None, typer.Option(help="The column to predict; empty cells are unlabelled rows.")] = None,
    label: Label = None,
    drop: Drop = None,
    member: Member = None,
    data_dir: DataDir = None,
    recipe: Annotated[str, typer.Option(help="How to train, like hinton2006; auto goes by the task.")] = "auto",
    max_epochs: Annotated[
        int | None, typer.Option("--epochs", "--max-epochs", min=1, help="By default chosen by the rows.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="By default chosen by the rows.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help='"auto", "float32" or "bf16".')] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An argument of the recipe, like --set lr=0.001 or noise=0.1; may be repeated."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML or JSON file of recipe arguments.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep the state of training in this folder; the same command goes on from it.")
    ] = None,
    every: Annotated[str, typer.Option(help="The time between two checkpoints, like 60s, 5m or 1h.")] = "60s",
    every_steps: Annotated[int | None, typer.Option(min=1, help="The steps between them, instead.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the checkpoint folder holds.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the recipe and stop.")] = False,
    codes: Annotated[Path | None, typer.Option(help="Also write the code of every row here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a report page here.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a deep autoencoder on DATA and compare it with PCA on rows it has not seen."""
    from layerwise import commands
    from layerwise.options import DataOptions, FitOptions, checkpoint_settings, label_of, recipe_name, recipe_settings

    options = FitOptions(
        source=DataOptions(data, data_dir, label_of(task, target, label), _names(drop), member),
        task=task,
        output=output,
        code=code,
        hidden=hidden,
        scaling=scaling,
        fidelity=fidelity,
        seed=seed,
        device=device,
        precision=precision,
        recipe=recipe_settings(
            recipe_name(recipe, task), settings or [], config, {"epochs": max_epochs, "batch_size": batch_size}
        ),
        checkpoint=checkpoint_settings(checkpoint, every, every_steps, fresh),
        codes=codes,
        report=report,
        progress=not quiet,
    )
    if dry_run:
        plan = commands.dry_run(options)
        if not as_json:
            _out(f"{plan['rows']} rows, {plan['features']} features, layers {plan['widths']}", as_json)
        _out(plan if as_json else commands.phases(plan), as_json)
        return
    result = commands.fit(options)
    _out(result.metrics if as_json else ("" if quiet else result.summary), as_json)
    if result.signal:
        raise typer.Exit(128 + result.signal)


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


@app.command(epilog="Example: layerwise evaluate model table.csv --json")
def evaluate(
    model: Model,
    data: Data,
    *,
    data_dir: DataDir = None,
    member: Member = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare the model with PCA and the column means on the rows of DATA."""
    from layerwise import commands
    from layerwise.options import DataOptions

    metrics, summary = commands.evaluate(model, DataOptions(data, data_dir, member=member), device=device)
    _out(metrics if as_json else summary, as_json)


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

    _out(commands.info(model), as_json)


@app.command(epilog="Example: layerwise datasets")
def datasets(*, as_json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """List the data sets that go by a name."""
    from layerwise import commands

    _out(commands.list_datasets(), as_json)


def main() -> None:
    """Run the command line; every expected failure is one line on standard error.

    Exit codes: 0 done, 1 it failed, 2 wrong use or unusable input, 128 + the signal's number when interrupted: 130 by
    Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    for number in signal.Signals:
        # What is ignored stays so, as under nohup.
        if number.name in ("SIGINT", "SIGTERM", "SIGHUP") and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    verbose = bool({"-v", "--verbose"} & set(sys.argv))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("layerwise: %(message)s"))
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR if "--quiet" in sys.argv else logging.WARNING,
        handlers=[handler],
    )
    sys.exit(_run(verbose))


def _run(verbose: bool) -> int:
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False, prog_name="layerwise")
        return code if isinstance(code, int) else 0
    except TyperException as error:
        return _fail(error.format_message().rstrip(".") + ". See layerwise --help.", error.exit_code)
    except LayerwiseError as error:
        if verbose:
            logging.getLogger(__name__).info("%s", error, exc_info=True)
        if isinstance(error, InputError):
            first, more = error.findings[0], len(error.findings) - 1
            also = f" And {more} more finding{'s' * (more > 1)}: -v lists them." if more else ""
            return _fail(first + also, 2)
        return _fail(str(error), 1)
    except BrokenPipeError:
        # The reader of our output left; a second complaint at exit is not wanted either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _Interrupted as stop:
        return _fail("interrupted; nothing half-written is left.", 128 + stop.signal)
    except MemoryError:
        return _fail("not enough memory. Use fewer rows, or a smaller --batch-size and --hidden.", 1)
    except Exception as error:
        if verbose:
            logging.getLogger(__name__).info("%s", error, exc_info=True)
        reason = " ".join(str(error).split())[:300]
        advice = "" if verbose else " Run again with -v for the details."
        return _fail(f"unexpected {type(error).__name__}: {reason}.{advice}", 1)


@final
class _Interrupted(BaseException):
    """Not KeyboardInterrupt, which typer turns into an exit without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise _Interrupted(number)


def _fail(message: str, code: int) -> int:
    sys.stderr.write("layerwise: " + visible(" ".join(message.split())) + "\n")
    return code


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)


def _out(value: Any, as_json: bool) -> None:
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
