"""From encoded rows and targets to a trained, judged predictor: what stacked classifiers and regressors share."""

import logging
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from torch import Tensor

from layerwise.data import Rows
from layerwise.diagnostics import passes
from layerwise.errors import ModelFileError
from layerwise.estimators.cross_validation import Run
from layerwise.estimators.targets import Classes, Target
from layerwise.models import Autoencoder, Dense, Predictor
from layerwise.randomness import generator
from layerwise.runtime import Runtime
from layerwise.storage import SavedModel, load_model
from layerwise.training import Phase, Recipe, Targeted, check, fit

__all__ = [
    "Division",
    "check_stacked",
    "codes",
    "divide_labelled",
    "judge_predictions",
    "linear_baseline",
    "load_predictor",
    "outputs",
    "train_stacked",
]

Kind = TypeVar("Kind", bound=Target)

logger = logging.getLogger(__name__)

FEW_ROWS = 1000
BASELINE_ROWS = 10_000
CHUNK = 2048
SHOWN_CLASSES = 50


@final
@dataclass(frozen=True)
class Division:
    """Row numbers: `train` and the `labelled` ones among them move the weights; the others are all labelled.

    `validation` chooses among the weights, `held_out` is seen only at the end.
    """

    train: Tensor
    labelled: Tensor
    validation: Tensor
    held_out: Tensor


def divide_labelled(
    strata: NDArray[np.int64], validation_fraction: float, *, test_fraction: float, seed: int
) -> Division:
    """Divide rows at random, the same way for the same seed; with fewer than 1000 labelled rows none validate.

    Of each stratum the parts have their share, and training has at least one row.

    Arguments:
        strata: the number of each row's stratum, -1 for rows without a target.
        validation_fraction, test_fraction: shares of the labelled rows.
        seed: of the division.

    >>> parts = divide_labelled(np.where(np.arange(3000) < 2000, 0, -1), 0.1, test_fraction=0.2, seed=0)
    >>> [len(part) for part in vars(parts).values()]
    [2400, 1400, 200, 400]
    """
    of = torch.from_numpy(strata)
    labelled = (of >= 0).nonzero().squeeze(1)
    order = labelled[torch.randperm(len(labelled), generator=generator(seed, -1))]
    order = order[of[order].argsort(stable=True)]
    # The first row of each stratum trains.
    free = order[1:][of[order].diff() == 0]
    validation = round(len(order) * validation_fraction) if len(order) >= FEW_ROWS else 0
    away = _spread(free, validation + round(len(order) * test_fraction))
    chosen = torch.isin(away, _spread(away, validation))
    trains = torch.ones(len(of), dtype=torch.bool)
    trains[away] = False
    train = trains.nonzero().squeeze(1)
    return Division(train, train[of[train] >= 0], away[chosen].sort().values, away[~chosen].sort().values)


