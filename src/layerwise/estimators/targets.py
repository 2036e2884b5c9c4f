"""What is to be predicted: classes or numbers, known for some of the rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_array, column_or_1d
from torch import Tensor

from layerwise.errors import InputError
from layerwise.penalties import Fidelity, prediction_error, softmax_cross_entropy

__all__ = ["Classes", "Numbers", "Target"]

UNKNOWN = -1


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
    def check(self, y: NDArray[Any]) -> None:
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
    def read(cls, y: Any) -> NDArray[Any]:
        """Targets as an array with one row each.

        Raises:
            ValueError: for what is no such thing, as scikit-learn says it.
        """

    @classmethod
    @abstractmethod
    def of(cls, y: NDArray[Any]) -> Self:
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
    """One of several classes; unlabelled rows have -1, NaN or None.

    Where the only two values are -1 and another, both are classes.

    Arguments:
        classes: in order; the number of a class is its place.

    >>> target = Classes.of(np.array(["b", "a", None], dtype=object))
    >>> target.classes.tolist(), target.encode(np.array(["b", None], dtype=object)).tolist()
    (['a', 'b'], [1, -1])
    """

    task, fidelity = "classify", softmax_cross_entropy

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes, self.outputs, self.dtype = classes, len(classes), classes.dtype

    @classmethod
    def read(cls, y: Any) -> NDArray[Any]:
        """The classes in one dimension."""
        try:
            found = column_or_1d(y, warn=True)
            assert_all_finite(found, allow_nan=True, input_name="y")
        except ValueError as error:
            raise InputError(f"a classifier predicts one class for each row: {_line(error)}") from error
        return found

    @classmethod
    def of(cls, y: NDArray[Any]) -> Self:
        """The classes of the labelled rows.

        Raises:
            InputError: for fewer than two classes, or numbers that are no classes.
        """
        labelled = y[_present(y)]
        if labelled.dtype.kind == "O" and not any(isinstance(value, str) for value in labelled):
            # Numbers that are objects for the sake of a None among them.
            labelled = np.array(labelled.tolist())
        try:
            check_classification_targets(labelled)
            classes = np.unique(labelled)
        except (ValueError, TypeError) as error:
            raise InputError(f"classes must be all texts or all whole numbers: {_line(error)}") from error
        if classes.dtype.kind == "f" and len(labelled) < len(y):
            # Whole numbers that are of floating point for the sake of a NaN among them.
            classes = classes.astype(np.int64)
        if classes.dtype.kind in "if" and len(classes) > 2:
            classes = classes[classes != UNKNOWN]
        if len(classes) < 2:
            raise InputError(
                f"a classifier needs rows of at least two classes; found {len(classes)} class. Give more rows, or see "
                "whether the right column is the target."
            )
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
        return cls(classes)

    def settings(self) -> dict[str, Any]:
        """The classes."""
        return {"task": self.task, "classes": self.classes.tolist()}

    def known(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """True for the rows that have a class."""
        known = _present(y)
        known[known] = np.isin(y[known], self.classes)
        return known

    def check(self, y: NDArray[Any]) -> None:
        """Every class is one of those fitted to; the mark of unlabelled rows is none.

        Raises:
            InputError: for another class.
        """
        strange = _present(y) & ~self.known(y)
        strange[strange] = y[strange] != UNKNOWN
        if strange.any():
            first = int(strange.argmax())
            raise InputError(
                f"{strange.sum()} of {len(y)} rows have a class that fit has not seen, first {y[first]!r} in row "
                f"{first}. Leave these rows out, or fit on rows of that class too."
            )

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

    >>> target = Numbers.of(np.array([1.0, np.nan, 3.0]))
    >>> target.encode(np.array([2.0, 3.0])).tolist(), target.predict(np.array([[1.0]], np.float32)).tolist()
    ([[0.0], [1.0]], [3.0])
    """

    task, fidelity = "regress", prediction_error

    def __init__(self, center: NDArray[np.float64], scale: NDArray[np.float64], *, flat: bool) -> None:
        self.center, self.scale, self.flat, self.outputs = center, scale, flat, len(center)
        self.dtype = np.dtype(np.float64)

    @classmethod
    def read(cls, y: Any) -> NDArray[Any]:
        """Numbers, perhaps NaN, in one dimension or two."""
        try:
            return check_array(y, ensure_2d=False, dtype="numeric", ensure_all_finite="allow-nan", input_name="y")
        except (ValueError, TypeError) as error:
            raise InputError(f"a regressor predicts numbers: {_line(error)}") from error

    @classmethod
    def of(cls, y: NDArray[Any]) -> Self:
        """Their means and standard deviations.

        Raises:
            InputError: when no row has all its numbers.
        """
        wide = np.asarray(y, np.float64).reshape(len(y), -1)
        labelled = wide[np.isfinite(wide).all(1)]
        if not len(labelled):
            raise InputError("a regressor needs rows with numbers to predict; found none among the targets.")
        scale = labelled.std(0)
        return cls(labelled.mean(0), np.where(scale > 0, scale, 1.0), flat=np.ndim(y) == 1)

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

    def check(self, y: NDArray[Any]) -> None:
        """Any number can be judged."""

    def encode(self, y: NDArray[Any]) -> Tensor:
        """The standardized numbers, shape (rows, outputs)."""
        wide = np.asarray(y, np.float64).reshape(len(y), -1)
        return torch.from_numpy(((wide - self.center) / self.scale).astype(np.float32))

    def predict(self, natural: NDArray[np.float32]) -> NDArray[Any]:
        """The numbers in their own units."""
        numbers = natural * self.scale + self.center
        return numbers[:, 0] if self.flat else numbers


def _present(y: NDArray[Any]) -> NDArray[np.bool_]:
    if y.dtype.kind == "f":
        return ~np.isnan(y)
    if y.dtype.kind == "O":
        return np.array([_is_itself(value) for value in y], dtype=np.bool_)
    return np.ones(len(y), np.bool_)


def _is_itself(value: object) -> bool:
    """Whether a value is neither None nor NaN, which is not itself, nor the NA of pandas, of which nobody can say."""
    try:
        return value is not None and bool(value == value)
    except TypeError:
        return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
