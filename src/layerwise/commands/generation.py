"""The verbs that make new rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwise.commands.rows import ENCODERS, are_pictures, loaded, matching
from layerwise.data import Table, check_output, write
from layerwise.data.gallery import GALLERIES, check_gallery, write_gallery
from layerwise.estimators.loading import Encoder
from layerwise.files import check_file
from layerwise.options import DataOptions

__all__ = ["interpolate", "sample", "write_pairs"]

LACK = "makes no rows. Fit an autoencoder, or a variational one with --task generate"
PAIRS, PAIR_COLUMNS = 50, 10


def sample(model: Path, count: int, *, output: Path, density: str, side: int | None, seed: int, device: str) -> None:
    """Write new rows: drawn, or those of a map of the code's two units."""
    estimator = loaded(model, ENCODERS, LACK, device)
    _check(output, estimator)
    if side is not None:
        _write(output, estimator, codes=estimator.latent_grid_codes(side), columns=side)
    else:
        codes = estimator.sample_codes(count, density=density, random_state=seed)
        _write(output, estimator, codes=codes)


def interpolate(
    model: Path, source: DataOptions, *, rows: Sequence[int], output: Path, steps: int, along: str, device: str
) -> None:
    """Write the rows on the way from some rows of a table to the next ones.

    Raises:
        InputError: for a row that is not there.
    """
    estimator = loaded(model, ENCODERS, LACK, device)
    _check(output, estimator)
    table = matching(estimator, source)
    for row in rows:
        if not 0 <= row < len(table):
            raise table.origin.error(f"--rows must be from 0 to {len(table) - 1:,}; got {row}.")
    codes = estimator.interpolate_codes(table.take(np.array(rows)), steps, along=along)
    _write(output, estimator, codes=codes, columns=steps if len(rows) == 2 else None)


def write_pairs(output: Path, estimator: Encoder, *, table: Table) -> None:
    """Write the first pictures, and under each what came back from its code, as one picture.

    Raises:
        InputError: for rows that are no pictures.
    """
    check_gallery(output, table.shape)
    some = table.take(slice(0, PAIRS))
    before, after = some.to_array(), estimator.reconstruct_table(some).to_array()
    lines = []
    for start in range(0, len(before), PAIR_COLUMNS):
        for part in (before, after):
            line = part[start : start + PAIR_COLUMNS]
            rest = np.zeros((min(PAIR_COLUMNS, len(before)) - len(line), *line.shape[1:]), line.dtype)
            lines += [line, rest]
    write_gallery(output, np.concatenate(lines), span=_span(estimator), columns=min(PAIR_COLUMNS, len(before)))


def _check(output: Path, estimator: Encoder) -> None:
    if output.suffix.lower() in GALLERIES:
        pixels = estimator.schema_.pixels
        check_gallery(output, None if pixels is None else pixels.shape)
        check_file(output)
    else:
        check_output(output, pictures=are_pictures(estimator))


def _write(output: Path, estimator: Encoder, *, codes: NDArray[np.float32], columns: int | None = None) -> None:
    table = estimator.decode_table(codes)
    if output.suffix.lower() in GALLERIES:
        write_gallery(output, table.to_array(), span=_span(estimator), columns=columns)
    else:
        write(table, output)


def _span(estimator: Encoder) -> tuple[float, float]:
    """The pixels of black and of white."""
    pixels = estimator.schema_.pixels
    assert pixels is not None
    return pixels.low, pixels.high
