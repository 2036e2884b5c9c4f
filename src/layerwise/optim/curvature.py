"""Which matrix stands for the curvature of a problem."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from layerwise.optim.base import FlatProduct, Problem

__all__ = ["Curvature", "Fisher", "GaussNewton", "Hessian"]


class Curvature(ABC):
    """A symmetric matrix of a problem, known by its products with flat vectors."""

    @abstractmethod
    def at(self, problem: Problem) -> FlatProduct:
        """The products at the present parameters; the graph is kept as long as the function is."""


@final
@dataclass(frozen=True)
class Hessian(Curvature):
    """All second derivatives of the loss: exact, and indefinite near saddles.

    >>> Hessian()
    Hessian()
    """

    def at(self, problem: Problem) -> FlatProduct:
        """The products of `Problem.hessian`."""
        return problem.hessian()


@final
@dataclass(frozen=True)
class GaussNewton(Curvature):
    """The second derivatives of the loss, the model taken as linear: never negative where the loss is convex.

    >>> GaussNewton()
    GaussNewton()
    """

    def at(self, problem: Problem) -> FlatProduct:
        """The products of `Problem.gauss_newton`."""
        return problem.gauss_newton()


@final
@dataclass(frozen=True)
class Fisher(Curvature):
    """The empirical Fisher matrix: never negative, and made of gradients alone.

    >>> Fisher()
    Fisher()
    """

    def at(self, problem: Problem) -> FlatProduct:
        """The products of `Problem.fisher`."""
        return problem.fisher()
