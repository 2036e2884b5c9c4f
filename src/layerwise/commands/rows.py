"""The model of a verb, and the rows that it works on."""

from pathlib import Path
from typing import TypeVar

from layerwise.data import Table
from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.estimators import (
    DeepAutoencoder,
    StackedClassifier,
    StackedRegressor,
    Translator,
    VariationalAutoencoder,
    load,
)
from layerwise.estimators.loading import Encoder, TextModel
from layerwise.options import TARGETED, DataOptions, Estimator, FitOptions

Kind = TypeVar("Kind", bound=Estimator)
ENCODERS = DeepAutoencoder, VariationalAutoencoder
Coder = Encoder | StackedClassifier | StackedRegressor

__all__ = ["ENCODERS", "Coder", "are_pictures", "codes", "judged", "loaded", "matching", "wanted"]


def codes(estimator: Coder, table: Table) -> Table:
    """The code of each row as a table."""
    found = estimator.transform(table)
    return Table.from_array(found, names=tuple(f"code{i}" for i in range(found.shape[1])))


def are_pictures(estimator: Estimator) -> bool:
    """Whether the rows of a model are pictures."""
    pixels = estimator.schema_.pixels
    return pixels is not None and len(pixels.shape) > 1


def wanted(options: FitOptions) -> Table:
    """The rows to fit to, with targets where they are to be predicted."""
    table = options.source.read()
    if options.task in TARGETED and table.labels is None:
        raise table.origin.error(
            f"--task {options.task} needs the column to predict; there are {listing(table.names)}. Say which: --target."
        )
    return table


def judged(estimator: Estimator | TextModel, source: DataOptions) -> Table:
    """The rows with the model's columns, and with targets where it predicts."""
    table = matching(estimator, source)
    if isinstance(estimator, StackedClassifier | StackedRegressor | Translator) and table.labels is None:
        wanted = repr(estimator.metrics_["target"]) if "target" in estimator.metrics_ else "of the target"
        raise table.origin.error(f"to judge, column {wanted} is needed; found columns {listing(table.names)}.")
    return table


def matching(estimator: Estimator | TextModel, source: DataOptions) -> Table:
    """The rows with the model's columns: what `fit` dropped or took as a label is no feature here either."""
    table = source.read()
    extra = [name for name in estimator.ignored_ if name in table.names]
    target = estimator.metrics_.get("target")
    if target in extra:
        # A predictor is judged by it.
        table, extra = table.with_label(target), [name for name in extra if name != target]
    return table.drop(tuple(extra)) if extra else table


def loaded(model: Path, kinds: tuple[type[Kind], ...], lack: str, device: str) -> Kind:
    """The estimator of a folder, of one of some kinds."""
    estimator = load(model, device=device)
    if not isinstance(estimator, kinds):
        raise InputError(f"{model}: holds a model that {lack}.")
    return estimator
