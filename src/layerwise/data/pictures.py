"""Folders of PNG and JPEG pictures."""

import contextlib
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from layerwise.data.damage import damage, not_found, readable
from layerwise.data.limits import ARRAY_COLUMNS, check_array, check_memory
from layerwise.data.table import Origin, Table
from layerwise.errors import InputError
from layerwise.files import atomic_file

__all__ = [
    "JPEGS",
    "OTHER_PICTURES",
    "PICTURES",
    "Pictures",
    "as_bytes",
    "read_each",
    "read_pictures",
    "write_picture",
    "write_pictures",
]

logger = logging.getLogger(__name__)

JPEGS = {".jpg", ".jpeg"}
PICTURES = {".png", *JPEGS}
OTHER_PICTURES = {".avif", ".bmp", ".gif", ".heic", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
# Pillow knows seventy formats, and looks at the content, not at the name.
FORMATS = ("PNG", "JPEG")
# A progressive JPEG has some ten scans, each of which takes as long as a whole picture.
FILE_BYTES, SCANS, PICTURE_PIXELS = 2**26, 200, 2**26
JPEG, SCAN = b"\xff\xd8", b"\xff\xda"
GREY = {"1", "L", "LA", "La"}
DEEP = {"I", "I;16", "I;16B", "I;16L"}


@final
@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of any size with what to call each of them in messages.

    >>> [picture.shape for picture in Pictures(["a.png", "b.png"], [np.zeros((4, 5)), np.zeros((6, 4, 3))])]
    [(4, 5), (6, 4, 3)]
    """

    names: Sequence[str]
    arrays: Sequence[NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.arrays)


def read_pictures(folder: Path) -> Table:
    """All PNG and JPEG files in a folder and its subfolders, ordered by name (2.png before 10.png).

    Pictures are grey when all files are, else they have three channels; transparency is dropped. Grey
    pictures of 16 bits stay so. The names of subfolders become the labels.

    Raises:
        InputError: for a folder without pictures, different sizes, a damaged picture, pictures of more than 2 million
            pixels or that unfold to far more than they take on the disk, or without Pillow.
        ResourceError: beyond the memory that is free.
    """
    image, files = pillow(), _files(folder)
    heads = [_head(image, file, most=ARRAY_COLUMNS) for file in files]
    _tell_transparent(str(folder), files, heads)
    sizes = Counter(head.size for head in heads)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        like = files[next(i for i, head in enumerate(heads) if head.size == usual)]
        other, size = next((file, head.size) for file, head in zip(files, heads, strict=True) if head.size != usual)
        (w, h), others = usual, len(files) - sizes[usual]
        raise InputError(
            f"{folder}: pictures must have one size; {like.name} is {w} x {h}, {other.name} is "
            f"{size[0]} x {size[1]} (so differ {others:,} of {len(files):,}). Resize or remove them."
        )
    (width, height), modes = heads[0].size, {head.mode for head in heads}
    deep, grey = modes <= DEEP, modes <= GREY
    shape = (len(files), height, width) if deep or grey else (len(files), height, width, 3)
    check_array(shape, 2 if deep else 1, sum(file.stat().st_size for file in files), str(folder))
    array = np.empty(shape, np.uint16 if deep else np.uint8)
    for i, file in enumerate(files):
        array[i] = _pixels(image, file, None if deep else "L" if grey else "RGB")
    classes = [str(file.parent.relative_to(folder)) for file in files]
    labels = np.array(classes) if len(set(classes)) > 1 else None
    return Table.from_array(array, labels=labels, origin=Origin(str(folder)))


def read_each(path: Path, *, masks: bool = False) -> Pictures:
    """The pictures of a folder, or the one of a file, of any size: grey or of three channels.

    Transparency is dropped; grey pictures of 16 bits stay so.

    Arguments:
        path: the folder, whose pictures are named by their way from it, or the file.
        masks: whether they hold a number for each class: the places in a palette are taken and not its colours, and
            equal channels as one.

    Raises:
        InputError: when it is not there; for a folder without pictures, a damaged picture, one of more than 67
            million pixels, or without Pillow; for masks that are in colour, or JPEGs, which change numbers.
        ResourceError: without permission, or beyond the memory that is free.
    """
    image = pillow()
    if not path.exists():
        raise not_found(path)
    with readable(path):
        files = _files(path) if path.is_dir() else [path]
        heads = [_head(image, file, most=PICTURE_PIXELS) for file in files]
        # Each number takes four bytes where a network reads it.
        check_memory(sum(4 * head.cells for head in heads), str(path))
        if not masks:
            _tell_transparent(str(path), files, heads)
        make = _mask if masks else _picture
        arrays = [make(image, file, head) for file, head in zip(files, heads, strict=True)]
    return Pictures([str(file.relative_to(path)) if path.is_dir() else file.name for file in files], arrays)


def write_picture(path: Path, picture: NDArray[Any]) -> None:
    """Write one picture, shape (height, width[, channels]), in the format of the name: bytes, or 16 bits in a grey PNG.

    Raises:
        InputError: for a name that is neither of a PNG nor of a JPEG.
    """
    image = pillow()
    if path.suffix.lower() not in PICTURES:
        raise InputError(f"{path}: a picture must be named .png or .jpg; found {path.suffix or 'no suffix'!r}.")
    with atomic_file(path) as staging:
        image.fromarray(picture).save(staging, format="PNG" if path.suffix.lower() == ".png" else "JPEG", quality=95)


def as_bytes(pictures: NDArray[Any], *, low: float = 0.0, high: float = 1.0) -> NDArray[np.uint8]:
    """Brightness as bytes, `low` as 0 and `high` as 255; what is beyond is cut off, and what is missing black.

    >>> as_bytes(np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])).tolist()
    [0, 0, 128, 255, 255, 0]
    """
    shares = (np.nan_to_num(pictures.astype(np.float64), nan=low) - low) / ((high - low) or 1)
    return np.rint(255 * shares.clip(0, 1)).astype(np.uint8)


def write_pictures(folder: Path, array: NDArray[Any]) -> None:
    """Write each picture, shape (rows, height, width[, channels]), as a PNG: 0000.png, 0001.png, ...

    Numbers that are not bytes are taken from their range to 0 to 255.
    """
    image = pillow()
    if array.dtype != np.uint8:
        array = as_bytes(array, low=float(np.nanmin(array)), high=float(np.nanmax(array)))
    digits = max(4, len(str(len(array) - 1)))
    for i, picture in enumerate(array):
        flat = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
        image.fromarray(flat).save(folder / f"{i:0{digits}}.png")


def _files(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, ordered by name."""
    files = sorted(
        (file for file in folder.rglob("*") if file.suffix.lower() in PICTURES and file.is_file()),
        key=_natural,
    )
    files = [file for file in files if not file.name.startswith(".")]
    if not files:
        hint = (
            " For the MNIST files in it: layerwise fit mnist --data-dir FOLDER." if any(folder.glob("*ubyte*")) else ""
        )
        raise InputError(f"{folder}: a folder must hold PNG or JPEG pictures; found none.{hint}")
    return files


def pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("pictures need Pillow: pip install 'layerwise[images]'.") from error
    return Image


def _natural(file: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(file))]


@final
class _Head(NamedTuple):
    """What a file says of its picture: width and height, Pillow's mode and format, whether it has transparency."""

    size: tuple[int, int]
    mode: str
    format: str
    transparent: bool

    @property
    def cells(self) -> int:
        return self.size[0] * self.size[1] * (1 if self.mode in GREY | DEEP else 3)


def _head(image: Any, file: Path, *, most: int) -> _Head:
    if (size := file.stat().st_size) > FILE_BYTES:
        raise InputError(f"{file}: a picture may have at most {FILE_BYTES:,} bytes; found {size:,}. Save it smaller.")
    with _opened(image, file) as picture:
        if (pixels := picture.width * picture.height) > most:
            raise InputError(
                f"{file}: a picture may have at most {most:,} pixels; found {pixels:,} "
                f"({picture.width:,} x {picture.height:,}). Make it smaller, or cut it."
            )
        return _Head(picture.size, picture.mode, picture.format, picture.has_transparency_data)


def _tell_transparent(source: str, files: Sequence[Path], heads: Sequence[_Head]) -> None:
    some = [file.name for file, head in zip(files, heads, strict=True) if head.transparent]
    if some:
        of = f" in {len(some):,} of {len(files):,} pictures, first {some[0]}" if len(files) > 1 else ""
        logger.warning("%s: transparency is left out, the colours beneath it stay%s.", source, of)


def _picture(image: Any, file: Path, head: _Head) -> NDArray[Any]:
    if head.mode in DEEP:
        return _pixels(image, file, None).astype(np.uint16)
    return _pixels(image, file, "L" if head.mode in GREY else "RGB")


def _mask(image: Any, file: Path, head: _Head) -> NDArray[Any]:
    if head.format != "PNG":
        raise InputError(
            f"{file}: a mask must be a PNG; a {head.format} changes the numbers. Save the original as PNG."
        )
    if head.mode == "P":
        return _pixels(image, file, None)
    mask = _picture(image, file, head)
    if mask.ndim == 2:
        return mask
    if (mask != mask[:, :, :1]).any():
        raise InputError(
            f"{file}: masks must be grey or have a palette, a number for each class; found colours. Number them."
        )
    return mask[:, :, 0]


def _pixels(image: Any, file: Path, mode: str | None) -> NDArray[Any]:
    content = file.read_bytes()
    if content.startswith(JPEG) and (scans := content.count(SCAN)) > SCANS:
        raise InputError(f"{file}: a JPEG may have at most {SCANS} scans; found {scans:,}. Save it again.")
    with _opened(image, file) as picture:
        return np.asarray(picture if mode is None else picture.convert(mode))


@contextlib.contextmanager
def _opened(image: Any, file: Path) -> Iterator[Any]:
    with damage(file, "a PNG or JPEG picture"), warnings.catch_warnings():
        warnings.simplefilter("error", image.DecompressionBombWarning)
        try:
            with image.open(file, formats=FORMATS) as picture:
                yield picture
        except (image.DecompressionBombError, image.DecompressionBombWarning) as error:
            raise ValueError(str(error)) from error
