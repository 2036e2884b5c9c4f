"""Data sets with a name: those that ship with scikit-learn, and those that are fetched once and kept."""

from layerwise.data.datasets import builtin, mnist
from layerwise.data.datasets.base import DataSet

__all__ = ["DataSet", "datasets", "find"]


def datasets() -> tuple[DataSet, ...]:
    """Every data set that `read` knows by name.

    >>> datasets()[0].name
    'sklearn:digits'
    """
    return (*builtin.DATA_SETS, *mnist.DATA_SETS)


def find(name: str) -> DataSet | None:
    """The data set of that name, or None.

    Raises:
        InputError: for an unknown name that begins with "sklearn:".

    >>> find("mnist").rows
    60000
    """
    known = {data_set.name: data_set for data_set in datasets()}
    if name.startswith("sklearn:") and name not in known:
        builtin.refuse(name)
    return known.get(name)
