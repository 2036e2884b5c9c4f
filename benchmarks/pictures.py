"""Pictures: the nets of a well-known lecture, noise, colours and segments, beside what users take today.

    python -m benchmarks.pictures --data-dir DATA [--only NAME ...] [--quick]

DATA holds `mnist`, `kodak`, `cifar10-small` and `nuclei`.

- lecture: its convolutional autoencoder of MNIST (16, 8 and 8 channels, a code of 128), 10 epochs by K-FAC; the
  cross-entropy of a pixel of the test pictures in nats, published 0.094 after 50 epochs; a perfect
  reconstruction has 0.058.
- modern: `Residual` with the same size of code.
- noise: `Denoiser` on MNIST with Gaussian noise of 0.5, clipped to [0, 1]; the peak signal-to-noise ratio of the test
  pictures in dB, beside that of scikit-image's non-local means, wavelets (BayesShrink with shifts) and total variation,
  each told the deviation of the noise, its strength the best of a few.
- photos: `Denoiser` of photos with a deviation of 25/255, learned from five of the Kodak pictures, judged on squares
  from the middles of the other three.
- colour: `Colorizer` on 3000 small pictures, judged on 1000 others, beside the mean colour.
- nuclei: `Segmenter` on 180 pictures, judged on 60 others, by the order of their names.

scikit-image comes with `pip install "layerwise[peers]"`.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import DRAWN, RESULTS, keep
from layerwise import Colorizer, DeepAutoencoder, Denoiser, Segmenter
from layerwise.corruptions import GaussianNoise, Varied
from layerwise.data import Table, read
from layerwise.data.gallery import write_gallery
from layerwise.data.pictures import read_each
from layerwise.diagnostics import mean_fidelity, peak_signal_to_noise
from layerwise.models import Convolutional, Network, Residual, sigmoid
from layerwise.optim import KFAC
from layerwise.penalties import cross_entropy
from layerwise.recipes import Setting, default, restoration
from layerwise.training import Constant, Phase, Recipe

PHOTO_NOISE, DIGIT_NOISE = 25 / 255, 0.5
TEST_PHOTOS, SQUARE = ("05.png", "15.png", "23.png"), 256
TEST_NUCLEI = 60
JUDGED = 500

Picture = NDArray[np.float32]
Filter = Callable[[Picture, float, float], Picture]


@dataclass(frozen=True)
class Size:
    """How much of the data is used, and how long is learned; None is all, and as long as the defaults say."""

    rows: int | None = None
    epochs: int | None = None

    @property
    def recipe(self) -> Callable[[Setting], Recipe] | None:
        """The usual one, or a short one."""
        return None if self.epochs is None else partial(restoration, epochs=self.epochs)


FULL, QUICK = Size(), Size(40, 1)


@functools.lru_cache(maxsize=1)
def digits(folder: Path, size: Size) -> tuple[Table, Table]:
    """MNIST; kept, as three parts want it."""
    table = read("mnist", data_dir=folder / "mnist")
    assert table.test is not None
    some = slice(size.rows)
    return table.take(some), table.test.take(some)


def natural(phase: Phase) -> Phase:
    """The same by natural gradient: so few weights are far from what they can by gradient descent in ten epochs."""
    # A picture has hundreds of places at which a convolution is seen: few pictures tell enough of the curvature.
    optimizer = KFAC(factor_rows=32, model_rows=128)
    return replace(phase, optimizer=optimizer, schedule=Constant(), batch_size=500)


def autoencoder(
    folder: Path, size: Size, *, network: Callable[..., Network], change: Callable[[Phase], Phase] = lambda phase: phase
) -> dict[str, Any]:
    """The cross-entropy of a pixel."""
    train, test = digits(folder, size)
    started = time.perf_counter()

    def recipe(setting: Setting) -> Recipe:
        return [change(phase) for phase in default(setting, epochs=size.epochs or 10, weight_decay=0.01)]

    model = DeepAutoencoder(
        hidden_layer_sizes=network, fidelity=cross_entropy, recipe=recipe, test_fraction=0.0, random_state=0
    ).fit(train)
    rows = model.schema_.encode(test, told=set())
    return {
        "code": model.model_.code,
        "cross_entropy_of_a_pixel": mean_fidelity(model.model_, rows, fidelity=cross_entropy) / rows.n_features,
        "published": 0.094,
        "seconds": time.perf_counter() - started,
    }


def filters() -> dict[str, tuple[Filter, tuple[float, ...]]]:
    """What takes noise of a known deviation from a picture without having learned to, and its strengths."""
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

    def means(picture: Picture, noise: float, strength: float) -> Picture:
        axis = 2 if picture.shape[2] > 1 else None
        given = picture if axis == 2 else picture[:, :, 0]
        found = denoise_nl_means(
            given, h=strength * noise, sigma=noise, patch_size=5, patch_distance=6, channel_axis=axis
        )
        return np.asarray(found, np.float32).reshape(picture.shape)

    def wavelets(picture: Picture, noise: float, strength: float) -> Picture:
        # The mean over shifts, without which there are blocks (Coifman & Donoho 1995).
        found = []
        for shift in ((0, 0), (1, 2), (2, 1), (3, 3)):
            moved = np.roll(picture, shift, (0, 1))
            clean = denoise_wavelet(moved, sigma=strength * noise, channel_axis=2, rescale_sigma=True)
            found.append(np.roll(clean, [-step for step in shift], (0, 1)))
        return np.mean(found, axis=0, dtype=np.float32)

    def variation(picture: Picture, noise: float, strength: float) -> Picture:
        return np.asarray(denoise_tv_chambolle(picture, weight=strength * noise, channel_axis=2), np.float32)

    return {
        "non-local means": (means, (0.6, 0.8, 1.0)),
        "wavelets": (wavelets, (0.8, 1.0, 1.2)),
        "total variation": (variation, (0.5, 0.8, 1.1)),
    }


def quality(found: Sequence[Picture], truth: Sequence[Picture]) -> float:
    """Mean peak signal-to-noise ratio in dB."""
    return float(np.mean([peak_signal_to_noise(np.clip(x, 0, 1), y) for x, y in zip(found, truth, strict=True)]))


def denoised(
    train: Sequence[Picture], test: Sequence[Picture], *, noise: float, blind: float, size: Size
) -> dict[str, Any]:
    """Ours, blind to the level, beside the filters, which know it."""
    started = time.perf_counter()
    kind = Varied(GaussianNoise, 0.0, high=blind, bounds=(0.0, 1.0))
    model = Denoiser(kind, recipe=size.recipe, random_state=0).fit(list(train))
    seconds = time.perf_counter() - started
    draw = np.random.default_rng(0)
    noisy = [np.clip(x + noise * draw.standard_normal(x.shape), 0, 1).astype(np.float32) for x in test]
    figures: dict[str, Any] = {"noisy": quality(noisy, test), "layerwise": quality(model.transform(noisy), test)}
    for name, (apply, strengths) in filters().items():
        some = slice(JUDGED)
        values = [quality([apply(x, noise, s) for x in noisy[some]], test[some]) for s in strengths]
        figures[name] = max(values)
    return {**figures, "judged by the filters": len(noisy[:JUDGED]), "seconds": seconds}


def noise_of_digits(folder: Path, size: Size) -> dict[str, Any]:
    """Noise of 0.5 on MNIST."""
    train, test = (part.to_array()[:, :, :, None].astype(np.float32) / 255 for part in digits(folder, size))
    return denoised(list(train), list(test), noise=DIGIT_NOISE, blind=0.7, size=size)


def noise_of_photos(folder: Path, size: Size) -> dict[str, Any]:
    """Noise of 25/255 on squares of photos."""
    found = read_each(folder / "kodak")
    photos = {name: picture.astype(np.float32) / 255 for name, picture in zip(found.names, found, strict=True)}
    train = [picture for name, picture in photos.items() if name not in TEST_PHOTOS]
    test = [middle(photos[name]) for name in TEST_PHOTOS if name in photos]
    return denoised(train, test, noise=PHOTO_NOISE, blind=0.25, size=size)


def middle(picture: Picture) -> Picture:
    """A square from the middle."""
    top, left = ((side - min(side, SQUARE)) // 2 for side in picture.shape[:2])
    return picture[top : top + SQUARE, left : left + SQUARE]


def colours(folder: Path, size: Size) -> dict[str, Any]:
    """Chrominances of small pictures; leaves a grid of grey, ours and true ones."""
    with np.load(folder / "cifar10-small" / "cifar10_small.npz") as found:
        train, test = found["x_train"][: size.rows], found["x_test"][: size.rows]
    started = time.perf_counter()
    model = Colorizer(recipe=size.recipe, random_state=0).fit(train)
    figures = model.evaluate(test)
    if size is FULL:
        some = test[:20]
        grey = np.repeat(np.rint(some @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None], 3, 3)
        rows = np.concatenate([grey, model.transform(some), some])
        DRAWN.mkdir(exist_ok=True)
        write_gallery(DRAWN / "colours.png", rows, columns=20)
    kept = {name: figures[name] for name in ("chrominance_error", "mean_chrominance_error")}
    below = 1 - kept["chrominance_error"] / kept["mean_chrominance_error"]
    return {**kept, "below": below, "seconds": time.perf_counter() - started}


def nuclei(folder: Path, size: Size) -> dict[str, Any]:
    """Nuclei and background."""
    with np.load(folder / "nuclei" / "nuclei.npz") as found:
        pictures, masks, order = found["images"], found["labels"] > 0, np.argsort(found["ids"])
    count = max(1, len(order) * TEST_NUCLEI // 240)
    test, train = order[:count], order[count:][: size.rows]
    started = time.perf_counter()
    model = Segmenter(recipe=size.recipe, random_state=0).fit(list(pictures[train]), list(masks[train]))
    figures = model.evaluate(list(pictures[test]), list(masks[test]))
    return {
        **{name: figures[name] for name in ("mean_iou", "otsu_mean_iou", "right_pixels")},
        "pictures": int(count),
        "seconds": time.perf_counter() - started,
    }


PARTS: dict[str, Callable[[Path, Size], dict[str, Any]]] = {
    "lecture": partial(autoencoder, network=partial(Convolutional, output=sigmoid), change=natural),
    "modern": partial(autoencoder, network=partial(Residual, code=128, output=sigmoid)),
    "noise": noise_of_digits,
    "photos": noise_of_photos,
    "colour": colours,
    "nuclei": nuclei,
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--only", choices=list(PARTS), nargs="+", help="some of the figures; the others stay")
    parser.add_argument("--quick", action="store_true", help="40 pictures, one epoch; nothing kept")
    arguments = parser.parse_args(words)
    path = RESULTS / "pictures.json"
    figures = json.loads(path.read_text("utf-8"))["results"] if path.exists() and not arguments.quick else {}
    for name in arguments.only or PARTS:
        figures[name] = PARTS[name](arguments.data_dir, QUICK if arguments.quick else FULL)
        print(f"{name}: {figures[name]}", flush=True)
        if not arguments.quick:
            keep("pictures", {"results": figures})


if __name__ == "__main__":
    main()
