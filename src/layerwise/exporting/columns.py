"""A schema's arithmetic as modules: cells to features on the way into a graph, features to cells on the way out.

What `Schema.encode` and `Schema.decode` compute in float64 is computed in float64 here, too.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from layerwise.data import Binary, Categorical, Column, Constant, Numeric, Pixels, Schema
from layerwise.data.columns import LIMIT
from layerwise.data.numbers import RANGES, numbers, storage
from layerwise.exporting.ports import CATEGORIES, Port, columns_of, is_timed, ports_of

__all__ = ["Part", "Sink", "Source", "multiple_of", "sink_of", "source_of"]

# What times are multiples of, in seconds; below a microsecond float64 tells none apart.
TICKS = {"D": 86_400.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
# Of what lies beyond the limit: its exponential is far beyond any cell, and finite.
MOST = 600.0


class Part(NamedTuple):
    """Some features of rows, and which of them are known."""

    x: Tensor
    observed: Tensor


class Source(nn.Module, ABC):
    """Cells as they come to features as the network sees them.

    Attributes:
        ports: the tensors that hold the cells.
    """

    ports: tuple[Port, ...]

    @abstractmethod
    def forward(self, *cells: Tensor) -> Part:
        """The features, float32, missing ones filled in."""


class Sink(nn.Module, ABC):
    """Features as the network gives them to cells in their own units.

    Attributes:
        ports: the tensors that hold the cells.
    """

    ports: tuple[Port, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The cells, a tensor for each port."""


def source_of(schema: Schema, *, window: int | None = None) -> Source:
    """What encodes rows; with a window, so many points of a series for each element of the batch."""
    return _Table(schema, window) if schema.pixels is None else _Pictures(schema, schema.pixels)


def sink_of(schema: Schema, name: str) -> Sink:
    """What decodes rows, into tensors of that name."""
    return _TableBack(schema, name) if schema.pixels is None else _PicturesBack(schema, schema.pixels, name)


@final
class _Table(Source):
    order: Tensor
    fill: Tensor

    def __init__(self, schema: Schema, window: int | None) -> None:
        super().__init__()
        self.ports, self.window, self.width = ports_of(schema, window=window), window, schema.n_features
        starts, order = _starts(schema), list[int]()
        self.parts = nn.ModuleDict()
        for name, places in columns_of(schema).items():
            cells = {i: schema.columns[place] for i, place in enumerate(places) if schema.columns[place].width}
            if cells:
                self.parts[name] = _Levels(cells) if name == CATEGORIES else _Numbers(cells)
            for i, column in cells.items():
                order.extend(range(starts[places[i]], starts[places[i]] + column.width))
        self.register_buffer("order", torch.tensor(order).argsort())
        self.register_buffer("fill", _fill(schema))

    def forward(self, *cells: Tensor) -> Part:
        rows = [one if self.window is None else one.flatten(0, 1) for one in cells]
        inputs = {port.name: one for port, one in zip(self.ports, rows, strict=True)}
        found: list[Part] = [part(inputs[name]) for name, part in self.parts.items()]
        x = torch.cat([part.x for part in found], 1).index_select(1, self.order)
        observed = torch.cat([part.observed for part in found], 1).index_select(1, self.order)
        x = torch.where(observed, x, self.fill)
        if self.window is None:
            return Part(x, observed)
        return Part(*(one.reshape(-1, self.window * self.width) for one in (x, observed)))


@final
class _Pictures(Source):
    fill: Tensor

    def __init__(self, schema: Schema, pixels: Pixels) -> None:
        super().__init__()
        self.ports, self.low, self.range = ports_of(schema), pixels.low, pixels.high - pixels.low
        self.register_buffer("fill", _fill(schema))

    def forward(self, *cells: Tensor) -> Part:
        x = (cells[0].flatten(1).double() - self.low) / self.range
        observed = ~x.isnan()
        return Part(torch.where(observed, x.float(), self.fill), observed)


@final
class _TableBack(Sink):
    def __init__(self, schema: Schema, name: str) -> None:
        super().__init__()
        self.ports, starts = ports_of(schema, name=name), _starts(schema)
        self.parts = nn.ModuleList()
        for port, places in zip(self.ports, columns_of(schema).values(), strict=True):
            columns, begins = [schema.columns[place] for place in places], [starts[place] for place in places]
            levels = port.dtype == torch.int64
            self.parts.append(_LevelsBack(columns, begins) if levels else _NumbersBack(columns, begins, port.dtype))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(part(x.double()) for part in self.parts)


