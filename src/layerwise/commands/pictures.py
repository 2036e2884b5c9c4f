"""The verbs on pictures of any size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data import Schema, Table, check_output, write
from layerwise.data.pictures import JPEGS, PICTURES, Pictures, as_bytes, read_each, write_picture
from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.estimators import Denoiser, Segmenter, load
from layerwise.estimators.loading import PictureModel
from layerwise.files import atomic_folder, check_file
from layerwise.models import SegNet, UNet
from layerwise.options import PICTURE_TASKS, DataOptions
from layerwise.training import Checkpoint, History, Recipe

__all__ = ["apply", "fit_pictures", "judge_pictures", "plan_pictures"]

# The largest number of 16 bits, the most that a PNG holds of a pixel.
DEEPEST = 2**16 - 1


def read_pictures(source: DataOptions) -> Pictures:
    """The pictures of a folder or of a file, of any size, or those of an array or a named data set."""
    path = Path(source.source)
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return read_each(path)
    table = source.read()
    if table.shape is None:
        raise table.origin.error("pictures are needed; found a table. Give a folder of pictures, or an array of them.")
    digits = max(4, len(str(len(table) - 1)))
    return Pictures([f"{number:0{digits}}.png" for number in range(len(table))], [*table.to_array()])


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
) -> tuple[Pictures, list[NDArray[Any]] | None]:
    pictures = read_pictures(source)
    return pictures, read_masks(masks, pictures.names) if isinstance(estimator, Segmenter) else None


def read_masks(folder: Path | None, names: Sequence[str]) -> list[NDArray[Any]]:
    """The masks of the pictures of these names, which have the same names but for the ending.

    Raises:
        InputError: for no masks, one that is missing, in colour or a JPEG, and for two of one name.
    """
    if folder is None:
        raise InputError("to learn or judge what pixels belong to, masks are needed: --masks FOLDER.")
    found = read_each(folder, masks=True)
    masks = dict(zip(_stems(found.names), found.arrays, strict=True))
    stems = _stems(names)
    missing = [name for name, stem in zip(names, stems, strict=True) if stem not in masks]
    if missing:
        raise InputError(f"{folder}: each picture must have a mask of its name; missing {listing(missing)}.")
    return [masks[stem] for stem in stems]


def _stems(names: Sequence[str]) -> list[Path]:
    """The names without their endings.

    Raises:
        InputError: for two that differ in their endings alone.
    """
    first: dict[Path, str] = {}
    for name in names:
        other = first.setdefault(stem := Path(name).with_suffix(""), name)
        if other != name:
            raise InputError(f"pictures must have different names; {other} and {name} are both {stem}. Rename one.")
    return list(first)


def apply(model: Path, source: DataOptions, *, verb: str, output: Path, device: str) -> None:
    """Write what a model makes of pictures: a picture for one, a folder for many, or an array.

    Raises:
        InputError: for a model of another task, and for what the place cannot hold; found before the work begins.
    """
    single = output.suffix.lower() in PICTURES
    if single:
        check_file(output)
    else:
        check_output(output, pictures=True)
    estimator = load(model, device=device)
    kind = PICTURE_TASKS[verb]
    if not isinstance(estimator, kind):
        raise InputError(f"{model} does not {verb}. Fit a model with --task {verb}.")
    if isinstance(estimator, Segmenter):
        _check_classes(estimator, output)
    pictures = read_pictures(source)
    stems = _stems(pictures.names)
    if single and len(pictures) > 1:
        raise InputError(f"{output} takes one picture; found {len(pictures):,}. Name a folder.")
    sizes = {picture.shape if isinstance(estimator, Denoiser) else picture.shape[:2] for picture in pictures}
    if output.suffix and len(sizes) > 1:
        raise InputError(f"{output}: an array needs pictures of one size; found {len(sizes)}. Name a folder.")
    found = _classes(estimator, pictures, output) if isinstance(estimator, Segmenter) else estimator.transform(pictures)
    if single:
        write_picture(output, _as_written(found[0], output))
    elif output.suffix:
        write(Table.from_array(np.stack(found)), output)
    else:
        with atomic_folder(output) as folder:
            for stem, picture in zip(stems, found, strict=True):
                # A name may have dots of its own.
                target = folder / stem.with_name(f"{stem.name}.png")
                target.parent.mkdir(parents=True, exist_ok=True)
                write_picture(target, _as_written(picture, target))


def _check_classes(estimator: Segmenter, output: Path) -> None:
    """Refuse to write numbers of classes where they would not stay what they are."""
    if output.suffix.lower() in JPEGS:
        raise InputError(f"{output}: a JPEG changes the numbers of classes. Name a .png file.")
    classes = estimator.classes_
    if output.suffix.lower() in ("", ".png") and not (
        classes.dtype.kind in "biu" and classes.min() >= 0 and classes.max() <= DEEPEST
    ):
        raise InputError(
            f"{output}: a PNG holds classes that are whole numbers from 0 to {DEEPEST:,}; found {classes[0]!s} to "
            f"{classes[-1]!s}. Name a .npy file."
        )


def _classes(estimator: Segmenter, pictures: Pictures, output: Path) -> list[NDArray[Any]]:
    """The class of each pixel; in as few bytes as hold all classes, where they become pictures."""
    found: list[NDArray[Any]] = estimator.predict(pictures)
    if output.suffix.lower() in ("", ".png"):
        few = estimator.classes_.max() <= np.iinfo(np.uint8).max
        found = [mask.astype(np.uint8 if few else np.uint16) for mask in found]
    return found


def _as_written(picture: NDArray[Any], path: Path) -> NDArray[Any]:
    """A picture as its file can hold it: 16 bits go into a grey PNG alone."""
    if picture.dtype == np.uint16 and (picture.ndim == 3 or path.suffix.lower() in JPEGS):
        return as_bytes(picture, high=float(DEEPEST))
    return as_bytes(picture) if picture.dtype.kind == "f" else picture
