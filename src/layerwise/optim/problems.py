"""Many problems as one: gradients and curvature over more rows than fit into memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.errors import InputError
from layerwise.optim.base import Problem

__all__ = ["Problems"]


@final
class Problems:
    """The mean of several problems of one part, weighed by their rows; one of them is in memory at a time.

    Vectors are flat, as those of a `Problem`.

    Arguments:
        each: the problems; it is gone over again for each number that is asked for, so that a generator will not do:
            a list, or an object whose `__iter__` reads the batches anew.

    Raises:
        InputError: when numbers are asked for and there is no problem.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> model = Dense(3, code=2)
    >>> problem = Problem(model, Objective(), Batch(torch.rand(4, 3), None))
    >>> vector = torch.ones(sum(p.numel() for p in model.parameters()))
    >>> twice = Problems([problem, problem]).gauss_newton_product(vector)
    >>> bool(torch.allclose(twice, problem.gauss_newton_product(vector)))
    True
    """

    def __init__(self, each: Iterable[Problem]) -> None:
        if isinstance(each, Iterator):
            raise InputError("problems must be something that can be gone over again; got an iterator. Give a list.")
        self.each = each

    def value(self, vector: Float[Tensor, " parameters"]) -> float:
        """The loss at other parameters, without a graph."""
        return float(self._mean(lambda problem: torch.tensor(problem.value(vector), dtype=torch.float64)))

    def gradient(self) -> Float[Tensor, " parameters"]:
        """The gradient of the loss at the present parameters; running statistics are left alone."""
        return self._mean(lambda problem: problem.at(problem.flat([p.detach() for p in problem.parameters]))[1])

    def hessian_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The Hessian of the loss times a flat vector."""
        return self._mean(lambda problem: problem.hessian_product(vector))

    def gauss_newton_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The generalized Gauss-Newton matrix times a flat vector."""
        return self._mean(lambda problem: problem.gauss_newton_product(vector))

    def fisher_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The empirical Fisher matrix times a flat vector."""
        return self._mean(lambda problem: problem.fisher_product(vector))

    def _mean(self, of: Callable[[Problem], Tensor]) -> Tensor:
        total, rows = None, 0
        for problem in self.each:
            count = len(problem.batch.x)
            part = count * of(problem)
            total, rows = part if total is None else total + part, rows + count
        if total is None:
            raise InputError("problems must hold at least one problem; got none.")
        return total / rows
