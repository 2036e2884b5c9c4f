"""From encoded rows to a trained, compared model: what every estimator does after its own preparations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwise.data import Rows, Schema
from layerwise.diagnostics import Comparison, compare, passes, unit_activity
from layerwise.estimators.cross_validation import EndAfter, Run, choose_epochs
from layerwise.models import Network, PrincipalComponents
from layerwise.training import History, Recipe, fit

__all__ = ["Trained", "judge", "train"]

EXAMPLE_CODES = 1000
EXAMPLE_ROWS = 4
FEW_ROWS = 5


@final
@dataclass(frozen=True)
class Trained:
    """A model, the PCA it is compared with, its history, and the comparison with examples from the judging rows."""

    model: Network
    components: PrincipalComponents
    recipe: Recipe
    history: History
    judged: Rows
    metrics: dict[str, Any]
    examples: dict[str, Tensor] = field(default_factory=dict)


def train(
    make: Callable[[Rows], Network],
    recipe: Callable[[int], Recipe],
    *,
    schema: Schema,
    parts: Mapping[str, Rows],
    run: Run,
) -> Trained:
    """Train by the recipe, choose by validation or cross-validation, judge on held-out rows.

    Arguments:
        make: gives a model that is ready for training on the given rows.
        recipe: makes the phases for a number of training rows.
        schema: of the rows.
        parts: "train", "validation" and "held_out" rows, of which the last two may be empty; perhaps "test" rows.
        run: seed, device, watchers and history; with `folds` the epochs are chosen by cross-validation.
    """
    training, validation = parts["train"], parts["validation"]
    phases, model = recipe(len(training)), None
    if run.folds:
        epochs, model = choose_epochs(make, training, recipe, run)
        run.history.watch = (*run.history.watch, EndAfter(epochs))
    if model is None:
        model = make(training)
        fit(
            model,
            training,
            phases,
            validation=validation if len(validation) else None,
            seed=run.seed,
            runtime=run.runtime,
            history=run.history,
            checkpoint=run.part("train"),
        )
    what, judged = "held-out rows", parts["held_out"]
    if "test" in parts:
        what, judged = "test rows", parts["test"]
    elif not len(judged):
        what, judged = "training rows", training
    known = PrincipalComponents.fit(training, model.code)
    metrics, examples = judge(model, known, judged, schema=schema, what=what)
    return Trained(model, known, phases, run.history, judged, metrics, examples)


def judge(
    model: Network, components: PrincipalComponents, rows: Rows, *, schema: Schema, what: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The figures of a model on some rows beside PCA's, and examples for the report."""
    metrics = _metrics(compare(model, rows, components=components), schema, held_out=what)
    metrics["units"] = unit_activity(model, rows)
    sample = rows.take(torch.arange(0, len(rows), max(1, len(rows) // EXAMPLE_CODES))[:EXAMPLE_CODES])
    examples = _examples(model, components, sample)
    if sample.labels is not None:
        examples["labels"], metrics["label_names"] = _labels(sample.labels)
    return metrics, examples


def _labels(labels: NDArray[Any]) -> tuple[Tensor, list[str]]:
    """Numbers as they are; all else as places in a list of names, which comes with them."""
    if labels.dtype.kind in "biuf":
        return torch.from_numpy(labels.astype(np.float64)), []
    names, places = np.unique(labels.astype(str), return_inverse=True)
    return torch.from_numpy(places.reshape(-1)), names.tolist()


def _metrics(comparison: Comparison, schema: Schema, *, held_out: str) -> dict[str, Any]:
    """The figures of a comparison, with the errors of each source column (of each pixel for pictures)."""
    metrics = comparison.metrics()
    metrics["held_out"] = held_out
    if metrics["rows"] < FEW_ROWS or held_out == "training rows":
        metrics["verdict"], metrics["ratio_interval"] = "tie", None
    if schema.pixels is not None:
        shape = schema.pixels.shape
        metrics["pixels"] = {name: values.reshape(shape).tolist() for name, values in comparison.features.items()}
        return metrics
    metrics["columns"] = [
        {
            "name": block.column.name,
            "kind": block.kind,
            **{name: float(values[block.start : block.stop].sum()) for name, values in comparison.features.items()},
        }
        for block in schema.layout
    ]
    return metrics


def _examples(model: Network, components: PrincipalComponents, sample: Rows) -> dict[str, Tensor]:
    """What the report shows of some rows: their codes and errors, and 12 of them from the best to the worst."""
    codes, errors = [], []
    for batch, run in passes(model, sample):
        squares = (run.reconstruction - batch.x).square()
        codes.append(run.code)
        errors.append((squares if batch.observed is None else squares * batch.observed).sum(1))
    error = torch.cat(errors)
    order = error.argsort()
    count = min(EXAMPLE_ROWS, len(order))
    middle = max(0, len(order) // 2 - count // 2)
    chosen = torch.cat([order[:count], order[middle : middle + count], order[-count:]])
    batch = sample.batch(chosen)
    with torch.no_grad():
        reconstruction = model(batch.x.to(next(model.parameters()).device)).reconstruction.cpu()
    observed = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
    found = {
        "codes": torch.cat(codes),
        "error": error,
        "rows.input": batch.x,
        "rows.reconstruction": reconstruction,
        "rows.pca": components.reconstruct(components.fill(batch)),
        "rows.observed": observed.to(torch.uint8),
        "rows.error": error[chosen],
    }
    return {name: value.contiguous() for name, value in found.items()}