def _spread(rows: Tensor, count: int) -> Tensor:
    """So many of the rows, at equal distances."""
    count = min(count, len(rows))
    return rows[(2 * torch.arange(count) + 1) * len(rows) // max(1, 2 * count)]


def check_stacked(
    autoencoder: Dense,
    predictor: Predictor,
    recipe: Recipe,
    *,
    rows: Rows,
    y: Tensor,
    parts: Division,
    runtime: Runtime,
) -> None:
    """Try every phase, since what could not end shall not begin.

    Arguments:
        autoencoder, predictor, recipe, rows, y, parts: as in `train_stacked`.
        runtime: device and precision.

    Raises:
        InputError: names the phase.
    """
    before, after = _halves(recipe)
    check(autoencoder, rows.take(parts.train), recipe=before, runtime=runtime)
    check(predictor, Targeted(rows.take(parts.labelled), y[parts.labelled]), recipe=after, runtime=runtime)


def _halves(recipe: Recipe) -> tuple[list[Phase], list[Phase]]:
    """The phases without targets and those with targets."""
    supervised = [phase for phase in recipe if phase.objective.supervised]
    return [phase for phase in recipe if not phase.objective.supervised], supervised


def train_stacked(
    autoencoder: Dense, predictor: Predictor, recipe: Recipe, *, rows: Rows, y: Tensor, parts: Division, run: Run
) -> None:
    """Run the phases without targets on the autoencoder and all rows, those with targets on the predictor.

    Arguments:
        autoencoder: whose layers are pre-trained.
        predictor: takes them over and is trained in place.
        recipe: the phases; those whose fidelity is supervised come after the others.
        rows: all rows.
        y: their encoded targets.
        parts: which rows train and which choose.
        run: seed, device, history and checkpoints.
    """
    before, after = _halves(recipe)
    training = Targeted(rows.take(parts.labelled), y[parts.labelled])
    train = partial(fit, seed=run.seed, runtime=run.runtime, history=run.history)
    chosen = parts.validation if len(parts.validation) else None
    if before:
        validation = None if chosen is None else rows.take(chosen)
        train(autoencoder, rows.take(parts.train), before, validation=validation, checkpoint=run.part("layers"))
        predictor.start_from(autoencoder)
    if run.history.interrupted:
        logger.warning("interrupted before the net was fine-tuned: it predicts nothing yet.")
    elif after:
        validating = None if chosen is None else Targeted(rows.take(chosen), y[chosen])
        train(predictor, training, after, validation=validating, checkpoint=run.part("whole"))
    predictor.to(run.runtime.torch_device)
    predictor.eval()


def outputs(model: Predictor, rows: Rows) -> NDArray[np.float32]:
    """The head's outputs, shape (rows, outputs)."""
    found = [run.natural for _, run in passes(model, rows)]
    return torch.cat(found).numpy() if found else np.empty((0, model.outputs), np.float32)


def codes(model: Autoencoder, rows: Rows, width: int) -> NDArray[np.float32]:
    """The code of each row, shape (rows, width)."""
    found = [run.code for _, run in passes(model, rows)]
    return torch.cat(found).numpy() if found else np.empty((0, width), np.float32)


def judge_predictions(
    predicted: NDArray[Any],
    y: NDArray[Any],
    *,
    target: Target,
    what: str,
    baseline: Callable[[], tuple[NDArray[Any], int]] | None,
) -> dict[str, Any]:
    """The figures of predictions on rows whose targets are known, beside those of simple ones.

    Arguments:
        predicted: by the model.
        y: what was to be predicted.
        target: the kind of target.
        what: the rows, in words.
        baseline: gives the predictions of a linear model and the number of rows that it was fitted to; None for none.
    """
    metrics: dict[str, Any] = {"task": target.task, "rows": len(y), "held_out": what}
    linear, seen = (None, 0) if baseline is None else baseline()
    if isinstance(target, Classes):
        metrics |= _class_metrics(predicted, y.astype(target.dtype), target)
        metrics["linear_error"] = None if linear is None else float((linear != y).mean())
    else:
        # Of one number there may be a column here and a flat array there.
        predicted, y = predicted.reshape(len(y), -1), y.reshape(len(y), -1)
        metrics |= {"r2": _r2(y, predicted), "rmse": float(np.sqrt(np.mean((predicted - y) ** 2)))}
        metrics["linear_r2"] = None if linear is None else _r2(y, linear)
    metrics["linear_rows"] = seen
    return metrics


def linear_baseline(target: Target, rows: Rows, y: NDArray[Any], judged: Rows) -> tuple[NDArray[Any], int]:
    """What logistic or ridge regression predicts, fitted to at most 10,000 of the training rows.

    Arguments:
        target: the kind of target.
        rows, y: training rows and their targets.
        judged: the rows to predict.

    Returns:
        The predictions, and the number of rows fitted to.
    """
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), BASELINE_ROWS)).astype(int)
    wanted = y[chosen].astype(target.dtype)
    if isinstance(target, Classes) and (wanted == wanted[0]).all():
        # Where all rows of the others are passed over, there is nothing to divide.
        return np.full(len(judged), wanted[0]), len(chosen)
    model = LogisticRegression(max_iter=200) if isinstance(target, Classes) else Ridge()
    with warnings.catch_warnings():
        # After so many steps it is good enough to be beaten; who fits the net has not asked for this one. Nor does
        # it matter whether scikit-learn finds the classes many.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(rows.batch(chosen).x.numpy(), wanted)
    pieces = torch.arange(len(judged)).split(CHUNK)
    return np.concatenate([model.predict(judged.batch(index).x.numpy()) for index in pieces]), len(chosen)


def load_predictor(
    folder: str | os.PathLike[str], kind: type[Kind], *, device: str
) -> tuple[SavedModel, Predictor, Kind]:
    """A model folder that holds a predictor of some kind of target, which is moved to a device.

    Raises:
        ModelFileError: when it cannot be read, or holds another kind of model.
    """
    saved = load_model(folder)
    settings = saved.settings.get("target", {"task": "reconstruct"})
    task = settings.get("task") if isinstance(settings, dict) else None
    if not isinstance(saved.model, Predictor) or task != kind.task:
        raise ModelFileError(f"{folder}: must hold a model with the task {kind.task!r}; found {task!r}.")
    saved.model.to(Runtime(device, "float32").torch_device)
    try:
        target = kind.restore(settings)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{folder}: config.json does not say what is predicted ({error}). Fit it again."
        ) from error
    if target.outputs != saved.model.outputs:
        raise ModelFileError(f"{folder}: config.json has {target.outputs} targets, the model {saved.model.outputs}.")
    return saved, saved.model, target


def _class_metrics(predicted: NDArray[Any], y: NDArray[Any], target: Classes) -> dict[str, Any]:
    error = float((predicted != y).mean())
    metrics = {
        "classes": [str(one) for one in target.classes.tolist()],
        "error": error,
        "error_interval": list(_wilson(error, len(y))),
        "majority_error": None if target.majority is None else float((y != target.classes[target.majority]).mean()),
    }
    if target.outputs <= SHOWN_CLASSES:
        pairs = target.encode(y) * target.outputs + target.encode(predicted)
        metrics["confusion"] = pairs.bincount(minlength=target.outputs**2).view(-1, target.outputs).tolist()
    return metrics


def _wilson(share: float, rows: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    center = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    # Of rounding a bound may fall short of 0 or 1.
    return max(0.0, center - half), min(1.0, center + half)


def _r2(y: NDArray[Any], predicted: NDArray[Any]) -> float | None:
    return float(r2_score(y, predicted)) if len(y) > 1 else None
