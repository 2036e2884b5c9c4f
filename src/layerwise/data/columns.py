"""The kinds of columns: how each becomes features of variance 1, and how features become cells again."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from layerwise.data.levels import Level, check_levels, from_levels, level_codes, unless_all
from layerwise.data.numbers import check_dtype, numbers, restored, storage
from layerwise.data.table import Raw
from layerwise.data.tokens import vocabulary_size
from layerwise.errors import InputError

__all__ = [
    "Binary",
    "ByteColumn",
    "Categorical",
    "Column",
    "Constant",
    "Numeric",
    "Pixels",
    "Text",
    "eight_bits",
    "squashed",
]

LIMIT = 30.0
CHUNK = 4096
# What a column read from a file must be: known fields only, finite numbers.
STRICT = {"extra": "forbid", "allow_inf_nan": False}


def squashed(z: NDArray[np.float64], limit: float = LIMIT) -> NDArray[np.float64]:
    r"""Numbers beyond +-30 compressed smoothly, the others as they are: outliers count, but do not rule.

    .. math:: z \mapsto \operatorname{sign}(z)\,(c + \ln(1 + |z| - c)) \text{ where } |z| > c

    >>> squashed(np.array([-2.0, 1e30])).round(2)
    array([-2.  , 99.08])
    """
    size = np.abs(z)
    if not len(z) or not np.fmax.reduce(size) > limit:
        return z
    excess = np.minimum(np.maximum(size - limit, 0.0), np.finfo(np.float64).max)
    return np.where(size > limit, np.copysign(limit + np.log1p(excess), z), z)


def unsquashed(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `squashed`.

    >>> unsquashed(squashed(np.array([-2.0, 1e6]))).round(3)
    array([-2.e+00,  1.e+06])
    """
    # exp(600) is far beyond any cell that is let in, and finite.
    excess = np.clip(np.abs(z) - LIMIT, 0.0, 600.0)
    return np.where(np.abs(z) > LIMIT, np.copysign(LIMIT + np.expm1(excess), z), z)


@final
@dataclass(frozen=True)
class Numeric:
    r"""Numbers, dates or times: one feature.

    .. math::

        x = (\operatorname{squashed}(z) - \text{shift}) / \text{spread},
        \quad z = (\text{number} - \text{origin} - \text{center}) / \text{scale}

    so that x has mean 0 and variance 1 over the training cells, and outliers stay of the order of 30.

    Attributes:
        name: the column's name.
        center: "standard" takes the mean without outliers, "minmax" the least.
        scale: "standard" takes the standard deviation without outliers, "minmax" the range.
        dtype: the source's type, as in `Raw`.
        origin: the whole number that numbers are counted from (`numbers.origin_of`).
        shift: the mean after squashing; 0 where no cell was an outlier.
        spread: the standard deviation after squashing; 1 where no cell was an outlier.
        scaling: "none" leaves the numbers as they are, outliers too.
        whole: numbers of a type with fractions are rounded on the way back.
        bounds: the least and the largest number, less the origin, on the way back; None for no bounds.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    center: float
    scale: float
    dtype: str = "float64"
    origin: int = 0
    shift: float = 0.0
    spread: float = 1.0
    scaling: Literal["standard", "minmax", "none"] = "standard"
    whole: bool = False
    bounds: tuple[float, float] | None = None
    kind: Literal["numeric"] = "numeric"

    def __post_init__(self) -> None:
        _check_scale(self.name, self.scale)
        _check_scale(self.name, self.spread)
        check_dtype(self.name, self.dtype)

    @property
    def width(self) -> int:
        """One feature."""
        return 1

    def bytes(self, raw: Raw) -> "ByteColumn | None":
        """The cells as they are, where they have 8 bits and none needs squashing; else None."""
        if raw.levels is not None or raw.values.dtype.kind not in "biu" or raw.values.dtype.itemsize > 1 or self.origin:
            return None
        ends = (np.array([raw.values.min(), raw.values.max()], dtype=np.float64) - self.center) / self.scale
        if self.scaling != "none" and np.abs(ends).max() > LIMIT:
            return None
        values, shift = eight_bits(raw.values)
        center = self.center + self.shift * self.scale + shift
        return ByteColumn(values, raw.present(), center, self.scale * self.spread)

    def scaled(self, raw: Raw) -> NDArray[np.float32]:
        """The cells as a feature, NaN where missing."""
        z = (numbers(raw, self.origin) - self.center) / self.scale
        squeezed = z if self.scaling == "none" else squashed(z)
        return ((squeezed - self.shift) / self.spread).astype(np.float32)

    def reach(self, deviations: float) -> tuple[float, float]:
        """The features of cells that lie so many deviations below and above the center."""
        ends = squashed(np.array([-deviations, deviations]))
        low, high = (ends - self.shift) / self.spread
        return float(low), float(high)

    def decode(self, x: NDArray[np.float64]) -> Raw:
        """The feature, shape (rows, 1), as cells of the source's type."""
        z = x[:, 0] * self.spread + self.shift
        z = z if self.scaling == "none" else unsquashed(z)
        found = z * self.scale + self.center
        found = np.rint(found) if self.whole else found
        found = found if self.bounds is None else found.clip(*self.bounds)
        return Raw(self.name, restored(found, self.dtype, origin=self.origin), dtype=self.dtype)