@final
class _PicturesBack(Sink):
    def __init__(self, schema: Schema, pixels: Pixels, name: str) -> None:
        super().__init__()
        self.ports, self.low, self.range = ports_of(schema, name=name), pixels.low, pixels.high - pixels.low
        self.shape, self.dtype = pixels.shape, self.ports[0].dtype
        kind = storage(pixels.dtype)
        self.ends = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        pictures = (x.double() * self.range + self.low).reshape(-1, *self.shape)
        if self.dtype == torch.bool:
            return (pictures > 0.5,)
        if self.ends is not None:
            pictures = pictures.round().clamp(*self.ends)
        return (pictures.to(self.dtype),)


class _Scale(NamedTuple):
    """How a column of numbers becomes a feature, and back: as in `Numeric`, and of two levels as in `Binary`.

    x = (squashed(z, limit) - shift) / spread with z = ((cell - first) / step - center) / scale. A cell that comes back
    lies between low and high, and is a multiple of a number, if that is not 0.
    """

    first: float = 0.0
    step: float = 1.0
    center: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    spread: float = 1.0
    limit: float = math.inf
    decides: bool = False
    multiple: float = 0.0
    low: float = -math.inf
    high: float = math.inf


class _Scaled(nn.Module, ABC):
    """Holds the scales of columns."""

    first: Tensor
    step: Tensor
    center: Tensor
    scale: Tensor
    shift: Tensor
    spread: Tensor
    limit: Tensor
    decides: Tensor
    multiple: Tensor
    low: Tensor
    high: Tensor

    def _hold(self, columns: Sequence[Column]) -> None:
        for name, values in zip(_Scale._fields, zip(*map(_scale_of, columns), strict=True), strict=True):
            kind = torch.bool if isinstance(values[0], bool) else torch.float64
            self.register_buffer(name, torch.tensor(values, dtype=kind))

    @abstractmethod
    def forward(self, cells: Tensor) -> Part | Tensor:
        """Cells to features, or features to cells."""


@final
class _Numbers(_Scaled):
    """Numbers of some columns, by their places in the tensor."""

    places: Tensor

    def __init__(self, columns: dict[int, Column]) -> None:
        super().__init__()
        self._hold(list(columns.values()))
        self.register_buffer("places", torch.tensor(list(columns)))

    def forward(self, cells: Tensor) -> Part:
        cells = cells.index_select(1, self.places)
        z = ((cells.double() - self.first) / self.step - self.center) / self.scale
        excess = z.abs() - self.limit
        squashed = z.sign() * (self.limit + torch.log1p(excess.clamp(min=0)))
        x = (torch.where(excess > 0, squashed, z) - self.shift) / self.spread
        return Part(x.float(), ~cells.isnan())


