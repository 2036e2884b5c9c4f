"""The verb that trains."""

from pathlib import Path
from typing import Annotated, Any

import typer

from layerwise.cli.app import Data, DataDir, Device, Drop, Json, Label, Member, Quiet, Seed, Verbose, app, names, out

__all__ = ["fit"]


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
        typer.Option(
            "--hidden",
            "--hidden-layer-sizes",
            help="Widths like 1000,500,250; for pictures also residual or convolutional; to translate recurrent or "
            "transformer.",
        ),
    ] = "auto",
    scaling: Annotated[str, typer.Option(help='"auto", "standard", "common", "minmax" or "none".')] = "auto",
    fidelity: Annotated[str, typer.Option(help='"auto", "squared_error", "mixed" or "cross_entropy".')] = "auto",
    initializer: Annotated[
        str | None,
        typer.Option(
            help="First weights of dense layers: orthogonal (also orthogonal:critical), glorot, he, he:0.5, "
            "gaussian:0.01, identity:0.01, sparse:15, lsuv or pca."
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            help="reconstruct, generate, classify, regress, detect, impute; of pictures: denoise, colorize, segment; "
            "of sentences: translate."
        ),
    ] = "reconstruct",
    target: Annotated[str | None, typer.Option(help="The column to predict; empty cells are unlabelled rows.")] = None,
    contamination: Annotated[
        float | None, typer.Option(help="Share of anomalies that detect flags; by default it decides.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=2, help="The rows are a series: detect judges each point with those before it, so many in all."
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="What denoise takes away: gaussian, salt_and_pepper or masking, like gaussian:0.3."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="What segment learns: a folder with a PNG mask of each picture's name.")
    ] = None,
    label: Label = None,
    drop: Drop = None,
    member: Member = None,
    data_dir: DataDir = None,
    recipe: Annotated[str, typer.Option(help="How to train, like hinton2006; auto goes by the task.")] = "auto",
    recipe_path: Annotated[
        Path | None, typer.Option("--recipe-file", help="A recipe that search wrote; it has the code and the layers.")
    ] = None,
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
    from layerwise.options import (
        DataOptions,
        FitOptions,
        checkpoint_settings,
        label_of,
        recipe_file,
        recipe_name,
        recipe_settings,
    )

    numbers = {"epochs": max_epochs, "batch_size": batch_size}
    said: dict[str, object] = {"--recipe": recipe, "--code": code, "--hidden": hidden, "--initializer": initializer}
    said |= {"--set": settings, "--config": config, "--epochs": max_epochs, "--batch-size": batch_size}
    options = FitOptions(
        source=DataOptions(data, data_dir, label_of(task, target, label), names(drop), member),
        task=task,
        output=output,
        code=code,
        hidden=hidden,
        scaling=scaling,
        fidelity=fidelity,
        initializer=initializer,
        contamination=contamination,
        window=window,
        noise=noise,
        masks=masks,
        seed=seed,
        device=device,
        precision=precision,
        recipe=recipe_settings(recipe_name(recipe, task), settings or [], config, numbers),
        found=recipe_file(recipe_path, said),
        checkpoint=checkpoint_settings(checkpoint, every, every_steps, fresh),
        codes=codes,
        report=report,
        progress=not quiet,
    )
    if dry_run:
        _tell(commands.dry_run(options), as_json)
        return
    result = commands.fit(options)
    out(result.metrics if as_json else ("" if quiet else result.summary), as_json)
    if result.signal:
        raise typer.Exit(128 + result.signal)


def _tell(plan: dict[str, Any], as_json: bool) -> None:
    """What a dry run found."""
    from layerwise import commands

    if not as_json:
        out(f"{plan['rows']} rows, {plan['features']} features, layers {plan['widths']}", as_json)
    out(plan if as_json else commands.phases(plan), as_json)