@final
@dataclass(frozen=True)
class Binary:
    """Two levels: x = (t - center) / scale, with t = 0 for the first and 1 for the second, one feature.

    A number that is neither continues the line through both; a text that is neither counts as missing.

    Attributes:
        name: the column's name.
        levels: the two values, in ascending order.
        center: the share p of the second level; 0 without standardizing.
        scale: sqrt(p (1 - p)); 1 without standardizing.
        dtype: the source's type, as in `Raw`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    levels: tuple[Level, Level]
    center: float = 0.0
    scale: float = 1.0
    dtype: str = "float64"
    kind: Literal["binary"] = "binary"

    def __post_init__(self) -> None:
        _check_scale(self.name, self.scale)
        check_levels(self.name, self.levels)
        check_dtype(self.name, self.dtype)

    @property
    def width(self) -> int:
        """One feature."""
        return 1

    @property
    def limit(self) -> float:
        """Beyond which numbers are squashed: the levels themselves never are, however rare one of them is."""
        return max(LIMIT, self.center / self.scale, (1 - self.center) / self.scale)

    def bytes(self, raw: Raw) -> "ByteColumn | None":
        """The cells as 0 and 1; None where a number is neither level."""
        if isinstance(self.levels[0], str) or raw.levels is not None:
            codes = level_codes(raw, self.levels)
            known = unless_all((codes == 0) | (codes == 1))
            return ByteColumn((codes == 1).astype(np.uint8), known, self.center, self.scale)
        t = self._line(raw)
        second, present = t == 1, raw.present()
        known = second | (t == 0)
        if not (known if present is None else known | ~present).all():
            return None
        return ByteColumn(second.astype(np.uint8), present, self.center, self.scale)

    def scaled(self, raw: Raw) -> NDArray[np.float32]:
        """Numbers as a feature, NaN where missing."""
        return squashed((self._line(raw) - self.center) / self.scale, self.limit).astype(np.float32)

    def decode(self, x: NDArray[np.float64]) -> Raw:
        """The nearer level for each row of a feature of shape (rows, 1)."""
        codes = (x[:, 0] * self.scale + self.center > 0.5).astype(np.int32)
        return from_levels(self.name, codes, self.levels, self.dtype)

    def _line(self, raw: Raw) -> NDArray[np.float64]:
        first, second = (level if isinstance(level, int | float) else 0 for level in self.levels)
        # Whole numbers are counted from the first level, which keeps those beyond 2**53 apart.
        origin = first if isinstance(first, int) else 0
        return (numbers(raw, origin) - (first - origin)) / (second - first)


@final
@dataclass(frozen=True)
class Categorical:
    """Categories: one feature a level and one for "another", all of them centered and divided by one scale.

    With p the shares of the levels and scale = sqrt(1 - sum p^2) the features' variances sum to 1: the column
    counts as much as a numeric one, however many levels it has.

    Attributes:
        name: the column's name.
        levels: the categories seen in training, in ascending order.
        frequencies: their shares; zeros without standardizing.
        scale: sqrt(1 - sum p^2); 1 without standardizing.
        embedding: width of the embedding that a network should learn for it; None for few levels.
        dtype: the source's type, as in `Raw`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    levels: tuple[Level, ...]
    frequencies: tuple[float, ...]
    scale: float = 1.0
    embedding: int | None = None
    dtype: str = "string"
    kind: Literal["categorical"] = "categorical"

    def __post_init__(self) -> None:
        _check_scale(self.name, self.scale)
        check_levels(self.name, self.levels)
        check_dtype(self.name, self.dtype)
        if len(self.frequencies) != len(self.levels):
            raise InputError(f"column {self.name!r} needs a frequency for each of its {len(self.levels)} levels.")

    @property
    def width(self) -> int:
        """A feature a level and one for every other category."""
        return len(self.levels) + 1

    @property
    def cold(self) -> NDArray[np.float32]:
        """Each feature's value where its level is absent."""
        return (-np.array([*self.frequencies, 0.0]) / self.scale).astype(np.float32)

    @property
    def hot(self) -> NDArray[np.float32]:
        """Each feature's value where its level is present."""
        return ((1 - np.array([*self.frequencies, 0.0])) / self.scale).astype(np.float32)

    def decode(self, x: NDArray[np.float64]) -> Raw:
        """The strongest level for each row of features of shape (rows, width); missing where "another" is."""
        strength = x * self.scale + np.array([*self.frequencies, 0.0])
        codes = strength.argmax(axis=1).astype(np.int32)
        codes[codes == len(self.levels)] = -1
        return from_levels(self.name, codes, self.levels, self.dtype)


