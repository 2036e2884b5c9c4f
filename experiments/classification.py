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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.results import RESULTS, keep
from experiments import study
from layerwise import StackedClassifier
from layerwise.corruptions import Corruption, Masking, SwapNoise
from layerwise.data import read
from layerwise.data.datasets import Pictures, rectangles
from layerwise.models import Gaussian, He, Layer, relu, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import cross_entropy
from layerwise.recipes import LayerTrainer, Machine, Setting, Shallow, layerwise
from layerwise.training import Cosine, Phase, Recipe

ADAM = FirstOrder(torch.optim.AdamW, lr=1e-3, weight_decay=0.01, options={"fused": True})
RECTIFIED, LOGISTIC = Layer(relu, initializer=He()), Layer(sigmoid, initializer=Gaussian(0.01))
# Published test errors in percent: SVM with a Gaussian kernel, SAE-3, DBN-3, SDAE-3.
PUBLISHED = {
    "mnist": (1.40, 1.40, 1.24, 1.28),
    "mnist-basic": (3.03, 3.46, 3.11, 2.84),
    "mnist-rot": (11.11, 10.30, 10.30, 9.53),
    "mnist-bg-rand": (14.58, 11.28, 6.73, 10.30),
    "rect": (2.15, 2.41, 2.60, 1.99),
}


@dataclass(frozen=True)
class Way:
    """How a net of three layers of 1000 units is trained.

    Attributes:
        trainer: of the layers; None is no pre-training.
        epochs: of the fine-tuning.
        layer: how the layers are made.
        dropout: of hidden units, and of the input.
        lr: of the fine-tuning.
        machine: whether the layers are trained as machines, which wants an input of binary units.
        corruption: of the input in fine-tuning.
    """

    trainer: LayerTrainer | Sequence[LayerTrainer] | None
    epochs: int
    layer: Layer = RECTIFIED
    dropout: tuple[float, float] = (0.5, 0.2)
    lr: float = 1e-3
    machine: bool = False
    corruption: Corruption | None = None


def denoising(masking: float, epochs: int) -> Shallow:
    """Layers that fill in what is masked."""
    return Shallow(ADAM, epochs, corruption=Masking(masking))


WAYS = {
    "mnist": Way(denoising(0.25, 10), 50),
    "mnist-basic": Way(denoising(0.1, 20), 150),
    "mnist-rot": Way(denoising(0.25, 20), 200),
    # Where all pixels are noise but a few, machines find the strokes and denoising layers do not; other noise of the
    # same kind, from the other rows, teaches the whole net more than dropped units do.
    "mnist-bg-rand": Way(
        [Machine(epochs=epochs, lr=0.05) for epochs in (150, 40, 40)],
        80,
        LOGISTIC,
        (0.2, 0.0),
        5e-4,
        machine=True,
        corruption=SwapNoise(0.2),
    ),
    "rect": Way(denoising(0.1, 20), 150),
    # What is learned without labels must be worth having: much is masked, and it is learned for long.
    "few": Way([denoising(0.7, 20), denoising(0.5, 10), denoising(0.5, 10)], 100),
}
ROWS, TEST_ROWS, LABELS = 10_000, 10_000, 1_000

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


def classifier(way: Way, *, seed: int = 0) -> StackedClassifier:
    """Three layers of 1000 units."""

    def recipe(setting: Setting) -> Recipe:
        tune = Phase(
            "fine-tune",
            setting.end,
            replace(ADAM, lr=way.lr),
            way.epochs,
            batch_size=128,
            schedule=Cosine(warmup=0.05),
            average=0.999,
            corruption=way.corruption,
        )
        return [tune] if way.trainer is None else layerwise(setting, trainer=way.trainer, fine_tune=tune)

    dropout, input_dropout = way.dropout
    return StackedClassifier(
        (1000, 1000, 1000),
        layer=way.layer,
        dropout=dropout,
        input_dropout=input_dropout,
        scaling="minmax",
        fidelity=cross_entropy if way.machine else None,
        recipe=recipe,
        validation_fraction=0.0,
        random_state=seed,
    )


def short(way: Way) -> Way:
    """The same with an epoch for each phase."""
    trainer = way.trainer
    if trainer is not None:
        trainer = [replace(one, epochs=1) for one in ([trainer] * 3 if isinstance(trainer, LayerTrainer) else trainer)]
    return replace(way, trainer=trainer, epochs=1)


