"""Patches of photographs: of faces, and of anything."""

import functools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from layerwise.data.datasets.known import Pictures, check_rows, check_size, chosen, pictured, random, uniform
from layerwise.data.datasets.resampling import Photographs, bilinear
from layerwise.errors import InputError

__all__ = ["face_patches", "photo_patches"]

SMALLEST, LARGEST = 1.4, 1.8
QUARTER = np.pi / 2
# What a pixel of a patch should see of a photograph is about this much wider than what linear sampling sees.
BLUR = 0.6


def photo_patches(rows: int, photos: Iterable[NDArray[np.uint8]], *, size: int = 8, seed: int = 0) -> Pictures:
    """Square patches of photographs.

    Factors are the number of the photograph and the patch's first column and row, in its pixels: every photograph is
    equally likely, and every place in it.

    Source: the sparse autoencoder exercise of Stanford's UFLDL tutorial takes 10,000 patches of 8 x 8 from ten
    photographs, whitened there; these are as photographed.

    Arguments:
        rows: the number of patches.
        photos: grey photographs, bytes of shape (height, width) each.
        size: height and width of a patch in pixels.
        seed: the same seed gives the same patches.

    Raises:
        InputError: for less than 1 row, no photograph, or one smaller than a patch.

    >>> photo = np.arange(600, dtype=np.uint8).reshape(20, 30)
    >>> photo_patches(5, [photo]).images.shape
    (5, 8, 8)
    """
    cut = Photographs(photos, size=check_size(size, least=1))
    factors = cut.places(random(seed, 0).random((check_rows(rows), 2)))
    return pictured(functools.partial(_cut, photos=cut), factors, names=("photo", "left", "top"))


def face_patches(rows: int, photos: Iterable[NDArray[np.uint8]], *, size: int = 25, seed: int = 0) -> Pictures:
    """Square patches of faces, of any place, tilt and scale that fits.

    Factors are the number of the photograph; the place x, y of the patch's centre, in the photograph's pixels; the
    patch's turn, clockwise and uniform in [-pi/2, pi/2]; and the scale, the pixels of the photograph for one of the
    patch, uniform in [1.4, 1.8]. Each photograph is taken once before any is taken again, and the place is uniform
    where the patch lies within. It is sampled linearly, after a Gaussian of 0.6 pixels against aliasing.

    Source: Hinton, Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", FACES: 165,600
    patches of 25 x 25 from the Olivetti photographs of 64 x 64. Their squared errors are of patches from which each
    pixel's mean was taken, divided by one number so that the mean variance of a pixel is 1.

    Arguments:
        rows: the number of patches.
        photos: grey photographs, bytes of shape (height, width) each, all of one shape.
        size: height and width of a patch in pixels.
        seed: the same seed gives the same patches.

    Raises:
        InputError: for less than 1 row, no photograph, photographs of several shapes, or too small for a patch.

    >>> faces = np.zeros((4, 64, 64), np.uint8)
    >>> sorted(face_patches(8, faces).factors[:, 0].tolist())
    [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    """
    from scipy import ndimage

    faces = [*photos]
    least = int(np.ceil(np.sqrt(2) * LARGEST * (check_size(size, least=2) - 1))) + 1
    shapes = sorted({face.shape for face in faces})
    if len(shapes) != 1 or len(shapes[0]) != 2 or min(shapes[0]) < least:
        found = ", ".join(map(str, shapes[:3])) or "none"
        raise InputError(
            f"photos must be grey, of one shape and at least {least} x {least} for patches of {size} x {size}; "
            f"found {found}. Give others, or ask for smaller patches."
        )
    blurred = ndimage.gaussian_filter(np.stack(faces).astype(np.float32) / 255, (0, BLUR, BLUR), mode="nearest")
    drawn = uniform(rows, (0.0, 0.0, -QUARTER, SMALLEST), (1.0, 1.0, QUARTER, LARGEST), seed=seed)
    turn, scale = drawn[:, 2:].T
    reach = scale * (size - 1) / 2 * (np.abs(np.cos(turn)) + np.abs(np.sin(turn)))
    height, width = shapes[0]
    x, y = (reach + drawn[:, i] * (side - 1 - 2 * reach) for i, side in ((0, width), (1, height)))
    factors = np.column_stack([chosen(rows, len(faces), seed=seed), x, y, turn, scale]).astype(np.float64)
    drawing = functools.partial(_sampled, faces=blurred, size=size)
    return pictured(drawing, factors, names=("photo", "x", "y", "turn", "scale"), angles=("turn",))


def _cut(factors: Float[np.ndarray, "rows 3"], *, photos: Photographs) -> Float32[np.ndarray, "rows size size"]:
    return photos.cut(factors)


def _sampled(
    factors: Float[np.ndarray, "rows 5"], *, faces: Float32[np.ndarray, "faces height width"], size: int
) -> Float32[np.ndarray, "rows size size"]:
    number = np.rint(factors[:, 0]).astype(np.int64)
    x, y, turn, scale = factors.T[1:].astype(np.float32)[:, :, None, None]
    steps = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    right, down = steps[None, None, :], steps[None, :, None]
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return bilinear(faces[number], x + cosine * right - sine * down, y + sine * right + cosine * down)
