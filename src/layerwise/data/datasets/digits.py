"""Handwritten digits, displaced, turned and before backgrounds."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy.typing import NDArray

from layerwise.data.datasets.known import Pictures, check_rows, check_size, chosen, pictured, random
from layerwise.data.datasets.resampling import TEXTURE, Photographs, bilinear
from layerwise.data.table import Table

__all__ = ["big_and_small_digits", "varied_digits"]

BIG, SMALL = 1.0, 0.5
# From the centre of a digit of 28 pixels to where its ink may end.
INK = 12
NOISES = 2**53  # Whole numbers that a float64 holds exactly.


class _Variation(NamedTuple):
    """What is done to digits, and with what."""

    digits: UInt8[np.ndarray, "digits size size"]
    turned: bool
    noisy: bool
    photos: Photographs | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the factors."""
        turn = ("turn",) if self.turned else ()
        noise = ("noise",) if self.noisy else ()
        return ("digit", *turn, *noise, *(("photo", "left", "top") if self.photos else ()))


def big_and_small_digits(rows: int, digits: Table, *, size: int = 32, seed: int = 0) -> Pictures:
    """Digits of two scales at random places.

    Factors are the number of the digit in the given table, each digit taken once before any is taken again; its
    scale, 1 or 1/2 with equal probability; and the place x, y of the centre of its picture, in picture widths, such
    that 12 pixels of it (times the scale) fit on each side. Labels are the digits' labels. Digits are resampled
    linearly, and those of scale 1/2 are first averaged over 2 x 2 pixels.

    After the name "Big and Small Digits" in Bhutani, "Alternate Layer Sparsity and Intermediate Fine-tuning for Deep
    Autoencoders"; how they were drawn there is not known, and this drawing is our own.

    Arguments:
        rows: the number of pictures.
        digits: pictures of one digit each, bytes, like those of `read("mnist")`.
        size: height and width in pixels.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, a size below 28, or digits that are no square grey pictures of bytes.

    >>> digits = Table.from_array(np.full((5, 28, 28), 255, np.uint8), labels=np.arange(5))
    >>> big_and_small_digits(10, digits).names
    ('digit', 'scale', 'x', 'y')
    """
    images = _checked(digits)
    drawn = random(seed, 0).random((check_rows(rows), 3))
    scale = np.where(drawn[:, 0] < 0.5, BIG, SMALL)
    margin = INK * scale / check_size(size, least=28)
    place = margin[:, None] + drawn[:, 1:] * (1 - 2 * margin[:, None])
    numbers = chosen(rows, len(images), seed=seed)
    factors = np.column_stack([numbers, scale, place])
    drawing = functools.partial(_placed, digits=images, size=size)
    labels = None if digits.labels is None else digits.labels[numbers]
    return pictured(drawing, factors, names=("digit", "scale", "x", "y"), labels=labels)


def varied_digits(
    rows: int,
    digits: Table,
    *,
    turned: bool = False,
    noisy: bool = False,
    photos: Iterable[NDArray[np.uint8]] | None = None,
    seed: int = 0,
) -> Pictures:
    """Digits turned by any angle, or before noise or pieces of photographs: the MNIST variations.

    A pixel is the larger of the digit and what is behind it. Factors, in this order, are the number of the digit in
    the given table, each taken once before any is taken again; where `turned`, the angle, uniform in [0, 2 pi] and
    counter-clockwise; where `noisy`, the key of the noise, a whole number below 2^53, from which every pixel's is
    drawn, uniform in [0, 1]; with `photos`, the number of the photograph and the first column and row of its piece.
    Labels are the digits' labels.

    Source: Larochelle et al. 2007, "An empirical evaluation of deep architectures on problems with many factors of
    variation", section 3: BASIC, ROT (turned), BG-RAND (noisy), BG-IMG (photos) and BG-IMG-ROT (turned, photos);
    10,000 training, 2,000 validation and 50,000 test rows each.

    Arguments:
        rows: the number of pictures.
        digits: pictures of one digit each, bytes, like those of `read("mnist")`.
        turned: whether digits are turned.
        noisy: whether there is noise behind them.
        photos: grey photographs, bytes of shape (height, width) each; pieces whose bytes have a standard deviation
            below 25 are not taken.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: for less than 1 row, digits that are no square grey pictures of bytes, or photographs without a
            piece that can be taken.

    >>> digits = Table.from_array(np.full((5, 28, 28), 255, np.uint8), labels=np.arange(5))
    >>> varied_digits(10, digits, turned=True).targets()[1]
    ('digit', 'sin turn', 'cos turn')
    """
    images = _checked(digits)
    numbers = chosen(rows, len(images), seed=seed)
    cut = None if photos is None else Photographs(photos, size=images.shape[1], texture=TEXTURE)
    columns = [numbers.astype(np.float64)]
    if turned:
        columns.append(2 * np.pi * random(seed, 2).random(rows))
    if noisy:
        columns.append(np.floor(NOISES * random(seed, 3).random(rows)))
    if cut is not None:
        columns += list(cut.places(random(seed, 4).random((rows, 2))).T)
    variation = _Variation(images, turned, noisy, cut)
    labels = None if digits.labels is None else digits.labels[numbers]
    angles = ("turn",) if turned else ()
    drawing = functools.partial(_varied, variation=variation)
    return pictured(drawing, np.column_stack(columns), names=variation.names, angles=angles, labels=labels)


