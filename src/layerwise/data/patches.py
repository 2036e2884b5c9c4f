"""Squares cut from pictures, which may have different sizes."""

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwise.data.rows import Batch
from layerwise.errors import InputError

__all__ = ["Patches"]

TURNS = 8
COVERED = 8


@final
class Patches:
    """Squares of pictures, each with the square of a target at the same place; the channels come first.

    Every picture gives squares in proportion to its area, at random places; the same seed gives the same ones.

    Arguments:
        pictures: each of shape (height, width, channels), numbers from 0 to 1, or bytes, which are divided by 255.
        side: of the squares; None for whole pictures, which then must have one size.
        targets: what is to be predicted for each picture: class numbers, (height, width), or (height, width, outputs).
        count: how many squares; None for as many as cover the pictures eight times, or for one of each whole picture.
        turned: what is also done to squares, at random: "all" turns and mirrors them, "mirrored" exchanges left and
            right, "none" leaves them as they are.
        seed: of places and turns.

    Raises:
        InputError: for pictures smaller than the side, or that have no common size where it is None.

    >>> pictures = [np.zeros((20, 30, 1), np.uint8), np.zeros((16, 16, 1), np.uint8)]
    >>> patches = Patches(pictures, 8, seed=0)
    >>> len(patches), tuple(patches.batch(torch.tensor([0, 3])).x.shape)
    (107, (2, 1, 8, 8))
    """

    def __init__(
        self,
        pictures: Sequence[NDArray[Any]],
        side: int | None,
        *,
        targets: Sequence[NDArray[Any]] | None = None,
        count: int | None = None,
        turned: Literal["all", "mirrored", "none"] = "all",
        seed: int = 0,
    ) -> None:
        sizes = np.array([picture.shape[:2] for picture in pictures])
        if side is None and len({*map(tuple, sizes)}) > 1:
            raise InputError(
                f"whole pictures must have one size; found {len({*map(tuple, sizes)})} sizes. Cut squares."
            )
        if side is not None and sizes.min() < side:
            raise InputError(f"pictures must have at least {side} pixels a side; found {sizes.min()}. Cut less.")
        self.pictures, self.targets = pictures, targets
        self.height, self.width = (int(size) for size in sizes[0]) if side is None else (side, side)
        areas = sizes.prod(1)
        number = len(pictures) if side is None else max(1, int(COVERED * areas.sum() / side**2))
        draw = np.random.default_rng(seed)
        if side is None:
            self.number = np.arange(number if count is None else count) % len(pictures)
        else:
            self.number = np.sort(draw.choice(len(pictures), count or number, p=areas / areas.sum()))
        room = sizes[self.number] - (self.height, self.width) + 1
        self.place = (draw.random(room.shape) * room).astype(np.int64)
        # A turn by a right angle would change the shape of what is no square.
        most = TURNS if self.height == self.width else TURNS // 2
        self.turn = draw.integers(0, {"all": most, "mirrored": 2, "none": 1}[turned], len(room))

    def __len__(self) -> int:
        return len(self.number)

    def batch(self, index: Tensor) -> Batch:
        """The squares of the given numbers, in float32, and their targets."""
        numbers = index.tolist()
        x = np.stack([self._cut(self.pictures, number) for number in numbers])
        scaled = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x.astype(np.float32)
        inputs = torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))
        if self.targets is None:
            return Batch(inputs, None)
        y = np.stack([self._cut(self.targets, number) for number in numbers])
        y = y.transpose(0, 3, 1, 2).astype(np.float32) if y.ndim == 4 else y.astype(np.int64)
        return Batch(inputs, None, torch.from_numpy(np.ascontiguousarray(y)))

    def _cut(self, pictures: Sequence[NDArray[Any]], number: int) -> NDArray[Any]:
        (top, left), turn = self.place[number], self.turn[number]
        square = pictures[self.number[number]][top : top + self.height, left : left + self.width]
        if turn % 2:
            square = square[:, ::-1]
        if turn // 2 % 2:
            square = square[::-1]
        return square.swapaxes(0, 1) if turn >= TURNS // 2 else square
