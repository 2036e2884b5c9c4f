"""Fit: train, judge, and write what was asked for."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from layerwise.commands.pictures import fit_pictures, plan_pictures
from layerwise.commands.rows import Coder, codes, wanted
from layerwise.commands.view import report
from layerwise.commands.words import summary
from layerwise.data import Schema, Table, check_output, write
from layerwise.errors import InputError
from layerwise.estimators import AutoencoderImputer, Translator
from layerwise.estimators.loading import Encoder, PictureModel, RowsModel
from layerwise.files import check_file
from layerwise.models import Model, Predictor
from layerwise.options import FitOptions
from layerwise.report.words import describe as words
from layerwise.storage import model_folder, write_model
from layerwise.training import Block, Boltzmann, History, Recipe, Upto, View, describe

__all__ = ["FitResult", "dry_run", "fit", "phases"]

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class FitResult:
    """What `fit` has to tell; `signal` is the number of the one that ended it early, or 0."""

    metrics: dict[str, Any]
    summary: str
    signal: int


def dry_run(options: FitOptions) -> dict[str, Any]:
    """The recipe that `fit` would run, and nothing else."""
    estimator = options.estimator()
    planned: tuple[Schema, Model, Recipe]
    if isinstance(estimator, PictureModel):
        count, planned = plan_pictures(estimator, options.source, masks=options.masks)
    else:
        table = wanted(options)
        count, planned = len(table), estimator.plan(table)
    schema, model, recipe = planned
    # The layers before the head: the widths that the views speak of.
    widths = model.widths[:-1] if isinstance(model, Predictor) else model.widths
    rows = zip(recipe, describe(recipe), strict=True)
    return {
        "rows": count,
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
    if options.report is not None:
        check_file(options.report)
    if options.codes is not None:
        check_output(options.codes)
    table: Table | None = None
    with model_folder(options.output) as staging:
        history = History(staging / "history.jsonl")
        if isinstance(estimator, PictureModel):
            fit_pictures(estimator, options.source, masks=options.masks, history=history, checkpoint=options.checkpoint)
        else:
            table = wanted(options)
            estimator.fit(table, history=history, checkpoint=options.checkpoint)
            _leave_out(estimator, options)
        write_model(staging, estimator.saved())
    if options.codes is not None and table is not None and isinstance(estimator, Coder):
        write(codes(estimator, table), options.codes)
    if options.report is not None:
        report(options.output, None, output=options.report, device=options.device)
    if history.signal:
        more = "" if options.checkpoint is None else " The same command goes on from here."
        logger.warning("wrote %s with these weights.%s", options.output, more)
    return FitResult(estimator.metrics_, summary(estimator.metrics_), history.signal)


def _leave_out(estimator: RowsModel | Translator, options: FitOptions) -> None:
    """What was dropped or was the label is no feature of other rows either."""
    label = options.source.label
    estimator.ignored_ = (*options.source.drop, *([label] if label else []))
    if label and not isinstance(estimator, Encoder | AutoencoderImputer):
        estimator.metrics_["target"] = label
