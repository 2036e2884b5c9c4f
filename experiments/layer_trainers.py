"""Which way to train the layers is best for which task, and how long does each take?

    python -m experiments.layer_trainers --data-dir DATA [--quick] [--seeds 0 1 2]

The layers of 784-300-100-30 are trained one by one as Boltzmann machines, or as plain, denoising, contractive or sparse
shallow autoencoders. From the same layers come an autoencoder, fine-tuned on the cross-entropy, and a classifier of two
layers and a head. Beside them: no pre-training, with the same fine-tuning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments import study
from experiments.comparison import bars, legend, logarithmic, ranking, won
from experiments.study import Data, Row
from layerwise.corruptions import Masking
from layerwise.diagnostics import classification_error, passes
from layerwise.models import Dense, Predictor
from layerwise.optim import FirstOrder
from layerwise.penalties import Contraction, KLSparsity, cross_entropy, softmax_cross_entropy
from layerwise.recipes import LayerTrainer, Machine, Setting, Shallow, fine_tuning, layerwise
from layerwise.training import Objective, Targeted, TensorRows

DATA = "mnist", "big-and-small-digits", "square-and-room", "robot-arm-2d", "robot-arm-3d"
WITHOUT = "none"
COLOURS = {
    WITHOUT: study.GREY,
    "RBM": study.BLUE,
    "plain": study.ORANGE,
    "denoising": study.GREEN,
    "contractive": study.RED,
    "sparse": study.PINK,
}
TRAINERS = [name for name in COLOURS if name != WITHOUT]
BY_UNIT = "contractive, by unit"
BINS = 8
CODE = 30
ADAM = FirstOrder(torch.optim.Adam, lr=3e-3, options={"fused": True})

COLUMNS = (
    "classification_error",
    "cross_entropy",
    "squared_error",
    "reverse_cross_entropy",
    "layers_seconds",
    "autoencoder_seconds",
    "classifier_seconds",
)


@dataclass(frozen=True)
class Size:
    """How much is trained."""

    rows: int = 3000
    test_rows: int = 2000
    hidden: tuple[int, ...] = (300, 100)
    epochs: int = 10
    tuning: int = 20
    batches_by_unit: int = 4


QUICK = Size(512, 200, (30, 20), 1, 1, 1)


class Job(NamedTuple):
    """One data set, one way to train the layers, one seed."""

    data: str
    trainer: str
    seed: int
    size: Size
    data_dir: Path | None


def trainers(name: str, size: Size) -> list[LayerTrainer]:
    """How each layer is trained."""
    plain = Shallow(ADAM, size.epochs, fidelity=cross_entropy)
    depth = len(size.hidden) + 1
    if name == "RBM":
        return [Machine(epochs=size.epochs)] * depth
    if name == "sparse":
        sparse = Shallow(ADAM, size.epochs, fidelity=cross_entropy, penalties={"sparsity": (0.1, KLSparsity(0.05))})
        return [*[sparse] * (depth - 1), plain]
    made = {
        "plain": plain,
        "denoising": Shallow(ADAM, size.epochs, corruption=Masking(0.25), fidelity=cross_entropy),
        "contractive": Shallow(
            ADAM, size.epochs, fidelity=cross_entropy, penalties={"contraction": (0.1, Contraction())}
        ),
        BY_UNIT: Shallow(ADAM, 1, penalties={"contraction": (0.1, Contraction(probes=size.hidden[0]))}),
    }
    return [made[name]] * depth


def classes(data: Data) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A class for each row: its own, or by our definition the eighth in which its first factor is."""
    if data.classes is not None and data.test_classes is not None:
        return data.classes, data.test_classes
    assert data.factors is not None
    assert data.test_factors is not None
    train, test = _first(data.factors, data.names), _first(data.test_factors, data.names)
    edges = np.quantile(train, np.arange(1, BINS) / BINS)
    return np.digitize(train, edges), np.digitize(test, edges)