@final
@dataclass(frozen=True)
class Constant:
    """A column with a single value, or with none: no feature; decoding gives the value back.

    Attributes:
        name: the column's name.
        value: the value; ticks of the type's unit for times; None where every cell was missing.
        dtype: the source's type, as in `Raw`.
        clock: whether it is left out because it only rises; no value of it is unusual then.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    value: Level | None = None
    dtype: str = "float64"
    clock: bool = False
    kind: Literal["constant"] = "constant"

    def __post_init__(self) -> None:
        check_dtype(self.name, self.dtype)

    @property
    def width(self) -> int:
        """No feature."""
        return 0

    def others(self, raw: Raw) -> NDArray[np.bool_] | None:
        """The cells that have another value; None for clocks.

        >>> Constant("size", 7).others(Raw("size", np.array([7.0, np.nan, 8.0]))).tolist()
        [False, False, True]
        """
        if self.clock:
            return None
        value, kind = self.value, storage(self.dtype)
        if kind.kind in "mM" and raw.values.dtype.kind == kind.kind:
            raw = replace(raw, values=raw.values.astype(kind).astype(np.int64), valid=raw.present())
        elif raw.values.dtype.kind == "f" and isinstance(value, int | float):
            # What was float64 in fit may now come as float32.
            raw, value = replace(raw, values=raw.values.astype(np.float32)), float(np.float32(value))
        levels = () if value is None else (value,)
        return level_codes(raw, levels) == len(levels)

    def decode(self, x: NDArray[np.float64]) -> Raw:
        """The value for each row of `x`."""
        return from_levels(self.name, np.full(len(x), 0 if self.value is not None else -1), (self.value,), self.dtype)


@final
@dataclass(frozen=True)
class Pixels:
    """All pixels of a picture, as one column: x = (pixel - low) / (high - low).

    Attributes:
        shape: (height, width), (height, width, channels), or (pixels,) where the arrangement is not known.
        low: the pixel value that becomes 0.
        high: the pixel value that becomes 1.
        dtype: the pixels' NumPy type.
        names: the columns' names; empty for x0, x1, ...
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    names: tuple[str, ...] = ()
    name: str = "pixels"
    kind: Literal["pixels"] = "pixels"

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise InputError(f"pictures need a positive size; got {self.shape}.")
        _check_scale(self.name, self.high - self.low)
        check_dtype(self.name, self.dtype)

    @property
    def width(self) -> int:
        """A feature a pixel and channel."""
        return math.prod(self.shape)

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Flat pictures as features, NaN where missing."""
        x = np.empty(values.shape, dtype=np.float32)
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            x[part] = (values[part].astype(np.float64) - self.low) / (self.high - self.low)
        return x

    def decode(self, x: NDArray[np.float64]) -> NDArray[Any]:
        """Features of shape (rows, width) as pictures of the source's type, shape (rows, *shape)."""
        return restored(x * (self.high - self.low) + self.low, self.dtype).reshape(len(x), *self.shape)


@final
@dataclass(frozen=True)
class Text:
    """Sentences, as one column: the numbers of their sub-words, as many as a sentence has.

    Attributes:
        name: the column's name.
        merges: of the sub-words, as in `Tokens`.

    >>> Text("English", (("a", "b"),)).width
    260
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    name: str
    merges: tuple[tuple[str, str], ...] = ()
    kind: Literal["text"] = "text"

    @property
    def width(self) -> int:
        """The size of the vocabulary."""
        return vocabulary_size(self.merges)

    @property
    def dtype(self) -> str:
        """As in `Raw`."""
        return "string"


Column = Numeric | Binary | Categorical | Constant | Pixels | Text


class ByteColumn(NamedTuple):
    """8-bit cells and how they scale: x = (value - center) / scale."""

    values: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None
    center: float
    scale: float


def eight_bits(values: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """8-bit numbers as uint8 and what was added to each.

    >>> eight_bits(np.array([-128, 0, 127], dtype=np.int8))
    (array([  0, 128, 255], dtype=uint8), 128)
    """
    if values.dtype.kind == "i":
        return values.view(np.uint8) ^ np.uint8(128), 128
    return values.view(np.uint8), 0


def _check_scale(name: str, scale: float) -> None:
    if not 0 < scale < math.inf:
        raise InputError(f"column {name!r} needs a positive, finite scale; got {scale}.")
