"""Arrays and frames in, the same kind out."""

from typing import Any

import narwhals as nw

from layerwise.data import Table
from layerwise.data.arrow import to_arrow
from layerwise.errors import InputError

__all__ = ["backend_of", "is_frame", "like"]


def is_frame(data: object) -> bool:
    """Whether the data are an eager data frame of a library that narwhals knows.

    >>> is_frame([[1.0, 2.0]])
    False
    """
    return nw.dependencies.is_into_dataframe(data)


def backend_of(data: Any) -> str:
    """What rows shall come back as: "numpy" for arrays, else the frame's library; "pyarrow" for tables from files."""
    if isinstance(data, Table):
        return "numpy" if data.array is not None else "pyarrow"
    return nw.from_native(data, eager_only=True).implementation.name.lower() if is_frame(data) else "numpy"


def like(table: Table, data: Any, backend: Any) -> Any:
    """A table as what the user works with.

    Arguments:
        table: decoded rows.
        data: what the rows were made from; a pandas frame gives them its index.
        backend: see `backend_of`.

    Raises:
        InputError: when the frame's library is not installed here.
    """
    if backend == "numpy":
        array = table.to_array()
        return array.reshape(len(array), -1)
    try:
        frame = nw.from_arrow(to_arrow(table), backend=backend).to_native()
    except ImportError as error:
        raise InputError(f"the model was fitted on a {backend} frame, and {backend} is not installed here.") from error
    if backend == "pandas" and nw.dependencies.is_pandas_dataframe(data):
        frame.index = data.index
    return frame
