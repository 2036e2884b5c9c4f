"""Pictures seen elsewhere than on their own pixels, and pieces of photographs."""

from collections.abc import Iterable
from typing import final

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy.typing import NDArray

from layerwise.errors import InputError

__all__ = ["TEXTURE", "Photographs", "bilinear"]

# The least standard deviation, of 255, of a piece of a photograph that is shown behind something.
TEXTURE = 25.0


@final
class Photographs:
    """Grey photographs, and where pieces can be cut from them.

    Arguments:
        photos: bytes, shape (height, width) each.
        size: the side of a piece in pixels.
        texture: the least standard deviation of the bytes of a piece; 0 takes all.

    Raises:
        InputError: without a photograph, for one that is no grey picture of bytes, or has no such piece.

    >>> photo = np.zeros((4, 6), np.uint8)
    >>> photo[:, 3:] = 100
    >>> photos = Photographs([photo], size=2, texture=10.0)
    >>> photos.places(np.array([[0, 0], [0, 0.99]])).tolist()
    [[0.0, 2.0, 0.0], [0.0, 2.0, 2.0]]
    """

    def __init__(self, photos: Iterable[NDArray[np.uint8]], *, size: int, texture: float = 0.0) -> None:
        self.photos = tuple(photos)
        self.size = size
        if not self.photos:
            raise InputError("photos must hold at least one photograph; found none. Give some.")
        for number, photo in enumerate(self.photos):
            if photo.ndim != 2 or photo.dtype != np.uint8 or min(photo.shape) < size:
                raise InputError(
                    f"a photograph must be grey bytes of at least {size} x {size} pixels; number {number} has shape "
                    f"{photo.shape} and type {photo.dtype}. Convert it or leave it out."
                )
        self._places = [_textured(photo, size=size, least=texture) for photo in self.photos]
        for number, places in enumerate(self._places):
            if not len(places):
                raise InputError(f"photograph {number} has no piece of {size} x {size} with texture. Leave it out.")

    def places(self, drawn: Float[np.ndarray, "rows 2"]) -> Float[np.ndarray, "rows 3"]:
        """Places of pieces from numbers in [0, 1): the photograph's number, and the first column and row."""
        out = np.empty((len(drawn), 3))
        out[:, 0] = np.floor(drawn[:, 0] * len(self.photos))
        for number, places in enumerate(self._places):
            rows = np.flatnonzero(out[:, 0] == number)
            at = places[(drawn[rows, 1] * len(places)).astype(np.int64)]
            width = self.photos[number].shape[1]
            out[rows, 1], out[rows, 2] = at % width, at // width
        return out

    def cut(self, places: Float[np.ndarray, "rows 3"]) -> Float32[np.ndarray, "rows size size"]:
        """The pieces at some places, from 0 to 1."""
        whole = np.rint(places).astype(np.int64)
        out = np.empty((len(places), self.size, self.size), np.float32)
        for number in np.unique(whole[:, 0]):
            rows = np.flatnonzero(whole[:, 0] == number)
            windows = np.lib.stride_tricks.sliding_window_view(self.photos[number], (self.size, self.size))
            out[rows] = windows[whole[rows, 2], whole[rows, 1]]
        return out / np.float32(255)


def bilinear(
    images: Float32[np.ndarray, "rows height width"],
    x: Float32[np.ndarray, "rows high wide"],
    y: Float32[np.ndarray, "rows high wide"],
) -> Float32[np.ndarray, "rows high wide"]:
    """Each picture at the places x, y in its pixels, whole numbers at their centres, between them linear; 0 outside.

    >>> image = np.array([[[0, 1], [0, 1]]], np.float32)
    >>> bilinear(image, np.full((1, 1, 1), 0.25, np.float32), np.zeros((1, 1, 1), np.float32)).item()
    0.25
    """
    rows, height, width = images.shape
    padded = np.zeros((rows, height + 2, width + 2), np.float32)
    padded[:, 1:-1, 1:-1] = images
    x, y = np.clip(x + 1, 0, np.float32(width + 1)), np.clip(y + 1, 0, np.float32(height + 1))
    left, top = np.minimum(x.astype(np.int32), width), np.minimum(y.astype(np.int32), height)
    x, y = x - left.astype(np.float32), y - top.astype(np.float32)
    flat = padded.reshape(-1)
    at = (np.arange(rows, dtype=np.int32)[:, None, None] * (height + 2) + top) * (width + 2) + left
    above = flat[at] + x * (flat[at + 1] - flat[at])
    below = flat[at + width + 2] + x * (flat[at + width + 3] - flat[at + width + 2])
    mixed: NDArray[np.float32] = above + y * (below - above)
    return mixed


def _textured(photo: UInt8[np.ndarray, "height width"], *, size: int, least: float) -> Int[np.ndarray, "places"]:
    """Where the bytes of a piece have a standard deviation of at least so much: row x width + column."""
    values = np.zeros((2, photo.shape[0] + 1, photo.shape[1] + 1))
    values[0, 1:, 1:] = photo
    values[1, 1:, 1:] = photo.astype(np.float64) ** 2
    sums = values.cumsum(axis=1).cumsum(axis=2)
    inside = sums[:, size:, size:] - sums[:, :-size, size:] - sums[:, size:, :-size] + sums[:, :-size, :-size]
    mean, squares = inside / size**2
    rows, columns = np.nonzero(np.maximum(squares - mean**2, 0) >= least**2)
    return rows * photo.shape[1] + columns
