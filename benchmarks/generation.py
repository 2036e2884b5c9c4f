"""How likely does the default variational autoencoder find digits, and what does it draw?

    python -m benchmarks.generation --data-dir DATA/mnist [--fashion DIR] [--quick]

Statically binarized MNIST: each pixel of each picture is drawn once, black or white, with its brightness as the chance
(seed 0). `VariationalAutoencoder(50)`, as in the paper below, with the other defaults; without a number the code would
have 261 units, a third of the pixels. Minus the importance-weighted bound of the test pictures in nats, with 500
samples for each of the first 2000 and with 5000 for the first 200. Burda et al. 2016, table 1, have 86.8 for a model of
this size, whose pictures were drawn anew in each epoch.

The pictures in docs/pictures: new digits, a map of a code of two units and ways between digits; the same for clothes
with --fashion, a folder with the files of Fashion-MNIST.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.results import DRAWN, keep
from layerwise import VariationalAutoencoder
from layerwise.data import Table, read
from layerwise.data.gallery import write_gallery
from layerwise.diagnostics import importance_weighted_bound

ROUTES = "linear", "spherical", "manifold"


def binarized(table: Table, rows: int | None) -> Table:
    """Each pixel drawn once."""
    brightness = table.to_array()[:rows] / 255
    return Table.from_array((np.random.default_rng(0).random(brightness.shape) < brightness).astype(np.uint8))


def likelihood(folder: Path, *, quick: bool) -> dict[str, Any]:
    """The bounds, in nats."""
    table = read("mnist", data_dir=folder)
    assert table.test is not None
    train, test = binarized(table, 300 if quick else None), binarized(table.test, 20 if quick else None)
    started = time.perf_counter()
    model = VariationalAutoencoder(50, max_epochs=1 if quick else None, test_fraction=0.0, random_state=0).fit(train)
    seconds = time.perf_counter() - started
    x = model.schema_.encode(test, told=set()).batch(torch.arange(min(2000, len(test)))).x
    bounds = {
        f"{samples} samples": -float(importance_weighted_bound(model.model_, x[:rows], samples=samples).mean())
        for samples, rows in ((1, 2000), (500, 2000), (5000, 200))
        if not quick or samples < 5000
    }
    return {"nats": bounds, "evidence": model.metrics_["evidence"], "seconds": seconds}


def gallery(table: Table, name: str) -> None:
    """New pictures, ways and a map."""
    model = VariationalAutoencoder(20, random_state=0).fit(table)
    flat = VariationalAutoencoder(2, random_state=0).fit(table)
    DRAWN.mkdir(exist_ok=True)
    drawn = {
        f"{name}-new.png": (model.sample_codes(100, random_state=0), model, 10),
        f"{name}-map.png": (flat.latent_grid_codes(20), flat, 20),
        f"{name}-ways.png": (
            np.concatenate(
                [
                    model.interpolate_codes(table.take(slice(k, k + 2)), 12, along=way)
                    for k in range(3)
                    for way in ROUTES
                ]
            ),
            model,
            12,
        ),
    }
    for file, (codes, maker, columns) in drawn.items():
        write_gallery(DRAWN / file, maker.decode_table(codes).to_array(), columns=columns)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, draw, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--fashion", type=Path, help="the folder of Fashion-MNIST")
    parser.add_argument("--quick", action="store_true", help="300 pictures, one epoch; nothing drawn or kept")
    arguments = parser.parse_args(words)
    figures = likelihood(arguments.data_dir, quick=arguments.quick)
    print(figures, flush=True)
    if not arguments.quick:
        keep("generation", figures)
        gallery(read("mnist", data_dir=arguments.data_dir), "digits")
        if arguments.fashion is not None:
            gallery(read("fashion-mnist", data_dir=arguments.fashion), "clothes")


if __name__ == "__main__":
    main()
