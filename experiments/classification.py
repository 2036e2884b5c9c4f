"""How well do pre-trained nets classify, beside the published figures, and with few labels?

    python -m experiments.classification --data-dir DATA [--only NAME] [--quick]

Permutation-invariant: the net is not told which pixels are neighbours. MNIST has all 60,000 training rows, its
variations and the rectangles 10,000; the test rows are the first 10,000. With few labels, 1,000 of the rows of MNIST
keep theirs.
The error is the share of the test rows that are wrong, in percent.

Sources of the figures beside ours: Vincent et al. 2010, table 3, as others quote it.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import RESULTS, keep
from layerwise import StackedClassifier
from layerwise.corruptions import Masking
from layerwise.data import read
from layerwise.data.datasets import Pictures, rectangles
from layerwise.models import He, Layer, relu
from layerwise.optim import FirstOrder
from layerwise.recipes import Setting, Shallow, layerwise
from layerwise.training import Cosine, Phase, Recipe

# Published test errors in percent: SVM with a Gaussian kernel, SAE-3, DBN-3, SDAE-3.
PUBLISHED = {
    "mnist": (1.40, 1.40, 1.24, 1.28),
    "mnist-basic": (3.03, 3.46, 3.11, 2.84),
    "mnist-rot": (11.11, 10.30, 10.30, 9.53),
    "mnist-bg-rand": (14.58, 11.28, 6.73, 10.30),
    "rect": (2.15, 2.41, 2.60, 1.99),
}
# For each layer, and of the fine-tuning.
EPOCHS = {
    "mnist": (10, 80),
    "mnist-basic": (20, 150),
    "mnist-rot": (20, 200),
    "mnist-bg-rand": (20, 150),
    "rect": (20, 150),
}
MASKING = {"mnist": 0.25, "mnist-basic": 0.1, "mnist-rot": 0.25, "mnist-bg-rand": 0.4, "rect": 0.1}
ROWS, TEST_ROWS, LABELS = 10_000, 10_000, 1_000
SEEDS = (0, 1, 2, 3, 4)

Sets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def rows_of(name: str, data_dir: Path | None) -> Sets:
    """Training rows as bytes, their classes, and the same of the test rows."""
    if name == "rect":
        made = rectangles(ROWS + TEST_ROWS)
        parts: list[Pictures] = [made.take(slice(0, ROWS)), made.take(slice(ROWS, None))]
        return _flat(parts[0].images), _known(parts[0].labels), _flat(parts[1].images), _known(parts[1].labels)
    table = read(name, data_dir=data_dir)
    assert table.test is not None
    rows = len(table) if name == "mnist" else ROWS
    found = [
        (_flat(part.to_array())[:count], _known(part.labels)[:count])
        for part, count in ((table, rows), (table.test, TEST_ROWS))
    ]
    return (*found[0], *found[1])


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _known(labels: np.ndarray | None) -> np.ndarray:
    assert labels is not None
    return labels


def classifier(
    masking: float, epochs: int, fine_tune_epochs: int, *, pre_trained: bool = True, seed: int = 0
) -> StackedClassifier:
    """Three layers of 1000 rectified units; denoising layers first, then the whole with dropout."""

    def recipe(setting: Setting) -> Recipe:
        adam = FirstOrder(torch.optim.AdamW, lr=1e-3, weight_decay=0.01, options={"fused": True})
        tune = Phase(
            "fine-tune",
            setting.end,
            adam,
            fine_tune_epochs,
            batch_size=128,
            schedule=Cosine(warmup=0.05),
            average=0.999,
        )
        trainer = Shallow(adam, epochs, corruption=Masking(masking))
        return layerwise(setting, trainer=trainer, fine_tune=tune) if pre_trained else [tune]

    return StackedClassifier(
        (1000, 1000, 1000),
        layer=Layer(relu, initializer=He()),
        dropout=0.5,
        input_dropout=0.2,
        scaling="minmax",
        recipe=recipe,
        validation_fraction=0.0,
        random_state=seed,
    )


def table_row(name: str, data_dir: Path | None, *, quick: bool) -> dict[str, float]:
    """Our error on one data set, in percent."""
    x, y, test, test_y = rows_of(name, data_dir)
    if quick:
        x, y, test, test_y = x[:300], y[:300], test[:300], test_y[:300]
    epochs = (1, 1) if quick else EPOCHS[name]
    started = time.perf_counter()
    model = classifier(MASKING[name], *epochs).fit(x, y)
    return {"error": 100 * float((model.predict(test) != test_y).mean()), "seconds": time.perf_counter() - started}


def few_labels(data_dir: Path | None, *, quick: bool) -> dict[str, object]:
    """The errors with 1,000 labels, with and without pre-training on all rows, for each seed; in percent."""
    x, y, test, test_y = rows_of("mnist", data_dir)
    labels, epochs, seeds = (60, (1, 1), SEEDS[:1]) if quick else (LABELS, (10, 300), SEEDS)
    if quick:
        x, y, test, test_y = x[:300], y[:300], test[:300], test_y[:300]
    errors: dict[str, list[float]] = {"pre-trained": [], "not pre-trained": []}
    for seed in seeds:
        chosen = np.random.default_rng(seed).permutation(len(x))[:labels]
        known = np.full(len(x), -1)
        known[chosen] = y[chosen]
        for way, found in errors.items():
            model = classifier(0.25, *epochs, pre_trained=way == "pre-trained", seed=seed).fit(x, known)
            found.append(100 * float((model.predict(test) != test_y).mean()))
        print(f"seed {seed}: {errors}", flush=True)
    cut = [100 * (1 - a / b) for a, b in zip(errors["pre-trained"], errors["not pre-trained"], strict=True)]
    # Student's t with 4 degrees of freedom, 95 %.
    half = 2.776 * float(np.std(cut, ddof=1)) / np.sqrt(len(cut)) if len(cut) > 1 else float("nan")
    return {
        **errors,
        "cut": float(np.mean(cut)),
        "cut interval": [float(np.mean(cut)) - half, float(np.mean(cut)) + half],
    }


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where the files of MNIST are")
    parser.add_argument("--only", choices=[*PUBLISHED, "few"], nargs="+", help="some of the figures; the others stay")
    parser.add_argument("--quick", action="store_true", help="an epoch of each phase on 300 rows; nothing kept")
    arguments = parser.parse_args(words)
    path = RESULTS / "classification.json"
    figures = json.loads(path.read_text("utf-8"))["results"] if path.exists() and not arguments.quick else {}
    for name in arguments.only or [*PUBLISHED, "few"]:
        if name == "few":
            figures["few labels"] = few_labels(arguments.data_dir, quick=arguments.quick)
        else:
            found = table_row(name, arguments.data_dir, quick=arguments.quick)
            figures[name] = {
                **found,
                "published": dict(zip(("SVM", "SAE-3", "DBN-3", "SDAE-3"), PUBLISHED[name], strict=True)),
            }
        print(f"{name}: {figures['few labels' if name == 'few' else name]}", flush=True)
        if not arguments.quick:
            keep("classification", {"results": figures})


if __name__ == "__main__":
    main()
