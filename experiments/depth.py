"""Does pre-training help a deep net to learn, or does it keep it from learning too much?

    python -m experiments.depth --data-dir DATA [--quick]

Classifiers of MNIST with 1 to 6 layers of logistic units, with and without layers that were trained as denoising
autoencoders before: the losses and errors on training and test rows, and their spread over the seeds. The same with a
narrow last layer, which keeps the layers above from making up for what the layers below have not learned. And deep
autoencoders.

Sources: Bengio, Lamblin, Popovici & Larochelle 2007, "Greedy layer-wise training of deep networks", section 4; Erhan,
Bengio, Courville, Manzagol, Vincent & Bengio 2010, "Why does unsupervised pre-training help deep learning?".
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from experiments import study
from experiments.depth_page import LEVEL, NARROW, WIDTH, finding, picture
from experiments.features import Kept, chosen, class_error, figures_of, targeted
from experiments.study import Row
from layerwise.corruptions import Masking
from layerwise.diagnostics import mean_fidelity
from layerwise.models import Dense, Predictor, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import cross_entropy, softmax_cross_entropy, squared_error
from layerwise.recipes import Setting, Shallow, layerwise
from layerwise.training import History, Objective, Phase, Stop, TensorRows, fit

DEPTHS, ADAM_DEPTHS, RECONSTRUCTION_DEPTHS, TOP_DEPTH = (1, 2, 3, 4, 5, 6), (3, 6), (2, 5), 3
FEWER_SEEDS = 3  # Of all but what the spread is the question of.
OPTIMIZERS = {
    "SGD": FirstOrder(torch.optim.SGD, lr=0.1, momentum=0.9),
    "Adam": FirstOrder(torch.optim.Adam, lr=1e-3, options={"fused": True}),
}
WAYS = ("none", "plain", "denoising")
NAN = float("nan")


@final
@dataclass(frozen=True)
class Size:
    """How large a run is."""

    rows: int = 4000
    test_rows: int = 4000
    layer_epochs: int = 10
    epochs: int = 45
    tuning_epochs: int = 25  # Of an autoencoder.


@final
@dataclass(frozen=True)
class Job:
    """One net: its task, its layers, how they are pre-trained, how the whole is trained."""

    task: str
    top: str
    depth: int
    pre_training: str
    optimizer: str
    seed: int
    data_dir: Path | None
    size: Size

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the layers of the classifier, or of the encoder."""
        last = WIDTH if self.top == "wide" else NARROW
        return (*[WIDTH] * (self.depth - 1), last)

    @property
    def names(self) -> Row:
        """The columns that say what was run."""
        return {
            "task": self.task,
            "top": self.top,
            "depth": self.depth,
            "pre-training": self.pre_training,
            "optimizer": self.optimizer,
            "seed": self.seed,
        }


def jobs(seeds: Sequence[int], data_dir: Path | None, *, quick: bool) -> list[Job]:
    """All runs."""
    size = Size(200, 200, 1, 2, 1) if quick else Size()
    depths, adam, deep = ((1, 2), (2,), (2,)) if quick else (DEPTHS, ADAM_DEPTHS, RECONSTRUCTION_DEPTHS)
    top = 2 if quick else TOP_DEPTH
    both, all_ways, few = ("none", "denoising"), WAYS, seeds[:FEWER_SEEDS]
    plan = [
        *[("classify", "wide", depth, way, "SGD", seeds) for depth in depths for way in both],
        ("classify", "wide", top, "plain", "SGD", seeds),
        *[("classify", "narrow", top, way, "SGD", seeds) for way in all_ways],
        *[("classify", "wide", depth, way, "Adam", few) for depth in adam for way in both],
        *[("reconstruct", "narrow", depth, way, "Adam", few) for depth in deep for way in both],
    ]
    return [
        Job(task, top, depth, way, optimizer, seed, data_dir, size)
        for task, top, depth, way, optimizer, chosen_seeds in plan
        for seed in chosen_seeds
    ]


def pre_trained(job: Job, model: Dense, rows: torch.Tensor) -> float:
    """Train the layers one by one, where that is wanted; the seconds that it took."""
    if job.pre_training == "none":
        return 0.0
    trainer = Shallow(epochs=job.size.layer_epochs, batch_size=100, fidelity=cross_entropy)
    trainer = replace(trainer, corruption=Masking(0.25)) if job.pre_training == "denoising" else trainer
    setting = Setting(len(rows), Objective(cross_entropy), widths=model.widths)
    return study.train(model, TensorRows(rows), layerwise(setting, trainer=trainer, fine_tune=None), seed=job.seed)


def run(job: Job) -> Row:
    """Train one net and measure it."""
    data = study.load("mnist", job.data_dir).head(job.size.rows, job.size.test_rows)
    return classify(job, data) if job.task == "classify" else reconstruct(job, data)


