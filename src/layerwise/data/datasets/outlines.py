"""Tall and wide rectangles."""

import functools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.typing import NDArray

from layerwise.data.datasets.known import Pictures, check_rows, check_size, pictured, random
from layerwise.data.datasets.resampling import TEXTURE, Photographs
from layerwise.data.datasets.shapes import coverage, pixels

__all__ = ["rectangles"]

NAMES = ("left", "top", "width", "height")
PIECES = tuple(f"{part} {name}" for part in ("inner", "outer") for name in ("photo", "left", "top"))


def rectangles(
    rows: int, *, photos: Iterable[NDArray[np.uint8]] | None = None, size: int = 28, seed: int = 0
) -> Pictures:
    """Rectangles that are taller than wide, label 1, or wider than tall, label 0.

    Without photographs, outlines of one pixel whose sides are at least 3 pixels long and differ by at least 3. With
    them, rectangles filled with a piece of a photograph before another piece, whose sides are at least 10 pixels long
    and differ by at least 5, and whose area is 25 % to 75 % of the picture's. Such sides are all equally likely, and
    so are the places for them.

    Factors are left, top, width, height, in whole pixels; and with photographs the number of the photograph and the
    first column and row of the inner and of the outer piece.

    Source: Larochelle et al. 2007, "An empirical evaluation of deep architectures on problems with many factors of
    variation", RECT (1,000 training, 200 validation and 50,000 test rows) and RECT-IMG (10,000, 2,000 and 50,000).
    That an outline's sides are at least 3 pixels long is ours.

    Arguments:
        rows: the number of pictures.
        photos: grey photographs, bytes of shape (height, width) each; pieces without texture are not taken.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, a size below 20, or photographs without a piece that can be taken.

    >>> found = rectangles(10)
    >>> bool(((found.factors[:, 3] > found.factors[:, 2]) == found.labels).all())
    True
    """
    sides = _sides(check_size(size, least=20), filled=photos is not None)
    drawn = random(seed, 0).random((check_rows(rows), 3))
    width, height = sides[(drawn[:, 0] * len(sides)).astype(np.int64)].T
    left, top = np.floor(drawn[:, 1] * (size - width + 1)), np.floor(drawn[:, 2] * (size - height + 1))
    factors = np.column_stack([left, top, width, height]).astype(np.float64)
    labels = height > width
    if photos is None:
        return pictured(functools.partial(_outline, size=size), factors, names=NAMES, labels=labels)
    cut = Photographs(photos, size=size, texture=TEXTURE)
    drawn = random(seed, 1).random((rows, 4))
    factors = np.column_stack([factors, cut.places(drawn[:, :2]), cut.places(drawn[:, 2:])])
    drawing = functools.partial(_filled, photos=cut)
    return pictured(drawing, factors, names=(*NAMES, *PIECES), labels=labels)


def _sides(size: int, *, filled: bool) -> Int[np.ndarray, "pairs 2"]:
    """All widths and heights that a rectangle may have."""
    width, height = np.indices((size + 1, size + 1)).reshape(2, -1)
    shortest, difference = (10, 5) if filled else (3, 3)
    fit = (np.minimum(width, height) >= shortest) & (np.abs(width - height) >= difference)
    if filled:
        share = width * height / size**2
        fit &= (share >= 0.25) & (share <= 0.75)
    return np.column_stack([width[fit], height[fit]])


def _outline(factors: Float[np.ndarray, "rows 4"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    half = np.float32(0.5 / size)
    return coverage(np.abs(_distance(factors, size) + half) - half)


def _filled(factors: Float[np.ndarray, "rows 10"], *, photos: Photographs) -> Float32[np.ndarray, "rows size size"]:
    inside = coverage(_distance(factors[:, :4], photos.size))
    inner, outer = photos.cut(factors[:, 4:7]), photos.cut(factors[:, 7:])
    return outer + inside * (inner - outer)


def _distance(factors: Float[np.ndarray, "rows 4"], size: int) -> Float32[np.ndarray, "rows size size"]:
    """The signed distance to the edge of the rectangle, in picture widths; at a corner, to the farther side's line."""
    left, top, width, height = (factors / size).astype(np.float32).T[:, :, None, None]
    x, y = pixels(size)
    across, along = np.abs(x - left - width / 2) - width / 2, np.abs(y - top - height / 2) - height / 2
    return np.maximum(across, along)
