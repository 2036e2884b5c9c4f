"""The verbs that show what a model is worth, and what there is."""

from pathlib import Path
from typing import Any, Literal

from layerwise.commands.pictures import judge_pictures
from layerwise.commands.rows import ENCODERS, judged, loaded
from layerwise.commands.words import summary
from layerwise.data import datasets
from layerwise.errors import InputError
from layerwise.estimators import StackedClassifier, StackedRegressor, load
from layerwise.estimators import compare as cross_validated
from layerwise.estimators.loading import PictureModel, TextModel
from layerwise.files import check_file
from layerwise.options import DataOptions

__all__ = ["compare", "diagnose", "evaluate", "info", "list_datasets", "report"]

COMPARED: dict[str, Literal["classify", "regress"] | None] = {
    "auto": None,
    "classify": "classify",
    "regress": "regress",
}


def evaluate(model: Path, source: DataOptions, *, masks: Path | None = None, device: str) -> tuple[dict[str, Any], str]:
    """The figures of `fit` on the given rows or pictures, as values and in words."""
    estimator = load(model, device=device)
    if isinstance(estimator, PictureModel):
        metrics = judge_pictures(estimator, source, masks=masks)
        return metrics, summary(metrics)
    metrics = estimator.evaluate(judged(estimator, source))
    return metrics, summary(metrics)


def report(model: Path, source: DataOptions | None, *, output: Path, device: str) -> None:
    """Write the page, on the given rows or on those which `fit` held out."""
    estimator = load(model, device=device)
    if isinstance(estimator, PictureModel | TextModel):
        if source is not None:
            what = "pictures" if isinstance(estimator, PictureModel) else "sentences"
            raise InputError(f"{model}: the page of {what} is that of fit; leave {source.source} out.")
        estimator.report(output, title=model.name)
        return
    estimator.report(output, None if source is None else judged(estimator, source), title=model.name)


def diagnose(model: Path, source: DataOptions, *, output: Path, device: str) -> list[dict[str, Any]]:
    """Write the page of what is found of a model at some rows, and give the findings as plain values.

    Raises:
        InputError: for a model that `fit` made with another task than reconstruct, generate, classify or regress; rows
            without targets for a model that predicts.
    """
    check_file(output)
    lack = "cannot be diagnosed. Fit an autoencoder, by --task reconstruct or generate, or a net that predicts"
    estimator = loaded(model, (*ENCODERS, StackedClassifier, StackedRegressor), lack, device)
    findings = estimator.diagnosis_report(output, judged(estimator, source), title=model.name)
    rows = [finding.row() for finding in findings]
    return [{name: row[name] for name in ("name", "verdict", "advice", "figures")} for row in rows]


def info(model: Path) -> dict[str, Any]:
    """What is in a model folder, in short."""
    estimator = load(model, device="cpu")
    kinds = [column.kind for column in estimator.schema_.columns]
    keys = ["task", "rows", "held_out", "squared_error", "pca_squared_error", "ratio_to_pca", "verdict"]
    keys += ["psnr", "smoothed_psnr", "chrominance_error", "mean_chrominance_error", "mean_iou", "otsu_mean_iou"]
    keys += ["bleu", "greedy_bleu", "memory_bleu", "exact"]
    keys += ["flagged", "threshold", "auroc", "average_precision", "missing", "mean", "linear", "network", "evidence"]
    keys += ["error", "majority_error", "linear_error", "r2", "linear_r2", "rmse"]
    return {
        "model": str(model),
        "widths": estimator.model_.widths,
        "parameters": sum(parameter.numel() for parameter in estimator.model_.parameters()),
        "columns": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        **{key: estimator.metrics_[key] for key in keys if estimator.metrics_.get(key) is not None},
        "environment": estimator.environment_,
    }


def compare(source: DataOptions, *, task: str, code: int, repeats: int, seed: int) -> dict[str, Any]:
    """What codes are worth beside the raw columns, by cross-validation; plain values.

    Raises:
        InputError: for another task, or a target that it cannot be.
    """
    if task not in COMPARED:
        raise InputError(f"--task must be one of {', '.join(COMPARED)}; got {task!r}.")
    found = cross_validated(source.read(), code=code, repeats=repeats, task=COMPARED[task], random_state=seed)
    rows = [
        {
            "features": one.features,
            "learner": one.learner,
            "score": one.score,
            "against raw": one.difference,
            "95 % interval": list(one.interval),
            "verdict": one.verdict,
        }
        for one in found.findings()
    ]
    told = {"task": found.task, "metric": found.metric, "rows": found.rows, "code": found.code, "folds": 2 * repeats}
    return {**told, "findings": rows}


def list_datasets() -> list[dict[str, Any]]:
    """The data sets that go by a name."""
    fields = ("name", "rows", "features", "licence", "origin")
    return [{field: vars(entry)[field] for field in fields} for entry in datasets()]
