"""Pictures whose factors are known: what they are, and how they are drawn."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped
from numpy.typing import NDArray

from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.randomness import key

__all__ = [
    "Drawing",
    "Pictures",
    "check_rows",
    "check_size",
    "chosen",
    "pictured",
    "random",
    "uniform",
]

# So many pictures are drawn at once: their intermediate arrays then fit into the processor's cache.
CHUNK = 128

Drawing = Callable[[NDArray[np.float64]], NDArray[np.float32]]


@final
@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures, and the numbers that each was drawn from.

    Row i does not depend on how many rows were asked for. Lengths and places are in picture widths, from the left and
    from the top, unless the function that made the pictures says otherwise; angles are in radians.

    Attributes:
        images: bytes, shape (rows, height, width); an intensity is a byte / 255.
        factors: shape (rows, factors).
        names: a name for each factor.
        drawing: what `draw` draws with.
        angles: the names of those factors that are angles.
        labels: a class for each row, where there are classes.

    >>> from layerwise.data.datasets import robot_arm_2d
    >>> arms = robot_arm_2d(3)
    >>> arms.images.shape, arms.names
    ((3, 28, 28), ('joint 1', 'joint 2'))
    >>> float(abs(arms.draw(arms.factors) - arms.images / 255).max()) < 0.002
    True
    """

    images: NDArray[np.uint8]
    factors: NDArray[np.float64]
    names: tuple[str, ...]
    drawing: Drawing = field(repr=False)
    angles: tuple[str, ...] = ()
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, factors: Float[np.ndarray, "rows factors"]) -> Float32[np.ndarray, "rows height width"]:
        """The pictures of other factors: intensities from 0 to 1, not rounded to bytes.

        Raises:
            InputError: for another number of factors, or a digit or piece that is not there.
        """
        if factors.shape[1] != len(self.names):
            count, names = len(self.names), listing(self.names)
            raise InputError(f"a row must hold {count} factors, {names}; found {factors.shape[1]}. Give these columns.")
        try:
            return _in_chunks(self.drawing, factors)
        except IndexError as error:
            raise InputError(
                f"factors must name digits and pieces of photographs that are there; {error}. Take them from `factors`."
            ) from error

    def targets(self) -> tuple[Float[np.ndarray, "rows targets"], tuple[str, ...]]:
        """What a regressor should predict, and its names: the factors, with the sine and cosine for each angle.

        An angle of pi and one of -pi are neighbours; their sines and cosines say so, the angles do not.

        >>> from layerwise.data.datasets import square_and_room
        >>> square_and_room(5).targets()[1]
        ('x', 'y', 'side', 'sin turn', 'cos turn')
        """
        columns, names = [], []
        for name, values in zip(self.names, self.factors.T, strict=True):
            turned = name in self.angles
            columns += [np.sin(values), np.cos(values)] if turned else [values]
            names += [f"sin {name}", f"cos {name}"] if turned else [name]
        return np.column_stack(columns), tuple(names)

    def take(self, rows: slice) -> "Pictures":
        """Some of the rows.

        >>> from layerwise.data.datasets import curves
        >>> len(curves(5).take(slice(2)))
        2
        """
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], factors=self.factors[rows], labels=labels)


def pictured(
    drawing: Drawing,
    factors: Float[np.ndarray, "rows factors"],
    *,
    names: Sequence[str],
    angles: Sequence[str] = (),
    labels: Shaped[np.ndarray, "rows"] | None = None,
) -> Pictures:
    """Draw the pictures of some factors and round them to bytes."""
    images = _in_chunks(functools.partial(_as_bytes, drawing), factors)
    classes = labels.astype(np.int64) if labels is not None and labels.dtype == bool else labels
    return Pictures(images, factors, tuple(names), drawing, tuple(angles), classes)


def random(seed: int, stream: int, *more: int) -> np.random.Generator:
    """A generator for one purpose of one data set; streams of other numbers know nothing of it.

    >>> random(0, 1).random() == random(0, 1).random() != random(0, 2).random()
    True
    """
    return np.random.default_rng(key(seed, stream, *more))


def uniform(rows: int, low: Sequence[float], high: Sequence[float], *, seed: int) -> Float[np.ndarray, "rows factors"]:
    """Independent factors, each uniform from its low to its high.

    >>> few, many = (uniform(rows, [0.0, 5.0], [1.0, 6.0], seed=0) for rows in (2, 9))
    >>> bool((few == many[:2]).all())
    True
    """
    start = np.asarray(low, np.float64)
    return start + (np.asarray(high) - start) * random(seed, 0).random((check_rows(rows), len(start)))


def chosen(rows: int, count: int, *, seed: int) -> Int[np.ndarray, "rows"]:
    """Which of some things each row takes: in random order, each once before any is taken again.

    >>> sorted(chosen(6, 3, seed=0).tolist())
    [0, 0, 1, 1, 2, 2]
    """
    return random(seed, 1).permutation(count)[np.arange(check_rows(rows)) % count]


def check_rows(rows: int) -> int:
    """The number of rows, if there can be so many.

    Raises:
        InputError: below 1.
    """
    if rows < 1:
        raise InputError(f"rows must be at least 1; got {rows}. Ask for more.")
    return rows


def check_size(size: int, *, least: int) -> int:
    """The side of a picture in pixels, if it is large enough for what is drawn on it.

    Raises:
        InputError: below the least.
    """
    if size < least:
        raise InputError(f"size must be at least {least} pixels; got {size}. Draw larger pictures.")
    return size


def _as_bytes(drawing: Drawing, factors: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(drawing(factors) * np.float32(255)).astype(np.uint8)


def _in_chunks(drawing: Callable[[NDArray[np.float64]], NDArray[Any]], factors: NDArray[np.float64]) -> NDArray[Any]:
    starts = range(0, len(factors), CHUNK)
    return np.concatenate([drawing(factors[start : start + CHUNK]) for start in starts])
