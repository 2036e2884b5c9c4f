"""Try each phase of a recipe before the first one begins."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from layerwise.data import Source
from layerwise.errors import InputError
from layerwise.models.activations import sigmoid
from layerwise.models.base import Autoencoder
from layerwise.models.boltzmann import RestrictedBoltzmannMachine
from layerwise.models.dense import Feedforward
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import ContrastiveDivergence, Selective, is_crossed
from layerwise.runtime import Runtime
from layerwise.training.phase import Phase, Recipe, refuse_outside_unit_range

__all__ = ["check"]


def check(model: Autoencoder, data: Source, *, recipe: Recipe, runtime: Runtime | None = None) -> None:
    """Refuse what does not fit the model or the rows, in any phase, before the first one begins.

    Arguments:
        model: moved to the runtime's device, and left in evaluation.
        data: the training rows.
        recipe: the phases.
        runtime: device and precision; "auto" by default.

    Raises:
        InputError: names the phase; or for no rows.

    >>> from layerwise.models import Dense
    >>> from layerwise.optim import FirstOrder
    >>> from layerwise.training import Block, Objective, TensorRows
    >>> phase = Phase("layer 3", Objective(), FirstOrder(), epochs=2, view=Block(2))
    >>> check(Dense(3, code=2), TensorRows(torch.eye(3)), recipe=[phase])
    Traceback (most recent call last):
    layerwise.errors.InputError: phase 'layer 3': layer must be from 0 to 0, the model's depth less one; got 2.
    """
    if len(data) == 0:
        raise InputError("training needs at least one row; got none.")
    runtime = runtime or Runtime()
    model.to(runtime.torch_device)
    # First what is wrong with the shape: a recipe for another depth fits the layers that there are badly, too.
    for phase in recipe:
        with _named(phase):
            phase.view.part(model)
    for phase in recipe:
        with _named(phase):
            _try(phase, model, data, runtime)


@contextmanager
def _named(phase: Phase) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"phase {phase.name!r}: {error}") from error


def _try(phase: Phase, model: Autoencoder, data: Source, runtime: Runtime) -> None:
    part = phase.view.part(model)
    phase.view.check(model, data)
    model.eval()
    part.eval()
    _check_fidelity(phase, part, model, data)
    if phase.batches(len(data)) == len(data) and any(isinstance(module, nn.BatchNorm1d) for module in part.modules()):
        raise InputError(
            "batch normalization needs batches of at least two rows; got one. Give more rows, a larger batch_size or "
            "another normalization."
        )
    for _, penalty in phase.objective.penalties.values():
        if isinstance(penalty, Selective):
            penalty.check(part)
    batch = data.batch(torch.arange(1)).to(runtime.torch_device)
    problem = Problem(part, phase.objective, phase.view.feed(model, batch), runtime=runtime)
    problem.terms()
    phase.optimizer.start(part).check(problem)


def _check_fidelity(phase: Phase, part: Autoencoder, model: Autoencoder, data: Source) -> None:
    """Whether the part has what the fidelity reads, as outputs in [0, 1], and the optimizer can minimize it."""
    fidelity = phase.objective.fidelity
    if isinstance(part, RestrictedBoltzmannMachine) and not isinstance(fidelity, ContrastiveDivergence):
        raise InputError(
            "a Boltzmann machine makes no reconstruction in training, and its fidelity must be contrastive_divergence; "
            f"got {fidelity.name}. Use contrastive_divergence, or the view Block()."
        )
    if isinstance(fidelity, ContrastiveDivergence) and not isinstance(phase.optimizer, FirstOrder):
        raise InputError(
            "contrastive divergence has a gradient and no value that goes down, by which a step could be judged; its "
            f"optimizer must be a FirstOrder; got {type(phase.optimizer).__name__}."
        )
    if not is_crossed(fidelity):
        return
    if isinstance(part, Feedforward) and part.last.activation is not sigmoid:
        raise InputError(
            "the cross-entropy needs outputs in [0, 1]; the part's last layer is not sigmoid. Use sigmoid layers and "
            "outputs, or squared_error."
        )
    needs = "the cross-entropy needs targets in [0, 1]"
    refuse_outside_unit_range(phase.view, model, data, needs=needs, instead="squared_error")