def classify(job: Job, data: study.Data) -> Row:
    """A classifier; the loss is the cross-entropy in nats."""
    assert data.classes is not None
    assert data.test_classes is not None
    *hidden, code = job.widths
    features = data.train.shape[1]
    layers = Dense(
        features, hidden, code=code, layer=study.LOGISTIC, code_activation=sigmoid, output=sigmoid, seed=job.seed
    )
    model = Predictor(features, job.widths, outputs=10, layer=study.LOGISTIC, seed=job.seed)
    seconds = pre_trained(job, layers, data.train)
    model.start_from(layers)
    phase = Phase(
        "fine-tune",
        Objective(softmax_cross_entropy),
        OPTIMIZERS[job.optimizer],
        job.size.epochs,
        batch_size=100,
        stop=Stop(keep="last"),
    )
    rows, test = targeted(data.train, data.classes), targeted(data.test, data.test_classes)
    # The test rows only look on: the last weights are kept.
    started = time.process_time()
    history = fit(model, rows, [phase], validation=test, seed=job.seed, runtime=study.RUNTIME)
    seconds += time.process_time() - started
    curve = curve_of(history)
    figures = {
        "training loss": mean_fidelity(model, rows, fidelity=softmax_cross_entropy),
        "test loss": mean_fidelity(model, test, fidelity=softmax_cross_entropy),
        "training error": class_error(model, data.train, data.classes),
        "test error": class_error(model, data.test, data.test_classes),
        "least test loss": float(curve[:, 1].min()),
        "test loss at level": at_level(curve),
        "seconds": seconds,
    }
    return study.merged(job.names, figures, {"curve": Kept(curve)})


def reconstruct(job: Job, data: study.Data) -> Row:
    """An autoencoder with a linear code; the loss is the cross-entropy in nats, the error the squared error."""
    *hidden, code = job.widths
    model = study.logistic_net(data.train.shape[1], hidden, code, seed=job.seed)
    seconds = pre_trained(job, model, data.train)
    phase = Phase(
        "fine-tune", Objective(cross_entropy), OPTIMIZERS[job.optimizer], job.size.tuning_epochs, batch_size=100
    )
    seconds += study.train(model, TensorRows(data.train), [phase], seed=job.seed)
    rows, test = TensorRows(data.train), TensorRows(data.test)
    figures = {
        "training loss": mean_fidelity(model, rows, fidelity=cross_entropy),
        "test loss": mean_fidelity(model, test, fidelity=cross_entropy),
        "training error": mean_fidelity(model, rows, fidelity=squared_error),
        "test error": mean_fidelity(model, test, fidelity=squared_error),
        "least test loss": NAN,
        "test loss at level": NAN,
        "seconds": seconds,
    }
    return study.merged(job.names, figures, {"curve": Kept(np.empty((0, 2), np.float32))})


def curve_of(history: History) -> Any:
    """Training and test loss after each epoch; that of the training rows is the mean over the epoch's steps."""
    name = softmax_cross_entropy.name
    ends = [row for row in history.rows if row["event"] == "epoch" and row["terms"]]
    return np.array([(row["terms"][name], row["validation"][name]) for row in ends], np.float32)


def at_level(curve: Any) -> float:
    """The test loss when the training loss first was at the level, between two epochs; not a number where it never was.

    The first epoch with a lower one and the epoch before it are joined by a line over the logarithm of the training
    loss.
    """
    reached = np.flatnonzero(curve[:, 0] <= LEVEL)
    if not len(reached):
        return NAN
    last = reached[0]
    two = curve[max(0, last - 1) : last + 1][::-1]
    return float(np.interp(math.log(LEVEL), np.log(two[:, 0]), two[:, 1]))


def shown(rows: Sequence[Row]) -> str:
    """The tables of the page."""
    by, columns = ("top", "depth", "pre-training", "optimizer"), ("training loss", "test loss", "training error")
    nets = study.table(chosen(rows, task="classify"), by, (*columns, "test error", "least test loss", "seconds"))
    autoencoders = study.table(chosen(rows, task="reconstruct"), by[1:], (*columns, "test error", "seconds"))
    return f"Classifiers; the errors are the percent of wrong rows:\n\n{nets}\n\nAutoencoders:\n\n{autoencoders}"


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and publish."""
    arguments = study.parse(__doc__, words, seeds=(0, 1, 2, 3, 4))
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    rows = study.each(run, jobs(seeds, arguments.data_dir, quick=arguments.quick), quick=arguments.quick)
    figure, text = picture(rows), finding(rows)
    print(text)
    if arguments.quick:
        return
    size = Size()
    study.publish(
        "depth",
        figures_of(rows),
        figure,
        title="Does pre-training help a deep net to learn, or does it regularize?",
        setting=(
            f"The first {size.rows} training and {size.test_rows} test pictures of MNIST. Layers of {WIDTH} logistic "
            f"units (or {NARROW} on top), Glorot's first weights, a softmax that starts at zero; the same first "
            f"weights with and without pre-training. Pre-training: each layer for {size.layer_epochs} epochs of Adam "
            "at 1e-3 as an autoencoder with the cross-entropy, denoising with a quarter of its inputs masked. "
            f"Classifiers: {size.epochs} epochs in batches of 100, gradient descent at 0.1 with momentum 0.9 or Adam "
            "at 1e-3, the last weights kept, no other regularization. The least test loss is that of the best epoch, "
            f"chosen on the test rows. Autoencoders: a code of {NARROW} linear units, {size.tuning_epochs} epochs of "
            "Adam; their loss is the cross-entropy, their error the squared error, sum over the pixels. "
            f"{FEWER_SEEDS} seeds for Adam and the autoencoders. Clear: the mean of the differences by seed is more "
            "than two of their standard deviations."
        ),
        finding=text,
        shown=shown(rows),
    )


if __name__ == "__main__":
    main()
