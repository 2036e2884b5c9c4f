"""Do codes help to predict? Raw columns, principal components, codes, and raw columns with codes, side by side."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, final, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as students_t
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layerwise.corruptions import SwapNoise
from layerwise.data import Schema, Table, read
from layerwise.data.repairs import told_once
from layerwise.errors import InputError
from layerwise.estimators.frames import is_frame
from layerwise.estimators.targets import Classes, Given, Numbers, has_value
from layerwise.estimators.transformer import DeepAutoencoder
from layerwise.models import Layer, relu
from layerwise.penalties import L1

__all__ = ["FEATURES", "Comparison", "Finding", "compare", "sparse_encoder", "task_of"]

FEATURES = ("raw", "PCA", "codes", "raw + codes")
REPEATS, LEAST_ROWS, CONFIDENCE = 5, 20, 0.95
# Whole numbers are classes where there are no more of them; and a class has two rows in each half.
MOST_CLASSES, LEAST_OF_CLASS = 10, 4

Array = NDArray[np.float64]
Task = Literal["classify", "regress"]


class Finding(NamedTuple):
    """How well a learner predicts from some features.

    Attributes:
        features: one of `FEATURES`.
        learner: its name.
        score: the mean of the folds.
        difference: from the same learner on the raw columns; 0 for these.
        interval: of the difference, 95 %.
        verdict: "better", "worse" or "no difference" than the raw columns; empty for these.
    """

    features: str
    learner: str
    score: float
    difference: float
    interval: tuple[float, float]
    verdict: str


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """The scores of each fold.

    Attributes:
        task: "classify" or "regress".
        metric: what the scores are: the area under the ROC curve (of several classes its mean, one against the rest),
            or R2.
        rows: how many were used.
        code: the size of the code.
        scores: (features, learner) -> a score for each fold, two of each repetition.
    """

    task: Task
    metric: str
    rows: int
    code: int
    scores: Mapping[tuple[str, str], Array]

    def findings(self) -> list[Finding]:
        """What the folds say, learner by learner."""
        found = []
        for learner in dict.fromkeys(name for _, name in self.scores):
            usual = self.scores["raw", learner]
            for features in FEATURES:
                scores = self.scores[features, learner]
                low, high = corrected_interval(scores - usual)
                verdict = "better" if low > 0 else "worse" if high < 0 else "no difference"
                told = "" if features == "raw" else verdict
                mean = float(np.mean(scores))
                found.append(Finding(features, learner, mean, float(np.mean(scores - usual)), (low, high), told))
        return found


def compare(
    X: Any,
    y: Any = None,
    *,
    code: int = 100,
    repeats: int = REPEATS,
    task: Task | None = None,
    learners: Mapping[str, BaseEstimator] | None = None,
    encoder: Callable[[int, int], DeepAutoencoder] | None = None,
    random_state: int = 0,
) -> Comparison:
    """Cross-validate learners on raw columns, on principal components, on codes, and on raw columns with codes.

    In each fold everything is fitted to its training half alone: the scales, the components, the autoencoder (which
    does not see the target) and the learner. Two folds, several times.

    Arguments:
        X: array, frame or `layerwise.data.Table`, which may bring its target as labels; NaN where missing.
        y: the target of each row; rows without one (NaN, None, empty) are left out. None takes the table's labels.
        code: size of the code, and of the principal components as far as there are so many.
        repeats: how often the rows are halved anew.
        task: "classify" or "regress"; None goes by the target: texts are classes, and so are up to ten whole numbers;
            other numbers are regressed.
        learners: name -> scikit-learn estimator; None is a linear model and boosted trees (of XGBoost, where it is
            installed, else scikit-learn's).
        encoder: makes the autoencoder of a code size and a seed; None is `sparse_encoder`.
        random_state: seed of everything random.

    Raises:
        InputError: for fewer than 20 rows with a target, a target of one value, classes of fewer than four rows, texts
            to be regressed, or another task.

    Sources: Dietterich 1998 (5 x 2 cross-validation); Nadeau & Bengio 2003 (the interval).
    """
    if task is not None and task not in get_args(Task):
        raise InputError(f"task must be {' or '.join(get_args(Task))}, or None to go by the target; got {task!r}.")
    table = X if isinstance(X, Table) else read(X) if is_frame(X) else Table.from_array(np.asarray(X))
    name = table.label if y is None and table.label else "y"
    values = _target(table, y)
    table = Table(table.names, table.raws, table.array, table.named, table.shape, origin=table.origin)
    known = np.flatnonzero(has_value(values))
    values, table = values[known], table.take(known)
    kind = task or task_of(values)
    if len(known) < LEAST_ROWS or len(np.unique(values.astype(str))) < 2:
        raise table.origin.error(
            f"a comparison needs at least {LEAST_ROWS} rows with a target, of at least two values; found {len(known)} "
            f"rows and {len(np.unique(values.astype(str)))} values."
        )
    wanted = _wanted(Given(values, name, table.origin, marked=False), kind)
    given = dict(learners or _learners(kind, random_state))
    scores: dict[tuple[str, str], list[float]] = {(part, name): [] for part in FEATURES for name in given}
    make = encoder or sparse_encoder
    with told_once():
        for number, (train, test) in enumerate(_folds(wanted, kind, repeats, random_state)):
            sets = _features(table, train, test, make(code, random_state + number), code)
            for (part, name), found in scores.items():
                learner = clone(given[name]).fit(sets[part][0], wanted[train])
                found.append(_score(learner, sets[part][1], wanted[test], kind))
    metric = "area under the ROC curve" if kind == "classify" else "R2"
    return Comparison(kind, metric, len(known), code, {key: np.array(found) for key, found in scores.items()})


def task_of(values: NDArray[Any]) -> Task:
    """What a target is for, where nobody says it.

    >>> task_of(np.array([3, 5, 4])), task_of(np.array([0.5, 1.0, 1.5])), task_of(np.arange(11))
    ('classify', 'regress', 'regress')
    """
    values = np.array(values.tolist()) if values.dtype.kind == "O" else values
    if values.dtype.kind not in "biuf":
        return "classify"
    distinct = np.unique(values)
    whole = bool((distinct == np.round(distinct)).all())
    return "classify" if whole and len(distinct) <= MOST_CLASSES else "regress"


def sparse_encoder(code: int, seed: int) -> DeepAutoencoder:
    """An over-complete autoencoder with one layer of rectified units, most of which are 0 for each row.

    Its input gets noise that gives cells the values of other rows, so that it must know what belongs together.

    Arguments:
        code: how many units.
        seed: of everything random.
    """
    return DeepAutoencoder(
        code,
        hidden_layer_sizes=(),
        layer=Layer(relu),
        code_activation=relu,
        linear_path=False,
        corruption=SwapNoise(0.15),
        penalties={"sparsity": (0.01, L1(layers="code"))},
        max_epochs=60,
        test_fraction=0.0,
        validation_fraction=0.0,
        random_state=seed,
    )


def corrected_interval(differences: Array) -> tuple[float, float]:
    """The 95 % interval of the mean difference over folds of two, which share their rows.

    The variance counts once more for the other half. Source: Nadeau & Bengio 2003, equation 9.

    >>> corrected_interval(np.array([0.1, 0.1, 0.1, 0.1]))
    (0.1, 0.1)
    """
    count, mean = len(differences), float(np.mean(differences))
    deviation = float(np.std(differences, ddof=1)) if count > 1 else 0.0
    half = float(students_t.ppf((1 + CONFIDENCE) / 2, max(count - 1, 1))) * deviation * (1 / count + 1) ** 0.5
    return mean - half, mean + half


def _target(table: Table, y: Any) -> NDArray[Any]:
    if y is None and table.labels is None:
        raise InputError("a comparison needs a target for each row; give y, or a table with labels.")
    values = np.asarray(table.labels if y is None else y)
    if values.shape != (len(table),):
        raise InputError(f"there must be one target for each of the {len(table)} rows; found the shape {values.shape}.")
    return values


def _wanted(given: Given, task: Task) -> NDArray[Any]:
    """The number of each row's class, or its number."""
    if task == "regress":
        return np.asarray(Numbers.read(given).values, np.float64)
    classes = Classes.of(Classes.read(given))
    numbers = classes.encode(given.values).numpy()
    rare = np.bincount(numbers)[numbers] < LEAST_OF_CLASS
    if rare.any():
        remedy = "Leave these rows out, join classes, or predict numbers with task regress."
        raise given.refusal(rare, f"must hold classes of at least {LEAST_OF_CLASS} rows", remedy=remedy)
    return numbers


def _learners(task: Task, seed: int) -> dict[str, BaseEstimator]:
    classify = task == "classify"
    linear = LogisticRegression(max_iter=1000) if classify else RidgeCV(np.logspace(-2, 4, 13))
    found: dict[str, BaseEstimator] = {"linear": make_pipeline(StandardScaler(), linear)}
    if importlib.util.find_spec("xgboost"):
        from xgboost import XGBClassifier, XGBRegressor

        found["XGBoost"] = (XGBClassifier if classify else XGBRegressor)(random_state=seed, n_jobs=1)
    else:
        boosted = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        found["boosted trees"] = boosted(random_state=seed)
    return found


def _folds(wanted: NDArray[Any], task: Task, repeats: int, seed: int) -> Iterator[tuple[Any, Any]]:
    kind = RepeatedStratifiedKFold if task == "classify" else RepeatedKFold
    yield from kind(n_splits=2, n_repeats=repeats, random_state=seed).split(wanted, wanted)


def _features(
    table: Table, train: NDArray[np.int64], test: NDArray[np.int64], encoder: DeepAutoencoder, code: int
) -> dict[str, tuple[Array, Array]]:
    """Each kind of features of the training rows and of the others."""
    parts = [table.take(train), table.take(test)]
    schema = Schema.fit(parts[0])
    told: set[str] = set()
    raw = [schema.encode(part, told=told).batch(slice(None)).x.numpy().astype(np.float64) for part in parts]
    pca = PCA(min(code, *raw[0].shape), random_state=0).fit(raw[0])
    components = [pca.transform(part) for part in raw]
    encoder.fit(parts[0])
    codes = [encoder.transform(part).astype(np.float64) for part in parts]
    both = [np.hstack(pair) for pair in zip(raw, codes, strict=True)]
    return dict(zip(FEATURES, ((a, b) for a, b in (raw, components, codes, both)), strict=True))


def _score(learner: Any, x: Array, wanted: NDArray[Any], task: Task) -> float:
    if task == "regress":
        return float(r2_score(wanted, learner.predict(x)))
    shares = learner.predict_proba(x)
    if shares.shape[1] == 2:
        return float(roc_auc_score(wanted, shares[:, 1]))
    return float(roc_auc_score(wanted, shares, multi_class="ovr"))
