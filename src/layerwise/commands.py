"""What each verb of the command line does; all of it through the estimators."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
from rich.table import Table as RichTable

from layerwise.data import Table, check_writable, datasets, read, write
from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.estimators import (
    AutoencoderDetector,
    DeepAutoencoder,
    StackedClassifier,
    StackedRegressor,
    load,
)
from layerwise.files import check_file
from layerwise.options import PREDICTORS, DataOptions, Estimator, FitOptions
from layerwise.report.words import describe as words
from layerwise.storage import model_folder, write_model
from layerwise.terminal import visible
from layerwise.training import Block, Boltzmann, History, Upto, View, describe

__all__ = [
    "FitResult",
    "as_table",
    "dry_run",
    "evaluate",
    "fit",
    "info",
    "list_datasets",
    "phases",
    "predict",
    "reconstruct",
    "report",
    "score",
    "transform",
]

logger = logging.getLogger(__name__)

TOLD = 20


@final
@dataclass(frozen=True)
class FitResult:
    """What `fit` has to tell; `signal` is the number of the one that ended it early, or 0."""

    metrics: dict[str, Any]
    summary: str
    signal: int


def dry_run(options: FitOptions) -> dict[str, Any]:
    """The recipe that `fit` would run, and nothing else."""
    table = _wanted(options)
    schema, model, recipe = options.estimator().plan(table)
    # The layers before the head: the widths that the views speak of.
    widths = model.widths[: 1 + len(model.encoder)]
    rows = zip(recipe, describe(recipe), strict=True)
    return {
        "rows": len(table),
        "features": schema.n_features,
        "widths": model.widths,
        "recipe": [{**plain, "widths": list(_trained(phase.view, widths))} for phase, plain in rows],
    }


def phases(plan: dict[str, Any]) -> list[dict[str, str]]:
    """The phases of a dry run as rows of a table."""
    return [
        {
            "phase": phase["name"],
            "widths": "-".join(map(str, phase["widths"])),
            "objective": _objective(phase),
            "optimizer": words(phase["optimizer"]),
            "epochs": str(phase["epochs"]),
            "batch": str(phase["batch_size"]),
        }
        for phase in plan["recipe"]
    ]


def _objective(phase: dict[str, Any]) -> str:
    penalties = phase["objective"]["penalties"].values()
    asked = [words(phase["objective"]["fidelity"]), *(f"{words(one)} x {words(penalty)}" for one, penalty in penalties)]
    corrupted = "" if phase["corruption"] is None else f", input: {words(phase['corruption'])}"
    return " + ".join(asked) + corrupted


def _trained(view: View, widths: Sequence[int]) -> Sequence[int]:
    """The widths of the part that a view trains, from its input to its code."""
    if isinstance(view, Block | Boltzmann):
        return widths[view.index : view.index + 2]
    return widths[: view.index + 2] if isinstance(view, Upto) else widths


def fit(options: FitOptions) -> FitResult:
    """Train, judge, and write the model folder, and the codes and the page where asked.

    Raises:
        InputError: for a missing output, one that would replace other things, or unusable data.
        ResourceError: when the output cannot be written; found before training starts.
    """
    if options.output is None:
        raise InputError("fit needs a place for the model: -o FOLDER.")
    estimator = options.estimator()
    for path in filter(None, (options.codes, options.report)):
        check_file(path)
    if options.codes is not None:
        check_writable(options.codes)
    with model_folder(options.output) as staging:
        table = _wanted(options)
        history = History(staging / "history.jsonl")
        estimator.fit(table, history=history, checkpoint=options.checkpoint)
        estimator.ignored_ = (*options.source.drop, *([options.source.label] if options.source.label else []))
        if options.source.label and not isinstance(estimator, DeepAutoencoder):
            estimator.metrics_["target"] = options.source.label
        write_model(staging, estimator.saved())
    if options.codes is not None:
        write(_codes(estimator, table), options.codes)
    if options.report is not None:
        report(options.output, None, output=options.report, device=options.device)
    if history.signal:
        more = "" if options.checkpoint is None else " The same command goes on from here."
        logger.warning("wrote %s with these weights.%s", options.output, more)
    return FitResult(estimator.metrics_, summary(estimator.metrics_), history.signal)


def transform(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write the code of each row."""
    check_writable(output)
    check_file(output)
    estimator = load(model, device=device)
    if isinstance(estimator, AutoencoderDetector):
        raise InputError(f"{model}: holds a detector, which has no codes. Use layerwise score, or fit an autoencoder.")
    write(_codes(estimator, _matching(estimator, source)), output)


