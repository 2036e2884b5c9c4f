"""Convex and other regions."""

import functools

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.typing import NDArray

from layerwise.data.datasets.known import Pictures, check_rows, check_size, pictured, random
from layerwise.data.datasets.shapes import coverage, pixels

__all__ = ["convex"]

# The sets of a region, and the half-planes of a set: 1 in 100 sets would have more.
SETS, PLANES = 4, 8
NAMES = tuple(f"set {i + 1} {part} {j + 1}" for i in range(SETS) for j in range(PLANES) for part in ("angle", "offset"))
ANGLES = NAMES[0::2]
# An offset at which a half-plane holds all of the picture, or nothing of it.
ALL, NOTHING = 2.0, -2.0
# In pixels of 784. The largest set of a union is such that both classes are white to the same mean area; else the
# area alone would tell them apart.
LEAST_AREA, UNION_AREA = 19, (10, 285)
CANDIDATES = 2048
DIRECTIONS = 48


def convex(rows: int, *, size: int = 28, seed: int = 0) -> Pictures:
    """White regions that are convex, label 1, or not, label 0; each with probability 1/2.

    A convex region is the intersection of half-planes; their number is geometric with parameter 0.195, their places
    and orientations are uniform, and a region of less than 19 (of 784) pixels is drawn anew. Another region is the
    union of 2 to 4 such sets of 10 to 285 pixels, with parameter 0.07; it is drawn anew unless the centre of some
    pixel outside lies at least half a pixel within its convex hull. Edges are smooth.

    Factors are the half-planes cos(angle) (x - 1/2) + sin(angle) (y - 1/2) <= offset, 8 for each of 4 sets, in picture
    widths; an offset of 2 cuts nothing off, one of -2 everything.

    Source: Larochelle et al. 2007, "An empirical evaluation of deep architectures on problems with many factors of
    variation", CONVEX (8,000 training rows, the last 2,000 for validation, and 50,000 test rows), and its page of
    details. Ours has edges in grey and at most 8 half-planes a set; the 285 is ours, so that the mean area is the
    same in both classes, as it was there.

    Arguments:
        rows: the number of pictures.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, or a size below 14.

    >>> regions = convex(10)
    >>> regions.images.shape, sorted(set(regions.labels.tolist()))
    ((10, 28, 28), [0, 1])
    """
    drawing = functools.partial(_draw, size=check_size(size, least=14))
    labels = random(seed, 0).random(check_rows(rows)) < 0.5
    factors = np.empty((rows, len(NAMES)))
    factors[labels] = _accepted(int(labels.sum()), size, seed=seed, single=True)
    factors[~labels] = _accepted(int((~labels).sum()), size, seed=seed, single=False)
    return pictured(drawing, factors, names=NAMES, angles=ANGLES, labels=labels)


def _draw(factors: Float[np.ndarray, "rows factors"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    planes = factors.reshape(len(factors), SETS, PLANES, 2)
    picture = np.zeros((len(factors), size, size), np.float32)
    for i in range(SETS):
        used = np.flatnonzero(planes[:, i, 0, 1] > NOTHING)
        picture[used] = np.maximum(picture[used], coverage(_intersection(planes[used, i], size)))
    return picture


def _intersection(planes: Float[np.ndarray, "rows planes 2"], size: int) -> Float32[np.ndarray, "rows size size"]:
    """The signed distance to the intersection of half-planes: exact inside, too small beyond a corner."""
    x, y = (part - np.float32(0.5) for part in pixels(size))
    distance = np.full((len(planes), size, size), -np.inf, np.float32)
    for j in range(planes.shape[1]):
        cutting = np.flatnonzero(planes[:, j, 1] < ALL)
        angle, offset = planes[cutting, j].astype(np.float32).T[:, :, None, None]
        distance[cutting] = np.maximum(distance[cutting], np.cos(angle) * x + np.sin(angle) * y - offset)
    return distance


def _accepted(rows: int, size: int, *, seed: int, single: bool) -> Float[np.ndarray, "rows factors"]:
    """The first candidates that pass, of as many blocks as it takes: what comes first never depends on the rows."""
    found: list[NDArray[np.float64]] = []
    count = block = 0
    while count < rows:
        passed = _singles(size, seed, block) if single else _unions(size, seed, block)
        found.append(passed)
        count, block = count + len(passed), block + 1
    return np.concatenate([np.empty((0, len(NAMES))), *found])[:rows]


def _singles(size: int, seed: int, block: int) -> Float[np.ndarray, "passed factors"]:
    sets, inside = _sets(CANDIDATES, 0.195, size, random(seed, 1, block))
    sets = sets[inside.mean((1, 2)) * 784 >= LEAST_AREA]
    factors = _empty(len(sets))
    factors[:, 0] = sets
    return factors.reshape(len(sets), -1)


def _unions(size: int, seed: int, block: int) -> Float[np.ndarray, "passed factors"]:
    generator = random(seed, 2, block)
    sets, inside = _sets(CANDIDATES, 0.07, size, generator)
    share = inside.mean((1, 2)) * 784
    fit = (share >= UNION_AREA[0]) & (share <= UNION_AREA[1])
    sets, inside = sets[fit], inside[fit]
    counts = generator.integers(2, SETS + 1, len(sets) // SETS)
    factors = _empty(len(counts))
    union = np.zeros((len(counts), size, size), bool)
    for i in range(SETS):
        used = np.flatnonzero(counts > i)
        factors[used, i] = sets[used * SETS + i]
        union[used] |= inside[used * SETS + i]
    return factors[_is_dented(union)].reshape(-1, len(NAMES))


def _empty(rows: int) -> Float[np.ndarray, "rows sets planes 2"]:
    factors = np.zeros((rows, SETS, PLANES, 2))
    factors[..., 1] = ALL
    factors[:, :, 0, 1] = NOTHING
    return factors


def _sets(
    count: int, parameter: float, size: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "kept planes 2"], Bool[np.ndarray, "kept size size"]]:
    """Intersections of random half-planes, and which pixels' centres they hold."""
    planes = generator.geometric(parameter, count)
    angle, x, y = generator.random((3, count, PLANES))
    angle *= 2 * np.pi
    offset = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    unused = np.arange(PLANES) >= planes[:, None]
    angle[unused], offset[unused] = 0, ALL
    sets = np.stack([angle, offset], axis=2)[planes <= PLANES]
    return sets, _intersection(sets, size) <= 0


def _is_dented(region: Bool[np.ndarray, "rows size size"]) -> Bool[np.ndarray, "rows"]:
    """Whether the centre of a pixel outside lies half a pixel within all supporting lines, so within the hull."""
    size = region.shape[1]
    x, y = (part - np.float32(0.5) for part in pixels(size))
    within = np.ones(region.shape, bool)
    for angle in np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False, dtype=np.float32):
        height = np.cos(angle) * x + np.sin(angle) * y
        support = np.where(region, height, np.float32(-1)).max((1, 2), keepdims=True)
        within &= height <= support - np.float32(0.5 / size)
    return (within & ~region).any((1, 2))
