"""Do deep linear nets learn as the theory says: one mode after the other, each along a sigmoid?

    python -m experiments.learning_dynamics [--quick]

Nets of linear layers learn the features of things that are related like the leaves of a tree, and to reproduce
handwritten digits. The strength of every mode is laid over the theory's curve; beside it, what gradient descent should
conserve, and the singular values of products of random matrices.

Source: Saxe, McClelland & Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks", figures 3 and 6.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor

from experiments import study
from experiments.features import Kept, axes_of, canvas, chosen, figures_of, titled, told
from experiments.study import BLACK, BLUE, RED, Row
from layerwise.diagnostics import Modes, conserved, deep_theory, mode_strengths, modes_of
from layerwise.models import DenseLayer, Gaussian, He, Initializer, Layer, Orthogonal, Predictor, identity
from layerwise.optim import FirstOrder
from layerwise.penalties import prediction_error
from layerwise.randomness import generator
from layerwise.training import History, Objective, Phase, StepEnd, Targeted, TensorRows, fit

LINEAR = Layer(identity)
LEVELS, FLIPS, FEATURES = 5, 0.1, 1000
COMPONENTS = 8  # Of the digits.
INITIAL = 0.01  # The strength of every mode at the start, as a share of its last one.
SPREAD = 0.03  # Of small random weights.
STEP = 0.005  # The step of gradient descent in units of tau / s of the strongest mode.
HASTY = 0.1  # The same, where it is quick.
PER_RATE = 2  # The squared error has no 1/2: a step at the rate r is a time of 2 r.
POINTS = 200
WIDTH = 100
NETS = {
    "three layers": "tree",
    "three layers, random": "tree",
    "three layers, a = 2 b": "tree",
    "three layers, a = 2 b, half the step": "tree",
    "five layers": "tree",
    "autoencoder": "digits",
}


@final
@dataclass(frozen=True)
class Job:
    """One net."""

    net: str
    seed: int
    quick: bool


class Task(NamedTuple):
    """Rows, what is to be predicted, and the modes of that."""

    x: Tensor
    y: Tensor
    modes: Modes


def tree(seed: int, levels: int) -> Task:
    """Things as white inputs, and their features: 1 or -1, handed down a binary tree and flipped now and then."""
    noise = generator(seed)
    values = torch.randint(2, (1, FEATURES), generator=noise) * 2 - 1
    for _ in range(levels):
        children = values.repeat_interleave(2, 0)
        values = torch.where(torch.rand(children.shape, generator=noise) < FLIPS, -children, children)
    things = len(values)
    x, y = things**0.5 * torch.eye(things), values.float()
    return Task(x, y, modes_of(x, y))


def digits(components: int) -> Task:
    """Pictures of 8 x 8 pixels, centred; their strongest principal components."""
    x = torch.from_numpy(load_digits().data).float() / 16
    x = x - x.mean(0)
    found = modes_of(x, x)
    outputs, strengths, inputs, variances = found
    kept = slice(components)
    return Task(x, x, Modes(outputs[:, kept], strengths[kept], inputs[:, kept], variances[kept]))


def made(job: Job, modes: Modes, initial: Tensor) -> Predictor:
    """The net: its modes set apart with the given strengths, or with small random weights; biases stay 0."""
    count, layers = len(modes.strengths), 4 if job.net == "five layers" else 2
    model = Predictor(len(modes.inputs), [count] * (layers - 1), outputs=len(modes.outputs), layer=LINEAR)
    matrices = [layer for layer in (*model.encoder, *model.decoder) if isinstance(layer, DenseLayer)]
    rotations = [Orthogonal()(count, count, gain=1.0, generator=generator(job.seed, i)) for i in range(layers - 1)]
    sides = zip([*rotations, modes.outputs], [modes.inputs, *rotations], strict=True)
    for place, (layer, (left, right)) in enumerate(zip(matrices, sides, strict=True)):
        weight = (left * initial ** (1 / layers)) @ right.T
        if job.net.endswith("random"):
            weight = Gaussian(SPREAD)(*weight.shape, gain=1.0, generator=generator(job.seed, 9, place))
        if "a = 2 b" in job.net:
            weight = weight * (2**0.5 if place == 0 else 0.5**0.5)
        assert layer.bias is not None
        layer.set_affine(weight, layer.bias.detach())
        layer.bias.requires_grad_(False)
    return model


def starts(model: Predictor, modes: Modes, initial: Tensor) -> Tensor:
    """The strengths from which the theory starts: of random weights the part of them that grows, ((a + b) / 2)^2."""
    if len(model.encoder) > 1:
        return initial
    first, last = model.encoder[0], model.last
    assert isinstance(first, DenseLayer)
    with torch.no_grad():
        return ((first.weight @ modes.inputs + last.weight.T @ modes.outputs) / 2).square().sum(0)


def run(job: Job) -> Row:
    """Train one net, and compare every mode with the theory."""
    started = time.process_time()
    task = (
        tree(job.seed, 2 if job.quick else LEVELS)
        if NETS[job.net] == "tree"
        else digits(2 if job.quick else COMPONENTS)
    )
    modes = task.modes
    ends = modes.strengths / modes.variances
    initial = INITIAL * ends
    model = made(job, modes, initial)
    begin = starts(model, modes, initial)
    layers = len(model.encoder) + 1
    step = HASTY if job.quick else STEP
    rate = step / float(modes.strengths[0] * ends[0] ** (1 - 2 / layers) * layers / 2) / PER_RATE
    rate = rate / 2 if job.net.endswith("half the step") else rate
    steps = steps_for(modes, begin, layers, rate)
    before, times, curve = conserved(model), [0], [mode_strengths(model, modes)]

    def measure(event: object) -> None:
        if isinstance(event, StepEnd) and event.step % max(1, steps // POINTS) == 0:
            times.append(event.step)
            curve.append(mode_strengths(model, modes))

    phase = Phase(
        "train", Objective(prediction_error), FirstOrder(torch.optim.SGD, lr=rate), steps, batch_size=len(task.x)
    )
    rows = Targeted(TensorRows(task.x), task.y)
    fit(model, rows, [phase], seed=job.seed, history=History(watch=[measure]), runtime=study.RUNTIME)
    measured, moments = torch.stack(curve).float().numpy(), PER_RATE * rate * np.array(times)
    laid = np.stack([curve_of(moments, modes, begin, layers, mode) for mode in range(len(ends))], 1)
    drift = max(float((a - b).norm() / b.norm().clamp(min=1e-9)) for a, b in zip(conserved(model), before, strict=True))
    away = np.abs(measured - laid) / ends.numpy()
    return {
        "net": job.net,
        "seed": job.seed,
        "modes": len(ends),
        "steps": steps,
        "largest deviation / %": 100 * float(away.max()),
        "mean deviation / %": 100 * float(away.mean()),
        "learned / %": 100 * float((measured[-1] / ends.numpy()).min()),
        "change of what is conserved": drift if "a = 2 b" in job.net else float("nan"),
        "seconds": time.process_time() - started,
        "curves": Kept(np.stack([np.broadcast_to(moments[:, None], laid.shape), measured, laid]).astype(np.float32)),
    }


def curve_of(moments: Any, modes: Modes, begin: Tensor, layers: int, mode: int) -> Any:
    """What the theory says of a mode."""
    strength, variance = float(modes.strengths[mode]), float(modes.variances[mode])
    return deep_theory(moments, strength=strength, initial=float(begin[mode]), variance=variance, layers=layers)


def steps_for(modes: Modes, begin: Tensor, layers: int, rate: float) -> int:
    """As many as the slowest mode needs for 99 % of its strength, by the theory."""
    moments = np.geomspace(1e-3, 1e3, 4000)
    slowest = len(modes.strengths) - 1
    end = float(modes.strengths[slowest] / modes.variances[slowest])
    learned = curve_of(moments, modes, begin, layers, slowest) > 0.99 * end
    return int(moments[learned.argmax()] / (PER_RATE * rate)) + 1


def products(quick: bool) -> dict[str, dict[int, Any]]:
    """The singular values of products of random matrices."""
    kinds: dict[str, Initializer] = {"Gaussian": He(), "orthogonal": Orthogonal()}
    depths = (1, 4) if quick else (1, 5, 20, 100)
    return {
        name: {depth: torch.linalg.svdvals(product(kind, depth)).numpy() for depth in depths}
        for name, kind in kinds.items()
    }


def product(kind: Initializer, depth: int) -> Tensor:
    """Of so many square matrices, in float64."""
    result = torch.eye(WIDTH, dtype=torch.float64)
    for place in range(depth):
        result = kind(WIDTH, WIDTH, gain=1.0, generator=generator(0, place)).double() @ result
    return result


def finding(rows: Sequence[Row], spectra: dict[str, dict[int, Any]]) -> str:
    """What was found, in words made from the figures."""
    nets = dict.fromkeys(row["net"] for row in rows)
    away = {net: study.values_of(rows, "largest deviation / %", net=net) for net in nets}
    mean = study.values_of(rows, "mean deviation / %", net="three layers, random")
    near = [net for net in ("three layers", "five layers", "autoencoder") if max(away[net]) < 1]
    whole, half = (
        study.values_of(rows, "change of what is conserved", net=net)
        for net in ("three layers, a = 2 b", "three layers, a = 2 b, half the step")
    )
    depth = max(spectra["orthogonal"])
    gaussian, orthogonal = spectra["Gaussian"][depth], spectra["orthogonal"][depth]
    return (
        "Saxe et al. 2013 say that a linear net learns one mode after the other, the strongest first, each along a "
        "sigmoid that is known beforehand. Largest deviation of any mode from its curve at any time, in percent of its "
        f"last strength, where the modes are set apart at the start: three layers {told(away['three layers'])}, five "
        f"layers {told(away['five layers'])}, an autoencoder of digits {told(away['autoencoder'])}; below 1 for "
        f"{len(near)} of these 3. From small random weights, with nothing fitted: "
        f"{told(away['three layers, random'])}, and {told(mean)} on the "
        "mean over modes and times: there modes share hidden units, and the weaker ones wait for the stronger. "
        f"What gradient descent conserves (a^2 - b^2 of a mode) changed by {told([100 * v for v in whole])} % of "
        f"itself over the training, and with steps of half the size by {told([100 * v for v in half])} %: "
        f"{np.mean(whole) / np.mean(half):.3g} times less. The singular values of a product of {depth} orthogonal "
        f"matrices of {WIDTH} x {WIDTH} differ from 1 by at most {np.abs(orthogonal - 1).max():.1g}; of as many "
        f"Gaussian ones the largest is {gaussian[0]:.2g} and the median {np.median(gaussian):.2g}."
    )


def picture(rows: Sequence[Row], spectra: dict[str, dict[int, Any]]) -> Figure:
    """Measured curves with the theory's laid over, and singular values."""
    figure = canvas(12.6, 6.8)
    axes = axes_of(figure, 2, 3)
    names = {
        "three layers": "three layers, modes set apart",
        "three layers, random": "three layers, small random weights",
        "five layers": "five layers, modes set apart",
        "autoencoder": "linear autoencoder of digits",
    }
    for axis, (net, name) in zip(axes, names.items(), strict=False):
        draw_modes(axis, chosen(rows, net=net)[0])
        titled(axis, name)
    axes[0].legend(fontsize=7)
    for axis, (name, found) in zip(axes[4:], spectra.items(), strict=True):
        for shade, (depth, values) in zip(np.linspace(0.3, 1, len(found)), found.items(), strict=True):
            # What underflows is drawn at the lower end.
            colour = BLUE if name == "orthogonal" else RED
            axis.plot(values.clip(1e-12), color=colour, alpha=shade, label=f"{depth} matrices")
        axis.set(xlabel="number", ylabel="singular value", yscale="log", ylim=(1e-12, 1e2))
        titled(axis, f"products of {name} matrices")
        axis.legend(fontsize=7)
    return figure


