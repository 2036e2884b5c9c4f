"""Sentences with their translations, from files that were fetched."""

import gzip
from pathlib import Path

import pyarrow as pa

from layerwise.data.arrow import from_arrow
from layerwise.data.damage import damage
from layerwise.data.datasets.base import DataSet
from layerwise.data.datasets.places import folders, missing
from layerwise.data.limits import check_gzip
from layerwise.data.table import Origin, Table

__all__ = ["DATA_SETS"]

NAME, FILE = "eng-fra", "fra.txt"
COLUMNS = "English", "French"


def _load(folder: Path | None) -> Table:
    """The pairs; of files that also say who made each, without that."""
    searched = folders(NAME, folder)
    found = (place / name for place in searched for name in (f"{FILE}.gz", FILE))
    file = next((path for path in found if path.is_file()), None)
    if file is None:
        raise missing(f"sentences ({FILE})", searched, "the English and French sentences of manythings.org/anki", NAME)
    with damage(file, "text in UTF-8 with an English and a French sentence on each line, a tab between them"):
        if file.suffix == ".gz":
            check_gzip(file)
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines = data.decode("utf-8-sig").removesuffix("\n").split("\n")
        pairs = [line.removesuffix("\r").split("\t")[:2] for line in lines]
        if wrong := next((number for number, pair in enumerate(pairs, 1) if len(pair) < 2), 0):
            raise ValueError(f"line {wrong} has no tab")
    columns = dict(zip(COLUMNS, zip(*pairs, strict=True), strict=True))
    return from_arrow(pa.table({name: list(texts) for name, texts in columns.items()}), origin=Origin(NAME))


DATA_SETS = (
    DataSet(NAME, 167_130, len(COLUMNS), "CC BY 2.0", "tatoeba.org, put together by manythings.org/anki", _load),
)
