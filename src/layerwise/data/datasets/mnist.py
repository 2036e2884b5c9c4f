"""MNIST and Fashion-MNIST: four IDX files each, found on this machine or downloaded once."""

import functools
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.datasets.base import DataSet
from layerwise.data.datasets.places import cache, folders
from layerwise.data.idx import read_idx_array
from layerwise.data.table import Origin, Table
from layerwise.errors import InputError, ResourceError
from layerwise.files import atomic_file, sha256

__all__ = ["DATA_SETS", "digits"]

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30
URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion-mnist": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
}
# Of the packed files as these hosts keep them; the same pictures packed by others have other hashes.
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}
ROWS = {"train": 60_000, "t10k": 10_000}


def digits(folder: Path | None) -> Table:
    """MNIST, from the given folder if any.

    Raises:
        InputError: for files of another content.
        ResourceError: where they are not found and cannot be downloaded.
    """
    return _load("mnist", folder)


def _load(name: str, folder: Path | None) -> Table:
    test = _split(name, "t10k", folder, test=None)
    return _split(name, "train", folder, test=test)


def _split(name: str, part: str, folder: Path | None, *, test: Table | None) -> Table:
    pictures = _array(name, f"{part}-images-idx3-ubyte", (ROWS[part], 28, 28), folder)
    labels = _array(name, f"{part}-labels-idx1-ubyte", (ROWS[part],), folder)
    return Table.from_array(pictures, labels=labels, test=test, origin=Origin(name))


def _array(name: str, file: str, shape: tuple[int, ...], folder: Path | None) -> NDArray[Any]:
    path = _found(name, file, folder)
    array = read_idx_array(path)
    if array.shape != shape or array.dtype != np.uint8:
        found = " x ".join(map(str, array.shape))
        raise InputError(f"{path}: must hold {' x '.join(map(str, shape))} bytes; found {found} of {array.dtype}.")
    return array


def _found(name: str, file: str, folder: Path | None) -> Path:
    searched = folders(name, folder)
    for place in searched:
        # Packed or not, and as unpacked by tools that write a dot before the type.
        for spelling in (f"{file}.gz", file, file.replace("-idx", ".idx")):
            if (place / spelling).is_file():
                return place / spelling
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; --data-dir must hold the files of {name}.")
    return _downloaded(name, f"{file}.gz", searched)


def _downloaded(name: str, file: str, searched: list[Path]) -> Path:
    target, url = cache(name) / file, URLS[name] + file
    logger.info("downloading %s", url)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the addresses are ours
            content: bytes = answer.read()
    except (OSError, urllib.error.URLError, ValueError) as error:
        reason = str(error.reason) if isinstance(error, urllib.error.URLError) else str(error)
        files = ", ".join(SHA256[name])
        raise ResourceError(
            f"{name}: {file} is not in {', '.join(map(str, searched))}, and cannot be downloaded from {url} "
            f"({' '.join(reason.split())}). Put the files {files} in a folder and name it with --data-dir."
        ) from error
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)
        if (found := sha256(temporary)) != SHA256[name][file]:
            raise ResourceError(
                f"{url}: must have SHA-256 {SHA256[name][file]}; found {found}, and nothing was kept. "
                "Try again, or name a folder with the files with --data-dir."
            )
    return target


DATA_SETS = (
    DataSet(
        "mnist",
        60_000,
        784,
        "none stated",
        "LeCun, Cortes, Burges, from NIST",
        functools.partial(_load, "mnist"),
    ),
    DataSet(
        "fashion-mnist",
        60_000,
        784,
        "MIT",
        "Zalando Research 2017",
        functools.partial(_load, "fashion-mnist"),
    ),
)
