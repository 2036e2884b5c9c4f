"""What lies at the edge of a graph: named tensors, and which of a table's columns go into which of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerwise.data import Binary, Categorical, Column, Constant, Numeric, Pixels, Schema
from layerwise.data.levels import level_text
from layerwise.data.numbers import storage
from layerwise.errors import InputError

__all__ = [
    "CATEGORIES",
    "NUMBERS",
    "NUMBERS64",
    "PICTURES",
    "Arrays",
    "Expected",
    "Graph",
    "Port",
    "Trial",
    "about_columns",
    "columns_of",
    "is_timed",
    "ports_of",
    "texts_of",
]

NUMBERS, NUMBERS64, CATEGORIES, PICTURES = "numbers", "numbers64", "categories", "pictures"
# Of a deviation: columns that float32 tells apart less finely come in float64.
RESOLUTION = 1e-3
TEXTUAL = ("string", "category")
WHOLE = {"uint8": torch.uint8, "int8": torch.int8, "bool": torch.bool}

Arrays = dict[str, NDArray[Any]]


class Port(NamedTuple):
    """A tensor that goes into a graph or comes out of it.

    Attributes:
        name: of the tensor.
        dims: its sizes; those that may change go by a name.
        dtype: of the tensor; texts are the numbers of their levels inside the graph.
        levels: the texts of each column, or of the whole; empty for numbers.
        keeps: the input whose texts stay as they are where they are not empty.
    """

    name: str
    dims: tuple[str | int, ...]
    dtype: torch.dtype = torch.float32
    levels: tuple[tuple[str, ...], ...] = ()
    keeps: str = ""


class Expected(NamedTuple):
    """What an estimator makes of some input.

    Attributes:
        found: an array for each output.
        allowed: by how much a cell of an output may differ; outputs that have none must be equal.
        undecided: cells of these outputs that the last digit decides; they may be anything.
    """

    found: Arrays
    allowed: Mapping[str, NDArray[np.float64]]
    undecided: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})


class Trial(NamedTuple):
    """Some input, an array for each of a graph's, and what is expected of it."""

    feeds: Arrays
    expected: Expected


class Graph(nn.Module, ABC):
    """All that an estimator does to its input, as a module whose inputs and outputs are plain tensors.

    Attributes:
        inputs, outputs: the tensors, in their order.
        sizes: of the example that is followed through the graph, for each dimension that has a name.
        instead: operators that ONNX does not have, and what does the same.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sizes: Mapping[str, int] = MappingProxyType({"batch": 3})
    instead: Mapping[Any, Callable[..., Tensor]] = MappingProxyType({})

    @abstractmethod
    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """The outputs."""

    @abstractmethod
    def trials(self) -> Iterator[Trial]:
        """What the graph has to pass before it is written: batches of 1, 2 and 7."""

    @abstractmethod
    def about(self) -> dict[str, object]:
        """What a user of the file must know, as plain values."""


def columns_of(schema: Schema) -> dict[str, tuple[int, ...]]:
    """The places of a table's columns, for each tensor that holds some of them.

    Raises:
        InputError: for whole numbers that no tensor of floating point numbers tells apart.

    >>> from layerwise.data import Table
    >>> columns_of(Schema.fit(Table.from_array(np.eye(3))))
    {'numbers': (0, 1, 2)}
    """
    names = [_tensor_of(column) for column in schema.columns]
    order = [name for name in (NUMBERS, NUMBERS64, CATEGORIES, PICTURES) if name in names]
    return {name: tuple(place for place, found in enumerate(names) if found == name) for name in order}


def ports_of(schema: Schema, *, name: str = "", window: int | None = None) -> tuple[Port, ...]:
    """The tensors that hold the rows of a schema.

    Arguments:
        schema: of the rows.
        name: what an output is; where there are several tensors, their names follow it. Inputs go by these alone.
        window: the rows are points of a series, so many for each element of the batch.
    """
    batch: tuple[str | int, ...] = ("batch",) if window is None else ("batch", window)
    groups, ports = columns_of(schema), []
    for tensor, places in groups.items():
        called = tensor if not name else name if len(groups) == 1 else f"{name}_{tensor}"
        columns = [schema.columns[place] for place in places]
        if tensor == PICTURES:
            pixels = columns[0]
            assert isinstance(pixels, Pixels)
            ports.append(Port(called, (*batch, *pixels.shape), WHOLE.get(pixels.dtype, torch.float32)))
        elif tensor == CATEGORIES:
            ports.append(Port(called, (*batch, len(places)), torch.int64, tuple(map(texts_of, columns))))
        else:
            kind = torch.float32 if tensor == NUMBERS else torch.float64
            ports.append(Port(called, (*batch, len(places)), kind))
    return tuple(ports)


def about_columns(schema: Schema) -> dict[str, list[dict[str, object]]]:
    """For each tensor its columns: their names and kinds, the unit of times, the levels of categories."""
    told: dict[str, list[dict[str, object]]] = {}
    for tensor, places in columns_of(schema).items():
        told[tensor] = []
        for column in (schema.columns[place] for place in places):
            facts: dict[str, object] = {"name": column.name, "kind": column.kind, "type": column.dtype}
            if is_timed(column):
                facts["unit"] = "seconds" if storage(column.dtype).kind == "m" else "seconds since 1970-01-01"
            if tensor == CATEGORIES:
                facts["levels"] = list(texts_of(column))
            told[tensor].append(facts)
    return told


def is_timed(column: Column) -> bool:
    """Whether a column holds dates, times or durations."""
    return storage(column.dtype).kind in "mM"


def _tensor_of(column: Column) -> str:
    if isinstance(column, Pixels):
        return PICTURES
    if isinstance(column, Categorical) or column.dtype in TEXTUAL:
        return CATEGORIES
    if is_timed(column):
        return NUMBERS64
    if isinstance(column, Numeric) and column.origin:
        raise InputError(
            f"column {column.name!r} cannot be exported: it holds whole numbers near {column.origin:,}, which "
            "floating point numbers do not tell apart. Subtract that number, or leave the column out, and fit again."
        )
    if isinstance(column, Numeric):
        middle, scale = column.center, column.scale
    elif isinstance(column, Binary):
        first, second = (float(level) for level in column.levels)
        middle, scale = max(abs(first), abs(second)), second - first
    else:
        return NUMBERS
    return NUMBERS64 if float(np.spacing(np.float32(abs(middle)))) > RESOLUTION * scale else NUMBERS


def texts_of(column: Column) -> tuple[str, ...]:
    """The texts of a column's levels, in their order."""
    if isinstance(column, Constant):
        return () if column.value is None else (level_text(column.value),)
    assert isinstance(column, Binary | Categorical)
    return tuple(map(level_text, column.levels))
