"""Data sets with a name: within scikit-learn, fetched once and kept, or drawn here from known factors."""

import os
from pathlib import Path

from layerwise.data.datasets import builtin, mnist, named, sentences
from layerwise.data.datasets.arms import robot_arm_2d, robot_arm_3d
from layerwise.data.datasets.base import DataSet
from layerwise.data.datasets.convexity import convex
from layerwise.data.datasets.digits import big_and_small_digits, varied_digits
from layerwise.data.datasets.known import Pictures
from layerwise.data.datasets.outlines import rectangles
from layerwise.data.datasets.patches import face_patches, photo_patches
from layerwise.data.datasets.rooms import square_and_room
from layerwise.data.datasets.strokes import curves
from layerwise.errors import InputError

__all__ = [
    "DataSet",
    "Pictures",
    "big_and_small_digits",
    "convex",
    "curves",
    "datasets",
    "face_patches",
    "find",
    "photo_patches",
    "rectangles",
    "robot_arm_2d",
    "robot_arm_3d",
    "square_and_room",
    "varied_digits",
    "with_factors",
]


def datasets() -> tuple[DataSet, ...]:
    """Every data set that `read` knows by name.

    >>> datasets()[0].name
    'sklearn:digits'
    """
    return (*builtin.DATA_SETS, *mnist.DATA_SETS, *named.DATA_SETS, *sentences.DATA_SETS)


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


def with_factors(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> tuple[Pictures, Pictures]:
    """The training and the test pictures of a named data set with their factors, row by row as `read` gives them.

    Arguments:
        name: a data set whose factors are known, like "curves".
        data_dir: where the files of digits and photographs are.

    Raises:
        InputError: for a name without known factors, or where its files are not found.
        ResourceError: where MNIST is needed and cannot be downloaded.

    >>> training, test = with_factors("rect")
    >>> training.names, len(training), len(test)
    (('left', 'top', 'width', 'height'), 1200, 50000)
    """
    data_set = find(name)
    if data_set is None or data_set.pictures is None:
        names = ", ".join(data_set.name for data_set in named.DATA_SETS)
        raise InputError(f"the factors of {name!r} are not known; there are {names}. Choose one of these.")
    return data_set.pictures(None if data_dir is None else Path(data_dir))
