"""Curves of three points."""

import functools
import itertools

import numpy as np
from jaxtyping import Float, Float32

from layerwise.data.datasets.known import Pictures, check_size, pictured, uniform
from layerwise.data.datasets.shapes import to_segment

__all__ = ["curves"]

LOW, HIGH = 0.17, 0.83
PEN = 1 / 14  # 2 of 28 pixels.
# At most 0.04 of 28 pixels beside the curve. A search for the nearest place on the curve itself leaps between the
# two sides of a narrow bend.
SEGMENTS = 24


def curves(rows: int, *, size: int = 28, seed: int = 0) -> Pictures:
    """Smooth curves of three random points.

    Factors are the places of the points, ordered from left to right: x1, y1, x2, y2, x3, y3, uniform in [0.17, 0.83].
    The curve is the quadratic Bezier curve c(t) from the first to the third, on which the second one pulls,

        c(t) = (1 - t)^2 p1 + 2 t (1 - t) p2 + t^2 p3, t from 0 to 1,

    and the ink at a place falls with its distance d from the curve, max(0, 1 - 14 d), in picture widths: 2 of 28
    pixels. The map from factors to pictures is one to one but where the points lie on a line: there the place of
    the second one cannot be seen.

    Of the shape of Hinton, Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", CURVES
    (20,000 training and 10,000 test pictures of true dimension 6), whose own drawing is not published. Curve, pen and
    range were chosen so that linear methods are as good here as they were there: PCA with 18 components has a test
    error of 5.90 there, logistic PCA with 6 has 7.64, with 18 it has 2.45.

    Arguments:
        rows: the number of pictures.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, or a size below 14.

    >>> pictures = curves(10)
    >>> pictures.images.shape, pictures.factors.shape
    ((10, 28, 28), (10, 6))
    """
    drawing = functools.partial(_draw, size=check_size(size, least=14))
    points = uniform(rows, [LOW] * 6, [HIGH] * 6, seed=seed)
    points[:, 0::2].sort(axis=1)
    return pictured(drawing, points, names=("x1", "y1", "x2", "y2", "x3", "y3"))


def _draw(points: Float[np.ndarray, "rows 6"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    p1, p2, p3 = (points[:, i : i + 2].T[:, :, None, None] for i in (0, 2, 4))
    t = np.linspace(0, 1, SEGMENTS + 1)
    path = [((1 - at) ** 2 * p1 + 2 * at * (1 - at) * p2 + at**2 * p3).astype(np.float32) for at in t]
    nearest = np.full((len(points), size, size), np.inf, np.float32)
    for (x0, y0), (x1, y1) in itertools.pairwise(path):
        squared, _ = to_segment((x0, y0), (x1, y1), size=size)
        np.minimum(nearest, squared, out=nearest)
    return np.maximum(0, 1 - np.sqrt(nearest) / np.float32(PEN))
