"""What does a code with more units than the input has features learn, and what keeps it from copying?

    python -m experiments.overcomplete --data-dir DATA [--quick]

One layer with tied weights, wider than its input: whitened patches of photographs (64 to 128 and 256 units) and MNIST
(784 to 1000). Without regularization, with weight decay, noise, contraction, KL sparsity or L1, and with the k largest
units alone, with and without revival of dead ones. Measured: errors on test rows, on the same with noise, and on
strangers (each pixel from another row), dead units and duplicates, sparseness, what a linear classifier reads.

Sources: Vincent et al. 2010, "Stacked denoising autoencoders", section 4.1; Makhzani & Frey 2013, "k-sparse
autoencoders"; Ng 2011, "Sparse autoencoder".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments import study
from experiments.features import Kept, chosen, codes, figures_of, filters_of
from experiments.overcomplete_page import SHOWN, finding, picture
from experiments.study import Row
from layerwise.corruptions import Corruption, GaussianNoise
from layerwise.diagnostics import active_share, hoyer, linear_probe, mean_fidelity
from layerwise.models import Activation, Dense, Gaussian, TopK, identity, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import (
    L1,
    Contraction,
    KLSparsity,
    Penalty,
    Revival,
    WeightDecay,
    cross_entropy,
    squared_error,
)
from layerwise.randomness import generator
from layerwise.training import Objective, Phase, TensorRows

ACTIVE = 0.1  # From where on a logistic unit counts as active; one of the k largest, where it is not 0.
STILL = 0.01  # A unit is dead that moves by less than this share of what the liveliest one does.
ALIKE = 0.95  # A unit is a duplicate whose correlation with another is beyond this.
FLAT = 1e-3  # Added to the variance within a patch before it is made 1, so that flat ones stay flat.
SMOOTHING = 0.3  # Added to the variance of each component, in units of their mean, before it is made 1.


@final
@dataclass(frozen=True)
class Way:
    """What keeps the code from copying, for one kind of data."""

    penalties: dict[str, tuple[float, Penalty]] = field(default_factory=dict)
    corruption: Corruption | None = None
    activation: Activation = sigmoid


WAYS: dict[str, dict[str, Way]] = {
    "patches": {
        "plain": Way(),
        "weight decay": Way({"decay": (0.1, WeightDecay())}),
        "denoising": Way(corruption=GaussianNoise(0.5)),
        "contraction": Way({"contraction": (1.0, Contraction())}),
        "KL": Way({"sparsity": (3.0, KLSparsity(0.05))}),
        "L1": Way({"sparsity": (0.5, L1())}),
        "top-k": Way(activation=TopK(16)),
        "top-k, revival": Way({"revival": (1e-3, Revival())}, activation=TopK(16)),
    },
    "mnist": {
        "plain": Way(),
        "weight decay": Way({"decay": (0.01, WeightDecay())}),
        "denoising": Way(corruption=GaussianNoise(0.5)),
        "contraction": Way({"contraction": (1.0, Contraction())}),
        "KL": Way({"sparsity": (0.3, KLSparsity(0.05))}),
        "L1": Way({"sparsity": (0.1, L1())}),
        "top-k": Way(activation=TopK(25)),
        "top-k, revival": Way({"revival": (1e-3, Revival())}, activation=TopK(25)),
    },
}
RATE = {"patches": 3e-3, "mnist": 2e-3}
NOISE = {"patches": 0.5, "mnist": 0.3}
UNITS = {"patches": (128, 256), "mnist": (1000,)}
COLUMNS = (
    *("error", "error with noise", "error on strangers", "dead", "duplicates", "active", "Hoyer"),
    *("locality", "probe error", "seconds"),
)


@final
@dataclass(frozen=True)
class Size:
    """How large a run is: rows and epochs of each kind of data, and rows of the linear classifier."""

    rows: tuple[int, int] = (8000, 5000)
    test_rows: int = 3000
    epochs: tuple[int, int] = (60, 30)
    probe_rows: int = 3000


@final
@dataclass(frozen=True)
class Job:
    """One layer."""

    data: str
    units: int
    way: str
    seed: int
    data_dir: Path | None
    size: Size


def rows_of(job: Job) -> tuple[study.Data, Tensor, Tensor]:
    """The data, and its training and test rows as they are learned: patches of equal contrast, whitened."""
    number = 0 if job.data == "patches" else 1
    name = ("photo-patches", "mnist")[number]
    data = study.load(name, job.data_dir).head(job.size.rows[number], job.size.test_rows)
    if job.data == "mnist":
        return data, data.train, data.test
    train, test = (even(rows) for rows in (data.train, data.test))
    center = train.mean(0)
    variances, directions = torch.linalg.eigh((train - center).T @ (train - center) / len(train))
    scales = (variances.clamp_min(0) + SMOOTHING * variances.mean()).rsqrt()
    whitening = directions * scales @ directions.T
    return data, (train - center) @ whitening, (test - center) @ whitening


def even(rows: Tensor) -> Tensor:
    """Each row without its mean, and with a variance of 1."""
    centered = rows - rows.mean(1, keepdim=True)
    return centered * (centered.square().mean(1, keepdim=True) + FLAT).rsqrt()


def run(job: Job) -> Row:
    """Train the layer and measure it."""
    data, train, test = rows_of(job)
    way, pictures = WAYS[job.data][job.way], job.data == "mnist"
    model = Dense(
        train.shape[1],
        code=job.units,
        layer=replace(study.LOGISTIC, initializer=Gaussian(0.01), tied=True),
        code_activation=way.activation,
        output=sigmoid if pictures else identity,
        seed=job.seed,
    )
    phase = Phase(
        "train",
        Objective(cross_entropy if pictures else squared_error, way.penalties),
        FirstOrder(torch.optim.Adam, lr=RATE[job.data], options={"fused": True}),
        job.size.epochs[pictures],
        corruption=way.corruption,
        batch_size=100,
    )
    seconds = study.train(model, TensorRows(train), [phase], seed=job.seed)
    learned = codes(model, test)
    read = float("nan")
    if pictures:
        assert data.classes is not None
        assert data.test_classes is not None
        few = slice(0, job.size.probe_rows)
        read = linear_probe(codes(model, train[few]), data.classes[few], test_codes=learned, test_y=data.test_classes)
    names = {"data": job.data, "units": job.units, "regularization": job.way, "seed": job.seed}
    figures = {
        **errors(model, train, test, level=NOISE[job.data]),
        **idle(learned),
        "active": 100 * active_share(learned, 0.0 if isinstance(way.activation, TopK) else ACTIVE),
        "Hoyer": hoyer(learned),
        "locality": hoyer(filters_of(model, job.units)),
        "probe error": 100 * read,
        "seconds": seconds,
    }
    return study.merged(names, figures, {"filters": Kept(filters_of(model, SHOWN))})


def errors(model: Dense, train: Tensor, test: Tensor, *, level: float) -> Row:
    """Squared errors in percent of the variance around the mean training row.

    Of the test rows, of the test rows from rows with noise, and of strangers: each pixel of a test row drawn from
    another row, so that every pixel has its values but nothing belongs together.
    """
    noise = generator(0, 0)
    noisy = test + level * torch.randn(test.shape, generator=noise)
    places = torch.rand(test.shape, generator=noise).argsort(0)
    strangers = test.gather(0, places)
    variance = float((test - train.mean(0)).square().sum(1).mean()) / 100
    with torch.no_grad():
        restored = float((model(noisy).reconstruction - test).square().sum(1).mean())
    return {
        "error": mean_fidelity(model, TensorRows(test), fidelity=squared_error) / variance,
        "error with noise": restored / variance,
        "error on strangers": mean_fidelity(model, TensorRows(strangers), fidelity=squared_error) / variance,
    }


def idle(learned: NDArray[np.float32]) -> Row:
    """The percent of units that are dead, and of those alive that do what one before them does."""
    moved = np.ptp(learned, axis=0)
    alive = learned[:, moved > STILL * moved.max()].astype(np.float64)
    alike = np.abs(np.atleast_2d(np.corrcoef(alive, rowvar=False))) > ALIKE
    again = np.triu(alike, 1).any(axis=0)
    return {"dead": 100 * (1 - alive.shape[1] / learned.shape[1]), "duplicates": 100 * float(again.mean())}


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and publish."""
    arguments = study.parse(__doc__, words)
    seeds, size = (
        (arguments.seeds[:1], Size((200, 100), 100, (1, 1), 100)) if arguments.quick else (arguments.seeds, Size())
    )
    plan = [
        Job(data, units, way, seed, arguments.data_dir, size)
        for data, sizes in UNITS.items()
        for units in (sizes[-1:] if arguments.quick else sizes)
        for way in WAYS[data]
        for seed in seeds
    ]
    rows = study.each(run, plan, quick=arguments.quick)
    figure, text = picture(rows), finding(rows)
    print(text)
    if arguments.quick:
        return
    study.publish(
        "overcomplete",
        figures_of(rows),
        figure,
        title="What does a code with more units than the input has features learn?",
        setting=setting(size),
        finding=text,
        shown=shown(rows),
    )


