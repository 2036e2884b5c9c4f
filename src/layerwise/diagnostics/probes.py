"""What can be read from a code: classes by a linear model and by neighbours, known factors by a small regressor."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layerwise.diagnostics.checks import check_paired, check_table
from layerwise.errors import InputError

__all__ = ["classification_error", "factor_recovery", "linear_probe", "nearest_probe"]

logger = logging.getLogger(__name__)

ITERATIONS = 1000
# The regressor of `factor_recovery`, chosen on 19 codes of 1 to 10 units (smooth maps of random factors; components and
# codes of pictures of arms, rooms and curves). Mean R^2 with 1000, 5000 and 20,000 training rows:
#   this one                    0.855  0.885  0.890
#   a network of 2 x 64 units   0.80   0.84   0.88
#   50 extremely random trees   0.78   0.83   0.86
#   boosted trees               0.77   0.83   0.84
#   10 weighted neighbours      0.76   0.82   0.85
# Trees and neighbours read a little more where a code is torn, networks and trees where units say nothing; twice the
# landmarks give 0.01 more and cost six times the time.
LANDMARKS = 500
CHOOSING_ROWS = 2000
SCALES = (0.1, 1.0, 10.0)
RIDGES = np.logspace(-6, 1, 8)


def classification_error(predicted: Shaped[np.ndarray, "rows"], true: Shaped[np.ndarray, "labels"]) -> float:
    """The share of rows whose class was not found, from 0 to 1 (not in percent).

    Raises:
        InputError: for no rows, or another number of predictions than of classes.

    >>> classification_error(np.array([1, 2, 3, 3]), np.array([1, 2, 3, 4]))
    0.25
    """
    if predicted.shape != true.shape or not predicted.size:
        raise InputError(
            f"there must be one prediction for each class, and at least one; got {len(predicted)} for {len(true)}."
        )
    return float(np.mean(predicted != true))


def linear_probe(
    codes: Float[np.ndarray, "rows units"],
    y: Shaped[np.ndarray, "labels"],
    *,
    test_codes: Float[np.ndarray, "test_rows test_units"],
    test_y: Shaped[np.ndarray, "test_labels"],
    strength: float = 1.0,
) -> float:
    """The error on test rows of a linear classifier of the code: logistic regression on standardized units.

    Arguments:
        codes, y: training rows and a class for each, numbers or names.
        test_codes, test_y: what the error is counted on; a class that was not trained is always an error.
        strength: scikit-learn's `C`; a smaller one keeps the weights smaller.

    Returns:
        the share of errors, from 0 to 1.

    Raises:
        InputError: for codes that are not finite, labels or widths that do not match, or a single class.

    Source: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".

    >>> codes, y = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array(["a", "a", "b", "b"])
    >>> linear_probe(codes, y, test_codes=codes, test_y=y)
    0.0
    """
    if not 0 < strength < float("inf"):
        raise InputError(f"strength must be above 0 and finite; got {strength}.")
    task = _task(codes, y, test_codes, test_y)
    if len(np.unique(task.known)) < 2:
        raise InputError("a linear probe needs at least 2 classes in the training rows; found 1.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(task.train, task.known)
    if probe[-1].n_iter_.max() >= ITERATIONS:
        logger.warning("the linear probe stopped after %d steps; its error may be a little too high.", ITERATIONS)
    return classification_error(probe.predict(task.test), task.hidden)


def nearest_probe(
    codes: Float[np.ndarray, "rows units"],
    y: Shaped[np.ndarray, "labels"],
    *,
    test_codes: Float[np.ndarray, "test_rows test_units"],
    test_y: Shaped[np.ndarray, "test_labels"],
    neighbors: int = 5,
) -> float:
    """The error on test rows of the most frequent class among the nearest codes.

    Distances are Euclidean in the units of the code, which are not changed: they are what the model made of them.

    Arguments:
        codes, y: training rows and a class for each, numbers or names.
        test_codes, test_y: what the error is counted on.
        neighbors: how many codes are asked.

    Returns:
        the share of errors, from 0 to 1.

    Raises:
        InputError: for codes that are not finite, labels or widths that do not match, or fewer codes than neighbours.

    Source: Cover & Hart 1967, "Nearest neighbor pattern classification".

    >>> codes, y = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array(["a", "a", "b", "b"])
    >>> nearest_probe(codes, y, test_codes=np.array([[0.4], [4.4]]), test_y=np.array(["a", "a"]), neighbors=1)
    0.5
    """
    task = _task(codes, y, test_codes, test_y)
    if not 1 <= neighbors <= len(task.train):
        raise InputError(f"neighbors must be from 1 to {len(task.train)}, the number of codes; got {neighbors}.")
    probe = KNeighborsClassifier(neighbors).fit(task.train, task.known)
    return classification_error(probe.predict(task.test), task.hidden)


def factor_recovery(
    codes: Float[np.ndarray, "rows units"],
    factors: Float[np.ndarray, "labels factors"],
    *,
    names: Sequence[str],
    test_codes: Float[np.ndarray, "test_rows test_units"],
    test_factors: Float[np.ndarray, "test_labels test_factors"],
    regressor: RegressorMixin | None = None,
    seed: int = 0,
) -> dict[str, float]:
    r"""How much of each known factor can be read from the code by a small non-linear regressor: R^2 on test rows.

    .. math:: R^2 = 1 - \sum_i (f_i - \hat f(h_i))^2 \Big/ \sum_i (f_i - \bar f)^2

    1 is all of it, 0 no more than the mean, and below 0 worse than that. It is a lower bound: another regressor may
    read more. For an angle give its sine and cosine, as `Pictures.targets` does.

    By default the regressor is kernel ridge regression on standardized units: a Gaussian kernel with 500 landmarks, its
    width out of three and its ridge out of eight chosen for each factor by leave-one-out errors on 2000 training rows.
    It reads smooth maps well from 1 to 10 units, and takes 1 to 4 s up to 20,000 rows. A code that is stretched or torn
    needs one that bends more, like scikit-learn's `MLPRegressor`, and ten times as long.

    Arguments:
        codes, factors: training rows, and the factors of each.
        names: of the columns of `factors`.
        test_codes, test_factors: what R^2 is computed on.
        regressor: another regressor of scikit-learn, which gets standardized units and factors.
        seed: of the choice of landmarks and rows.

    Returns:
        name -> R^2.

    Raises:
        InputError: for values that are not finite, shapes that do not match, or a factor that does not vary.

    Sources: Williams & Seeger 2001 for the landmarks; our own comparison for the choice.

    >>> h = np.linspace(-1, 1, 200)[:, None]
    >>> found = factor_recovery(h, np.sin(3 * h), names=["turn"], test_codes=h, test_factors=np.sin(3 * h))
    >>> round(found["turn"], 3)
    1.0
    """
    train, test = _matching(codes, test_codes)
    y = _factors("factors", factors, names=names, codes=train)
    truth = _factors("test factors", test_factors, names=names, codes=test)
    units, targets = StandardScaler().fit(train), StandardScaler().fit(y)
    known, hidden, wanted = units.transform(train), units.transform(test), targets.transform(y)
    if regressor is None:
        predicted = _kernel_ridge(known, wanted, test=hidden, seed=seed)
    else:
        fitted = clone(regressor).fit(known, wanted[:, 0] if wanted.shape[1] == 1 else wanted)
        predicted = np.reshape(fitted.predict(hidden), (len(hidden), -1))
    scores = r2_score(truth, targets.inverse_transform(predicted), multioutput="raw_values")
    return {name: float(score) for name, score in zip(names, scores, strict=True)}


@final
class _Task(NamedTuple):
    """Codes, and classes as numbers."""

    train: NDArray[np.float64]
    known: NDArray[np.int64]
    test: NDArray[np.float64]
    hidden: NDArray[np.int64]


def _task(codes: NDArray[Any], y: NDArray[Any], test_codes: NDArray[Any], test_y: NDArray[Any]) -> _Task:
    train, test = _matching(codes, test_codes)
    for name, labels, rows in (("labels", y, train), ("test labels", test_y, test)):
        check_paired(name, labels, codes=rows)
        if labels.ndim != 1 or (labels.dtype.kind == "f" and np.isnan(labels).any()):
            raise InputError(f"{name} must be one class for each row, none of them missing; got shape {labels.shape}.")
    try:
        numbers = np.unique(np.concatenate([y, test_y]), return_inverse=True)[1].reshape(-1)
    except TypeError as error:
        raise InputError(f"labels must all be numbers or all be names; {error}.") from error
    return _Task(train, numbers[: len(y)], test, numbers[len(y) :])


def _matching(codes: NDArray[Any], test_codes: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    train, test = check_table("codes", codes), check_table("test codes", test_codes)
    if train.shape[1] != test.shape[1]:
        raise InputError(f"test codes must have {train.shape[1]} units, as the codes have; got {test.shape[1]}.")
    return train, test


def _factors(
    what: str, factors: NDArray[Any], *, names: Sequence[str], codes: NDArray[np.float64]
) -> NDArray[np.float64]:
    table = check_table(what, factors)
    check_paired(f"rows of {what}", table, codes=codes)
    if len(names) != table.shape[1]:
        raise InputError(f"{what} must have a column for each of {len(names)} names; got {table.shape[1]}.")
    for name, spread in zip(names, np.ptp(table, axis=0), strict=True):
        if spread == 0:
            raise InputError(f"each column of {what} must vary; {name!r} does not. Leave it out.")
    return table


def _kernel_ridge(
    train: NDArray[np.float64], y: NDArray[np.float64], *, test: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Predictions for the test rows; all columns have variance 1."""
    sample = np.random.default_rng(seed).permutation(len(train))[:CHOOSING_ROWS]
    landmarks, gammas = min(LANDMARKS, len(train)), [scale / train.shape[1] for scale in SCALES]
    maps = [Nystroem(gamma=gamma, n_components=landmarks, random_state=seed).fit(train) for gamma in gammas]
    choosing = [RidgeCV(RIDGES, alpha_per_target=True) for _ in maps]
    chosen = [ridge.fit(made.transform(train[sample]), y[sample]) for made, ridge in zip(maps, choosing, strict=True)]
    best = np.argmax([np.reshape(choice.best_score_, -1) for choice in chosen], axis=0)
    predicted = np.empty((len(test), y.shape[1]))
    for place in np.unique(best):
        columns = best == place
        ridge = Ridge(np.reshape(chosen[place].alpha_, -1)[columns])
        ridge.fit(maps[place].transform(train), y[:, columns])
        predicted[:, columns] = ridge.predict(maps[place].transform(test)).reshape(len(test), -1)
    return predicted