@final
class _NumbersBack(_Scaled):
    """Numbers of all columns of a tensor; where they begin among the features does not matter for constant ones."""

    starts: Tensor

    def __init__(self, columns: Sequence[Column], starts: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__()
        self._hold(columns)
        self.dtype, ends = dtype, torch.finfo(dtype)
        self.low.clamp_(min=ends.min)
        self.high.clamp_(max=ends.max)
        self.register_buffer("rounds", self.multiple > 0)
        self.multiple[self.multiple == 0] = 1.0
        found = [start if column.width else 0 for column, start in zip(columns, starts, strict=True)]
        self.register_buffer("starts", torch.tensor(found))

    def forward(self, x: Tensor) -> Tensor:
        z = x.index_select(1, self.starts) * self.spread + self.shift
        excess = z.abs() - self.limit
        stretched = z.sign() * (self.limit + torch.expm1(excess.clamp(0, MOST)))
        number = torch.where(excess > 0, stretched, z) * self.scale + self.center
        number = torch.where(self.decides, self.step * (number > 0.5), number) + self.first
        rounded = (number / self.multiple).round() * self.multiple
        number = torch.where(self.get_buffer("rounds"), rounded, number)
        return torch.minimum(torch.maximum(number, self.low), self.high).to(self.dtype)


@final
class _Levels(nn.Module):
    """Numbers of levels of some columns: -1 is missing, and their count a level that training had not."""

    place: Tensor
    level: Tensor
    last: Tensor
    cold: Tensor
    hot: Tensor

    def __init__(self, columns: dict[int, Column]) -> None:
        super().__init__()
        levels, widths = [_levels_of(column) for column in columns.values()], [c.width for c in columns.values()]
        for name, values in zip(_Level._fields, zip(*levels, strict=True), strict=True):
            self.register_buffer(name, torch.cat(values))
        self.register_buffer("place", torch.tensor(list(columns)).repeat_interleave(torch.tensor(widths)))

    def forward(self, codes: Tensor) -> Part:
        codes = codes.index_select(1, self.place)
        return Part(torch.where(codes == self.level, self.hot, self.cold), (codes >= 0) & (codes <= self.last))


@final
class _LevelsBack(nn.Module):
    """The strongest level of each column: -1 where that is none of them."""

    def __init__(self, columns: Sequence[Column], starts: Sequence[int]) -> None:
        super().__init__()
        self.columns, self.starts = tuple(columns), tuple(starts)

    def forward(self, x: Tensor) -> Tensor:
        codes = [self._code(column, x, start) for column, start in zip(self.columns, self.starts, strict=True)]
        return torch.stack(codes, 1)

    def _code(self, column: Column, x: Tensor, start: int) -> Tensor:
        if isinstance(column, Constant):
            return torch.full_like(x[:, 0], -1 if column.value is None else 0, dtype=torch.int64)
        if isinstance(column, Binary):
            return (x[:, start] * column.scale + column.center > 0.5).long()
        assert isinstance(column, Categorical)
        shares = torch.tensor([*column.frequencies, 0.0], dtype=x.dtype)
        code = (x[:, start : start + column.width] * column.scale + shares).argmax(1)
        return torch.where(code == len(column.levels), -1, code)


class _Level(NamedTuple):
    """Of each feature of a column of categories: its level, the last one that is known, its values without and with."""

    level: Tensor
    last: Tensor
    cold: Tensor
    hot: Tensor


def _levels_of(column: Column) -> _Level:
    if isinstance(column, Binary):
        ends = (torch.tensor([(t - column.center) / column.scale], dtype=torch.float32) for t in (0.0, 1.0))
        return _Level(torch.tensor([1]), torch.tensor([1]), *ends)
    assert isinstance(column, Categorical)
    last = torch.full((column.width,), len(column.levels))
    return _Level(torch.arange(column.width), last, torch.from_numpy(column.cold), torch.from_numpy(column.hot))


def _scale_of(column: Column) -> _Scale:
    if isinstance(column, Constant):
        value = float(numbers(column.decode(np.zeros((1, 0))))[0])
        return _Scale(first=value) if math.isnan(value) else _Scale(low=value, high=value)
    if isinstance(column, Binary):
        first, second = (float(level) for level in column.levels)
        return _Scale(first, second - first, column.center, column.scale, limit=column.limit, decides=True)
    assert isinstance(column, Numeric)
    limit = math.inf if column.scaling == "none" else LIMIT
    low, high = _ends(column)
    scales = (column.center, column.scale, column.shift, column.spread)
    return _Scale(float(column.origin), 1.0, *scales, limit, False, multiple_of(column), low, high)


def multiple_of(column: Column) -> float:
    """What the cells of a column are multiples of, in seconds for times; 0 for numbers with a fraction."""
    kind = storage(column.dtype)
    if kind.kind in "mM":
        return TICKS.get(np.datetime_data(kind)[0], 0.0)
    whole = kind.kind != "f" or (isinstance(column, Numeric) and column.whole)
    return 1.0 if whole else 0.0


def _ends(column: Numeric) -> tuple[float, float]:
    """The least and the largest cell that the column's type holds, and that its bounds allow."""
    low, high = _held(column)
    if column.bounds is None:
        return low, high
    least, most = column.bounds
    return max(low, column.origin + least), min(high, column.origin + most)


def _held(column: Numeric) -> tuple[float, float]:
    kind = storage(column.dtype)
    if is_timed(column):
        low, high = RANGES[column.dtype.partition("[")[0]]
        return float(low), float(high)
    if kind.kind == "b":
        return 0.0, 1.0
    ends = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    return float(ends.min), float(ends.max)


def _starts(schema: Schema) -> list[int]:
    """Where the features of each column begin."""
    return list(accumulate((column.width for column in schema.columns), initial=0))[:-1]


def _fill(schema: Schema) -> Tensor:
    """What missing cells get."""
    return torch.tensor(schema.means or (0.0,) * schema.n_features, dtype=torch.float32)