def setting(size: Size) -> str:
    """What was run."""
    chosen_ways = "; ".join(
        f"{data}: " + ", ".join(f"{name} {said(way)}" for name, way in ways.items() if said(way))
        for data, ways in WAYS.items()
    )
    return (
        f"Patches: {size.rows[0]} of 8 x 8 pixels of photographs, each without its mean and divided by the root of "
        f"its variance + {FLAT:g}, whitened with {SMOOTHING:g} times the mean variance added to that of each "
        f"component; logistic units, a linear output, the squared error, {size.epochs[0]} epochs. MNIST: the first "
        f"{size.rows[1]} pictures, logistic units and output, the cross-entropy summed over the pixels, "
        f"{size.epochs[1]} epochs. Tied weights, the first ones normal with a standard deviation of 0.01 (so that a "
        f"filter shows only what was learned), Adam at {RATE['patches']:g} (patches) and {RATE['mnist']:g}, batches "
        "of 100. Top-k units are linear; KL asks for a mean activity of 0.05. "
        f"{chosen_ways}. Errors on {size.test_rows} test rows, in percent of their variance; with normal noise of "
        f"{NOISE['patches']:g} (patches) and {NOISE['mnist']:g} on the input; on "
        "strangers, in which each pixel is that of another row. Dead: moves by less than "
        f"{STILL:g} of what the liveliest unit does; duplicate: of the live units, correlation of more than {ALIKE:g} "
        f"with one before it. Active: above {ACTIVE:g}, of top-k not 0. Hoyer: sparseness of the codes; locality: the "
        f"same of the filters. Probe: logistic regression on the codes of the first {size.probe_rows} rows. Seconds: "
        "of the processor. Clear: the mean of the differences by seed is more than two of their standard deviations. "
        "All definitions are ours."
    )


def said(way: Way) -> str:
    """What a way adds, in words."""
    parts = [f"{weight:g} x {type(penalty).__name__}" for weight, penalty in way.penalties.values()]
    parts += [str(way.corruption)] if way.corruption else []
    parts += [str(way.activation)] if isinstance(way.activation, TopK) else []
    return " ".join(parts)


def shown(rows: Sequence[Row]) -> str:
    """The tables of the page."""
    by = ("units", "regularization")
    patches = study.table(chosen(rows, data="patches"), by, [name for name in COLUMNS if name != "probe error"])
    return f"Patches:\n\n{patches}\n\nMNIST:\n\n{study.table(chosen(rows, data='mnist'), by, COLUMNS)}"


if __name__ == "__main__":
    main()
