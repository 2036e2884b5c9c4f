"""Encoded rows: small in memory, expanded to float32 one batch at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batch", "Bytes", "Codes", "Floats", "Index", "Rows", "Store", "Stretches"]

Index = Tensor | NDArray[Any] | slice


class Batch(NamedTuple):
    """Some rows as the network sees them.

    Attributes:
        x: scaled features; a missing cell holds its feature's mean over the training rows. Of sentences: tokens.
        observed: True for cells that count; None when all do.
        y: what is to be predicted, where something is: class numbers, shape (batch,), one a pixel or token where there
            are more; or numbers, (batch, outputs).
    """

    x: Float[Tensor, "batch *features"] | Int[Tensor, "batch tokens"]
    observed: Bool[Tensor, "batch *features"] | None
    y: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same rows on a device."""
        return Batch(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]


class Store(ABC):
    """Some of the features of all rows, in the smallest type that holds them."""

    features: NDArray[np.int64]

    @abstractmethod
    def read(self, index: NDArray[np.int64]) -> "Part":
        """The given rows of these features; `observed` is None, in every part, when no row misses any."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """The memory that these features take."""


class Part(NamedTuple):
    """Some rows of one store; in NumPy, whose loops need no threads to be woken for so little work."""

    x: NDArray[np.float32]
    observed: NDArray[np.bool_] | None


@final
@dataclass(frozen=True, eq=False)
class Floats(Store):
    """Scaled float32 numbers; NaN is missing."""

    features: NDArray[np.int64]
    values: NDArray[np.float32]
    complete: bool

    def read(self, index: NDArray[np.int64]) -> Part:
        """The rows as they are, NaN made 0."""
        x = np.take(self.values, index, axis=0)
        if self.complete:
            return Part(x, None)
        observed = ~np.isnan(x)
        np.copyto(x, 0.0, where=~observed)
        return Part(x, observed)

    @property
    def nbytes(self) -> int:
        """4 bytes a cell."""
        return self.values.nbytes


@final
@dataclass(frozen=True, eq=False)
class Bytes(Store):
    """8-bit numbers: x = (value - center) / scale, with a center and scale for all features or for each."""

    features: NDArray[np.int64]
    values: NDArray[np.uint8]
    center: NDArray[np.float32]
    scale: NDArray[np.float32]
    valid: NDArray[np.bool_] | None

    def read(self, index: NDArray[np.int64]) -> Part:
        """The rows scaled."""
        x = np.take(self.values, index, axis=0).astype(np.float32)
        if self.center.any():
            x -= self.center
        x /= self.scale
        if self.valid is None:
            return Part(x, None)
        observed = np.take(self.valid, index, axis=0)
        np.copyto(x, 0.0, where=~observed)
        return Part(x, observed)

    @property
    def nbytes(self) -> int:
        """1 byte a cell, 2 where cells are missing."""
        return self.values.nbytes + (0 if self.valid is None else self.valid.nbytes)


@final
@dataclass(frozen=True, eq=False)
class Codes(Store):
    """Level numbers of categorical columns, made one-hot when read.

    Arguments:
        features: of all blocks, one after the other.
        values: level number of each row and column; -1 is missing.
        starts: where each column's block begins within `features`.
        cold: value of each feature where its level is absent.
        hot: value of each feature where its level is present.
        complete: whether no cell is missing.
    """

    features: NDArray[np.int64]
    values: NDArray[Any]
    starts: NDArray[np.int64]
    cold: NDArray[np.float32]
    hot: NDArray[np.float32]
    complete: bool

    def read(self, index: NDArray[np.int64]) -> Part:
        """The one-hot blocks of the rows."""
        codes = np.take(self.values, index, axis=0)
        places = codes + self.starts
        if not self.complete:
            np.maximum(places, self.starts, out=places)
        x = np.empty((len(index), len(self.cold)), dtype=np.float32)
        x[:] = self.cold
        np.put_along_axis(x, places, self.hot[places], axis=1)
        if self.complete:
            return Part(x, None)
        widths = np.diff(self.starts, append=len(self.features))
        observed = np.repeat(codes >= 0, widths, axis=1)
        np.copyto(x, 0.0, where=~observed)
        return Part(x, observed)

    @property
    def nbytes(self) -> int:
        """1 or 2 bytes a cell, however many levels there are."""
        return self.values.nbytes


@final
@dataclass(frozen=True, eq=False)
class Stretches(Store):
    """The cells of rows that follow each other: element i is the rows `places[i]` to `places[i + length - 1]`."""

    features: NDArray[np.int64]
    store: Store
    places: NDArray[np.int64]
    length: int

    def read(self, index: NDArray[np.int64]) -> Part:
        """The stretches that begin at the given places."""
        x, observed = self.store.read(self.places[(index[:, None] + np.arange(self.length)).reshape(-1)])
        shape = (len(index), self.length * x.shape[1])
        return Part(x.reshape(shape), None if observed is None else observed.reshape(shape))

    @property
    def nbytes(self) -> int:
        """That of the rows."""
        return self.store.nbytes


@final
class Rows:
    """Encoded rows, ready for training; made by `Schema.encode`.

    Attributes:
        n_features: the width of the network's input.
        labels: one label a row, or None.

    >>> import numpy as np
    >>> from layerwise.data import Schema, Table
    >>> table = Table.from_array(np.array([[1.0, 5.0], [2.0, np.nan], [3.0, 9.0], [4.0, 7.0]]))
    >>> rows = Schema.fit(table).encode(table)
    >>> len(rows), rows.n_features
    (4, 2)
    >>> rows.batch(np.array([1])).observed
    tensor([[ True, False]])
    """

    def __init__(
        self,
        stores: Sequence[Store],
        n_features: int,
        *,
        labels: NDArray[Any] | None = None,
        index: NDArray[np.int64],
        fill: NDArray[np.float32] | None = None,
    ) -> None:
        self.stores = tuple(stores)
        self.n_features = n_features
        self.labels = labels
        self._index = index
        self._fill = fill

    def __len__(self) -> int:
        return len(self._index)

    @property
    def complete(self) -> bool:
        """Whether no cell is missing; then every batch has `observed` None."""
        return self.batch(slice(0)).observed is None

    @property
    def nbytes(self) -> int:
        """The memory of the stored cells; rows taken from other rows share it."""
        return sum(store.nbytes for store in self.stores)

    def batch(self, index: Index) -> Batch:
        """Expand some rows to float32.

        Arguments:
            index: row numbers (1-D tensor or array), a mask, or a slice.

        Returns:
            x, a new tensor of shape (rows, n_features), and `observed` of that shape (None if `complete`).
        """
        chosen = self._index[_as_numpy(index)]
        parts = [store.read(chosen) for store in self.stores]
        x, observed = parts[0]
        if len(parts) > 1:
            x = np.empty((len(chosen), self.n_features), dtype=np.float32)
            known = np.ones(x.shape, dtype=np.bool_)
            for store, part in zip(self.stores, parts, strict=True):
                x[:, store.features] = part.x
                if part.observed is not None:
                    observed = known
                    known[:, store.features] = part.observed
        if observed is not None and self._fill is not None:
            np.copyto(x, self._fill, where=~observed)
        return Batch(torch.from_numpy(x), None if observed is None else torch.from_numpy(observed))

    def take(self, index: Index) -> "Rows":
        """Some of the rows, in the given order, without copying their cells."""
        chosen = _as_numpy(index)
        labels = None if self.labels is None else self.labels[chosen]
        return Rows(self.stores, self.n_features, labels=labels, index=self._index[chosen], fill=self._fill)

    def windows(self, length: int) -> "Rows":
        """Each `length` rows that follow each other as one, their features after each other; nothing is copied."""
        starts = np.arange(len(self) - length + 1)
        firsts = np.arange(length)[:, None] * self.n_features
        stores = [Stretches((firsts + store.features).reshape(-1), store, self._index, length) for store in self.stores]
        fill = None if self._fill is None else np.tile(self._fill, length)
        return Rows(stores, length * self.n_features, index=starts, fill=fill)


def _as_numpy(index: Index) -> NDArray[Any] | slice:
    return index.cpu().numpy() if isinstance(index, Tensor) else index