def reconstruct(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write each row as it comes back from its code."""
    estimator = DeepAutoencoder.load(model, device=device)
    write(estimator.reconstruct_table(_matching(estimator, source)), output)


def predict(model: Path, source: DataOptions, *, output: Path, probabilities: bool, device: str) -> None:
    """Write the class or the number of each row, and the probability of each class where asked.

    Raises:
        InputError: for a model that predicts nothing, or probabilities of numbers.
    """
    check_writable(output)
    check_file(output)
    estimator = load(model, device=device)
    if not isinstance(estimator, StackedClassifier | StackedRegressor):
        raise InputError(f"{model}: holds a model that predicts nothing. Fit one with --task classify.")
    table = _matching(estimator, source)
    found = estimator.predict(table)
    columns = {"prediction": found}
    if found.ndim > 1:
        columns = {f"prediction{place}": column for place, column in enumerate(found.T)}
    if probabilities:
        if not isinstance(estimator, StackedClassifier):
            raise InputError("--probabilities are those of classes; this model predicts numbers.")
        shares = estimator.predict_proba(table)
        columns |= {f"p({name})": shares[:, place] for place, name in enumerate(estimator.classes_.tolist())}
    write(read(pa.table(columns)), output)


def score(model: Path, source: DataOptions, *, output: Path, causes: int, device: str) -> None:
    """Write score, probability and flag of each row; of flagged and of the strangest rows the columns that do it.

    Raises:
        InputError: for a model that is no detector.
    """
    check_writable(output)
    check_file(output)
    estimator = load(model, device=device)
    if not isinstance(estimator, AutoencoderDetector):
        raise InputError(f"{model}: holds no detector. Fit one with --task detect.")
    table = _matching(estimator, source)
    scores = estimator.anomaly_score(table)
    flagged = scores > -estimator.offset_
    columns: dict[str, Any] = {
        "score": scores,
        "probability": estimator.null_.probability(scores),
        "flagged": flagged.astype(np.int8),
    }
    told = np.unique([*np.flatnonzero(flagged), *np.argsort(-scores, kind="stable")[:TOLD]]).astype(np.int64)
    found = estimator.explain(table.take(told), causes) if causes else []
    texts = np.full((causes, len(scores)), "", dtype=object)
    for row, parts in zip(told.tolist(), found, strict=False):
        for place, (name, value) in enumerate(parts):
            texts[place, row] = f"{name} ({value:.3g})"
    columns |= {f"cause{place + 1}": pa.array(values.tolist(), pa.string()) for place, values in enumerate(texts)}
    write(read(pa.table(columns)), output)


def evaluate(model: Path, source: DataOptions, *, device: str) -> tuple[dict[str, Any], str]:
    """The figures of `fit` on the given rows, as values and in words."""
    estimator = load(model, device=device)
    metrics = estimator.evaluate(_judged(estimator, source))
    return metrics, summary(metrics)


def report(model: Path, source: DataOptions | None, *, output: Path, device: str) -> None:
    """Write the page, on the given rows or on those which `fit` held out."""
    estimator = load(model, device=device)
    estimator.report(output, None if source is None else _judged(estimator, source), title=model.name)


def info(model: Path) -> dict[str, Any]:
    """What is in a model folder, in short."""
    estimator = load(model, device="cpu")
    kinds = [column.kind for column in estimator.schema_.columns]
    keys = ["task", "rows", "held_out", "squared_error", "pca_squared_error", "ratio_to_pca", "verdict"]
    keys += ["error", "majority_error", "linear_error", "r2", "linear_r2", "rmse"]
    return {
        "model": str(model),
        "widths": estimator.model_.widths,
        "parameters": sum(parameter.numel() for parameter in estimator.model_.parameters()),
        "columns": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        **{key: estimator.metrics_[key] for key in keys if estimator.metrics_.get(key) is not None},
        "environment": estimator.environment_,
    }


def list_datasets() -> list[dict[str, Any]]:
    """The data sets that go by a name."""
    fields = ("name", "rows", "features", "licence", "origin")
    return [{field: vars(entry)[field] for field in fields} for entry in datasets()]


def summary(metrics: dict[str, Any]) -> str:
    """The figures in two or three lines.

    Raises:
        KeyError: for figures that are not those of `metrics_`.
    """
    if metrics.get("task") == "detect":
        return _anomalies(metrics)
    return _forecast(metrics) if "task" in metrics else _comparison(metrics)


def _anomalies(metrics: dict[str, Any]) -> str:
    rows, flagged = metrics["rows"], metrics["flagged"]
    threshold = f"their scores are above {metrics['threshold']:.4g}"
    told = f"{flagged} of {rows} rows are flagged ({flagged / rows:.2%}): {threshold}"
    if "auroc" not in metrics:
        return told
    return (
        f"{told}\n  {metrics['anomalies']} are labelled as anomalies, {metrics['anomalies_flagged']} of them flagged; "
        f"area under the ROC curve {metrics['auroc']:.4f}, average precision {metrics['average_precision']:.4f}"
    )


def _forecast(metrics: dict[str, Any]) -> str:
    rows = f"{metrics['rows']} {metrics['held_out'].removeprefix('rows ')}"
    fitted = f" (fitted to {metrics['linear_rows']} rows)"
    if metrics["task"] == "regress":
        linear = "" if metrics["linear_r2"] is None else f"   ridge regression {metrics['linear_r2']:.4g}{fitted}"
        r2 = "none for one row" if metrics["r2"] is None else f"{metrics['r2']:.4g}"
        return f"on {rows}: root mean squared error {metrics['rmse']:.4g}\n  R2 of the net {r2}{linear}"
    low, high = metrics["error_interval"]
    linear = "" if metrics["linear_error"] is None else f"   logistic regression {metrics['linear_error']:.2%}{fitted}"
    # Folders of the first versions do not say which class was the most frequent one.
    usual = "unknown" if metrics["majority_error"] is None else f"{metrics['majority_error']:.2%}"
    return (
        f"error on {rows}, {len(metrics['classes'])} classes:\n"
        f"  most frequent class {usual}{linear}\n"
        f"  net {metrics['error']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    )


def _comparison(metrics: dict[str, Any]) -> str:
    size, ratio, interval = metrics["n_components"], metrics["ratio_to_pca"], metrics["ratio_interval"]
    rows = metrics["held_out"].removeprefix("rows ")
    words = {
        "autoencoder": "the autoencoder is better",
        "pca": "PCA is better: use PCA, or train longer or wider",
        "tie": "no difference can be told" if interval else "too few rows to tell",
    }
    between = f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    told = "PCA is exact here" if ratio is None else f"{ratio:.3f}{between}: {words[metrics['verdict']]}"
    trust = metrics["trustworthiness"]
    trusted = f"; trustworthiness {trust['autoencoder']:.3f}, PCA's {trust['pca']:.3f}" if "pca" in trust else ""
    return "\n".join(
        [
            f"squared error on {metrics['rows']} {rows} (sum over {metrics['features']} features, scaled units):",
            f"  column means {metrics['mean_squared_error']:.4g}   PCA-{size} {metrics['pca_squared_error']:.4g}"
            f"   autoencoder-{size} {metrics['squared_error']:.4g}",
            f"  autoencoder / PCA = {told}{trusted}",
        ]
    )


def as_table(value: Any) -> RichTable:
    """A list of rows, or named values, as a table for a terminal."""
    table = RichTable(show_header=isinstance(value, list))
    if isinstance(value, list):
        for name in value[0] if value else []:
            table.add_column(_cell(name), overflow="fold")
        for row in value:
            table.add_row(*(_cell(cell) for cell in row.values()))
        return table
    for name, cell in value.items():
        table.add_row(_cell(name), _cell(cell))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{_cell(name)}: {_cell(item)}" for name, item in value.items())
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        return "\n\n".join(_cell(item) for item in value)
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))


def _codes(estimator: DeepAutoencoder | StackedClassifier | StackedRegressor, table: Table) -> Table:
    codes = estimator.transform(table)
    return Table.from_array(codes, names=tuple(f"code{i}" for i in range(codes.shape[1])))


def _wanted(options: FitOptions) -> Table:
    """The rows to fit to, with targets where they are to be predicted."""
    table = options.source.read()
    if options.task in PREDICTORS and table.labels is None:
        raise table.origin.error(
            f"--task {options.task} needs the column to predict; there are {listing(table.names)}. Say which: --target."
        )
    return table


def _judged(estimator: Estimator, source: DataOptions) -> Table:
    """The rows with the model's columns, and with targets where it predicts."""
    table = _matching(estimator, source)
    if isinstance(estimator, StackedClassifier | StackedRegressor) and table.labels is None:
        wanted = repr(estimator.metrics_["target"]) if "target" in estimator.metrics_ else "of the target"
        raise table.origin.error(f"to judge, column {wanted} is needed; found columns {listing(table.names)}.")
    return table


def _matching(estimator: Estimator, source: DataOptions) -> Table:
    """The rows with the model's columns: what `fit` dropped or took as a label is no feature here either."""
    table = source.read()
    extra = [name for name in estimator.ignored_ if name in table.names]
    target = estimator.metrics_.get("target")
    if target in extra:
        # A predictor is judged by it.
        table, extra = table.with_label(target), [name for name in extra if name != target]
    return table.drop(tuple(extra)) if extra else table
