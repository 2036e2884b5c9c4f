"""The small data sets inside scikit-learn: no network, no files."""

import functools
from pathlib import Path
from typing import NoReturn

import numpy as np

from layerwise.data.datasets.base import DataSet
from layerwise.data.table import Origin, Table
from layerwise.errors import InputError

__all__ = ["DATA_SETS", "refuse"]


def _load(name: str, folder: Path | None) -> Table:
    # Imported here: scikit-learn's data sets take a third of a second to import.
    from sklearn import datasets

    loaders = {
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast_cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
    }
    bunch = loaders[name]()
    origin = Origin(f"sklearn:{name}")
    if name == "digits":
        return Table.from_array(bunch.images.astype(np.uint8), labels=bunch.target, origin=origin)
    return Table.from_array(bunch.data, names=list(bunch.feature_names), labels=bunch.target, origin=origin)


def refuse(name: str) -> NoReturn:
    """Say which names there are.

    Raises:
        InputError: always.
    """
    names = ", ".join(data_set.name for data_set in DATA_SETS)
    raise InputError(f"there is no data set {name!r}; from scikit-learn there are {names}.")


def _data_set(name: str, rows: int, features: int, licence: str, origin: str) -> DataSet:
    return DataSet(f"sklearn:{name}", rows, features, licence, origin, functools.partial(_load, name))


DATA_SETS = (
    _data_set(
        "digits",
        1797,
        64,
        "CC BY 4.0",
        "UCI, Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998)",
    ),
    _data_set("iris", 150, 4, "CC BY 4.0", "UCI, Iris (Fisher 1936)"),
    _data_set("wine", 178, 13, "CC BY 4.0", "UCI, Wine (Aeberhard, Forina 1992)"),
    _data_set(
        "breast_cancer",
        569,
        30,
        "CC BY 4.0",
        "UCI, Breast Cancer Wisconsin, Diagnostic (Wolberg et al. 1993)",
    ),
    _data_set(
        "diabetes",
        442,
        10,
        "none stated",
        "Efron, Hastie, Johnstone, Tibshirani 2004, Least Angle Regression",
    ),
)
