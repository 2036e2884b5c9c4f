"""What do noise, contraction and weight decay make of the features of one layer?

    python -m experiments.denoising_contractive --data-dir DATA [--quick]

One layer of logistic units with tied weights on MNIST: plain, with weight decay, denoising (masking and Gaussian),
contractive, and as a Boltzmann machine. Measured: the mean norm of the encoder's Jacobian, the error of reconstruction,
what a linear classifier reads from the features, the error of a classifier that is fine-tuned from them, saturated
units, and time.

Source: Rifai, Vincent, Muller, Glorot & Bengio 2011, "Contractive auto-encoders", section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch

from experiments import study
from experiments.denoising_contractive_page import finding, picture
from experiments.features import Kept, class_error, codes, figures_of, filters_of, targeted
from experiments.study import Row
from layerwise.corruptions import GaussianNoise, Masking
from layerwise.diagnostics import jacobian_norm, linear_probe, mean_fidelity, saturation
from layerwise.models import Dense, Gaussian, Glorot, Predictor, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import Contraction, WeightDecay, cross_entropy, softmax_cross_entropy, squared_error
from layerwise.recipes import Machine, Setting, Shallow, layerwise
from layerwise.training import Objective, Phase, TensorRows, fit

UNITS = 500
SHOWN = 36
COLUMNS = (
    *("Jacobian norm", "cross-entropy", "squared error", "probe error", "validation error", "test error"),
    *("saturated", "seconds"),
)
ADAM = FirstOrder(torch.optim.Adam, lr=1e-3, options={"fused": True})
PLAIN = Shallow(ADAM, batch_size=100)


@final
@dataclass(frozen=True)
class Method:
    """A way to train the layer: its name, the level of what is added, the trainer; None leaves the first weights."""

    name: str
    level: float
    trainer: Shallow | Machine | None


METHODS = (
    Method("random", 0, None),
    Method("AE", 0, PLAIN),
    *[Method("AE+wd", c, replace(PLAIN, penalties={"decay": (c, WeightDecay())})) for c in (0.001, 0.01)],
    *[Method("DAE-b", level, replace(PLAIN, corruption=Masking(level))) for level in (0.1, 0.25, 0.5)],
    *[Method("DAE-g", level, replace(PLAIN, corruption=GaussianNoise(level))) for level in (0.25, 0.5, 1.0)],
    *[Method("CAE", c, replace(PLAIN, penalties={"contraction": (c, Contraction())})) for c in (0.1, 1.0, 3.0)],
    Method("RBM", 0, Machine(linear=())),
)


@final
@dataclass(frozen=True)
class Size:
    """How large a run is."""

    rows: int = 5000
    validation_rows: int = 2000
    test_rows: int = 4000
    epochs: int = 40
    tuning_epochs: int = 15
    jacobians: int = 1000


@final
@dataclass(frozen=True)
class Job:
    """One layer."""

    method: Method
    seed: int
    data_dir: Path | None
    size: Size


def run(job: Job) -> Row:
    """Train the layer, measure it, and fine-tune a classifier that starts from it."""
    size, data = job.size, study.load("mnist", job.data_dir)
    assert data.classes is not None
    rows = data.train[: size.rows]
    test, classes = data.head(0, size.test_rows).test, data.classes[: size.rows]
    model = Dense(
        rows.shape[1],
        code=UNITS,
        layer=replace(study.LOGISTIC, initializer=Gaussian(0.01) if job.method.trainer else Glorot(), tied=True),
        code_activation=sigmoid,
        output=sigmoid,
        seed=job.seed,
    )
    seconds = 0.0
    if job.method.trainer is not None:
        setting = Setting(len(rows), Objective(cross_entropy), widths=model.widths)
        trainer = replace(job.method.trainer, epochs=size.epochs)
        seconds = study.train(
            model, TensorRows(rows), layerwise(setting, trainer=trainer, fine_tune=None), seed=job.seed
        )
    assert data.test_classes is not None
    read = linear_probe(
        codes(model, rows), classes, test_codes=codes(model, test), test_y=data.test_classes[: size.test_rows]
    )
    figures = {
        "Jacobian norm": jacobian_norm(model, TensorRows(test[: size.jacobians])),
        "cross-entropy": mean_fidelity(model, TensorRows(test), fidelity=cross_entropy),
        "squared error": mean_fidelity(model, TensorRows(test), fidelity=squared_error),
        "probe error": 100 * read,
        **fine_tuned(job, model, data),
        "saturated": 100 * (saturation(model, TensorRows(test))[0] or 0.0),
        "seconds": seconds,
    }
    names = {"method": job.method.name, "level": job.method.level, "seed": job.seed}
    return study.merged(names, figures, {"filters": Kept(filters_of(model, SHOWN))})


def fine_tuned(job: Job, layer: Dense, data: study.Data) -> Row:
    """The errors of a classifier that starts from the layer; the best of its epochs on the validation rows."""
    size = job.size
    assert data.classes is not None
    assert data.test_classes is not None
    held_out = slice(size.rows, size.rows + size.validation_rows)
    test, test_classes = data.test[: size.test_rows], data.test_classes[: size.test_rows]
    model = Predictor(layer.inputs.width, (layer.code,), outputs=10, layer=study.LOGISTIC, seed=job.seed)
    model.start_from(layer)
    phase = Phase("fine-tune", Objective(softmax_cross_entropy), ADAM, size.tuning_epochs, batch_size=100)
    fit(
        model,
        targeted(data.train[: size.rows], data.classes[: size.rows]),
        [phase],
        validation=targeted(data.train[held_out], data.classes[held_out]),
        seed=job.seed,
        runtime=study.RUNTIME,
    )
    return {
        "validation error": class_error(model, data.train[held_out], data.classes[held_out]),
        "test error": class_error(model, test, test_classes),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and publish."""
    arguments = study.parse(__doc__, words)
    seeds, size = arguments.seeds, Size()
    if arguments.quick:
        there = len(study.load("mnist", arguments.data_dir).train)
        seeds, size = seeds[:1], Size(min(200, there * 3 // 4), min(100, there // 4), 200, 1, 1, 50)
    plan = [Job(method, seed, arguments.data_dir, size) for method in METHODS for seed in seeds]
    rows = study.each(run, plan, quick=arguments.quick)
    figure, text = picture(rows), finding(rows)
    print(text)
    if arguments.quick:
        return
    study.publish(
        "denoising_contractive",
        figures_of(rows),
        figure,
        title="What do noise, contraction and weight decay make of the features of one layer?",
        setting=(
            f"The first {size.rows} training pictures of MNIST, the next {size.validation_rows} for validation, the "
            f"first {size.test_rows} test pictures. {UNITS} logistic units with tied weights (with untied ones the "
            "decoder makes up for a small code, which makes a small Jacobian cheap); first weights normal with a "
            "standard deviation of 0.01, so that a filter shows only what was learned, but Glorot's for the random "
            f"layer; {size.epochs} epochs in batches of 100, the cross-entropy summed over the pixels, Adam at 1e-3; "
            "the machine by contrastive divergence with one step, at 0.1 with momentum. Levels: the weight of weight "
            "decay (half the sum of squares) and of the contraction, the share of masked pixels, the standard "
            f"deviation of the noise. Jacobian norm: the mean over {size.jacobians} test rows of the Frobenius norm. "
            "Probe: logistic regression on the features. Classifier: softmax on the features, all of it trained for "
            f"{size.tuning_epochs} epochs of Adam, the best epoch by validation. Errors in percent. Saturated: the "
            "percent of activities below 0.05 or above 0.95. Seconds: of the processor, for the layer's training, of "
            "one of two processes side by side. The filters are the first units of the first seed. Clear: the mean of "
            "the differences by seed is more than two of their standard deviations."
        ),
        finding=text,
        shown=study.table(rows, ("method", "level"), COLUMNS),
    )


if __name__ == "__main__":
    main()