def _checked(digits: Table) -> UInt8[np.ndarray, "digits size size"]:
    shape, array = digits.shape, digits.array
    if array is None or array.dtype != np.uint8 or shape is None or len(shape) != 2 or shape[0] != shape[1]:
        found = "a table" if array is None or shape is None else f"{array.dtype} of shape {shape}"
        raise digits.origin.error(f"digits must be square grey pictures of bytes; found {found}. Give those of MNIST.")
    return array.reshape(len(digits), *shape)


def _placed(
    factors: Float[np.ndarray, "rows 4"], *, digits: UInt8[np.ndarray, "digits side side"], size: int
) -> Float32[np.ndarray, "rows size size"]:
    number, (scale, x, y) = _whole(factors[:, 0]), factors.T[1:].astype(np.float32)[:, :, None, None]
    images = digits[number].astype(np.float32) / np.float32(255)
    centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
    middle = np.float32((digits.shape[1] - 1) / 2)
    across, down = np.broadcast_arrays(
        (centres - x * size) / scale + middle, (centres[:, None] - y * size) / scale + middle
    )
    # A pixel of the picture is as wide as 1 / scale pixels of the digit: their mean, and not one of them.
    spread = (1 / scale - 1) / 2
    shifts = [(i * spread, j * spread) for i in (-1, 1) for j in (-1, 1)]
    picture = sum((bilinear(images, across + i, down + j) for i, j in shifts), np.float32(0)) / np.float32(4)
    return np.asarray(picture, np.float32)


def _varied(
    factors: Float[np.ndarray, "rows factors"], *, variation: _Variation
) -> Float32[np.ndarray, "rows size size"]:
    columns = dict(zip(variation.names, factors.T, strict=True))
    picture = variation.digits[_whole(columns["digit"])].astype(np.float32) / np.float32(255)
    size = picture.shape[1]
    if variation.turned:
        angle = columns["turn"].astype(np.float32)[:, None, None]
        centred = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        x, y, middle = centred[None, None, :], centred[None, :, None], np.float32((size - 1) / 2)
        cosine, sine = np.cos(angle), np.sin(angle)
        picture = bilinear(picture, cosine * x - sine * y + middle, sine * x + cosine * y + middle)
    if variation.noisy:
        picture = np.maximum(picture, _noise(columns["noise"], size))
    if variation.photos is not None:
        picture = np.maximum(picture, variation.photos.cut(factors[:, -3:]))
    return picture


def _noise(keys: Float[np.ndarray, "rows"], size: int) -> Float32[np.ndarray, "rows size size"]:
    generators = (np.random.Generator(np.random.Philox(key=int(number))) for number in keys)
    return np.stack([generator.random((size, size), np.float32) for generator in generators])


def _whole(numbers: Float[np.ndarray, "rows"]) -> Int[np.ndarray, "rows"]:
    return np.rint(numbers).astype(np.int64)
