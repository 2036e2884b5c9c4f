"""Distances of pixels to shapes, and what they make of a picture. Lengths are in picture widths."""

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

__all__ = ["Place", "coverage", "pixels", "to_segment"]

# One place a row, of shape (rows, 1, 1) from the left and from the top.
Place = tuple[NDArray[np.float32], NDArray[np.float32]]


def pixels(size: int) -> tuple[Float32[np.ndarray, "1 1 size"], Float32[np.ndarray, "1 size 1"]]:
    """The places of the pixels' centres in picture widths, from the left and from the top."""
    centres = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return centres[None, None, :], centres[None, :, None]


def coverage(distance: Float32[np.ndarray, "rows size size"]) -> Float32[np.ndarray, "rows size size"]:
    """How much of each pixel a shape covers: clip(1/2 - distance / pixel, 0, 1).

    Exact for a straight edge along the pixels, and nearly so for others; so a shape that moves by a part of a pixel
    changes the picture by that part.

    Arguments:
        distance: from each pixel's centre to the edge of the shape, in picture widths; negative inside.
    """
    return np.clip(np.float32(0.5) - distance * np.float32(distance.shape[-1]), 0, 1)


def to_segment(
    start: Place, end: Place, *, size: int
) -> tuple[Float32[np.ndarray, "rows size size"], Float32[np.ndarray, "rows size size"]]:
    """The squared distance of each pixel to a segment, and how far along it, from 0 to 1, its nearest place is."""
    x, y = pixels(size)
    x, y, way_x, way_y = x - start[0], y - start[1], end[0] - start[0], end[1] - start[1]
    # A segment that is seen from its end is a point.
    squared = np.maximum(way_x**2 + way_y**2, np.float32(1e-9))
    along = np.clip(x * (way_x / squared) + y * (way_y / squared), 0, 1)
    return (x - along * way_x) ** 2 + (y - along * way_y) ** 2, along
