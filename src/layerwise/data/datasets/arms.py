"""Robot arms in the plane and in space."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from layerwise.data.datasets.known import Pictures, check_size, pictured, uniform
from layerwise.data.datasets.shapes import Place, coverage, pixels, to_segment
from layerwise.errors import InputError

__all__ = ["robot_arm_2d", "robot_arm_3d"]

Numbers = NDArray[np.float32]

# The plane: length, half of the thickness, and intensity of each link.
FLAT = {
    2: ((0.22, 0.045, 0.5), (0.18, 0.03, 1.0)),
    3: ((0.17, 0.045, 0.4), (0.14, 0.035, 0.7), (0.12, 0.025, 1.0)),
}
FOOT_RADIUS, FOOT_INTENSITY = 0.065, 0.25
FLAT_REACH = 0.5 * np.pi

# Space: a post, an upper arm and a forearm, in units of which a picture is 1.9 wide at the post.
SOLID = ((0.35, 0.15, 0.4), (0.45, 0.12, 0.7), (0.4, 0.09, 1.0))
WIDTH, MIDDLE = 1.9, 0.4
ELEVATION, DISTANCE = np.radians(30), 4.0
SOLID_LOW, SOLID_HIGH = (np.pi / 6, 0.3, -np.pi / 2), (5 * np.pi / 6, np.pi / 2, np.pi / 2)
DARKEST, NEAREST = 0.4, 0.85
# Two links at almost one depth are mixed, so that the picture changes smoothly when they change places.
DEPTH = 0.04


class _Link(NamedTuple):
    """A link as it is seen: its ends, half thicknesses in picture widths, nearness to the eye there, and intensity."""

    start: Place
    end: Place
    radii: tuple[Numbers, Numbers]
    nearness: tuple[Numbers, Numbers]
    intensity: float


def robot_arm_2d(rows: int, *, joints: int = 2, size: int = 28, seed: int = 0) -> Pictures:
    """A robot arm of two or three links that moves in the plane of the picture.

    Factors are the angles of the joints, uniform in [-pi/2, pi/2], the range of a usual servo, and clockwise: the first
    link from upright, each other from the link before it. The arm stands in the middle; its links get shorter, thinner
    and brighter towards the hand, and the later one covers the earlier, so that the picture tells the angles.

    After the name "2-d robot arm" in Bhutani, "Alternate Layer Sparsity and Intermediate Fine-tuning for Deep
    Autoencoders"; how it was drawn there is not known, and this drawing is our own.

    Arguments:
        rows: the number of pictures.
        joints: 2 or 3.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, another number of joints, or a size below 20.

    >>> robot_arm_2d(10, joints=3).factors.shape
    (10, 3)
    """
    if joints not in FLAT:
        raise InputError(f"robot_arm_2d has 2 or 3 joints; got {joints}. Choose one of these.")
    names = tuple(f"joint {i + 1}" for i in range(joints))
    angles = uniform(rows, [-FLAT_REACH] * joints, [FLAT_REACH] * joints, seed=seed)
    drawing = functools.partial(_draw_flat, size=check_size(size, least=20))
    return pictured(drawing, angles, names=names, angles=names)


def robot_arm_3d(rows: int, *, size: int = 28, seed: int = 0) -> Pictures:
    """A robot arm of three joints in space, seen from slightly above.

    Factors are the angles of the joints: the turn of the post about the vertical, in [pi/6, 5/6 pi], 0 towards the eye
    and pi to the back; the lean of the upper arm from upright, in [0.3, pi/2]; the bend of the forearm from the upper
    arm, in [-pi/2, pi/2]. Along the line of sight, where a picture tells little of lean and bend, the arm never points.
    The eye is 4 units away (the arm is 1.2 units long) and 30 degrees above the horizon. Links are
    shaded: brighter towards the eye and along their middle, and each with its own intensity. So the picture tells the
    angles, whether the arm points towards the eye or away from it.

    After the name "3-d robot arm" in Bhutani, "Alternate Layer Sparsity and Intermediate Fine-tuning for Deep
    Autoencoders"; how it was drawn there is not known, and this drawing is our own.

    Arguments:
        rows: the number of pictures.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, or a size below 20.

    >>> robot_arm_3d(10).names
    ('turn', 'lean', 'bend')
    """
    names = ("turn", "lean", "bend")
    angles = uniform(rows, SOLID_LOW, SOLID_HIGH, seed=seed)
    drawing = functools.partial(_draw_solid, size=check_size(size, least=20))
    return pictured(drawing, angles, names=names, angles=names)


def _draw_flat(angles: Float[np.ndarray, "rows joints"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    x, y = pixels(size)
    foot = np.hypot(x - np.float32(0.5), y - np.float32(0.5)) - np.float32(FOOT_RADIUS)
    picture = np.repeat(coverage(foot) * np.float32(FOOT_INTENSITY), len(angles), axis=0)
    directions = np.cumsum(angles, axis=1)
    joint = np.full((2, len(angles)), 0.5)
    for (length, radius, intensity), direction in zip(FLAT[angles.shape[1]], directions.T, strict=True):
        end = joint + length * np.stack([np.sin(direction), -np.cos(direction)])
        squared, _ = to_segment(_column(joint), _column(end), size=size)
        link = coverage(np.sqrt(squared) - np.float32(radius))
        picture += link * (np.float32(intensity) - picture)
        joint = end
    return picture


def _draw_solid(angles: Float[np.ndarray, "rows 3"], *, size: int) -> Float32[np.ndarray, "rows size size"]:
    empty = np.ones((len(angles), size, size), np.float32)
    ink, weights = np.zeros_like(empty), np.zeros_like(empty)
    for link in _seen(*angles.T):
        squared, along = to_segment(link.start, link.end, size=size)
        distance = np.sqrt(squared)
        radius = link.radii[0] + along * (link.radii[1] - link.radii[0])
        nearness = link.nearness[0] + along * (link.nearness[1] - link.nearness[0])
        covered = coverage(distance - radius)
        lit = DARKEST + (1 - DARKEST) * (nearness + NEAREST) / (2 * NEAREST)
        rounded = 1 - np.minimum(distance / radius, 1) ** 2 / 2
        weight = covered * np.exp((nearness - NEAREST) / DEPTH)
        empty = empty * (1 - covered)
        ink, weights = ink + weight * lit * rounded * link.intensity, weights + weight
    shade = np.divide(ink, weights, out=np.zeros_like(weights), where=weights > 0)
    return np.clip((1 - empty) * shade, 0, 1).astype(np.float32)


def _seen(turn: NDArray[np.float64], lean: NDArray[np.float64], bend: NDArray[np.float64]) -> list[_Link]:
    """The three links as the eye sees them."""
    joint = np.zeros((3, len(turn)))  # To the right, away from the eye, and up.
    links = []
    for (length, radius, intensity), tilt in zip(SOLID, (np.zeros_like(lean), lean, lean + bend), strict=True):
        way = np.stack([np.sin(tilt) * np.sin(turn), -np.sin(tilt) * np.cos(turn), np.cos(tilt)])
        end = joint + length * way
        (start_at, start_near), (end_at, end_near) = _project(joint), _project(end)
        radii = (radius / (WIDTH * _scale(start_near)), radius / (WIDTH * _scale(end_near)))
        links.append(_Link(start_at, end_at, radii, (start_near, end_near), intensity))
        joint = end
    return links


def _project(place: NDArray[np.float64]) -> tuple[Place, Numbers]:
    """Where on the picture a place is, and how much nearer to the eye than the post."""
    right, away, up = place
    up = up - MIDDLE
    near = up * np.sin(ELEVATION) - away * np.cos(ELEVATION)
    scale = WIDTH * _scale(near)
    high = up * np.cos(ELEVATION) + away * np.sin(ELEVATION)
    seen = _column(np.stack([0.5 + right / scale, 0.5 - high / scale]))
    return seen, near.astype(np.float32)[:, None, None]


def _scale(near: NDArray[np.floating]) -> NDArray[np.floating]:
    return (DISTANCE - near) / DISTANCE


def _column(place: NDArray[np.float64]) -> Place:
    x, y = place.astype(np.float32)
    return x[:, None, None], y[:, None, None]
