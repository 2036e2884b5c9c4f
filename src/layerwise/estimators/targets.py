"""What is to be predicted: classes or numbers, known for some of the rows."""

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d
from torch import Tensor

from layerwise.data.fitting import is_identifier
from layerwise.data.table import Origin, Raw
from layerwise.errors import InputError
from layerwise.penalties import Fidelity, prediction_error, softmax_cross_entropy

__all__ = ["Classes", "Given", "Numbers", "Target", "has_value", "is_present"]

logger = logging.getLogger(__name__)

UNKNOWN = -1


@final
@dataclass(frozen=True, eq=False)
class Given:
    """Targets as they were given, one for each row, and what to call them in messages.

    Arguments:
        values: the targets.
        name: of their column.
        origin: of the rows.
        marked: whether -1 may be the mark of unlabelled rows, as in scikit-learn; a table leaves their cells empty.
    """

    values: Any
    name: str = "y"
    origin: Origin = field(default_factory=Origin)
    marked: bool = True

    def found(self, some: NDArray[np.bool_]) -> str:
        """The first of some cells, where it is, and how many there are."""
        return Raw(self.name, self.values, origin=self.origin).found(some)

    def refusal(self, bad: NDArray[np.bool_], what: str, *, remedy: str) -> InputError:
        """An error that names the column, the first bad cell and how many there are."""
        return self.origin.error(f"column {self.name!r} {what}; found {self.found(bad)}. {remedy}")


