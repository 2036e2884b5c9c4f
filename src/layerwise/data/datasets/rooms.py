"""A square in a room."""

import functools

import numpy as np
from jaxtyping import Float, Float32

from layerwise.data.datasets.known import Pictures, check_size, pictured, uniform
from layerwise.data.datasets.shapes import coverage, pixels
from layerwise.errors import InputError

__all__ = ["square_and_room"]

NAMES = ("x", "y", "side", "turn")
LOW, HIGH = (0.25, 0.25, 0.16, -np.pi / 6), (0.75, 0.75, 0.32, np.pi / 6)
FIXED = (0.5, 0.5, 0.24, 0.0)
# The room, seen straight on: the back wall's edges, and how bright its ceiling, walls and floor are.
LEFT, RIGHT, TOP, BOTTOM = 0.28, 0.72, 0.2, 0.62
CEILING, LEFT_WALL, RIGHT_WALL, FLOOR, BACK_WALL = 0.1, 0.22, 0.16, 0.4, 0.3
FINE = 8


def square_and_room(rows: int, *, factors: int = 4, size: int = 28, seed: int = 0) -> Pictures:
    """A bright square before the walls of a room.

    Factors are the first 2, 3 or 4 of: the place x, y of the square's centre, uniform in [0.25, 0.75]; its side, in
    [0.16, 0.32], else 0.24; its turn, in [-pi/6, pi/6] and clockwise, else 0. The room is always the same: a back
    wall, a ceiling, a floor and two walls, of intensities from 0.1 to 0.4; the square has intensity 1 and covers it.

    After the name "Square and Room" in Bhutani, "Alternate Layer Sparsity and Intermediate Fine-tuning for Deep
    Autoencoders"; how it was drawn there is not known, and this drawing is our own.

    Arguments:
        rows: the number of pictures.
        factors: 2, 3 or 4.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, another number of factors, or a size below 14.

    >>> square_and_room(10, factors=2).names
    ('x', 'y')
    """
    if factors not in (2, 3, 4):
        raise InputError(f"square_and_room has 2, 3 or 4 factors; got {factors}. Choose one of these.")
    drawing = functools.partial(_draw, size=check_size(size, least=14))
    values = uniform(rows, LOW[:factors], HIGH[:factors], seed=seed)
    return pictured(drawing, values, names=NAMES[:factors], angles=NAMES[3:factors])


def _draw(factors: Float[np.ndarray, "rows factors"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    values = np.tile(np.asarray(FIXED, np.float64), (len(factors), 1))
    values[:, : factors.shape[1]] = factors
    centre_x, centre_y, side, turn = values.astype(np.float32).T[:, :, None, None]
    x, y = pixels(size)
    x, y = x - centre_x, y - centre_y
    along = np.abs(np.cos(turn) * x + np.sin(turn) * y) - side / 2
    across = np.abs(np.cos(turn) * y - np.sin(turn) * x) - side / 2
    outside = np.hypot(np.maximum(along, 0), np.maximum(across, 0))
    square = coverage(outside + np.minimum(np.maximum(along, across), 0))
    return square + (1 - square) * _room(size)


@functools.cache
def _room(size: int) -> Float32[np.ndarray, "size size"]:
    """The empty room: each wall is where it is the farthest out, relative to the back wall's edges."""
    x, y = (part[0] for part in pixels(size * FINE))
    walls = [(LEFT - x) / LEFT + 0 * y, (x - RIGHT) / (1 - RIGHT) + 0 * y]
    walls += [(TOP - y) / TOP + 0 * x, (y - BOTTOM) / (1 - BOTTOM) + 0 * x]
    farthest = np.argmax([np.zeros_like(walls[0]), *walls], axis=0)
    shades = np.array([BACK_WALL, LEFT_WALL, RIGHT_WALL, CEILING, FLOOR], np.float32)
    room: Float32[np.ndarray, "size size"] = shades[farthest].reshape(size, FINE, size, FINE).mean((1, 3))
    return room
