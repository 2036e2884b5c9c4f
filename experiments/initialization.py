"""Which first weights let a deep net learn, and does the depth then cost time?

    python -m experiments.initialization --data-dir DATA [--quick]

Classifiers of MNIST with 3 to 40 layers: how many epochs until the training loss is down to a level, from small
Gaussian weights, from those of Glorot (tanh) or He (ReLU), from orthogonal ones with the critical gain, and from layers
that were trained as autoencoders before. The same for linear nets, whose learning time should not depend on the depth
if the matrices are orthogonal.

Source: Saxe, McClelland & Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks", section 3 and figure 4.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import study
from experiments.features import axes_of, canvas, chosen, listed, logarithmic, targeted, titled, told
from experiments.study import BLUE, GREEN, ORANGE, RED, Row
from layerwise.diagnostics import modes_of
from layerwise.models import (
    Dense,
    Gaussian,
    Glorot,
    He,
    Initializer,
    Layer,
    Orthogonal,
    Predictor,
    PrincipalComponents,
    identity,
    relu,
    tanh,
)
from layerwise.optim import FirstOrder
from layerwise.penalties import prediction_error, softmax_cross_entropy
from layerwise.recipes import Setting, Shallow, layerwise
from layerwise.training import (
    EpochEnd,
    History,
    Objective,
    Phase,
    RollBack,
    Stop,
    StopPhase,
    Targeted,
    TensorRows,
    fit,
)

DEPTHS = (3, 5, 10, 20, 40)
SHALLOW, DEEP, FLAT = 5, 40, 1.3  # How much longer the deep linear net may take than the shallow one.
WAYS = ("Gaussian", "Glorot/He", "orthogonal", "pre-trained")
COLOURS = {"Gaussian": RED, "Glorot/He": ORANGE, "orthogonal": BLUE, "pre-trained": GREEN}
SMALL = 0.01  # The standard deviation of Gaussian weights; those of linear nets have 1 / sqrt(inputs).
LEVEL = 0.2  # The training loss to be reached, in nats.
LINEAR, NEARLY_ALL = "linear", "linear, nearly all"
LEFT = {LINEAR: 0.1, NEARLY_ALL: 0.01}  # Of linear nets: the share of what can be learned that may be left.
NETS = (LINEAR, NEARLY_ALL, "tanh", "relu")
RATES = (0.1, 0.03, 0.01, 0.003)
MOMENTUM = 0.9
FINER = 1.25  # Between two rates that are tried for a linear net.
LEAST = 1e-3  # Of the first rate.
DIVERGED = 100.0  # Times the first loss.
CLASSES = 10
NEVER = float("inf")


@final
@dataclass(frozen=True)
class Size:
    """How large a run is."""

    rows: int = 2000
    width: int = 100
    epochs: int = 60
    layer_epochs: int = 3
    components: int = 40
    linear_rows: int = 500
    linear_epochs: int = 400


@final
@dataclass(frozen=True)
class Job:
    """One kind of net, depth and way to start; all its rates."""

    net: str
    way: str
    depth: int
    seed: int
    data_dir: Path | None
    size: Size


@final
class Until:
    """Ends a phase when the training loss is down to a level, or cannot get there; `epochs` is when it was.

    Between two epochs the logarithm of the loss is taken to fall along a line.
    """

    def __init__(self, level: float) -> None:
        self.level, self.epochs, self.losses = level, NEVER, list[float]()

    def __call__(self, event: object) -> None:
        """Look at an event."""
        if isinstance(event, RollBack):
            raise StopPhase("diverged")
        if not isinstance(event, EpochEnd) or not event.terms:
            return
        loss = sum(event.terms.values())
        self.losses.append(loss)
        if loss <= self.level:
            two = np.log(self.losses[-2:])
            beyond = (math.log(self.level) - two[-1]) / (two[0] - two[-1]) if len(two) > 1 else 0.0
            self.epochs = event.epoch - float(beyond)
            raise StopPhase("level reached")
        if not loss < DIVERGED * self.losses[0]:
            raise StopPhase("diverged")


def epochs_to(level: float, model: Predictor, rows: Targeted, phase: Phase, *, seed: int) -> float:
    """After how many epochs the training loss is down to a level; infinite where it never is."""
    until = Until(level)
    fit(model, rows, [phase], seed=seed, history=History(watch=[until]), runtime=study.RUNTIME)
    return until.epochs


def initializer(job: Job) -> Initializer:
    """The first weights of a way to start."""
    kinds: dict[str, Initializer] = {
        "Gaussian": He() if job.net in LEFT else Gaussian(SMALL),
        "Glorot/He": He() if job.net == "relu" else Glorot(),
        "orthogonal": Orthogonal(critical=True),
        "pre-trained": He() if job.net == "relu" else Glorot(),
    }
    return kinds[job.way]


def run(job: Job) -> Row:
    """The least epochs over the rates, and the rate that takes them."""
    started = time.process_time()
    epochs, rate = linear(job) if job.net in LEFT else nonlinear(job)
    return {
        "net": job.net,
        "start": job.way,
        "depth": job.depth,
        "seed": job.seed,
        "epochs": epochs,
        "rate": rate,
        "seconds": time.process_time() - started,
    }


def nonlinear(job: Job) -> tuple[float, float]:
    """A classifier by gradient descent with momentum."""
    data = study.load("mnist", job.data_dir).head(job.size.rows, 1)
    assert data.classes is not None
    layer = Layer({"tanh": tanh, "relu": relu}[job.net], initializer(job))
    widths = (job.size.width,) * (job.depth - 1)
    rows, features = targeted(data.train, data.classes), data.train.shape[1]
    below = None
    if job.way == "pre-trained":
        *hidden, code = widths
        below = Dense(features, hidden, code=code, layer=layer, code_activation=layer.activation, seed=job.seed)
        setting = Setting(len(data.train), widths=below.widths)
        trainer = Shallow(epochs=job.size.layer_epochs, batch_size=100)
        study.train(below, TensorRows(data.train), layerwise(setting, trainer=trainer, fine_tune=None), seed=job.seed)
    usual = Phase("train", Objective(softmax_cross_entropy), FirstOrder(), 1, batch_size=100, stop=Stop(keep="last"))
    best, chosen_rate = NEVER, RATES[0]
    for rate in RATES:
        model = Predictor(features, widths, outputs=10, layer=layer, seed=job.seed)
        if below is not None:
            model.start_from(below)
        # What is not faster need not be run to its end.
        most = job.size.epochs if math.isinf(best) else math.ceil(best)
        optimizer = FirstOrder(torch.optim.SGD, lr=rate, momentum=MOMENTUM)
        phase = replace(usual, optimizer=optimizer, epochs=most)
        found = epochs_to(LEVEL, model, rows, phase, seed=job.seed)
        if found < best:
            best, chosen_rate = found, rate
    return best, chosen_rate


def linear(job: Job) -> tuple[float, float]:
    """A linear net from white inputs to classes, by gradient descent on all rows at once."""
    data = study.load("mnist", job.data_dir).head(job.size.linear_rows, 1)
    assert data.classes is not None
    x, y, level = whitened(data.train, data.classes, job.size.components, left=LEFT[job.net])
    layer = Layer(identity, initializer(job))
    widths = (x.shape[1],) * (job.depth - 1)
    first = Predictor(x.shape[1], widths, outputs=y.shape[1], layer=layer, seed=job.seed)
    # A head that starts at zero would not be one of the matrices in question.
    head = layer.initializer(
        y.shape[1], x.shape[1], gain=1.0, generator=torch.Generator().manual_seed(1000 * job.seed + job.depth)
    )
    first.last.set_affine(head, torch.zeros(len(head)))
    state = {name: value.clone() for name, value in first.state_dict().items()}
    rows = Targeted(TensorRows(x), y)
    phase = Phase("train", Objective(prediction_error), FirstOrder(), 1, batch_size=len(x), stop=Stop(keep="last"))

    def epochs(rate: float, most: float) -> float:
        first.load_state_dict(state)
        optimizer = FirstOrder(torch.optim.SGD, lr=rate, momentum=MOMENTUM)
        chosen_phase = replace(phase, optimizer=optimizer, epochs=math.ceil(min(most, job.size.linear_epochs)))
        return epochs_to(level, first, rows, chosen_phase, seed=job.seed)

    return fastest(epochs, 1 / job.depth)


def fastest(epochs: Callable[[float, float], float], start: float) -> tuple[float, float]:
    """The least epochs over rates around a first one, and that rate: downwards until it learns, then uphill."""
    rate, best = start, epochs(start, NEVER)
    while math.isinf(best) and rate > LEAST * start:
        rate /= FINER**2
        best = epochs(rate, NEVER)
    for factor in (FINER, 1 / FINER):
        while math.isfinite(best) and (found := epochs(rate * factor, best)) < best:
            rate, best = rate * factor, found
    return best, rate


def whitened(
    x: torch.Tensor, classes: Any, components: int, *, left: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """White inputs, classes as nine numbers whose modes all have strength 1, and the loss to be reached.

    Ten indicators of classes, whose sum never varies, would ask for a map with a mode of strength 0, to which a product
    of many matrices gets the later the more there are.
    """
    known = PrincipalComponents.fit(TensorRows(x), components)
    white = known.transform(x) / known.variances.sqrt()
    indicators = torch.nn.functional.one_hot(torch.from_numpy(classes), CLASSES).float()
    modes = modes_of(white, indicators - indicators.mean(0))
    count = min(CLASSES - 1, components)
    y = (indicators - indicators.mean(0)) @ (modes.outputs / modes.strengths)[:, :count]
    return white, y, float(y.square().sum(1).mean()) - (1 - left) * count


def median(rows: Sequence[Row], **values: Any) -> float:
    """The epochs of the middle seed."""
    return float(np.median(study.values_of(rows, "epochs", **values)))


def in_words(epochs: float) -> str:
    """Epochs, or that the level was never reached."""
    return "never" if math.isinf(epochs) else f"{epochs:.3g}"


def finding(rows: Sequence[Row]) -> str:
    """What was found, in words made from the figures."""
    return "\n\n".join([of_linear_nets(rows), *(of_others(rows, net) for net in ("tanh", "relu"))])


def of_linear_nets(rows: Sequence[Row]) -> str:
    """Whether the depth costs time."""
    depths = sorted({row["depth"] for row in rows})
    shallow, deep = SHALLOW if SHALLOW in depths else depths[0], depths[-1]
    said = []
    for way in dict.fromkeys(row["start"] for row in chosen(rows, net=LINEAR)):
        times = [in_words(median(rows, net=LINEAR, start=way, depth=depth)) for depth in depths]
        said.append(f"{way} {', '.join(times)}")
    ratios = longer(rows, LINEAR, deep, shallow)
    held = "held" if max(ratios) <= FLAT else "did not hold for every seed" if min(ratios) <= FLAT else "did not hold"
    return (
        "Saxe et al. 2013 say that a deep linear net of orthogonal matrices learns as fast as a shallow one. Epochs "
        f"until {100 * (1 - LEFT[LINEAR]):g} % of what a linear map can learn are learned, at the best rate, in the "
        f"middle of the seeds, with {listed(depths)} layers: {'; '.join(said)}. From orthogonal matrices {deep} layers "
        f"took {in_times(ratios)} of {shallow}; that it is at most {FLAT:g} times {held}. Until "
        f"{100 * (1 - LEFT[NEARLY_ALL]):g} % are learned they took {in_times(longer(rows, NEARLY_ALL, deep, shallow))}."
    )


def longer(rows: Sequence[Row], net: str, deep: int, shallow: int) -> list[float]:
    """How many times the epochs of the shallow net the deep one took from orthogonal matrices, for each seed."""
    late, early = (
        study.values_of(rows, "epochs", net=net, start="orthogonal", depth=depth) for depth in (deep, shallow)
    )
    return [a / b for a, b in zip(late, early, strict=True)]


def in_times(ratios: Sequence[float]) -> str:
    """Ratios in words."""
    return f"{told(ratios)} times the epochs" if all(map(math.isfinite, ratios)) else "for some seeds no end of epochs"


def of_others(rows: Sequence[Row], net: str) -> str:
    """Which nets learn at which depth."""
    some = chosen(rows, net=net)
    depths = sorted({row["depth"] for row in some})
    said = []
    for way in WAYS:
        times = [in_words(median(some, start=way, depth=depth)) for depth in depths]
        said.append(f"{way} {', '.join(times)}")
    deepest = {way: [depth for depth in depths if math.isfinite(median(some, start=way, depth=depth))] for way in WAYS}
    ends = "; ".join(f"{way} {max(found, default='none')}" for way, found in deepest.items())
    return (
        f"Epochs of {net} nets to a training loss of {LEVEL:g} nats, with {listed(depths)} layers: {'; '.join(said)}. "
        f"The deepest that learned, from each start: {ends}."
    )


def shown(rows: Sequence[Row]) -> str:
    """The table of the page: medians over the seeds, and the rate of the first."""
    depths = sorted({row["depth"] for row in rows})
    lines = ["| net | start | " + " | ".join(f"{depth} layers" for depth in depths) + " |"]
    lines.append("|" + "---|" * (2 + len(depths)))
    for net, way in dict.fromkeys((row["net"], row["start"]) for row in rows):
        cells = [in_words(median(rows, net=net, start=way, depth=depth)) for depth in depths]
        lines.append(f"| {net} | {way} | {' | '.join(cells)} |")
    return "Epochs at the best rate, median over the seeds; never: not within the epochs of a run.\n\n" + "\n".join(
        lines
    )


def picture(rows: Sequence[Row]) -> Figure:
    """Epochs over the depth, for the three kinds of nets."""
    figure = canvas(12.6, 3.6)
    for axis, net in zip(axes_of(figure, 1, 3), (LINEAR, "tanh", "relu"), strict=True):
        some = chosen(rows, net=net)
        depths = sorted({row["depth"] for row in some})
        for way in dict.fromkeys(row["start"] for row in some):
            every = np.array([study.values_of(some, "epochs", start=way, depth=depth) for depth in depths])
            middle = np.median(every, 1)
            reached = np.isfinite(middle)
            axis.plot(np.array(depths)[reached], middle[reached], "o-", color=COLOURS[way], markersize=4, label=way)
        logarithmic(axis, "x", "y")
        axis.set_xticks(depths, [str(depth) for depth in depths])
        axis.set(xlabel="layers", ylabel="epochs to the level", xlim=(depths[0] / 1.2, depths[-1] * 1.2))
        titled(axis, f"{net} nets (no point: never)")
        axis.legend(fontsize=7)
    return figure


def jobs(seeds: Sequence[int], data_dir: Path | None, *, quick: bool) -> list[Job]:
    """All runs, the longest first."""
    size = Size(60, 8, 2, 1, 6, 40, 40) if quick else Size()
    depths = (2, 3) if quick else DEPTHS
    ways = {LINEAR: WAYS[:3], NEARLY_ALL: WAYS[2:3], "tanh": WAYS, "relu": WAYS}
    return [
        Job(net, way, depth, seed, data_dir, size)
        for depth in reversed(depths)
        for net, kinds in ways.items()
        for way in kinds
        for seed in seeds
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and publish."""
    arguments = study.parse(__doc__, words)
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    rows = study.each(run, jobs(seeds, arguments.data_dir, quick=arguments.quick), quick=arguments.quick)
    rows.sort(key=lambda row: (NETS.index(row["net"]), WAYS.index(row["start"]), row["depth"]))
    text, figure = finding(rows), picture(rows)
    print(text)
    if arguments.quick:
        return
    size = Size()
    study.publish(
        "initialization",
        rows,
        figure,
        title="Which first weights let a deep net learn?",
        setting=(
            f"Classifiers of the first {size.rows} training pictures of MNIST with layers of {size.width} units and, "
            "as the last one, a softmax that starts at zero, by gradient descent with momentum 0.9 in batches of 100 "
            f"for at most {size.epochs} epochs, with the best of the rates {listed(RATES)}; the loss is the mean over "
            "the steps of an epoch, and between two epochs its logarithm lies on a line. "
            f"Gaussian weights have a standard deviation of {SMALL:g}, tanh nets Glorot's, ReLU nets He's; "
            "orthogonal ones have the critical gain (1 for tanh, 1.414 for ReLU). Pre-training: each layer for "
            f"{size.layer_epochs} epochs of Adam at 1e-3 as an autoencoder, which do not count. Linear nets: the first "
            f"{size.linear_rows} pictures as {size.components} white principal components, classes as nine numbers "
            "whose modes all have strength 1, the squared error, all layers as wide as the input; gradient descent "
            f"with the same momentum on all rows at once for at most {size.linear_epochs} epochs, the rate tuned for "
            f"each net to a factor of {FINER:g}; Gaussian weights have a standard deviation of 1 / sqrt(inputs) there."
        ),
        finding=text,
        shown=shown(rows),
    )


if __name__ == "__main__":
    main()