class Target(ABC):
    """How targets become what a net is trained on, and its outputs predictions.

    Attributes:
        task: "classify" or "regress".
        outputs: the width of the net's head.
        fidelity: that trains it.
        dtype: of known targets.
    """

    task: str
    dtype: np.dtype[Any]
    outputs: int
    fidelity: Fidelity

    @abstractmethod
    def known(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """True for the rows that have a target."""

    @abstractmethod
    def strata(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """Numbers of the kinds of rows that are divided in equal shares, -1 for rows without a target."""

    @abstractmethod
    def learned(self, y: NDArray[Any]) -> Self:
        """The same target, with what is to be known of the training rows' values.

        Arguments:
            y: of the training rows that have a target.
        """

    @abstractmethod
    def check(self, given: Given) -> None:
        """Whether predictions can be judged by these targets.

        Raises:
            InputError: for a class that was not among those fitted to.
        """

    @abstractmethod
    def encode(self, y: NDArray[Any]) -> Tensor:
        """Targets as the net is trained on them.

        Raises:
            InputError: for what the net cannot be trained on.
        """

    @classmethod
    @abstractmethod
    def read(cls, given: Given) -> Given:
        """The targets as an array with one row each.

        Raises:
            InputError: for what is no such thing.
        """

    @classmethod
    @abstractmethod
    def of(cls, given: Given) -> Self:
        """The target that known values show.

        Raises:
            InputError: when there is nothing to learn from them.
        """

    @classmethod
    @abstractmethod
    def restore(cls, settings: Mapping[str, Any]) -> Self:
        """The target that gave the settings.

        Raises:
            ValueError, KeyError, TypeError: where they do not describe one.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The same as plain values, from which `restore` makes it again."""

    @abstractmethod
    def predict(self, natural: NDArray[np.float32]) -> NDArray[Any]:
        """Predictions from the head's outputs, shape (rows, outputs)."""


@final
class Classes(Target):
    """One of several classes; unlabelled rows have NaN or None, and in arrays -1.

    Where the only two values are -1 and another, both are classes.

    Arguments:
        classes: in order; the number of a class is its place.
        majority: the number of the most frequent class of the training rows; None where it is not known.

    >>> target = Classes.of(Given(np.array(["b", "a", None], dtype=object)))
    >>> target.classes.tolist(), target.encode(np.array(["b", None], dtype=object)).tolist()
    (['a', 'b'], [1, -1])
    """

    task, fidelity = "classify", softmax_cross_entropy

    def __init__(self, classes: NDArray[Any], majority: int | None = None) -> None:
        self.classes, self.majority = classes, majority
        self.outputs, self.dtype = len(classes), classes.dtype

    @classmethod
    def read(cls, given: Given) -> Given:
        """The classes in one dimension."""
        try:
            given = replace(given, values=column_or_1d(given.values, warn=True))
        except ValueError as error:
            raise InputError(f"a classifier predicts one class for each row: {_line(error)}") from error
        _refuse_infinite(given)
        return given

    @classmethod
    def of(cls, given: Given) -> Self:
        """The classes of the labelled rows.

        Raises:
            InputError: for fewer than two classes, numbers that are no classes, or names of the rows.
        """
        present = is_present(given.values)
        labelled = _plain(given.values[present])
        if labelled.dtype.kind == "f" and (labelled % 1).any():
            present[present] = labelled % 1 != 0
            remedy = "Unknown label type: continuous; --task regress (StackedRegressor) predicts numbers."
            raise given.refusal(present, "must hold classes, texts or whole numbers", remedy=remedy)
        try:
            with warnings.catch_warnings():
                # Of so many classes that they may be numbers; those that name the rows are refused below.
                warnings.simplefilter("ignore", UserWarning)
                check_classification_targets(labelled)
            classes = np.unique(labelled)
        except (ValueError, TypeError) as error:
            raise InputError(f"classes must be all texts or all whole numbers: {_line(error)}") from error
        if classes.dtype.kind == "f" and not present.all():
            # Whole numbers that are of floating point for the sake of a NaN among them.
            classes = classes.astype(np.int64)
        if given.marked and classes.dtype.kind in "if" and len(classes) > 2 and UNKNOWN in classes:
            classes = classes[classes != UNKNOWN]
            count = int((labelled == UNKNOWN).sum())
            logger.warning("taken as unlabelled, since their class is -1: %s of %s rows.", count, len(present))
        _refuse_too_few_or_many(given, present, len(classes))
        return cls(classes)

    @classmethod
    def restore(cls, settings: Mapping[str, Any]) -> Self:
        """The target that gave the settings.

        Raises:
            ValueError: where they do not describe classes.
        """
        classes = np.array(settings["classes"])
        if classes.ndim != 1 or classes.dtype.kind not in "biufU" or len(classes) < 2:
            raise ValueError("the classes must be at least two numbers or texts")
        majority = settings.get("majority")
        if majority is not None and majority not in range(len(classes)):
            raise ValueError("the majority must be the number of a class")
        return cls(classes, majority)

    def settings(self) -> dict[str, Any]:
        """The classes, and the number of the most frequent one."""
        return {"task": self.task, "classes": self.classes.tolist(), "majority": self.majority}

    def known(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """True for the rows that have a class."""
        known = is_present(y)
        known[known] = np.isin(y[known], self.classes)
        return known

    def strata(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """The number of each row's class, -1 for none."""
        return self.encode(y).numpy()

    def learned(self, y: NDArray[Any]) -> Self:
        """The classes, of which the most frequent one is now known."""
        return type(self)(self.classes, int(self.encode(y).bincount().argmax()))

    def check(self, given: Given) -> None:
        """Every class is one of those fitted to; the mark of unlabelled rows is none.

        Raises:
            InputError: for another class.
        """
        strange = is_present(given.values) & ~self.known(given.values)
        if given.marked:
            strange[strange] = given.values[strange] != UNKNOWN
        if strange.any():
            remedy = "Leave these rows out, or fit on rows of that class too."
            raise given.refusal(strange, "must hold classes that fit has seen", remedy=remedy)

    def encode(self, y: NDArray[Any]) -> Tensor:
        """The number of each row's class, -1 for none."""
        known = self.known(y)
        places = np.full(len(y), UNKNOWN, np.int64)
        places[known] = np.searchsorted(self.classes, y[known].astype(self.classes.dtype))
        return torch.from_numpy(places)

    def predict(self, natural: NDArray[np.float32]) -> NDArray[Any]:
        """The most probable class of each row."""
        return self.classes[natural.argmax(1)]


@final
class Numbers(Target):
    """One or several numbers, standardized for the net; rows with a NaN among them are unlabelled.

    Arguments:
        center, scale: of each number over the labelled rows.
        flat: whether targets and predictions have one dimension.

    >>> target = Numbers.of(Given(np.array([1.0, np.nan, 3.0])))
    >>> target.encode(np.array([2.0, 3.0])).tolist(), target.predict(np.array([[1.0]], np.float32)).tolist()
    ([[0.0], [1.0]], [3.0])
    """

    task, fidelity = "regress", prediction_error

    def __init__(self, center: NDArray[np.float64], scale: NDArray[np.float64], *, flat: bool) -> None:
        self.center, self.scale, self.flat, self.outputs = center, scale, flat, len(center)
        self.dtype = np.dtype(np.float64)

    @classmethod
    def read(cls, given: Given) -> Given:
        """Numbers, perhaps NaN, in one dimension or two."""
        try:
            values = check_array(given.values, ensure_2d=False, dtype="numeric", ensure_all_finite=False)
        except (ValueError, TypeError) as error:
            cells = np.asarray(given.values, dtype=object)
            texts = np.array([isinstance(cell, str) for cell in cells.flat], np.bool_)
            if cells.ndim == 1 and texts.any():
                remedy = "--task classify (StackedClassifier) predicts texts; or predict another column."
                raise replace(given, values=cells).refusal(texts, "must hold numbers", remedy=remedy) from error
            raise InputError(f"a regressor predicts numbers: {_line(error)}") from error
        given = replace(given, values=values)
        _refuse_infinite(given)
        return given

    @classmethod
    def of(cls, given: Given) -> Self:
        """Their means and standard deviations.

        Raises:
            InputError: when no row has all its numbers.
        """
        wide = np.asarray(given.values, np.float64).reshape(len(given.values), -1)
        labelled = wide[np.isfinite(wide).all(1)]
        if not len(labelled):
            raise given.origin.error(
                f"a regressor needs rows with numbers to predict; found none in column {given.name!r}. Predict another."
            )
        scale = labelled.std(0)
        return cls(labelled.mean(0), np.where(scale > 0, scale, 1.0), flat=np.ndim(given.values) == 1)

    @classmethod
    def restore(cls, settings: Mapping[str, Any]) -> Self:
        """The target that gave the settings.

        Raises:
            ValueError: where they do not describe numbers.
        """
        center, scale = (np.array(settings[name], np.float64) for name in ("center", "scale"))
        if center.ndim != 1 or center.shape != scale.shape or not len(center):
            raise ValueError("center and scale must be as many numbers")
        return cls(center, scale, flat=bool(settings["flat"]))

    def settings(self) -> dict[str, Any]:
        """Means and standard deviations."""
        return {
            "task": self.task,
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "flat": self.flat,
        }

    def known(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """True for the rows that have all their numbers."""
        return np.asarray(np.isfinite(np.asarray(y, np.float64).reshape(len(y), -1)).all(axis=1))

    def strata(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """0 for rows with all their numbers, -1 for the others."""
        return np.where(self.known(y), 0, UNKNOWN)

    def learned(self, y: NDArray[Any]) -> Self:
        """The numbers, with the means and standard deviations of the training rows."""
        return self.of(Given(y))

    def check(self, given: Given) -> None:
        """Any number can be judged."""

    def encode(self, y: NDArray[Any]) -> Tensor:
        """The standardized numbers, shape (rows, outputs)."""
        wide = np.asarray(y, np.float64).reshape(len(y), -1)
        return torch.from_numpy(((wide - self.center) / self.scale).astype(np.float32))

    def predict(self, natural: NDArray[np.float32]) -> NDArray[Any]:
        """The numbers in their own units."""
        numbers = natural * self.scale + self.center
        return numbers[:, 0] if self.flat else numbers


def _refuse_infinite(given: Given) -> None:
    if given.values.dtype.kind not in "fO":
        return
    cells = given.values.reshape(len(given.values), -1)
    if cells.dtype.kind == "O":
        cells = np.vectorize(lambda cell: cell if isinstance(cell, float) else 0.0, otypes=[np.float64])(cells)
    bad = np.isinf(cells).any(1)
    if bad.any():
        remedy = f"Input {given.name} contains infinity: leave such cells empty, or leave out the rows."
        raise given.refusal(bad, "must be finite", remedy=remedy)


def _refuse_too_few_or_many(given: Given, present: NDArray[np.bool_], classes: int) -> None:
    """Fewer than two classes, or as many as there are rows."""
    if classes < 2:
        found = f"{classes} class{'' if classes else 'es'}"
        where = f", {given.found(present)}" if classes else ""
        raise given.origin.error(
            f"a classifier needs rows of at least two classes; found {found} in column {given.name!r}{where}. Give "
            "more rows, or predict another column."
        )
    # Beside unlabelled rows there may be one of each class.
    if is_identifier(len(present), classes):
        raise given.refusal(
            present,
            f"must hold classes that repeat, and has {classes:,} in {len(present):,} rows, as an identifier",
            remedy="Predict another column, or numbers by --task regress (StackedRegressor).",
        )


def _plain(labelled: NDArray[Any]) -> NDArray[Any]:
    """Numbers that are objects for the sake of a None among them, as numbers."""
    if labelled.dtype.kind != "O" or any(isinstance(value, str) for value in labelled):
        return labelled
    return np.array(labelled.tolist())


def is_present(values: NDArray[Any]) -> NDArray[np.bool_]:
    """True for each value that is one: neither None nor NaN, NaT or the NA of pandas.

    >>> is_present(np.array(["a", None, np.nan], dtype=object)).tolist()
    [True, False, False]
    """
    if values.dtype.kind == "O":
        return np.array([_is_itself(value) for value in values], dtype=np.bool_)
    return np.asarray(values == values)


def has_value(values: NDArray[Any]) -> NDArray[np.bool_]:
    """As `is_present`, where empty texts are no values either: those of a column of text that has gaps.

    >>> has_value(np.array(["a", "", "b"])).tolist()
    [True, False, True]
    """
    empty = np.array([isinstance(value, str) and not value for value in values], dtype=np.bool_)
    return is_present(values) & ~empty


def _is_itself(value: object) -> bool:
    """Whether a value is neither None nor NaN, which is not itself, nor the NA of pandas, of which nobody can say."""
    try:
        return value is not None and bool(value == value)
    except TypeError:
        return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
