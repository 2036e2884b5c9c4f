"""The data sets with known factors that go by a name: how many rows, and of what."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from layerwise.data.datasets.arms import robot_arm_2d, robot_arm_3d
from layerwise.data.datasets.base import DataSet
from layerwise.data.datasets.convexity import convex
from layerwise.data.datasets.digits import big_and_small_digits, varied_digits
from layerwise.data.datasets.known import Pictures
from layerwise.data.datasets.mnist import digits
from layerwise.data.datasets.outlines import rectangles
from layerwise.data.datasets.patches import face_patches, photo_patches
from layerwise.data.datasets.places import faces, photos
from layerwise.data.datasets.rooms import square_and_room
from layerwise.data.datasets.strokes import curves
from layerwise.data.table import Origin, Table

__all__ = ["DATA_SETS"]

Split = tuple[Pictures, Pictures]
Splitter = Callable[[Path | None, int, int], Split]

# Training rows, those for validation among them, and test rows.
ROWS = {
    "curves": (20_000, 10_000),
    "square-and-room": (20_000, 10_000),
    "robot-arm-2d": (20_000, 10_000),
    "robot-arm-2d-3": (20_000, 10_000),
    "robot-arm-3d": (20_000, 10_000),
    "big-and-small-digits": (20_000, 10_000),
    "mnist-basic": (12_000, 50_000),
    "mnist-rot": (12_000, 50_000),
    "mnist-bg-rand": (12_000, 50_000),
    "mnist-bg-img": (12_000, 50_000),
    "mnist-bg-img-rot": (12_000, 50_000),
    "rect": (1_200, 50_000),
    "rect-img": (12_000, 50_000),
    "convex": (8_000, 50_000),
    "face-patches": (103_500, 41_400),
    "photo-patches": (10_000, 10_000),
}
# Of 40 people with 10 photographs each, as Hinton and Salakhutdinov split them.
TRAINING_FACES, TEST_FACES = slice(0, 250), slice(300, 400)


GENERATED = "generated"
MNIST = "none stated"
LAROCHELLE = "after Larochelle et al. 2007"
BHUTANI = "our own drawing, after a name in Bhutani"


def _of_one(make: Callable[[int, Path | None], Pictures]) -> Splitter:
    """The first rows for training and the next for the test: rows do not depend on each other."""

    def split(folder: Path | None, training: int, test: int) -> Split:
        pictures = make(training + test, folder)
        return pictures.take(slice(0, training)), pictures.take(slice(training, None))

    return split


def _varied(*, turned: bool = False, noisy: bool = False, pictured: bool = False) -> Splitter:
    def make(rows: int, folder: Path | None) -> Pictures:
        behind = photos(folder) if pictured else None
        return varied_digits(rows, _all_digits(folder), turned=turned, noisy=noisy, photos=behind)

    return _of_one(make)


def _all_digits(folder: Path | None) -> Table:
    """Training and test digits together: 62,000 are needed, each once."""
    table = digits(folder)
    assert table.test is not None
    assert table.labels is not None
    assert table.test.labels is not None
    images = np.concatenate([table.to_array(), table.test.to_array()])
    return Table.from_array(images, labels=np.concatenate([table.labels, table.test.labels]), origin=table.origin)


def _big_and_small(folder: Path | None, training: int, test: int) -> Split:
    table = digits(folder)
    assert table.test is not None
    return big_and_small_digits(training, table), big_and_small_digits(test, table.test)


def _face_patches(folder: Path | None, training: int, test: int) -> Split:
    found = faces(folder)
    return face_patches(training, found[TRAINING_FACES]), face_patches(test, found[TEST_FACES])


def _photo_patches(folder: Path | None, training: int, test: int) -> Split:
    """The test patches are those of the last quarter of the photographs."""
    found = photos(folder)
    first = len(found) - max(1, len(found) // 4)
    return photo_patches(training, found[:first] or found), photo_patches(test, found[first:])


def _data_set(name: str, split: Splitter, *, pixels: int = 784, licence: str = GENERATED, origin: str) -> DataSet:
    def pictures(folder: Path | None) -> Split:
        return split(folder, *ROWS[name])

    def load(folder: Path | None) -> Table:
        training, test = pictures(folder)
        return _table(training, name, test=_table(test, name))

    return DataSet(name, ROWS[name][0], pixels, licence, origin, load, pictures)


def _table(pictures: Pictures, name: str, *, test: Table | None = None) -> Table:
    """Where there are no classes, the first factor is the label."""
    labels = pictures.factors[:, 0] if pictures.labels is None else pictures.labels
    return Table.from_array(pictures.images, labels=labels, test=test, origin=Origin(name))


DATA_SETS = (
    _data_set("curves", _of_one(lambda rows, _: curves(rows)), origin="after Hinton, Salakhutdinov 2006"),
    _data_set("square-and-room", _of_one(lambda rows, _: square_and_room(rows)), origin=BHUTANI),
    _data_set("robot-arm-2d", _of_one(lambda rows, _: robot_arm_2d(rows)), origin=BHUTANI),
    _data_set("robot-arm-2d-3", _of_one(lambda rows, _: robot_arm_2d(rows, joints=3)), origin=BHUTANI),
    _data_set("robot-arm-3d", _of_one(lambda rows, _: robot_arm_3d(rows)), origin=BHUTANI),
    _data_set("big-and-small-digits", _big_and_small, pixels=1024, licence=MNIST, origin=BHUTANI),
    _data_set("mnist-basic", _varied(), licence=MNIST, origin=LAROCHELLE),
    _data_set("mnist-rot", _varied(turned=True), licence=MNIST, origin=LAROCHELLE),
    _data_set("mnist-bg-rand", _varied(noisy=True), licence=MNIST, origin=LAROCHELLE),
    _data_set("mnist-bg-img", _varied(pictured=True), licence=MNIST, origin=LAROCHELLE),
    _data_set("mnist-bg-img-rot", _varied(turned=True, pictured=True), licence=MNIST, origin=LAROCHELLE),
    _data_set("rect", _of_one(lambda rows, _: rectangles(rows)), origin=LAROCHELLE),
    _data_set(
        "rect-img",
        _of_one(lambda rows, folder: rectangles(rows, photos=photos(folder))),
        licence="that of the photographs",
        origin=LAROCHELLE,
    ),
    _data_set("convex", _of_one(lambda rows, _: convex(rows)), origin=LAROCHELLE),
    _data_set(
        "face-patches",
        _face_patches,
        pixels=625,
        licence="none stated",
        origin="after Hinton, Salakhutdinov 2006; faces of AT&T Laboratories Cambridge",
    ),
    _data_set(
        "photo-patches",
        _photo_patches,
        pixels=64,
        licence="that of the photographs",
        origin="after the UFLDL tutorial, Stanford",
    ),
)
