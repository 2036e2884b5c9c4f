"""The verbs on pictures of any size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data import Schema, Table, check_writable, write
from layerwise.data.pictures import PICTURES, as_bytes, read_each, write_picture
from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.estimators import Segmenter, load
from layerwise.estimators.loading import PictureModel
from layerwise.files import atomic_folder, check_file
from layerwise.models import SegNet, UNet
from layerwise.options import PICTURE_TASKS, DataOptions
from layerwise.training import Checkpoint, History, Recipe

__all__ = ["apply", "fit_pictures", "judge_pictures", "plan_pictures"]

Pictures = list[tuple[str, NDArray[Any]]]


def read_pictures(source: DataOptions) -> Pictures:
    """The pictures of a folder or of a file, of any size, or those of an array or a named data set."""
    path = Path(source.source)
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return list(read_each(path))
    table = source.read()
    if table.shape is None:
        raise table.origin.error("pictures are needed; found a table. Give a folder of pictures, or an array of them.")
    digits = max(4, len(str(len(table) - 1)))
    return [(f"{number:0{digits}}.png", picture) for number, picture in enumerate(table.to_array())]


def fit_pictures(
    estimator: PictureModel,
    source: DataOptions,
    *,
    masks: Path | None,
    history: History,
    checkpoint: Checkpoint | None,
) -> None:
    """Fit to pictures, and to their masks where there is something to segment.

    Raises:
        InputError: for pictures without masks.
    """
    estimator.fit(*_given(estimator, source, masks), history=history, checkpoint=checkpoint)


def plan_pictures(
    estimator: PictureModel, source: DataOptions, *, masks: Path | None
) -> tuple[int, tuple[Schema, SegNet | UNet, Recipe]]:
    """How many pictures there are, and what `fit` would make of them."""
    arrays, truth = _given(estimator, source, masks)
    return len(arrays), estimator.plan(arrays, truth)


def judge_pictures(estimator: PictureModel, source: DataOptions, *, masks: Path | None) -> dict[str, Any]:
    """The figures of `fit` on the given pictures.

    Raises:
        InputError: for pictures without masks.
    """
    return estimator.evaluate(*_given(estimator, source, masks))


def _given(
    estimator: PictureModel, source: DataOptions, masks: Path | None
) -> tuple[list[NDArray[Any]], list[NDArray[Any]] | None]:
    pictures = read_pictures(source)
    truth = read_masks(masks, [name for name, _ in pictures]) if isinstance(estimator, Segmenter) else None
    return [picture for _, picture in pictures], truth


def read_masks(folder: Path | None, names: Sequence[str]) -> list[NDArray[Any]]:
    """The masks of the pictures of these names, which have the same names but for the ending.

    Raises:
        InputError: for no masks, one that is missing, or one in colour.
    """
    if folder is None:
        raise InputError("to learn or judge what pixels belong to, masks are needed: --masks FOLDER.")
    found = {Path(name).with_suffix(""): mask for name, mask in read_each(folder)}
    missing = [name for name in names if Path(name).with_suffix("") not in found]
    if missing:
        raise InputError(f"{folder}: each picture must have a mask of its name; missing {listing(missing)}.")
    masks = [found[Path(name).with_suffix("")] for name in names]
    for name, mask in zip(names, masks, strict=True):
        if mask.ndim != 2:
            raise InputError(f"{folder}: masks must be grey, a number for each class; that of {name} has colours.")
    return masks


def apply(model: Path, source: DataOptions, *, verb: str, output: Path, device: str) -> None:
    """Write what a model makes of pictures: a picture for one, a folder for many, or an array.

    Raises:
        InputError: for a model of another task.
    """
    single = output.suffix.lower() in PICTURES
    if not single:
        check_writable(output, pictures=True)
    if output.suffix:
        check_file(output)
    estimator = load(model, device=device)
    kind = PICTURE_TASKS[verb]
    if not isinstance(estimator, kind):
        raise InputError(f"{model} does not {verb}. Fit a model with --task {verb}.")
    pictures = read_pictures(source)
    if single and len(pictures) > 1:
        raise InputError(f"{output} takes one picture; found {len(pictures):,}. Name a folder.")
    arrays = [picture for _, picture in pictures]
    found = estimator.predict(arrays) if isinstance(estimator, Segmenter) else estimator.transform(arrays)
    if single:
        write_picture(output, _bytes(found[0]))
    elif output.suffix:
        shapes = {picture.shape for picture in found}
        if len(shapes) > 1:
            raise InputError(f"{output}: an array needs pictures of one size; found {len(shapes)}. Name a folder.")
        write(Table.from_array(np.stack(found)), output)
    else:
        with atomic_folder(output) as folder:
            for (name, _), picture in zip(pictures, found, strict=True):
                target = (folder / name).with_suffix(".png")
                target.parent.mkdir(parents=True, exist_ok=True)
                write_picture(target, _bytes(picture))


def _bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype.kind == "f":
        return as_bytes(picture)
    if picture.dtype.kind in "biu" and picture.min() >= 0 and picture.max() <= 255:
        return picture.astype(np.uint8)
    raise InputError(f"a picture holds bytes; found {picture.dtype} from {picture.min()} to {picture.max()}. Use .npy.")