def table_row(name: str, data_dir: Path | None, *, quick: bool) -> dict[str, float]:
    """Our error on one data set, in percent."""
    x, y, test, test_y = rows_of(name, data_dir)
    if quick:
        x, y, test, test_y = x[:300], y[:300], test[:300], test_y[:300]
    started = time.perf_counter()
    model = classifier(short(WAYS[name]) if quick else WAYS[name]).fit(x, y)
    return {"error": 100 * float((model.predict(test) != test_y).mean()), "seconds": time.perf_counter() - started}


def few_labels(data_dir: Path | None, seeds: Sequence[int], *, quick: bool) -> dict[str, object]:
    """The errors with 1,000 labels, with and without pre-training on all rows, for each seed; in percent."""
    x, y, test, test_y = rows_of("mnist", data_dir)
    labels, way, seeds = (60, short(WAYS["few"]), seeds[:1]) if quick else (LABELS, WAYS["few"], seeds)
    if quick:
        x, y, test, test_y = x[:300], y[:300], test[:300], test_y[:300]
    ways = {"pre-trained": way, "not pre-trained": replace(way, trainer=None)}
    errors: dict[str, list[float]] = {name: [] for name in ways}
    for seed in seeds:
        chosen = np.random.default_rng(seed).permutation(len(x))[:labels]
        known = np.full(len(x), -1)
        known[chosen] = y[chosen]
        for name, way in ways.items():
            model = classifier(way, seed=seed).fit(x, known)
            errors[name].append(100 * float((model.predict(test) != test_y).mean()))
        print(f"seed {seed}: {errors}", flush=True)
    cut = [100 * (1 - a / b) for a, b in zip(errors["pre-trained"], errors["not pre-trained"], strict=True)]
    # Student's t, 95 %.
    half = float(stats.t.ppf(0.975, len(cut) - 1) * stats.sem(cut)) if len(cut) > 1 else float("nan")
    return {
        **errors,
        "cut": float(np.mean(cut)),
        "cut interval": [float(np.mean(cut)) - half, float(np.mean(cut)) + half],
    }


def page(figures: Mapping[str, Any]) -> str:
    """The kept figures as a page of Markdown."""
    names = ("SVM", "SAE-3", "DBN-3", "SDAE-3")
    lines = [
        "# How well do pre-trained nets classify, beside the published figures, and with few labels?",
        "",
        "Test errors in percent. MNIST has 60,000 training rows, the others 10,000; 10,000 test rows. Published: "
        "Vincent et al. 2010, table 3, as others quote it; SVM has a Gaussian kernel, the others three layers.",
        "",
        f"| data | {' | '.join(names)} | ours | ours / SDAE-3 | seconds |",
        "|---" * 8 + "|",
    ]
    for name, published in PUBLISHED.items():
        if name in figures:
            ours = figures[name]
            told = " | ".join(f"{value:.2f}" for value in published)
            share = ours["error"] / published[-1]
            lines.append(f"| {name} | {told} | {ours['error']:.2f} | {share:.2f} | {ours['seconds']:.0f} |")
    few = figures.get("few labels")
    if few:
        low, high = few["cut interval"]
        without, pre_trained = (np.mean(few[name]) for name in ("not pre-trained", "pre-trained"))
        lines += [
            "",
            f"**Few labels.** With {LABELS:,} labels of MNIST and all 60,000 pictures, pre-training cuts the error of "
            f"the same net by {few['cut']:.1f} % (95 % interval {low:.1f} to {high:.1f}, "
            f"{len(few['pre-trained'])} seeds): {without:.2f} % without it, {pre_trained:.2f} % with it.",
        ]
    return "\n".join([*lines, "", "`python -m experiments.classification`", ""])


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where the files of MNIST are")
    parser.add_argument("--only", choices=[*PUBLISHED, "few"], nargs="+", help="some of the figures; the others stay")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the runs with few labels")
    parser.add_argument("--quick", action="store_true", help="an epoch of each phase on 300 rows; nothing kept")
    arguments = parser.parse_args(words)
    path = RESULTS / "classification.json"
    figures = json.loads(path.read_text("utf-8"))["results"] if path.exists() and not arguments.quick else {}
    for name in arguments.only or [*PUBLISHED, "few"]:
        if name == "few":
            figures["few labels"] = few_labels(arguments.data_dir, arguments.seeds, quick=arguments.quick)
        else:
            found = table_row(name, arguments.data_dir, quick=arguments.quick)
            figures[name] = {
                **found,
                "published": dict(zip(("SVM", "SAE-3", "DBN-3", "SDAE-3"), PUBLISHED[name], strict=True)),
            }
        print(f"{name}: {figures['few labels' if name == 'few' else name]}", flush=True)
        if not arguments.quick:
            keep("classification", {"results": figures})
            (study.FOLDER / "classification.md").write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
