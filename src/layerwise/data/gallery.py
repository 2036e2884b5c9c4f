"""Many pictures as one, or one after the other in time."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.pictures import PICTURES, as_bytes, pillow
from layerwise.errors import InputError
from layerwise.files import atomic_file

__all__ = ["GALLERIES", "check_gallery", "write_gallery"]

ANIMATION = ".gif"
GALLERIES = (*PICTURES, ANIMATION)
MOST, SIDE, GAP = 2500, 560, 1
MILLISECONDS = 80


def check_gallery(path: Path, shape: tuple[int, ...] | None) -> None:
    """Refuse to show what is no picture.

    Raises:
        InputError: for rows without a height and a width.
    """
    if shape is None or len(shape) < 2:
        raise InputError(f"{path}: rows that are no pictures cannot be shown as one. Name a .csv or .npy file.")


def write_gallery(
    path: Path, pictures: NDArray[Any], *, span: tuple[float, float] = (0.0, 255.0), columns: int | None = None
) -> None:
    """Write pictures side by side into one, or into an animation: the whole file, or nothing.

    Arguments:
        path: ends in .png, .jpg or .jpeg, or in .gif for an animation.
        pictures: shape (pictures, height, width[, channels]).
        span: the numbers of black and of white.
        columns: pictures in a row; None is about as many as there are rows. Not for an animation.

    Raises:
        InputError: for more than 2500 pictures.
        ResourceError: without permission or space.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_gallery(Path(folder, "digits.png"), np.zeros((6, 8, 8), np.uint8))
    ...     len(list(Path(folder).iterdir()))
    1
    """
    image = pillow()
    if len(pictures) > MOST:
        raise InputError(
            f"{path}: can show at most {MOST:,} pictures; got {len(pictures):,}. Name a folder, or a .npy file."
        )
    ready = as_bytes(pictures, low=span[0], high=span[1])
    if ready.ndim == 4 and ready.shape[3] == 1:
        ready = ready[..., 0]
    animated = path.suffix.lower() == ANIMATION
    if not animated:
        ready = _side_by_side(ready, columns or math.ceil(math.sqrt(len(ready))))[None]
    factor = max(1, SIDE // max(ready.shape[1:3]))
    frames = [image.fromarray(frame.repeat(factor, 0).repeat(factor, 1)) for frame in ready]
    with atomic_file(path) as staging:
        if animated:
            rest = frames[1:] + frames[-2:0:-1]
            frames[0].save(staging, format="GIF", save_all=True, append_images=rest, duration=MILLISECONDS, loop=0)
        else:
            frames[0].save(staging, format="PNG" if path.suffix.lower() == ".png" else "JPEG", quality=95)


def _side_by_side(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """One picture of all, from the top left on, with a thin line between them."""
    count, height, width = pictures.shape[:3]
    lines = math.ceil(count / columns)
    tile = np.zeros((lines * columns, height + GAP, width + GAP, *pictures.shape[3:]), np.uint8)
    tile[:count, :height, :width] = pictures
    whole = tile.reshape(lines, columns, *tile.shape[1:]).swapaxes(1, 2)
    found: NDArray[np.uint8] = whole.reshape(lines * (height + GAP), columns * (width + GAP), *pictures.shape[3:])
    return found[:-GAP, :-GAP]
