"""Where the files of named data sets are looked for, and photographs among them."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from layerwise.data.damage import damage
from layerwise.errors import InputError

__all__ = ["cache", "faces", "folders", "missing", "photos"]

SUFFIXES = {".png", ".jpg", ".jpeg"}
FACES = "olivettifaces.mat"


def folders(name: str, folder: Path | None) -> list[Path]:
    """Where to look: in the given folder, in $LAYERWISE_DATA, in a folder of that name in either, and in the cache."""
    given = [folder] if folder is not None else []
    variable = os.environ.get("LAYERWISE_DATA")
    given += [Path(variable)] if variable else []
    return [place for base in given for place in (base, base / name)] + [cache(name)]


def cache(name: str) -> Path:
    """Where downloaded files are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "layerwise" / name


def photos(folder: Path | None) -> list[UInt8[np.ndarray, "_ _"]]:
    """Grey photographs from the PNG and JPEG files of one folder, ordered by name.

    Raises:
        InputError: where there are none, for a damaged one, or without Pillow.
    """
    # A folder of that name first: pictures of other kinds may lie beside it.
    searched = sorted(folders("kodak", folder), key=lambda place: place.name != "kodak")
    found = [[*filter(_is_photo, sorted(place.iterdir()))] for place in searched if place.is_dir()]
    files: list[Path] = next(filter(None, found), [])
    if not files:
        raise missing("PNG or JPEG photographs", searched, "the Kodak Lossless True Color Image Suite", "kodak")
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("photographs need Pillow: pip install 'layerwise[images]'.") from error
    out = []
    for file in files:
        with damage(file, "a PNG or JPEG picture"), Image.open(file) as picture:
            out.append(np.asarray(picture.convert("L")))
    return out


def faces(folder: Path | None) -> UInt8[np.ndarray, "400 64 64"]:
    """The Olivetti photographs, upright; ten in a row show one person.

    Raises:
        InputError: where the file is not found, or is another.
    """
    from scipy.io import loadmat, matlab

    searched = folders("olivetti", folder)
    file = next((place / FACES for place in searched if (place / FACES).is_file()), None)
    if file is None:
        raise missing(f"faces ({FACES})", searched, "the Olivetti faces as S. Roweis packed them", "olivetti")
    with damage(file, "the file of the Olivetti faces"):
        try:
            columns: NDArray[np.uint8] = loadmat(file, variable_names=["faces"]).get("faces", np.zeros(0, np.uint8))
        except matlab.MatReadError as error:
            raise ValueError(str(error)) from error
    if columns.shape != (4096, 400) or columns.dtype != np.uint8:
        raise InputError(f"{file}: 'faces' must be 4096 x 400 bytes; found shape {columns.shape}. Fetch it again.")
    return columns.T.reshape(400, 64, 64).transpose(0, 2, 1)


def _is_photo(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def missing(what: str, searched: list[Path], example: str, folder: str) -> InputError:
    """The error for files that are not found: what was looked for, where, and what can be put there.

    >>> str(missing("faces", [Path("data")], "the Olivetti faces", "olivetti"))[:37]
    'olivetti: there are no faces in data.'
    """
    places = ", ".join(map(str, searched))
    return InputError(
        f"{folder}: there are no {what} in {places}. "
        f"Put {example} into a folder {folder}, and name the folder around it with --data-dir."
    )