def draw_modes(axis: Any, row: Row) -> None:
    """The modes of one run: of equal ones the first."""
    times, measured, laid = row["curves"].values
    ends = laid[-1]
    different = [0, *(mode for mode in range(1, len(ends)) if row["net"] == "autoencoder" or (mode & (mode - 1)) == 0)]
    for number, mode in enumerate(different):
        few = slice(None, None, max(1, len(times) // 40))
        label = None if number else "measured"
        axis.plot(times[few, mode], measured[few, mode], "o", markersize=3, color=RED, label=label)
        axis.plot(times[:, mode], laid[:, mode], color=BLACK, linewidth=0.9, label=None if number else "theory")
    axis.set(xlabel="time / tau", ylabel="strength of the mode")


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and publish."""
    arguments = study.parse(__doc__, words)
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    jobs = [Job(net, seed, arguments.quick) for net in NETS for seed in seeds]
    rows = study.each(run, jobs, quick=arguments.quick)
    spectra = products(arguments.quick)
    figure, text = picture(rows, spectra), finding(rows, spectra)
    print(text)
    if arguments.quick:
        return
    columns = ("steps", "largest deviation / %", "mean deviation / %", "learned / %", "seconds")
    study.publish(
        "learning_dynamics",
        figures_of(rows),
        figure,
        title="Do deep linear nets learn as the theory says?",
        setting=(
            f"{2**LEVELS} things as white inputs, with {FEATURES} features handed down a binary tree and flipped with "
            f"probability {FLIPS:g}; the digits of scikit-learn, centred, and their {COMPONENTS} strongest components. "
            "Nets of linear layers without biases that learn, with as many hidden units as modes; gradient descent on "
            f"all rows at once, with steps of {STEP:g} tau / s of the strongest mode, until the weakest is learned. "
            f"Modes that are set apart start at {INITIAL:g} of their last strength, with their own hidden direction. "
            f"Small random weights have a standard deviation of {SPREAD:g}; the theory starts from what grows of them. "
            "The curve of three layers is the source's equation 12, that of five its equation 15."
        ),
        finding=text,
        shown=study.table(rows, ("net",), columns),
    )


if __name__ == "__main__":
    main()
