"""All findings about a model, and the fault that they name."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerwise.diagnostics.course import learning_course
from layerwise.diagnostics.critical import critical_point, saddle
from layerwise.diagnostics.dynamics import is_linear, learning_dynamics
from layerwise.diagnostics.findings import Finding
from layerwise.diagnostics.gradients import gradient_flow
from layerwise.diagnostics.health import dead_units, duplicate_units, saturated_units, weight_sizes
from layerwise.diagnostics.isometry import isometry
from layerwise.diagnostics.slices import landscape, optimizer_path
from layerwise.diagnostics.spectrum import curvature
from layerwise.optim import Problem

__all__ = ["CAUSES", "causes", "diagnose", "named_fault"]

# From causes to what they bring about: a rate that is too large kills and saturates units, tiny weights let units die
# and are near a saddle, and where gradients vanish the loss is flat, as on a saddle.
CAUSES = ("rate", "tiny weights", "dead units", "saturated units", "vanishing gradients", "saddle")


def causes(problem: Problem, *, history: Sequence[Mapping[str, Any]] = (), steps: int = 20) -> list[Finding]:
    """The findings that may name a fault, in the order of `CAUSES`.

    Arguments:
        problem: a batch, at the present parameters; a few hundred rows are enough.
        history: the rows of the training's history, where there are some.
        steps: curvature products for the saddle.

    Raises:
        InputError: where the gradient or a product is not finite.

    >>> import torch
    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> problem = Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))
    >>> [finding.name for finding in causes(problem)] == list(CAUSES)
    True
    """
    model, x = problem.part, problem.input
    return [
        learning_course(history),
        weight_sizes(model),
        dead_units(model, x),
        saturated_units(model, x),
        gradient_flow(problem),
        saddle(problem, steps=steps),
    ]


def named_fault(findings: Sequence[Finding]) -> Finding | None:
    """The fault that comes first, as the others follow from it; None where nothing is wrong.

    >>> found = [Finding("saddle", {}, "fault", "Leave."), Finding("rate", {}, "fault", "Lower it.")]
    >>> named_fault(found).name
    'rate'
    """
    faults = {finding.name: finding for finding in findings if finding.verdict == "fault"}
    return next((faults[name] for name in CAUSES if name in faults), None)


def diagnose(problem: Problem, *, history: Sequence[Mapping[str, Any]] = (), seed: int = 0) -> list[Finding]:
    """Everything that is measured of a model in one place: `causes`, and what lies behind them.

    The dynamics of its learning are among it where the model is an autoencoder of linear layers.

    Arguments:
        problem: a batch, at the present parameters, with the model in evaluation; a few hundred rows are enough.
        history: the rows of the training's history, where there are some.
        seed: of random directions.

    Raises:
        InputError: where the gradient or a product is not finite.

    >>> import torch
    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    >>> named_fault(diagnose(Problem(Dense(3, (8,), code=2), Objective(), Batch(x, None)))) is None
    True
    """
    return [
        *causes(problem, history=history),
        duplicate_units(problem.part, problem.input),
        isometry(problem.part, problem.input),
        curvature(problem, seed=seed),
        critical_point(problem, seed=seed),
        landscape(problem, seed=seed),
        optimizer_path(problem),
        *([learning_dynamics(problem.part, problem.batch.x, seed=seed)] if is_linear(problem.part) else []),
    ]