def _first(factors: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """The first factor; an angle is there as its sine and cosine."""
    return np.arctan2(factors[:, 0], factors[:, 1]) if names[0].startswith("sin ") else factors[:, 0]


def classifier(model: Dense, data: Data, job: Job) -> tuple[float, float]:
    """The error in percent of a classifier which starts from the layers below the code, and its fine-tuning's time."""
    y, test_y = classes(data)
    layers = Predictor(
        data.train.shape[1], job.size.hidden, outputs=int(y.max()) + 1, layer=study.LOGISTIC, seed=job.seed
    )
    for mine, learned in zip(layers.encoder, model.encoder[:-1], strict=True):
        mine.load_state_dict(learned.state_dict())
    setting = Setting(len(y), goal=Objective(softmax_cross_entropy))
    tune = fine_tuning(setting, epochs=job.size.tuning, optimizer=ADAM)
    seconds = study.train(layers, Targeted(TensorRows(data.train), torch.from_numpy(y)), [tune], seed=job.seed)
    found = torch.cat([run.reconstruction.argmax(1) for _, run in passes(layers, TensorRows(data.test))])
    return 100 * classification_error(found.numpy(), test_y), seconds


def run(job: Job) -> Row:
    """Train the layers, from them a classifier and an autoencoder, and measure."""
    size = job.size
    data = study.load(job.data, job.data_dir).head(size.rows, size.test_rows)
    model = study.logistic_net(data.train.shape[1], size.hidden, CODE, seed=job.seed)
    setting = Setting(len(data.train), Objective(cross_entropy), widths=model.widths)
    rows, seconds = TensorRows(data.train), [0.0] * setting.depth
    if job.trainer != WITHOUT:
        layers = layerwise(setting, trainer=trainers(job.trainer, size), fine_tune=None)
        seconds = [study.train(model, rows, [phase], seed=job.seed) for phase in layers]
    error, classifier_seconds = classifier(model, data, job)
    tune = fine_tuning(setting, epochs=size.tuning, optimizer=ADAM)
    tuned = study.train(model, rows, [tune], seed=job.seed)
    return {
        **described(job),
        "classification_error": error,
        **study.errors(model, TensorRows(data.test)),
        "layers_seconds": sum(seconds),
        "autoencoder_seconds": tuned,
        "classifier_layers_seconds": sum(seconds[:-1]),
        "classifier_seconds": classifier_seconds,
        "epoch_seconds": 1000 * seconds[0] / size.epochs / len(data.train),
    }


def by_unit(job: Job) -> Row:
    """A contractive first layer whose penalty takes a pass back for each unit: how long for 1000 rows."""
    data = study.load(job.data, job.data_dir).head(128 * job.size.batches_by_unit, 1)
    model = study.logistic_net(data.train.shape[1], job.size.hidden, CODE, seed=job.seed)
    setting = Setting(len(data.train), Objective(cross_entropy), widths=model.widths)
    layer = trainers(BY_UNIT, job.size)[0].phase(0, setting)
    seconds = study.train(model, TensorRows(data.train), [layer], seed=job.seed)
    return {**described(job), "epoch_seconds": 1000 * seconds / len(data.train)}


def described(job: Job) -> Row:
    """What tells one row from another."""
    return {"data": job.data, "trainer": job.trainer, "seed": job.seed}


def ratios(rows: Sequence[Row], other: str, column: str = "layers_seconds") -> list[float]:
    """How many times as long contractive layers take, for each data set and seed."""
    pairs = sorted({(row["data"], row["seed"]) for row in rows if row["trainer"] == other})
    return [
        study.mean_of(rows, column, trainer="contractive", data=data, seed=seed)
        / study.mean_of(rows, column, trainer=other, data=data, seed=seed)
        for data, seed in pairs
    ]


def on_time(rows: Sequence[Row], slow: Sequence[Row]) -> str:
    """Do contractive autoencoders take very long?"""
    others = [name for name in TRAINERS if name != "contractive"]
    slowest = min(others, key=lambda name: np.mean(ratios(rows, name)))
    plain, next_to = ratios(rows, "plain"), ratios(rows, slowest)
    seconds = [study.mean_of(rows, "epoch_seconds", trainer="plain", data=row["data"]) for row in slow]
    unit = float(np.mean([row["epoch_seconds"] / other for row, other in zip(slow, seconds, strict=True)]))
    held = "held" if min(next_to) >= 2 else "did not hold"
    return (
        f"**Claim: contractive autoencoders take very long to train.** It {held} here, if long is at least twice as "
        f"long as all others: with the penalty in closed form the layers took {np.mean(plain):.2f} ± "
        f"{np.std(plain):.2f} times as long as plain ones and {np.mean(next_to):.2f} ± {np.std(next_to):.2f} times as "
        f"long as the slowest others ({slowest}). Where the penalty is worked out with a pass back for each unit, as "
        f"without a closed form, an epoch of the first layer took {unit:.0f} times as long as that of a plain one."
    )


def best(rows: Sequence[Row], task: str, column: str) -> str:
    """Which trainer is best for a task?"""
    order = ranking(rows, column, by="trainer", ways=TRAINERS)
    better, worse = won(rows, column, by="trainer", one=order.first, other=WITHOUT)
    return (
        f"**Best for the {task}** ({column.replace('_', ' ')}): {order}. Against no pre-training with the same "
        f"fine-tuning, {order.first} was clearly better on {better} of the {len(order.leads)} data sets and clearly "
        f"worse on {worse}."
    )


def findings(rows: Sequence[Row], slow: Sequence[Row]) -> list[str]:
    """All that was found."""
    tasks = {"classifier": "classification_error", "autoencoder": "cross_entropy"}
    return [on_time(rows, slow), *(best(rows, task, column) for task, column in tasks.items())]


def figure(rows: Sequence[Row]) -> Figure:
    """Both tasks, and the time."""
    drawn, places = study.axes(3, width=4.6, height=3.6)
    shown = [
        ("classification_error", "classification error (% of test rows)", "Classifier"),
        ("squared_error", "test squared error (sum over pixels)", "Autoencoder"),
        ("layers_seconds", "pre-training (s, one thread)", "Time"),
    ]
    for axis, (column, label, title) in zip(places, shown, strict=True):
        colours = COLOURS if column != "layers_seconds" else {name: COLOURS[name] for name in TRAINERS}
        bars(axis, rows, column, by="trainer", colours=colours)
        axis.set_ylabel(label)
        axis.set_title(title)
    for axis in places[:2]:
        logarithmic(axis)
    legend(places)
    return drawn


def publish(rows: Sequence[Row], slow: Sequence[Row], size: Size) -> None:
    """Write the page."""
    setting = (
        f"The first {size.rows} training and {size.test_rows} test rows of each data set; 784-300-100-30 (1024 pixels "
        f"for big-and-small-digits), logistic units, linear code; {size.epochs} epochs a layer and {size.tuning} of "
        "fine-tuning. Shallow autoencoders and fine-tuning: Adam, rate 0.003, batches of 128, cross-entropy; "
        "denoising: a quarter of the inputs masked; contractive: weight 0.1; sparse: KL divergence from a mean "
        "activity of 0.05, weight 0.1, not on the code; RBM: CD-1, rate 0.1, 0.001 for the linear code. The "
        "classifier has the layers 300 and 100 and a linear head. None: no pre-training and the same fine-tuning, so "
        "less training in all. Classes: the digits; elsewhere, by our own definition, the first factor (x of the "
        "square, angle of the first joint, turn of the post) in 8 bins equally filled in training. Classification "
        "error in % of the test rows; "
        "cross-entropies in nats, like the squared error a sum over pixels and a mean over rows; seconds of the "
        "processor with one thread; epoch_seconds: for 1000 rows and the first layer. Differences are taken seed by "
        "seed; clear: more than two of their standard deviations."
    )
    blank = dict.fromkeys(rows[0], "")
    study.publish(
        "layer_trainers",
        [*rows, *({**blank, **row} for row in slow)],
        figure(rows),
        title="Which way to train the layers is best for which task, and how long does it take?",
        setting=setting,
        finding=" ".join(findings(rows, slow)),
        shown=study.table(rows, ("data", "trainer"), COLUMNS),
    )


def main(words: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    arguments = study.parse(__doc__, words)
    size = QUICK if arguments.quick else Size()
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    jobs = [
        Job(data, trainer, seed, size, arguments.data_dir)
        for data in (DATA[:3:2] if arguments.quick else DATA)
        for trainer in COLOURS
        for seed in seeds
    ]
    slow = study.each(
        by_unit, [Job(DATA[0], BY_UNIT, seed, size, arguments.data_dir) for seed in seeds], quick=arguments.quick
    )
    rows = study.each(run, jobs, quick=arguments.quick)
    print(*findings(rows, slow), sep="\n")
    if not arguments.quick:
        publish(rows, slow, size)


if __name__ == "__main__":
    main()
