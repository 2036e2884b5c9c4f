"""What do the data sets with known factors look like?

    python -m experiments.data_sets --data-dir DATA [NAME ...]

Writes docs/data/NAME.png: the first 100 training pictures of each, row by row, in 15 greys. DATA holds the folders
mnist, kodak and olivetti.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwise.data.datasets import datasets, with_factors

FOLDER = Path(__file__).parents[1] / "docs" / "data"
SIDE = 10
GREYS = 15
GAP, GAP_COLOUR = 2, (90, 120, 190)
LEAST = 48  # Smaller pictures are enlarged by a whole number.


def sheet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first 100 of the pictures, shape (rows, height, width), side by side, in levels 0 to 14, and 15 between."""
    _, height, width = images.shape
    zoom = -(-LEAST // width)
    cells = np.full((SIDE * SIDE, height * zoom + GAP, width * zoom + GAP), GREYS, np.uint8)
    levels = np.rint(images[: SIDE * SIDE] * ((GREYS - 1) / 255)).astype(np.uint8)
    cells[: len(levels), :-GAP, :-GAP] = levels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    lines = cells.reshape(SIDE, SIDE, *cells.shape[1:]).transpose(0, 2, 1, 3)
    return lines.reshape(SIDE * cells.shape[1], SIDE * cells.shape[2])[:-GAP, :-GAP]


def write(path: Path, levels: NDArray[np.uint8]) -> None:
    """A PNG with a palette, four bits a pixel."""
    picture = Image.frombytes("P", levels.shape[::-1], levels.tobytes())
    greys = [value for level in range(GREYS) for value in [level * 255 // (GREYS - 1)] * 3]
    picture.putpalette([*greys, *GAP_COLOUR])
    picture.save(path, optimize=True, bits=4)


def main(words: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Draw and write."""
    names = [data_set.name for data_set in datasets() if data_set.pictures is not None]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; by default all")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args(words)
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or names:
        training, _ = with_factors(name, data_dir=arguments.data_dir)
        write(folder / f"{name}.png", sheet(training.images))


if __name__ == "__main__":
    main()
