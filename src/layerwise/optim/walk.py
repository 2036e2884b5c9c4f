"""Where an optimizer goes on one problem, seen step by step."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from layerwise.optim.base import Optimizer, Problem

__all__ = ["walk"]


def walk(problem: Problem, optimizer: Optimizer, *, steps: int) -> Iterator[Float[Tensor, " n"]]:
    """The parameters after no step, after one, and so on; they are moved meanwhile, and put back at the end.

    It is no training, for which there are phases: the batch is the same in all steps.

    Arguments:
        problem: one batch, at the parameters to begin with.
        optimizer: begins afresh.
        steps: how many.

    >>> import torch
    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.optim import LBFGS
    >>> from layerwise.training import Objective
    >>> problem = Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))
    >>> losses = [problem.value(place) for place in walk(problem, LBFGS(), steps=4)]
    >>> len(losses), losses[-1] < losses[0]
    (5, True)
    """
    stepper = optimizer.start(problem.part)
    with problem.restored():
        yield problem.point().clone()
        for _ in range(steps):
            stepper.step(problem)
            yield problem.point().clone()
